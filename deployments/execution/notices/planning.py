"""By which channels a message is pushed to a person, and when: pure functions of what they chose."""

from collections.abc import Set
from datetime import datetime
from zoneinfo import ZoneInfo

from core.execution import Notification
from core.execution_labels import ChannelName
from core.notices import NotificationPreferences
from deployments.execution.notices.record import Push, is_danger
from deployments.execution.notices.silence import after_quiet, next_time

PUSHED = (ChannelName.EMAIL, ChannelName.SMS, ChannelName.CHAT)
"""In the order in which one takes another's place."""
OPTED_OUT = "The recipient does not wish to be told of this kind."
NO_ADDRESS = "The recipient can't be reached in this way."
ROLE_PREFERENCES = NotificationPreferences(quiet_hours=None)
"""Of a staff role, which is no person and sleeps at no hour."""


def zone_of(preferences: NotificationPreferences, default: ZoneInfo) -> ZoneInfo:
    """The person's time zone."""
    return ZoneInfo(preferences.time_zone) if preferences.time_zone else default


def address_of(channel: ChannelName, person: str, preferences: NotificationPreferences) -> str | None:
    """Where the channel finds the person, or None."""
    match channel:
        case ChannelName.EMAIL:
            return preferences.email
        case ChannelName.SMS:
            return preferences.phone
        case ChannelName.CHAT:
            return person
        case ChannelName.INBOX:
            return None


def reachable(
    preferences: NotificationPreferences, configured: Set[ChannelName], *, is_staff: bool
) -> tuple[ChannelName, ...]:
    """The channels that there are and that the person has; chat is staff's, and a resident's who chose it."""
    chosen = {channel for channels in preferences.channels.values() for channel in channels}
    has = {
        ChannelName.EMAIL: preferences.email is not None,
        ChannelName.SMS: preferences.phone is not None,
        ChannelName.CHAT: is_staff or ChannelName.CHAT in chosen,
    }
    return tuple(channel for channel in PUSHED if has[channel] and channel in configured)


def plan_pushes(
    notification: Notification,
    preferences: NotificationPreferences,
    configured: Set[ChannelName],
    now: datetime,
    zone: ZoneInfo,
) -> tuple[Push, ...]:
    """The pushes of a message to one resident or staff role. The inbox holds it besides, at once.

    Danger goes at once by every channel. Else the kind's channels, or the one that the message names; none of a kind
    that the person switched off; after quiet hours; and at the time of the digest where the kind is gathered.
    """
    has = reachable(preferences, configured, is_staff=notification.recipient_kind == "staff_role")
    person = notification.recipient
    if is_danger(notification):
        return plan_at_once(person, has, now)
    channels, lacking = _wanted(notification, preferences, has)
    if notification.kind in preferences.opted_out:
        silenced = channels or lacking
        return tuple(_push(each, person, now, status="suppressed", reason=OPTED_OUT, at=now) for each in silenced)
    failed = tuple(_push(each, person, now, status="failed", reason=NO_ADDRESS, at=now) for each in lacking)
    zone = zone_of(preferences, zone)
    if notification.kind in preferences.digest and notification.channel is None:
        due = after_quiet(next_time(now, preferences.digest_at, zone), preferences.quiet_hours, zone)
        return (*failed, *(_push(each, person, due, gathered=True) for each in channels[:1]))
    due = after_quiet(now, preferences.quiet_hours, zone)
    return (*failed, *(_push(each, person, due) for each in channels))


def plan_at_once(person: str, channels: tuple[ChannelName, ...], due: datetime, step: int = 0) -> tuple[Push, ...]:
    """A push by each of the channels, due now."""
    return tuple(_push(channel, person, due, step=step) for channel in channels)


def next_channel(pushes: tuple[Push, ...], failed: Push, has: tuple[ChannelName, ...]) -> ChannelName | None:
    """The first channel of the person by which this message did not go to them yet."""
    used = {push.channel for push in pushes if push.step == failed.step}
    return next((channel for channel in has if channel not in used), None)


def replacement(failed: Push, channel: ChannelName, due: datetime) -> Push:
    """The same message by another channel."""
    return _push(channel, failed.recipient, due, step=failed.step)


def _wanted(
    notification: Notification, preferences: NotificationPreferences, has: tuple[ChannelName, ...]
) -> tuple[tuple[ChannelName, ...], tuple[ChannelName, ...]]:
    """By which channels it goes, and which it should have gone by. What is left of `has` takes their place."""
    if notification.channel is ChannelName.INBOX:
        return (), ()
    if notification.channel is not None:
        wanted: tuple[ChannelName, ...] = (notification.channel,)
    elif (chosen := preferences.channels.get(notification.kind)) is not None:
        wanted = tuple(dict.fromkeys(channel for channel in chosen if channel is not ChannelName.INBOX))
    elif notification.recipient_kind == "staff_role":
        return has, ()
    else:
        return tuple(channel for channel in has if channel is ChannelName.EMAIL), ()
    lacking = tuple(channel for channel in wanted if channel not in has)
    going = tuple(channel for channel in wanted if channel in has)
    return (going or has[:1] if wanted else ()), lacking


def _push(channel: ChannelName, person: str, due: datetime, *, step: int = 0, **more: object) -> Push:
    fields = {"status": "waiting", **more}
    return Push.model_validate(
        {"push_id": f"{step}-{channel}", "channel": channel, "recipient": person, "due_at": due, **fields}
    )
