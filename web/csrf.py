"""Forms come from our own pages: a token in each form that another site can't know, and the browser's own word."""

import hashlib
import hmac
import secrets

from starlette.requests import Request

FIELD = "csrf_token"
HEADER = "x-csrf-token"
_NONCE = 16


def make_token(secret: str) -> str:
    """A token for one form. Each is another text, so that what compression leaks of a page tells nothing."""
    nonce = secrets.token_hex(_NONCE)
    return f"{nonce}.{_mac(secret, nonce)}"


def is_valid(secret: str, token: str) -> bool:
    """Whether a token was made of this secret."""
    nonce, _, mac = token.partition(".")
    return hmac.compare_digest(_mac(secret, nonce).encode(), mac.encode())


def is_from_elsewhere(request: Request) -> bool:
    """Whether the browser says that another site caused the call (Fetch Metadata; `Origin` for browsers without)."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin")
    # Behind a proxy the scheme that we see is not the browser's; the host is.
    return origin is not None and origin.partition("://")[2] != request.headers.get("host", "")


def _mac(secret: str, nonce: str) -> str:
    return hmac.new(secret.encode(), nonce.encode(), hashlib.sha256).hexdigest()
