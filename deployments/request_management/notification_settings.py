"""How people wish to be told: their own preferences, and the links by which a kind of message is switched off."""

from core.errors import Forbidden, NotFound
from core.execution_labels import NoticeKind
from core.identity import Principal
from core.labels import Role
from core.notices import NotificationPreferences, of_person, of_resident
from core.ports.store import RequestStore
from deployments.request_management.peers import ExecutionDesk
from deployments.request_management.residents import covers_resident


class NotificationSettings:
    """Reads and changes preferences, for oneself or, as staff, for a resident of one's buildings."""

    def __init__(self, store: RequestStore, execution: ExecutionDesk) -> None:
        self._store = store
        self._execution = execution

    async def of_resident(self, principal: Principal, resident_id: str) -> NotificationPreferences:
        """A resident's. Raises `NotFound` for whom they are none of their business."""
        await self._require_covered(principal, resident_id)
        return await self._execution.preferences(of_resident(resident_id))

    async def choose_for_resident(
        self, principal: Principal, resident_id: str, chosen: NotificationPreferences, expected_version: int | None
    ) -> NotificationPreferences:
        """Store a resident's. Raises `NotFound`, `StaleVersion`."""
        await self._require_covered(principal, resident_id)
        return await self._choose(of_resident(resident_id), chosen, expected_version)

    async def own(self, principal: Principal) -> NotificationPreferences:
        """The caller's. Raises `Forbidden` for a service, which is no person."""
        return await self._execution.preferences(_subject(principal))

    async def choose_own(
        self, principal: Principal, chosen: NotificationPreferences, expected_version: int | None
    ) -> NotificationPreferences:
        """Store the caller's. Raises `Forbidden`, `StaleVersion`."""
        return await self._choose(_subject(principal), chosen, expected_version)

    async def unsubscribe(self, token: str) -> NoticeKind:
        """Switch off the kind of message that the link in one named. Raises `NotFound` for a token that is none."""
        return await self._execution.unsubscribe(token)

    async def _choose(
        self, subject: str, chosen: NotificationPreferences, expected_version: int | None
    ) -> NotificationPreferences:
        version = (await self._execution.preferences(subject)).version if expected_version is None else expected_version
        return await self._execution.choose_preferences(subject, chosen.model_copy(update={"version": version}))

    async def _require_covered(self, principal: Principal, resident_id: str) -> None:
        if principal.is_resident:
            covered = principal.sub == resident_id
        else:
            covered = await covers_resident(self._store, principal, resident_id)
        if not covered:
            raise NotFound("There is no such resident.")


def _subject(principal: Principal) -> str:
    if principal.role is Role.SERVICE:
        raise Forbidden("A service is told of events by webhooks.")
    return of_resident(principal.sub) if principal.is_resident else of_person(principal.sub)
