"""The audit trail: who did what to whose things, for managers."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Response

from web.api_client import Problem
from web.audit_chain import first_fault
from web.audit_words import action_words, target_words
from web.rendering import render
from web.viewer import Manager, Viewer
from web.wording import N_

router = APIRouter()

OUTCOMES: Mapping[str, str] = {"begun": N_("Done, or begun"), "refused": N_("Refused"), "failed": N_("Failed")}
SHOWN = 50


@router.get("/staff/audit")
async def list_audit_entries(viewer: Manager, chain: str = "", cursor: str | None = None) -> Response:
    """One chain, newest first: a building's, or that of what belongs to no building."""
    own = viewer.session.stored.buildings
    # Who acts for some buildings has no business with what belongs to none.
    wanted = chain.strip() or (own[0] if own else "")
    page = (await viewer.api.get("/audit", chain=wanted or None, limit=SHOWN, cursor=cursor)).body
    entries: list[Mapping[str, Any]] = page["items"]
    return render(
        viewer,
        "staff/audit.html",
        entries=entries,
        next_cursor=page["next_cursor"],
        more=f"{urlencode({'chain': wanted})}&" if wanted else "",
        chain=wanted,
        is_first_page=cursor is None,
        may_see_portfolio=own is None,
        chains=own if own is not None else await _buildings(viewer),
        fault=first_fault(entries),
        actions={each["action"]: action_words(each["action"], viewer.words) for each in entries},
        targets={each["target"]: target_words(each["target"], viewer.words) for each in entries},
        outcomes={name: viewer.words.gettext(text) for name, text in OUTCOMES.items()},
    )


async def _buildings(viewer: Viewer) -> tuple[str, ...]:
    """Buildings to suggest; others can be typed in, so that the log can be read whatever else is down."""
    try:
        return tuple((await viewer.api.get("/knowledge", limit=1)).body["buildings"])
    except Problem:
        return ()
