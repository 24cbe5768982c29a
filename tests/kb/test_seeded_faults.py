"""Faults put into a copy of the project's documents, each by a small edit, and what the check says of it."""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from kb.check import check
from kb.reader import DOCUMENTS

DAY = date(2026, 7, 1)


@dataclass(frozen=True)
class Fault:
    """One fault, and the code and document that the check has to give for it."""

    name: str
    code: str
    document: str
    seed: Callable[[Path], None]


def edit(name: str, *replacements: tuple[str, str]) -> Callable[[Path], None]:
    """Replace what a pattern matches at its first place."""

    def seed(folder: Path) -> None:
        text = (folder / name).read_text()
        for pattern, new in replacements:
            text, count = re.subn(pattern, new, text, count=1, flags=re.MULTILINE)
            assert count == 1, f"{name} does not hold {pattern!r}"
        (folder / name).write_text(text)

    return seed


def copy(name: str, new_name: str, *replacements: tuple[str, str]) -> Callable[[Path], None]:
    """As `edit`, in a new file; the old one stays."""

    def seed(folder: Path) -> None:
        shutil.copy(folder / name, folder / new_name)
        edit(new_name, *replacements)(folder)

    return seed


FAULTS = (
    Fault(
        "two documents keep recordings for different times",
        "conflicting_figure",
        "keys-fobs-and-locks",
        edit(
            "keys-fobs-and-locks.md",
            (r"privacy\.camera_days: 30", "privacy.camera_days: 60"),
            (r"recordings are kept for 30 days", "recordings are kept for 60 days"),
        ),
    ),
    Fault(
        "a document restates the notice for entry wrongly",
        "conflicting_figure",
        "maintenance-responsibilities",
        edit(
            "maintenance-responsibilities.md",
            (r"entry\.notice_hours: 24", "entry.notice_hours: 36"),
            (r"at least 24 hours' notice", "at least 36 hours' notice"),
        ),
    ),
    Fault(
        "the text gives longer notice than the rule",
        "contradicting_number",
        "entry-and-work-hours",
        edit("entry-and-work-hours.md", (r"at least 24 hours' written notice", "at least 36 hours' written notice")),
    ),
    Fault(
        "a row of the budget table has another amount than the rule",
        "contradicting_number",
        "budgets",
        edit("budgets.md", (r"^\| Security \| \$4,500 \|", "| Security | $5,400 |")),
    ),
    Fault(
        "a rule has a number that the text never says",
        "unsaid_number",
        "escalation-and-recurrence",
        edit("escalation-and-recurrence.md", (r"similar_requests: 2", "similar_requests: 4")),
    ),
    Fault(
        "the text tells residents something else than the rule",
        "unsaid_advice",
        "emergency-actions",
        edit("emergency-actions.md", (r"^- Fire: Leave now by the stairs", "- Fire: Leave now by the elevator")),
    ),
    Fault(
        "a second document states the approvals",
        "doubled_key",
        "approvals-again",
        copy("approval-limits.md", "approvals-again.md", (r"^id: approval-limits$", "id: approvals-again")),
    ),
    Fault(
        "a policy has expired and none replaces it",
        "expired",
        "autonomy",
        edit("autonomy.md", (r"^owner:", "effective_to: 2026-06-30\nowner:")),
    ),
    Fault(
        "autonomy is switched on for all buildings",
        "general_autonomy",
        "autonomy",
        edit("autonomy.md", (r"^    enabled: false$", "    enabled: true")),
    ),
    Fault(
        "two versions hold at the same time",
        "overlapping_versions",
        "guests-and-occupancy",
        copy(
            "guests-and-occupancy.md",
            "guests-and-occupancy-new.md",
            (r"^version: \d+$", "version: 99"),
            (r"^effective_from: .*$", "effective_from: 2026-06-01"),
        ),
    ),
    Fault(
        "a later version has a lower number",
        "version_backwards",
        "parcels-2026",
        copy(
            "parcels-and-mail.md",
            "parcels-2026.md",
            (r"^id: .*$", "id: parcels-2026\nsupersedes: [parcels-and-mail]"),
            (r"^version: \d+$", "version: 1"),
            (r"^effective_from: .*$", "effective_from: 2026-06-01"),
        ),
    ),
    Fault(
        "an urgency has no response target",
        "missing_target",
        "response-targets",
        edit("response-targets.md", (r"^    Low: \{response_hours.*\n", "")),
    ),
    Fault(
        "an option names a section that is not there",
        "dangling_section",
        "procedure-billing",
        edit("procedure-billing.md", (r'section: "Ledger review"', 'section: "Ledger reviews"')),
    ),
    Fault(
        "an option needs a vendor that no document states",
        "dangling_vendor",
        "procedure-leasing",
        edit("procedure-leasing.md", (r"^(      crew: .*)$", r"\1\n      vendor: moonlight-movers")),
    ),
    Fault(
        "an option needs a part that no document states",
        "dangling_part",
        "procedure-other",
        edit("procedure-other.md", (r"^(      crew: .*)$", r"\1\n      parts: [flux-capacitor]")),
    ),
    Fault(
        "an option needs a licence that its crew does not hold",
        "missing_licence",
        "procedure-deliveries",
        edit("procedure-deliveries.md", (r"^(      crew: .*)$", r"\1\n      licence: crane-operator")),
    ),
    Fault(
        "a document supersedes one that is not there",
        "dangling_reference",
        "amenity-hours-building-b",
        edit("amenity-hours-building-b.md", (r"supersedes: \[amenity-hours\]", "supersedes: [amenities-2019]")),
    ),
    Fault(
        "a category has no escalation path",
        "missing_escalation_path",
        "-",
        edit("on-call-ladder.md", (r", Leasing, Other\]", ", Other]")),
    ),
    Fault(
        "a path names a post that nobody holds",
        "post_without_holder",
        "on-call-ladder",
        edit("escalation-matrix.md", (r'who: "concierge lead"', 'who: "night porter"')),
    ),
    Fault(
        "a deputy is away at the same time",
        "absent_deputy",
        "on-call-ladder",
        edit(
            "on-call-ladder.md",
            (
                r"^( +- \{)(person: STAFF_SUPERVISOR_1, .*)$",
                r"\1\2\n\1person: STAFF_SUPERVISOR_2, since: 2027-01-03, until: 2027-01-05, deputy: STAFF_OFFICE_1}",
            ),
        ),
    ),
    Fault(
        "somebody is away who holds no post",
        "absence_of_nobody",
        "on-call-ladder",
        edit("on-call-ladder.md", (r"person: STAFF_SUPERVISOR_1", "person: STAFF_SUPERVISOR_9")),
    ),
    Fault(
        "the ladder leads to one person twice",
        "one_person_twice",
        "on-call-ladder",
        edit("on-call-ladder.md", (r"days: \[STAFF_DIRECTOR_1\]", "days: [STAFF_ON_CALL_4]")),
    ),
    Fault(
        "the night begins at another time than the text says",
        "contradicting_number",
        "on-call-ladder",
        edit("on-call-ladder.md", (r"08:00 and 18:00", "08:00 and 19:00")),
    ),
    Fault(
        "the rotation changes on another day than the text says",
        "unsaid_weekday",
        "on-call-ladder",
        edit("on-call-ladder.md", (r"hand-over on Monday", "hand-over on Tuesday")),
    ),
    Fault(
        "a document is for a building that is not listed",
        "unknown_building",
        "learning-from-outcomes",
        edit("learning-from-outcomes.md", (r"^building: all$", "building: Z")),
    ),
    Fault(
        "a building stands where no document states the law",
        "unknown_jurisdiction",
        "buildings",
        edit("buildings.md", (r"(building_id: B, .*)jurisdiction: US-WA", r"\1jurisdiction: US-AK")),
    ),
    Fault(
        "a statutory clock cites nothing",
        "missing_citation",
        "statutory-clocks-washington",
        edit("statutory-clocks-washington.md", (r'citation: "[^"]+"', 'citation: ""')),
    ),
    Fault(
        "a crew has more to do than time",
        "overloaded",
        "workforce",
        edit("workforce.md", (r"(crew: cleaning, .*Medium: )\d+", r"\g<1>400")),
    ),
    Fault(
        "front matter is broken",
        "schema",
        "rubbish-and-recycling.md",
        edit("rubbish-and-recycling.md", (r"^title: ", "title: [")),
    ),
    Fault(
        "weights do not sum to one",
        "schema",
        "decision-weights.md",
        edit("decision-weights.md", (r"\{urgency: 0\.30, time: 0\.25", "{urgency: 0.40, time: 0.25")),
    ),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DOCUMENTS, tmp_path / "documents"))


def found(folder: Path) -> set[tuple[str, str]]:
    return {(finding.code, finding.document) for finding in check(folder, DAY) if finding.severity == "error"}


def test_the_unedited_copy_has_no_error(folder: Path):
    assert found(folder) == set()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_found_and_nothing_else(folder: Path, fault: Fault):
    fault.seed(folder)
    assert found(folder) == {(fault.code, fault.document)}


def test_a_rotation_that_changes_on_a_day_that_no_week_has_is_found_and_nothing_else(folder: Path):
    edit("on-call-ladder.md", (r"changes_on: Monday", "changes_on: Mittwoch"))(folder)
    assert found(folder) == {("schema", "on-call-ladder.md")}


def test_all_faults_at_once_are_all_found(folder: Path):
    for fault in FAULTS:
        fault.seed(folder)
    assert found(folder) >= {(fault.code, fault.document) for fault in FAULTS}


def test_a_finding_points_to_its_line(folder: Path):
    edit("budgets.md", (r"^\| Security \| \$4,500 \|", "| Security | $5,400 |"))(folder)
    (finding,) = check(folder, DAY)
    assert finding.line is not None
    assert (folder / "budgets.md").read_text().splitlines()[finding.line - 1] == "| Security | $5,400 |"
