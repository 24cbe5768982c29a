"""Which buildings somebody of the staff looks after, for choices among them."""

from datetime import datetime, timedelta

from starlette.datastructures import State

from web.viewer import Viewer

KEPT = timedelta(minutes=5)
_NAME = "known_buildings"


async def buildings_of(viewer: Viewer) -> tuple[str, ...]:
    """The buildings that the session names; for who has all, those with a request within the statistics' 30 days.

    The interface keeps no list of buildings. Raises `Problem`.
    """
    named = viewer.session.stored.buildings
    if named is not None:
        return named
    now, state = viewer.visitor.clock(), viewer.visitor.request.app.state
    known = _kept(state, now)
    if known is None:
        answer = await viewer.api.get("/statistics", group_by="building")
        known = tuple(sorted(str(group["value"]) for group in answer.body["groups"] if group["value"]))
        # What all see who see all buildings; an empty house is asked again.
        if known:
            setattr(state, _NAME, (now + KEPT, known))
    return known


def _kept(state: State, now: datetime) -> tuple[str, ...] | None:
    until, known = getattr(state, _NAME, (now, ()))
    return known if known and now < until else None
