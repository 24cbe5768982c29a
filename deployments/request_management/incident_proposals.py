"""Whose turn it is to propose an incident in a building, so that replicas that propose at once make one of it.

A building has one document with its newest proposals. Who proposes writes the proposal there first, on condition that
nobody has since they read it; who comes too late reads it, with the other's proposal, and compares anew. Lists of a
store may lag behind its writes, and who was first may die before the incident is stored: both are made up for by the
proposal itself, which stands in that document.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.ports.documents import Document, DocumentStore
from core.request import BuildingId
from deployments.request_management.incident import Incident

KIND = "incident_turn"
MOST_KEPT = 20
KEPT_FOR = timedelta(hours=1)
"""Far longer than any list lags."""


@dataclass(frozen=True)
class Turn:
    """A building's newest proposals as they were read."""

    building_id: BuildingId
    version: int
    """0 where nothing was proposed yet."""
    proposals: tuple[Incident, ...]
    """As they were proposed, the newest first; how they stand now, their own documents say."""


class Proposals:
    """The newest proposals of each building."""

    def __init__(self, documents: DocumentStore, clock: Callable[[], datetime]) -> None:
        self._documents = documents
        self._clock = clock

    async def turn(self, building_id: BuildingId) -> Turn:
        """The building's, to be read before what a proposal rests on."""
        document = await self._documents.get(KIND, building_id)
        if document is None:
            return Turn(building_id, 0, ())
        kept = map(Incident.model_validate, document.body["proposals"])
        since = self._clock() - KEPT_FOR
        return Turn(building_id, document.version, tuple(one for one in kept if one.created_at >= since))

    async def claim(self, turn: Turn, proposed: Incident) -> None:
        """Note a proposal before it is stored. Raises `VersionConflict` where another one came in between."""
        kept = (proposed, *turn.proposals)[:MOST_KEPT]
        body = {"proposals": [one.model_dump(mode="json") for one in kept]}
        await self._documents.put(Document(KIND, turn.building_id, turn.building_id, "", turn.version + 1, body))
