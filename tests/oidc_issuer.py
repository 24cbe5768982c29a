"""An OpenID Connect issuer over HTTP for tests: the authorization code flow, as strict as a real one."""

import base64
import hashlib
import http.server
import json
import secrets
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

CONFIGURATION = "/.well-known/openid-configuration"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class OidcIssuer:
    """Signs in whoever `account` says; the other attributes make it behave otherwise."""

    def __init__(self, client_id: str, redirect_uri: str, *, secret: str | None = None, audience: str = "aam") -> None:
        self.client_id, self.redirect_uri, self.secret, self.audience = client_id, redirect_uri, secret, audience
        self.account: dict[str, Any] = {"sub": "mia", "role": "manager"}
        self.refuses_with: str | None = None
        self.lifetime = timedelta(hours=1)
        self.gives_refresh_tokens = False
        self.access_claims: dict[str, Any] = {}
        self.id_claims: dict[str, Any] = {}
        self.id_key = KEY
        self.is_opaque = False
        self.has_end_session = True
        self.status = 200
        self.delay_s = 0.0
        self.calls: Counter[str] = Counter()
        self.ended: list[dict[str, str]] = []
        self._codes: dict[str, dict[str, Any]] = {}
        self._refresh: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, form: dict[str, str], basic: str) -> tuple[int, Any, str | None]:
        """Status, JSON body and where to go on."""
        with self._lock:
            self.calls[path] += 1
        time.sleep(self.delay_s)
        if self.status != 200:
            return self.status, {"error": "down"}, None
        with self._lock:
            if path == CONFIGURATION:
                return 200, self._configuration(), None
            if path == "/keys":
                public = RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
                return 200, {"keys": [{**public, "kid": "one", "use": "sig", "alg": "RS256"}]}, None
            if path == "/authorize":
                return self._authorize(form)
            if path == "/token":
                return self._token(form, basic)
            if path == "/end":
                self.ended.append(form)
                return 302, {}, form["post_logout_redirect_uri"]
        return 404, {}, None

    def sign(self, key: Any, **claims: Any) -> str:
        stated = {"iss": self.url, "iat": datetime.now(UTC), "exp": datetime.now(UTC) + self.lifetime, **claims}
        return jwt.encode(
            {name: value for name, value in stated.items() if value is not None},
            key,
            algorithm="RS256",
            headers={"kid": "one"},
        )

    def _configuration(self) -> dict[str, Any]:
        document = {
            "issuer": self.url,
            "authorization_endpoint": self.url + "/authorize",
            "token_endpoint": self.url + "/token",
            "jwks_uri": self.url + "/keys",
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }
        return document | ({"end_session_endpoint": self.url + "/end"} if self.has_end_session else {})

    def _authorize(self, form: dict[str, str]) -> tuple[int, Any, str | None]:
        # A browser is never sent to an address that nobody registered.
        if form.get("client_id") != self.client_id or form.get("redirect_uri") != self.redirect_uri:
            return 400, {"error": "invalid_request"}, None
        asked = {"state": form.get("state", "")}
        if self.refuses_with:
            return 302, {}, f"{self.redirect_uri}?{urlencode(asked | {'error': self.refuses_with})}"
        if form.get("response_type") != "code" or form.get("code_challenge_method") != "S256":
            return 302, {}, f"{self.redirect_uri}?{urlencode(asked | {'error': 'invalid_request'})}"
        code = secrets.token_urlsafe()
        self._codes[code] = {**form, "account": dict(self.account)}
        return 302, {}, f"{self.redirect_uri}?{urlencode(asked | {'code': code})}"

    def _token(self, form: dict[str, str], basic: str) -> tuple[int, Any, str | None]:
        if not self._is_client(form, basic):
            return 401, {"error": "invalid_client"}, None
        if form.get("grant_type") == "refresh_token":
            # Each is good for once.
            granted = self._refresh.pop(form.get("refresh_token", ""), None)
        else:
            granted = self._codes.pop(form.get("code", ""), None)
            if granted and not self._proves(form, granted):
                granted = None
        if granted is None:
            return 400, {"error": "invalid_grant", "error_description": "<script>alert(1)</script>"}, None
        return 200, self._tokens(granted), None

    def _is_client(self, form: dict[str, str], basic: str) -> bool:
        if self.secret is None:
            return form.get("client_id") == self.client_id and not basic
        expected = base64.b64encode(f"{self.client_id}:{self.secret}".encode()).decode()
        return basic == f"Basic {expected}"

    @staticmethod
    def _proves(form: dict[str, str], granted: dict[str, Any]) -> bool:
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        return challenge == granted.get("code_challenge") and form.get("redirect_uri") == granted["redirect_uri"]

    def _tokens(self, granted: dict[str, Any]) -> dict[str, Any]:
        account = granted["account"]
        access = self.sign(KEY, aud=self.audience, jti=secrets.token_hex(4), **(account | self.access_claims))
        named = {"aud": self.client_id, "nonce": granted.get("nonce"), **account, **self.id_claims}
        answer = {
            "access_token": "opaque-" + secrets.token_hex(8) if self.is_opaque else access,
            "token_type": "Bearer",
            "expires_in": int(self.lifetime.total_seconds()),
            "id_token": self.sign(self.id_key, **named),
        }
        if self.gives_refresh_tokens:
            answer["refresh_token"] = secrets.token_urlsafe()
            self._refresh[answer["refresh_token"]] = granted
        return answer


def _handler(issuer: OidcIssuer) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self._send(parts.path, {name: values[-1] for name, values in parse_qs(parts.query).items()})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            self._send(urlsplit(self.path).path, dict(parse_qsl(body)))

        def _send(self, path: str, form: dict[str, str]) -> None:
            status, body, location = issuer.answer(path, form, self.headers.get("authorization", ""))
            self.send_response(status)
            self.send_header("content-type", "application/json")
            if location:
                self.send_header("location", location)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler
