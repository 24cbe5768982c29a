"""Tokens: who gets in, and every way in which a token can be wrong."""

import http.server
import json
import stat
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from adapters.tokens import LOCAL_ISSUER, LocalTokens, OidcTokens
from core.errors import Unauthenticated, Unavailable
from core.labels import ApprovalTier, Role

ISSUER, AUDIENCE = "https://issuer.example", "aam"


@pytest.fixture
def tokens(tmp_path: Path) -> LocalTokens:
    return LocalTokens(tmp_path / "state" / "key")


def signed(key: Any, algorithm: str = "HS256", **changes: Any) -> str:
    claims = {
        "iss": LOCAL_ISSUER,
        "sub": "RES_A_101",
        "role": "resident",
        "exp": datetime.now(UTC) + timedelta(hours=1),
        **changes,
    }
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, key, algorithm=algorithm)


def test_an_issued_token_names_its_holder(tokens: LocalTokens) -> None:
    holder = tokens.verify(tokens.issue(Role.STAFF, "sam", buildings=["A", "B"]))
    assert (holder.sub, holder.role, holder.buildings) == ("sam", Role.STAFF, frozenset({"A", "B"}))
    assert holder.covers("A")
    assert not holder.covers("C")


def test_the_key_outlives_a_restart_and_is_private(tmp_path: Path) -> None:
    file = tmp_path / "key"
    token = LocalTokens(file).issue(Role.RESIDENT, "RES_A_101")
    assert LocalTokens(file).verify(token).sub == "RES_A_101"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_a_personal_tier_is_read(tokens: LocalTokens, tmp_path: Path) -> None:
    key = (tmp_path / "state" / "key").read_bytes()
    assert tokens.verify(signed(key, role="manager", approval_tier="regional")).approval_tier is ApprovalTier.REGIONAL


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": datetime(2020, 1, 1, tzinfo=UTC)},
        {"exp": None},
        {"nbf": datetime.now(UTC) + timedelta(hours=1)},
        {"iss": "somebody-else"},
        {"sub": None},
        {"role": "landlord"},
        {"role": None},
        {"buildings": "A"},
        {"buildings": [1]},
        {"approval_tier": "emperor"},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_wrong_claims_are_refused(tokens: LocalTokens, tmp_path: Path, changes: dict[str, Any]) -> None:
    key = (tmp_path / "state" / "key").read_bytes()
    with pytest.raises(Unauthenticated):
        tokens.verify(signed(key, **changes))


def test_a_wrong_signature_an_unsigned_token_and_garbage_are_refused(tokens: LocalTokens) -> None:
    for token in (signed(b"x" * 32), signed(None, algorithm="none"), "", "a.b.c", "ü" * 40):
        with pytest.raises(Unauthenticated):
            tokens.verify(token)


@pytest.fixture(scope="module")
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def jwks_url(private_key: rsa.RSAPrivateKey) -> Iterator[str]:
    key = {**RSAAlgorithm.to_jwk(private_key.public_key(), as_dict=True), "kid": "one", "use": "sig", "alg": "RS256"}
    document = json.dumps({"keys": [key]}).encode()

    class Issuer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/jwks"
    server.shutdown()
    server.server_close()


@pytest.fixture
def oidc_token(private_key: rsa.RSAPrivateKey) -> Callable[..., str]:
    def make(**changes: Any) -> str:
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "mia",
            "role": "manager",
            "exp": datetime.now(UTC) + timedelta(hours=1),
            **changes,
        }
        return jwt.encode(claims, private_key, algorithm="RS256", headers={"kid": "one"})

    return make


def test_an_issuers_token_is_checked_against_its_keys(jwks_url: str, oidc_token: Callable[..., str]) -> None:
    oidc = OidcTokens(ISSUER, AUDIENCE, jwks_url)
    assert oidc.verify(oidc_token()).role is Role.MANAGER
    for wrong in ({"aud": "another"}, {"iss": "https://evil.example"}, {"exp": datetime(2020, 1, 1, tzinfo=UTC)}):
        with pytest.raises(Unauthenticated):
            oidc.verify(oidc_token(**wrong))


def test_a_symmetric_signature_is_not_taken_for_an_issuers(jwks_url: str) -> None:
    oidc = OidcTokens(ISSUER, AUDIENCE, jwks_url)
    forged = jwt.encode(
        {"iss": ISSUER, "aud": AUDIENCE, "sub": "x", "role": "manager", "exp": 9999999999},
        b"k" * 32,
        headers={"kid": "one"},
    )
    with pytest.raises(Unauthenticated):
        oidc.verify(forged)


def test_an_issuer_that_is_down_is_an_outage_and_not_a_refusal(oidc_token: Callable[..., str]) -> None:
    with pytest.raises(Unavailable):
        OidcTokens(ISSUER, AUDIENCE, "http://127.0.0.1:9/jwks").verify(oidc_token())
