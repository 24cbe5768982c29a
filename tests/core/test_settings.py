"""Settings that are not safe are refused with a text that says what to set."""

from typing import Any

import pytest
from pydantic import ValidationError

from aam.__main__ import main
from adapters import build
from adapters.tokens import OidcTokens
from core.errors import ArtefactRefused
from core.settings import Settings, require_safe

ISSUER = {"oidc_issuer": "https://issuer.example", "oidc_audience": "aam"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"environment": "production"}, "AAM_AUTH_MODE=oidc"),
        ({"auth_mode": "oidc"}, "AAM_OIDC_ISSUER"),
        ({"auth_mode": "oidc", "oidc_issuer": "https://issuer.example"}, "AAM_OIDC_AUDIENCE"),
        ({"environment": "production", "auth_mode": "oidc", **ISSUER, "oidc_issuer": "http://x"}, "https://"),
        ({"environment": "production", "auth_mode": "oidc", **ISSUER, "oidc_jwks_url": "http://x"}, "https://"),
    ],
    ids=str,
)
def test_what_is_not_safe_is_refused(changes: dict[str, Any], says: str) -> None:
    settings = Settings(**changes)
    for refuse in (require_safe, build.token_verifier):
        with pytest.raises(ArtefactRefused, match=says):
            refuse(settings)


def test_an_issuer_and_an_audience_are_enough() -> None:
    assert isinstance(build.token_verifier(Settings(environment="production", auth_mode="oidc", **ISSUER)), OidcTokens)


@pytest.mark.parametrize("changes", [{"AAM_ENVIRONMENT": "production"}, {"AAM_AUTH_MODE": "oidc"}], ids=str)
def test_tokens_are_issued_in_development_alone(
    changes: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    assert main(["token", "--role", "manager", "--sub", "mia"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("aam: ")


@pytest.mark.parametrize("origin", ["*", "https://*.example", "null", "example.org", "https://example.org/"])
def test_origins_are_named_one_by_one(origin: str) -> None:
    with pytest.raises(ValidationError):
        Settings(cors_origins=(origin,))
    assert Settings(cors_origins=("https://app.example:8443",)).cors_origins == ("https://app.example:8443",)
