"""A resident's report: read from its form, written into it again, and as the interface takes it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from core.request import MAX_MESSAGE_CHARACTERS
from web.forms import Form
from web.language import Words
from web.rendering import new_key
from web.wording import N_

SLOTS: Mapping[str, str] = {
    "8:00-12:00": N_("8 AM to noon"),
    "12:00-17:00": N_("Noon to 5 PM"),
    "17:00-20:00": N_("5 PM to 8 PM"),
}
ENTRY: Mapping[str, bool] = {"yes": True, "no": False}
SEND_AS_NEW = "new"


@dataclass(frozen=True)
class Photo:
    """A file that was uploaded before and waits to be sent."""

    attachment_id: str
    name: str

    @property
    def field(self) -> str:
        """As a hidden field carries it."""
        return f"{self.attachment_id} {self.name}"


@dataclass(frozen=True)
class Wishes:
    """What was chosen for a visit, in the form's own words."""

    entry: str = ""
    """`yes`, `no`, or nothing."""
    days: tuple[str, ...] = ()
    avoided: tuple[str, ...] = ()
    slots: tuple[str, ...] = ()
    call_first: bool = False
    instructions: str = ""
    contact: str = ""

    def preferences(self) -> dict[str, Any] | None:
        """As `core.request.Preferences`; None where nothing is wished for."""
        wishes: dict[str, Any] = {
            "allow_entry_when_absent": ENTRY.get(self.entry),
            "preferred_time_slots": list(self.slots),
            "preferred_days": list(self.days),
            "avoid_days": list(self.avoided),
            "special_instructions": self.instructions or None,
            "contact_before_arrival": self.call_first or None,
            "emergency_contact": self.contact or None,
        }
        given = {name: value for name, value in wishes.items() if value not in (None, [])}
        return given or None


@dataclass(frozen=True)
class Report:
    """What the form holds."""

    text: str = ""
    wishes: Wishes = Wishes()
    photos: tuple[Photo, ...] = ()
    dropped: tuple[str, ...] = ()
    """Ids of uploaded files that are not to be sent after all."""
    answer: str = ""
    """To "Is it one of these?": `new`, the id of a request or incident, or nothing where it was not asked yet."""
    shown_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    """When the form was first shown."""
    key: str = field(default_factory=new_key)

    @property
    def excess(self) -> int:
        """By how many characters the text is too long; 0 where it is not."""
        return max(0, len(self.text) - MAX_MESSAGE_CHARACTERS)

    def body(self) -> dict[str, Any]:
        """For `POST /requests`."""
        body: dict[str, Any] = {"message_text": self.text}
        if preferences := self.wishes.preferences():
            body["preferences"] = preferences
        if self.photos:
            body["attachments"] = [{"attachment_id": photo.attachment_id} for photo in self.photos]
        return body

    def key_for(self, body: Mapping[str, Any]) -> str:
        """The idempotency key of this form with this content.

        The same form sent twice is one request. What somebody writes into it after it was sent, having gone back to
        it, is another message, and must not be refused for carrying a used key.
        """
        return f"{self.key}.{hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]}"

    def was_sent_as(self, text: str, created_at: str) -> bool:
        """Whether an open request is what this very form made when it was sent before, its answer having been lost."""
        try:
            return text == self.text and datetime.fromisoformat(created_at) >= datetime.fromisoformat(self.shown_at)
        except (ValueError, TypeError):
            return False

    def says_the_same(self, text: str) -> bool:
        """Whether a text is this one, but for its case, blanks and the marks at its ends: no guess."""
        return _plain(text) == _plain(self.text)

    def with_photos(self, photos: Sequence[Photo]) -> "Report":
        """With these instead."""
        return replace(self, photos=tuple(photos))


def read_report(form: Form) -> Report:
    """What somebody sent; nothing of it is judged here."""
    given = form.lists
    dropped = given.get("drop", ())
    photos = [Photo(*_halves(value)) for value in dict.fromkeys(given.get("photo", ())) if value.strip()]
    return Report(
        text=form.text("message_text"),
        wishes=Wishes(
            entry=form.text("entry"),
            days=given.get("days", ()),
            avoided=given.get("avoided", ()),
            slots=given.get("slots", ()),
            call_first=bool(form.text("call_first")),
            instructions=form.text("instructions"),
            contact=form.text("contact"),
        ),
        photos=tuple(photo for photo in photos if photo.attachment_id not in dropped),
        dropped=tuple(photo.attachment_id for photo in photos if photo.attachment_id in dropped),
        answer=form.text("answer"),
        shown_at=form.text("shown_at"),
        key=form.key or new_key(),
    )


def wishes_of(requests: Sequence[Mapping[str, Any]]) -> Wishes:
    """What was wished for last; `requests` are the newest first."""
    given = next((one["preferences"] for one in requests if one.get("preferences")), None)
    if given is None:
        return Wishes()
    allowed = given.get("allow_entry_when_absent")
    return Wishes(
        entry=next((word for word, value in ENTRY.items() if value is allowed), ""),
        days=tuple(given.get("preferred_days") or ()),
        avoided=tuple(given.get("avoid_days") or ()),
        slots=tuple(given.get("preferred_time_slots") or ()),
        call_first=bool(given.get("contact_before_arrival")),
        instructions=given.get("special_instructions") or "",
        contact=given.get("emergency_contact") or "",
    )


def choices(known: Mapping[str, str], chosen: Sequence[str], words: Words) -> list[tuple[str, str]]:
    """What can be ticked, with its words: what the form offers, and what was wished for in other words."""
    # Translated here and not in the template, whose `_` takes what it is given for ours, and does not escape it.
    offered = [(value, words.gettext(text)) for value, text in known.items()]
    return [*offered, *((one, one) for one in dict.fromkeys(chosen) if one not in known)]


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" .!?,;:¡¿")


def _halves(value: str) -> tuple[str, str]:
    identifier, _, name = value.partition(" ")
    return identifier, name or identifier
