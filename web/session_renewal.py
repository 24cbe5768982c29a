"""A session whose token ends soon, or has ended, gets a new one from the issuer before anybody notices."""

import asyncio
import logging
from datetime import timedelta

from web.backstage import Backstage
from web.sessions import Session, Sessions
from web.sign_in_oidc import SignInRefused, issuer_of

log = logging.getLogger(__name__)

RENEWED_BEFORE = timedelta(seconds=60)
CLAIMED_FOR = timedelta(seconds=15)
"""So long one call has for asking the issuer; then another may, where the first has failed."""
_LOOKS, _PAUSE_S = 50, 0.1


async def renewed(session: Session, backstage: Backstage) -> Session | None:
    """The session as it goes on; None where it was ended meanwhile. Raises `StoreUnavailable`.

    One call among all replicas asks the issuer, since many issuers take a second use of the same refresh token for
    theft. The others go on with the token they have, or wait where it has ended.
    """
    now = backstage.clock()
    is_due = now >= session.stored.expires_at - RENEWED_BEFORE
    if backstage.settings.auth_mode != "oidc" or not is_due or not session.is_renewable(now):
        return session
    sessions = Sessions(backstage.documents, backstage.clock)
    claimed = await sessions.claim_renewal(session, now + CLAIMED_FOR)
    if claimed is not None:
        return await _renew(claimed, sessions, backstage)
    return await _as_renewed_elsewhere(session, sessions) if session.is_over(now) else session


async def _renew(session: Session, sessions: Sessions, backstage: Backstage) -> Session | None:
    try:
        admission = await issuer_of(backstage.settings).refresh(session.refresh_token or "", backstage.tokens)
    except SignInRefused as error:
        if error.reason == "unavailable":
            # It is tried again when the claim has passed.
            return session
        return await sessions.give_up_renewal(session)
    principal = admission.principal
    if principal.sub != session.sub:
        log.error("the issuer renewed a session with another person's token")
        return await sessions.give_up_renewal(session)
    return await sessions.renew(
        session, principal.role, principal.buildings, admission.token, admission.expires_at, admission.refresh_token
    )


async def _as_renewed_elsewhere(session: Session, sessions: Sessions) -> Session | None:
    for _ in range(_LOOKS):
        found = await sessions.find(session.session_id)
        if found is None or found.stored.renewing_until is None:
            return found
        await asyncio.sleep(_PAUSE_S)
    return session
