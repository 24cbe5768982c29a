"""What pages need beside the public interface: where sessions are kept, who verifies tokens, and the time."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from core.ports.documents import DocumentStore
from core.ports.identity import TokenVerifier
from core.settings import Settings


class Backstage(Protocol):
    """The ingress's own parts."""

    @property
    def settings(self) -> Settings:
        """Of this installation."""
        ...

    @property
    def documents(self) -> DocumentStore:
        """Shared by all replicas."""
        ...

    @property
    def tokens(self) -> TokenVerifier:
        """A `TokenIssuer` besides in mode `local`."""
        ...

    @property
    def clock(self) -> Callable[[], datetime]:
        """The present moment, in UTC."""
        ...
