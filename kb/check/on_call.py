"""Looks at the on-call calendar: whether every post is held by somebody who is there, and the text says so."""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import combinations
from typing import get_args

from core.on_call import Shift, holder_in
from core.rules import Absence, EscalationPath, OnCallRules
from kb.check.finding import Finding, error, warning
from kb.check.library import Library
from kb.check.lines import key_line
from kb.reader import Document

LOOK_AHEAD_DAYS = 364
"""So far ahead two rungs of one ladder must have different people."""


def find(library: Library) -> Iterator[Finding]:
    """Posts that nobody holds, absences that leave a gap, ladders that climb to one person twice, and silent text."""
    paths = [path for _, path in library.items(lambda rules: rules.escalation_paths)]
    for document in library.held:
        if (on_call := document.front.rules.on_call) is not None:
            if not library.may_state("escalation_paths"):
                yield from _posts(document, on_call, paths)
            yield from _absences(document, on_call)
            yield from _repeated_people(document, on_call, paths, library.day)
            yield from _text(document, on_call)


def _posts(document: Document, on_call: OnCallRules, paths: list[EscalationPath]) -> Iterator[Finding]:
    named = {step.who: path.path_id for path in paths for step in path.steps}
    for who in sorted(named.keys() - on_call.posts.keys()):
        message = f"Nobody holds the post {who!r}, which {named[who]} names."
        yield error("post_without_holder", document.front.id, message, _line(document, "posts"))
    for who in on_call.posts.keys() - named.keys():
        message = f"No escalation path names the post {who!r}."
        yield warning("idle_post", document.front.id, message, _line(document, "posts", who))


def _absences(document: Document, on_call: OnCallRules) -> Iterator[Finding]:
    holders = {person for post in on_call.posts.values() for person in (*post.days, *post.nights)}
    deputies = {absence.deputy for absence in on_call.absences}
    for place, absence in enumerate(on_call.absences):
        line = _line(document, "absences", place)
        if absence.person not in holders | deputies:
            message = f"{absence.person}, who is away from {absence.since} on, holds no post."
            yield error("absence_of_nobody", document.front.id, message, line)
        for other in on_call.absences:
            if other.person == absence.deputy and _overlap(absence, other):
                message = f"{absence.deputy} stands in for {absence.person} and is away from {other.since} on, too."
                yield error("absent_deputy", document.front.id, message, line)
    for first, second in combinations(on_call.absences, 2):
        if first.person == second.person and _overlap(first, second):
            message = f"{first.person} is away twice at the same time, from {first.since} and from {second.since} on."
            line = _line(document, "absences", on_call.absences.index(second))
            yield error("doubled_absence", document.front.id, message, line)


def _overlap(first: Absence, second: Absence) -> bool:
    return first.since <= second.until and second.since <= first.until


def _repeated_people(
    document: Document, on_call: OnCallRules, paths: list[EscalationPath], day: date
) -> Iterator[Finding]:
    """The first shift, for each path, in which one person would be told twice."""
    for path in paths:
        posts = [step.who for step in path.steps if step.who in on_call.posts]
        for after, shift in ((n, shift) for n in range(LOOK_AHEAD_DAYS) for shift in get_args(Shift)):
            begins = day + timedelta(days=after)
            people = [holder_in(on_call, who, shift, begins) for who in posts]
            if len(set(people)) < len(people):
                twice = next(person for person in people if people.count(person) > 1)
                message = f"{twice} stands on two steps of {path.path_id} in the {shift} of {begins}."
                yield error("one_person_twice", document.front.id, message, _line(document, "posts"))
                break


def _text(document: Document, on_call: OnCallRules) -> Iterator[Finding]:
    text = "\n".join(section.text for section in document.sections)
    if on_call.changes_on not in text:
        message = f"The text does not state {on_call.changes_on}, on which the rotation moves on."
        yield error("unsaid_weekday", document.front.id, message, _line(document, "changes_on"))
    for who, post in on_call.posts.items():
        if who not in text:
            message = f"The text does not name the post {who!r}."
            yield error("unsaid_post", document.front.id, message, _line(document, "posts", who))
        for person in dict.fromkeys((*post.days, *post.nights)):
            if person in text:
                message = f"The text names {person}; people are named by their post, and ids stay in the front matter."
                yield error("person_in_text", document.front.id, message, _line(document, "posts", who))


def _line(document: Document, *place: str | int) -> int | None:
    return key_line(document.source, "rules", "on_call", *place)
