"""Mode `oidc` against a real issuer over HTTP, which rotates its keys, is slow, lies or is down."""

import base64
import concurrent.futures
import hashlib
import hmac
import http.server
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from adapters import issuer_keys
from adapters.issuer_keys import ASK_AGAIN_S, FRESH_S, KEPT_S, IssuerKeys
from adapters.tokens import OidcTokens
from core.errors import Unauthenticated, Unavailable
from core.labels import Role

AUDIENCE = "aam"
JWKS, CONFIGURATION = "/keys", "/.well-known/openid-configuration"


class Issuer:
    """An OpenID issuer on this machine; `answers` says what each path gives."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, bytes] = {}
        self.status = 200
        self.delay_s = 0.0
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked.append(self.path)
                time.sleep(issuer.delay_s)
                self.send_response(issuer.status)
                self.end_headers()
                self.wfile.write(issuer.answers.get(self.path, b""))

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.configure()
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def configure(self, **changes: Any) -> None:
        document = {"issuer": self.url, "jwks_uri": self.url + JWKS, **changes}
        self.answers[CONFIGURATION] = json.dumps(document).encode()

    def publish(self, *keys: dict[str, Any]) -> None:
        self.answers[JWKS] = json.dumps({"keys": keys}).encode()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def one() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def two() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def jwk(key: rsa.RSAPrivateKey, key_id: str, **changes: Any) -> dict[str, Any]:
    public = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**public, "kid": key_id, "use": "sig", "alg": "RS256", **changes}


Sign = Callable[..., str]


@pytest.fixture
def sign(issuer: Issuer, one: rsa.RSAPrivateKey) -> Sign:
    """A token of the issuer; a claim of None is left out."""

    def make(
        key: Any = one, key_id: str | None = "one", algorithm: str = "RS256", headers: Any = None, **changes: Any
    ) -> str:
        claims = {
            "iss": issuer.url,
            "aud": AUDIENCE,
            "sub": "mia",
            "role": "manager",
            "exp": datetime.now(UTC) + timedelta(hours=1),
            **changes,
        }
        stated = {**({"kid": key_id} if key_id is not None else {}), **(headers or {})}
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(claims, key, algorithm=algorithm, headers=stated)

    return make


@pytest.fixture
def oidc(issuer: Issuer, one: rsa.RSAPrivateKey) -> OidcTokens:
    issuer.publish(jwk(one, "one"))
    return OidcTokens(issuer.url, AUDIENCE)


def seconds(count: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=count)


def test_the_keys_are_discovered_from_the_issuer_and_cached(oidc: OidcTokens, issuer: Issuer, sign: Sign) -> None:
    for _ in range(20):
        assert oidc.verify(sign()).role is Role.MANAGER
    assert issuer.asked == [CONFIGURATION, JWKS]


def test_a_given_address_of_the_keys_is_not_discovered(issuer: Issuer, one: rsa.RSAPrivateKey, sign: Sign) -> None:
    issuer.publish(jwk(one, "one"))
    assert OidcTokens(issuer.url, AUDIENCE, issuer.url + JWKS).verify(sign()).sub == "mia"
    assert issuer.asked == [JWKS]


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "another"},
        {"aud": ["x", "y"]},
        {"aud": None},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"exp": None},
        {"exp": "soon"},
        {"sub": None},
        {"sub": 7},
        {"sub": ""},
        {"sub": "a\nb"},
        {"sub": "x" * 201},
        {"role": None},
        {"role": "landlord"},
        {"role": ["manager"]},
        {"buildings": "A"},
        {"buildings": [{}]},
        {"approval_tier": "emperor"},
    ],
    ids=str,
)
def test_wrong_or_missing_claims_are_refused(oidc: OidcTokens, sign: Sign, changes: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        oidc.verify(sign(**changes))


def test_an_audience_among_several_is_taken(oidc: OidcTokens, sign: Sign) -> None:
    assert oidc.verify(sign(aud=["another", AUDIENCE], buildings=["A"])).buildings == {"A"}


@pytest.mark.parametrize(
    ("claim", "past_s"), [("exp", -1), ("nbf", 1), ("iat", 1)], ids=["expired", "not-yet-valid", "issued-in-the-future"]
)
def test_clocks_may_differ_by_thirty_seconds_and_no_more(oidc: OidcTokens, sign: Sign, claim: str, past_s: int) -> None:
    assert oidc.verify(sign(**{claim: seconds(past_s * 20)})).sub == "mia"
    with pytest.raises(Unauthenticated):
        oidc.verify(sign(**{claim: seconds(past_s * 40)}))


def test_a_token_is_signed_by_the_key_that_it_names(oidc: OidcTokens, sign: Sign, two: rsa.RSAPrivateKey) -> None:
    for token in (sign(two), sign(key_id=None), sign(key_id=""), _signed_with_secret(sign(), b"", kid=7)):
        with pytest.raises(Unauthenticated):
            oidc.verify(token)
    begin, _, signature = sign().rpartition(".")
    with pytest.raises(Unauthenticated):
        oidc.verify(f"{begin}.{'A' * len(signature)}")


def test_the_algorithm_is_the_keys_and_never_symmetric_or_none(
    oidc: OidcTokens, sign: Sign, one: rsa.RSAPrivateKey
) -> None:
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    public = one.public_key().public_bytes(serialization.Encoding.PEM, spki)
    # PyJWT refuses to sign with a public key as a secret; whoever forges does not ask it.
    forged = _signed_with_secret(sign(), public)
    for token in (sign(None, algorithm="none"), forged, sign(algorithm="RS512"), sign(algorithm="PS256")):
        with pytest.raises(Unauthenticated):
            oidc.verify(token)


def _signed_with_secret(token: str, secret: bytes, kid: Any = "one") -> str:
    def encoded(content: bytes) -> str:
        return base64.urlsafe_b64encode(content).rstrip(b"=").decode()

    header = encoded(json.dumps({"alg": "HS256", "typ": "JWT", "kid": kid}).encode())
    signed = f"{header}.{token.split('.')[1]}"
    return f"{signed}.{encoded(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def test_other_asymmetric_keys_serve_too(issuer: Issuer, sign: Sign) -> None:
    curve, edwards = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
    issuer.publish(
        {**ECAlgorithm.to_jwk(curve.public_key(), as_dict=True), "kid": "curve"},
        {**OKPAlgorithm.to_jwk(edwards.public_key(), as_dict=True), "kid": "edwards"},
    )
    oidc = OidcTokens(issuer.url, AUDIENCE)
    assert oidc.verify(sign(curve, "curve", "ES256")).sub == "mia"
    assert oidc.verify(sign(edwards, "edwards", "EdDSA")).sub == "mia"


def test_published_keys_that_are_not_public_signing_keys_are_left_out(
    issuer: Issuer, one: rsa.RSAPrivateKey, two: rsa.RSAPrivateKey, sign: Sign
) -> None:
    secret = b"s" * 32
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    issuer.publish(
        jwk(one, "one"),
        {"kty": "oct", "kid": "secret", "k": "c3Nzcw", "alg": "HS256"},
        jwk(two, "for-encryption", use="enc"),
        jwk(two, "private", **RSAAlgorithm.to_jwk(two, as_dict=True)),
        jwk(short, "short"),
        {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"},
        {"kty": "EC", "kid": "no-curve", "crv": ["P-256"]},
        {"kid": "nothing"},
    )
    oidc = OidcTokens(issuer.url, AUDIENCE)
    assert oidc.verify(sign()).sub == "mia"
    refused = [sign(two, "for-encryption"), sign(two, "private"), sign(two, "broken"), sign(secret, "secret", "HS256")]
    for token in refused:
        with pytest.raises(Unauthenticated):
            oidc.verify(token)
    with pytest.warns(jwt.InsecureKeyLengthWarning), pytest.raises(Unauthenticated):
        oidc.verify(sign(short, "short"))


@pytest.mark.parametrize("token", ["", "a.b.c", "ü" * 40, "x" * 9000, "." * 8000, "e30.e30.e30", "\0"])
def test_garbage_is_refused_without_asking_the_issuer(oidc: OidcTokens, issuer: Issuer, token: str) -> None:
    with pytest.raises(Unauthenticated):
        oidc.verify(token)
    assert issuer.asked == []


def test_a_valid_token_that_is_too_long_is_refused(oidc: OidcTokens, sign: Sign) -> None:
    with pytest.raises(Unauthenticated):
        oidc.verify(sign(padding="x" * 8192))


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(issuer: Issuer, one: rsa.RSAPrivateKey, clock: Clock) -> IssuerKeys:
    issuer.publish(jwk(one, "one"))
    found = IssuerKeys(issuer.url, issuer.url + JWKS, clock=clock)
    found.find("one")
    issuer.asked.clear()
    return found


def test_a_new_key_is_found_and_a_withdrawn_one_is_forgotten(
    keys: IssuerKeys, issuer: Issuer, clock: Clock, two: rsa.RSAPrivateKey
) -> None:
    issuer.publish(jwk(two, "two"))
    clock.now += ASK_AGAIN_S
    assert keys.find("two").algorithms == ("RS256",)
    with pytest.raises(Unauthenticated):
        keys.find("one")
    assert len(issuer.asked) == 1


def test_a_withdrawn_key_is_forgotten_though_no_new_one_is_asked_for(
    keys: IssuerKeys, issuer: Issuer, clock: Clock, two: rsa.RSAPrivateKey
) -> None:
    issuer.publish(jwk(two, "two"))
    clock.now += FRESH_S
    with pytest.raises(Unauthenticated):
        keys.find("one")


def test_a_flood_of_unknown_key_ids_asks_the_issuer_once_in_a_while(
    keys: IssuerKeys, issuer: Issuer, clock: Clock
) -> None:
    def refused(number: int) -> bool:
        try:
            keys.find(f"unknown-{number}")
        except Unauthenticated:
            return True
        return False

    clock.now += ASK_AGAIN_S
    with concurrent.futures.ThreadPoolExecutor(16) as threads:
        assert all(threads.map(refused, range(500)))
    assert len(issuer.asked) == 1
    keys.find("one")
    clock.now += ASK_AGAIN_S
    assert refused(0)
    assert len(issuer.asked) == 2


def test_known_keys_outlive_an_outage_for_a_while(keys: IssuerKeys, issuer: Issuer, clock: Clock) -> None:
    issuer.status = 500
    for _ in range(10):
        clock.now += KEPT_S / 11
        keys.find("one")
    # Whether this one is unknown can't be said now.
    with pytest.raises(Unavailable):
        keys.find("another")
    clock.now += KEPT_S / 11 + 1
    with pytest.raises(Unavailable):
        keys.find("one")
    issuer.status = 200
    clock.now += ASK_AGAIN_S
    keys.find("one")


def test_without_keys_an_outage_is_an_outage_and_is_asked_about_seldom(issuer: Issuer, clock: Clock) -> None:
    issuer.status = 503
    keys = IssuerKeys(issuer.url, issuer.url + JWKS, clock=clock)
    for _ in range(20):
        with pytest.raises(Unavailable):
            keys.find("one")
    assert len(issuer.asked) == 1


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(Unavailable):
            IssuerKeys(url).find("one")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b'{"keys": 7}',
        b'{"keys": []}',
        b'{"keys": [7, null, []]}',
        b"[" * 100_000,
        b'{"keys": [' + b" " * 1_100_000 + b"]}",
    ],
    ids=lambda content: str(content[:20]),
)
def test_garbage_for_keys_is_an_outage(issuer: Issuer, content: bytes) -> None:
    issuer.answers[JWKS] = content
    with pytest.raises(Unavailable):
        IssuerKeys(issuer.url, issuer.url + JWKS).find("one")


@pytest.mark.parametrize(
    "changes",
    [{"issuer": "https://evil.example"}, {"jwks_uri": None}, {"jwks_uri": "file:///etc/passwd"}, {"jwks_uri": 7}],
    ids=str,
)
def test_a_configuration_that_is_not_the_issuers_is_not_believed(
    issuer: Issuer, one: rsa.RSAPrivateKey, changes: dict[str, Any]
) -> None:
    issuer.publish(jwk(one, "one"))
    issuer.configure(**changes)
    with pytest.raises(Unavailable):
        IssuerKeys(issuer.url).find("one")


def test_a_slow_issuer_holds_up_one_call_while_the_known_keys_serve_the_others(
    keys: IssuerKeys, issuer: Issuer, clock: Clock
) -> None:
    clock.now += FRESH_S
    issuer.delay_s = 0.5
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        slow = threads.submit(keys.find, "one")
        while not issuer.asked:
            time.sleep(0.005)
        began = time.monotonic()
        keys.find("one")
        assert time.monotonic() - began < 0.2
        slow.result()
    assert len(issuer.asked) == 1


def test_an_issuer_that_does_not_come_to_an_end_is_given_up(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuer_keys, "TIMEOUT_S", 0.2)
    issuer.delay_s = 0.6
    began = time.monotonic()
    with pytest.raises(Unavailable):
        IssuerKeys(issuer.url, issuer.url + JWKS).find("one")
    assert time.monotonic() - began < 0.5
