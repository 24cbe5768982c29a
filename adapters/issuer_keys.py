"""The public keys of an issuer: fetched, cached, and fetched again when they rotate, without hammering the issuer."""

import http.client
import json
import logging
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import jwt

from core.errors import Unauthenticated, Unavailable

log = logging.getLogger(__name__)

FRESH_S = 300.0
"""So long keys are used without asking again."""
KEPT_S = 3600.0
"""So long keys are used while the issuer does not answer."""
ASK_AGAIN_S = 10.0
"""At most one fetch in this time, whatever tokens come."""
TIMEOUT_S = 3.0
_LONGEST_DOCUMENT = 1_000_000
_MOST_KEYS = 100
_SHORTEST_RSA_BITS = 2048
_ALGORITHMS: Mapping[tuple[str, str | None], tuple[str, ...]] = {
    ("RSA", None): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
"""By type and curve of a key, what may be signed with it: asymmetric algorithms alone."""


@dataclass(frozen=True)
class VerifyingKey:
    """A public key and the algorithms that it may be used with."""

    key: Any
    algorithms: tuple[str, ...]


class IssuerKeys:
    """An issuer's keys by their id; calls may come from any thread, of which one at a time asks the issuer."""

    def __init__(
        self, issuer: str, jwks_url: str | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`jwks_url` is discovered from the issuer's OpenID configuration where it is None."""
        self._issuer, self._jwks_url, self._clock = issuer, jwks_url, clock
        self._keys: Mapping[str, VerifyingKey] = {}
        self._fetched_at: float | None = None
        self._asked_at: float | None = None
        self._answered = False
        self._asking = threading.Lock()

    def find(self, key_id: str) -> VerifyingKey:
        """The key of this id.

        Raises `Unauthenticated` where the issuer has none, `Unavailable` where the issuer can't say.
        """
        if not self._is_younger(self._fetched_at, FRESH_S):
            self._refresh(wait=not self._is_younger(self._fetched_at, KEPT_S))
        if key_id not in self._keys:
            self._refresh(wait=True)
        if not self._is_younger(self._fetched_at, KEPT_S):
            raise Unavailable("The issuer's keys can't be had.")
        found = self._keys.get(key_id)
        if found is not None:
            return found
        if not self._answered:
            raise Unavailable("The issuer does not answer, and may have a new key.")
        raise Unauthenticated("The token is not valid.")

    def _is_younger(self, at: float | None, seconds: float) -> bool:
        return at is not None and self._clock() - at < seconds

    def _refresh(self, *, wait: bool) -> None:
        """Ask the issuer, if it was not asked lately; without `wait`, nobody waits for somebody else's asking."""
        if not self._asking.acquire(blocking=wait):
            return
        try:
            if self._is_younger(self._asked_at, ASK_AGAIN_S):
                return
            self._asked_at = self._clock()
            try:
                keys = self._fetch()
            except (OSError, ValueError, http.client.HTTPException) as error:
                self._answered = False
                log.warning("the issuer's keys can't be had: %s", type(error).__name__)
                return
            self._keys, self._fetched_at, self._answered = keys, self._clock(), True
        finally:
            self._asking.release()

    def _fetch(self) -> Mapping[str, VerifyingKey]:
        keys = _usable(_get_json(self._jwks_url or self._discover()))
        if not keys:
            raise ValueError("the issuer publishes no usable key")
        return keys

    def _discover(self) -> str:
        document = _get_json(self._issuer.rstrip("/") + "/.well-known/openid-configuration")
        address = document.get("jwks_uri")
        if document.get("issuer") != self._issuer or not isinstance(address, str):
            raise ValueError("the configuration is not this issuer's")
        if urlsplit(address).scheme not in {"https", urlsplit(self._issuer).scheme}:
            raise ValueError("the keys' address is less safe than the issuer's")
        return address


def _get_json(url: str) -> dict[str, Any]:
    """A JSON object over HTTP, within `TIMEOUT_S` in all. Raises `OSError`, `ValueError`."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError("not an address of HTTP")
    deadline, document = time.monotonic() + TIMEOUT_S, bytearray()
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
        while part := answer.read1(65_536):
            document += part
            if len(document) > _LONGEST_DOCUMENT or time.monotonic() > deadline:
                raise ValueError("the document is too long, or comes too slowly")
    try:
        found = json.loads(document)
    except RecursionError:
        raise ValueError("the document is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("the document is no object")
    return cast(dict[str, Any], found)


def _usable(document: Mapping[str, Any]) -> dict[str, VerifyingKey]:
    """The public signing keys of a JWKS by their id; others are left out."""
    listed = document.get("keys")
    if not isinstance(listed, list):
        raise ValueError("the document has no keys")
    keys: dict[str, VerifyingKey] = {}
    for each in cast(list[Any], listed)[:_MOST_KEYS]:
        stated = cast(dict[str, Any], each) if isinstance(each, dict) else {}
        key = _read_key(stated)
        if key is not None:
            keys[stated["kid"]] = key
    return keys


def _read_key(stated: dict[str, Any]) -> VerifyingKey | None:
    kind, curve, alg = stated.get("kty"), stated.get("crv"), stated.get("alg")
    possible = _ALGORITHMS.get((str(kind), None if kind == "RSA" else str(curve)), ())
    algorithms = tuple(name for name in possible if alg is None or name == alg)
    if not algorithms or stated.get("use", "sig") != "sig" or not isinstance(stated.get("kid"), str):
        return None
    try:
        key: Any = jwt.PyJWK.from_dict(stated, algorithms[0]).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    if hasattr(key, "private_bytes") or (kind == "RSA" and key.key_size < _SHORTEST_RSA_BITS):
        return None
    return VerifyingKey(key, algorithms)
