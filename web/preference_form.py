"""The form of how a person wishes to be told: what it shows, and what it says when it is sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.execution_labels import ChannelName, NoticeKind
from core.notices import ALWAYS, LANGUAGES
from web.forms import Form
from web.language import Words
from web.notice_words import CHANNELS, KINDS
from web.rendering import LANGUAGE_NAMES
from web.wording import N_

Json = Mapping[str, Any]

DEFAULT_CHANNELS = (ChannelName.EMAIL,)
"""Of a kind for which nobody chose."""
PACES = {"now": N_("At once"), "daily": N_("Once a day"), "never": N_("Only here, under Messages")}
ZONES = (
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Anchorage",
    "Pacific/Honolulu",
    "America/Puerto_Rico",
)
"""Offered; another one that is stored stays."""
WRONG = {
    "email": N_("Please write an address such as name@example.com."),
    "phone": N_("Please write the number with a plus sign and the country, such as +12065550100."),
    "time_zone": N_("Please choose one of the time zones."),
    "start": N_("Please write a time such as 21:00."),
    "end": N_("Please write a time such as 08:00."),
    "quiet_hours": N_("Please write both times, such as 21:00 and 08:00."),
    "digest_at": N_("Please write a time such as 08:00."),
}
UNREADABLE = N_("Something in this form could not be read. Please load the page again and choose anew.")
"""Of what no field of the page can hold."""
NAMES = {
    "language": N_("Language"),
    "email": N_("Mail address"),
    "phone": N_("Phone number for text messages"),
    "quiet_hours": N_("Quiet hours"),
    "digest_at": N_("Time of the daily summary"),
    "time_zone": N_("Time zone"),
    "channels": N_("How you are told"),
    "opted_out": N_("What you are told of only here"),
    "digest": N_("What is gathered once a day"),
}


@dataclass(frozen=True)
class KindRow:
    """One kind of message and what was chosen for it."""

    kind: NoticeKind
    name: str
    channels: tuple[ChannelName, ...]
    pace: str


@dataclass(frozen=True)
class Difference:
    """One thing that is stored otherwise than it was typed."""

    name: str
    stored: str
    typed: str


def kinds_of(*, is_resident: bool) -> tuple[NoticeKind, ...]:
    """What this person may choose about; danger is told in any case."""
    return tuple(kind for kind in KINDS if kind not in ALWAYS and not (is_resident and kind is NoticeKind.WORK))


def offered_channels(stored: Json, *, is_resident: bool) -> tuple[ChannelName, ...]:
    """The ways to be told; chat is for who works here, and for who chose it before."""
    chosen = {channel for channels in stored["channels"].values() for channel in channels}
    return tuple(one for one in CHANNELS if one is not ChannelName.CHAT or not is_resident or one in chosen)


def rows_of(preferences: Json, kinds: Sequence[NoticeKind], words: Words) -> tuple[KindRow, ...]:
    """What is chosen for each kind."""
    return tuple(
        KindRow(kind, words.gettext(KINDS[kind]), _channels(preferences, kind), _pace(preferences, kind))
        for kind in kinds
    )


def _channels(preferences: Json, kind: NoticeKind) -> tuple[ChannelName, ...]:
    chosen = preferences["channels"].get(str(kind))
    return DEFAULT_CHANNELS if chosen is None else tuple(map(ChannelName, chosen))


def _pace(preferences: Json, kind: NoticeKind) -> str:
    if kind in preferences["opted_out"]:
        return "never"
    return "daily" if kind in preferences["digest"] else "now"


def preferences_of(form: Form, stored: Json, kinds: Sequence[NoticeKind]) -> dict[str, Any]:
    """The body for the interface; what the form does not show stays as it is stored."""
    paces = {kind: form.text(f"pace-{kind}") for kind in kinds}
    return {
        "language": form.text("language"),
        "email": form.optional("email"),
        "phone": _phone(form),
        "channels": _chosen_channels(form, stored, kinds),
        "opted_out": _of_pace("never", paces, stored["opted_out"]),
        "digest": _of_pace("daily", paces, stored["digest"]),
        "quiet_hours": _quiet_hours(form),
        "digest_at": form.text("digest_at"),
        "time_zone": form.optional("time_zone"),
    }


def _phone(form: Form) -> str | None:
    """As it is dialled: what people put between the digits is no part of a number."""
    return form.text("phone").translate({ord(each): None for each in " ()-./"}) or None


def _chosen_channels(form: Form, stored: Json, kinds: Sequence[NoticeKind]) -> dict[str, list[str]]:
    before: Mapping[str, Sequence[str]] = stored["channels"]
    chosen = {kind: list(channels) for kind, channels in before.items() if kind not in kinds}
    for kind in kinds:
        ticked = [one for one in form.lists.get(f"channels-{kind}", ()) if one in CHANNELS]
        # Left as it is where nobody ever chose, so that a new way to be told can still become the usual one.
        if str(kind) in before or ticked != list(DEFAULT_CHANNELS):
            chosen[str(kind)] = ticked
    return chosen


def _of_pace(pace: str, paces: Mapping[NoticeKind, str], stored: Sequence[str]) -> list[str]:
    hidden = [kind for kind in stored if kind not in paces]
    return sorted([*hidden, *(str(kind) for kind, chosen in paces.items() if chosen == pace)])


def _quiet_hours(form: Form) -> dict[str, str] | None:
    if form.text("quiet") != "yes":
        return None
    return {"start": form.text("quiet_start"), "end": form.text("quiet_end")}


def differences(stored: Json, typed: Json, words: Words) -> tuple[Difference, ...]:
    """Where the stored preferences are others than the typed ones, in words."""
    changed = (name for name in NAMES if _plain(name, stored[name]) != _plain(name, typed[name]))
    return tuple(
        Difference(words.gettext(NAMES[name]), _told(name, stored[name], words), _told(name, typed[name], words))
        for name in changed
    )


def _plain(name: str, value: Any) -> Any:
    if name in ("opted_out", "digest"):
        return sorted(value)
    if name == "channels":
        return {kind: sorted(channels) for kind, channels in value.items() if list(channels) != list(DEFAULT_CHANNELS)}
    if name == "quiet_hours":
        return value and (value["start"][:5], value["end"][:5])
    return value[:5] if name == "digest_at" else value


def _told(name: str, value: Any, words: Words) -> str:
    match name:
        case "channels":
            lines = [f"{_kind(kind, words)}: {_channel_names(chosen, words)}" for kind, chosen in value.items()]
            return "; ".join(lines) or words.gettext("Mail for everything")
        case "opted_out" | "digest":
            return ", ".join(_kind(kind, words) for kind in sorted(value)) or words.gettext("nothing")
        case "quiet_hours":
            return f"{value['start'][:5]}–{value['end'][:5]}" if value else words.gettext("none")
        case "language":
            return LANGUAGE_NAMES.get(value, value) if value in LANGUAGES else value
        case "digest_at":
            return value[:5]
        case _:
            return value or words.gettext("none")


def _kind(kind: str, words: Words) -> str:
    return words.gettext(KINDS[NoticeKind(kind)])


def _channel_names(channels: Sequence[str], words: Words) -> str:
    return ", ".join(words.gettext(CHANNELS.get(ChannelName(one), one)) for one in channels) or words.gettext("none")


def wrong_fields(fields: Mapping[str, str], words: Words) -> dict[str, str]:
    """What is wrong with which field, in words that help; a validator's own words help nobody."""
    return {name: words.gettext(WRONG.get(name, UNREADABLE)) for name in fields}
