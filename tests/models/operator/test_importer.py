"""Import: what is good is merged, what is bad is named by row and column but never quoted."""

from pathlib import Path

import pytest

from core.errors import Invalid
from core.labels import Category, Trade, Urgency
from models.operator.history import read_history
from models.operator.importer import import_csv
from models.operator.mapping import Mapping, read_mapping

MAPPING = """
name: flats
time_zone: America/New_York
time_format: "%d/%m/%Y %H:%M"
columns:
  id: number
  created_at: opened
  closed_at: closed
  category: type
  text: words
  status: state
  urgency: priority
  place: flat
  escalated: complaint
statuses: {closed: [Done], open: [New]}
categories:
  Leak: {category: Maintenance, trade: plumbing}
  Odd: keep
urgencies: {P1: Emergency, P4: Low}
target_hours: {Emergency: 24}
"""
HEADER = "number,opened,closed,type,words,state,priority,flat,complaint\n"
GOOD = (
    "1,05/01/2024 09:30,06/01/2024 10:00,Leak,water under the sink,Done,P1,4B,yes\n"
    "2,05/07/2024 09:30,,Odd,a smell,New,,4B,no\n"
)


@pytest.fixture
def mapping(tmp_path: Path) -> Mapping:
    file = tmp_path / "mapping.yaml"
    file.write_text(MAPPING)
    return read_mapping(file)


def export(tmp_path: Path, body: str) -> Path:
    file = tmp_path / "export.csv"
    file.write_text(HEADER + body)
    return file


def test_a_row_is_read_in_our_words(tmp_path: Path, mapping: Mapping) -> None:
    import_csv(export(tmp_path, GOOD), mapping, tmp_path / "history")
    first, second = read_history(tmp_path / "history", "flats").reports
    assert (first.category, first.trade, first.urgency) == (Category.MAINTENANCE, Trade.PLUMBING, Urgency.EMERGENCY)
    assert first.created_at.isoformat() == "2024-01-05T14:30:00+00:00"
    assert second.created_at.isoformat() == "2024-07-05T13:30:00+00:00", "summer time"
    assert first.closed
    assert first.target_hours == 24.0
    assert first.escalated is True
    assert second.category is None
    assert second.matter == "Odd"
    assert not second.closed
    assert first.place == second.place != "4B"


def test_importing_twice_changes_nothing(tmp_path: Path, mapping: Mapping) -> None:
    file = export(tmp_path, GOOD)
    first = import_csv(file, mapping, tmp_path / "history")
    files = {path: path.read_bytes() for path in (tmp_path / "history").iterdir()}
    second = import_csv(file, mapping, tmp_path / "history")
    assert (first.added, second.added, second.unchanged, second.updated) == (2, 0, 2, 0)
    assert files == {path: path.read_bytes() for path in (tmp_path / "history").iterdir()}


def test_a_later_export_updates_what_it_knows_better(tmp_path: Path, mapping: Mapping) -> None:
    import_csv(export(tmp_path, GOOD), mapping, tmp_path / "history")
    later = GOOD.replace("2024 09:30,,Odd", "2024 09:30,09/07/2024 09:00,Odd").splitlines()[1]
    report = import_csv(export(tmp_path, later + "\n"), mapping, tmp_path / "history")
    assert (report.added, report.updated) == (0, 1)
    assert [each.closed for each in read_history(tmp_path / "history", "flats").reports] == [True, True]


@pytest.mark.parametrize(
    ("row", "column", "why"),
    [
        ("3,2024-01-05,,Odd,secret words,New,,4B,no", "opened", "is not a time of the format"),
        ("3,05/01/2024 09:30,04/01/2024 09:30,Odd,secret words,New,,4B,no", "closed", "is before its creation"),
        ("3,05/01/2024 09:30,,secret,secret words,New,,4B,no", "type", "is a category that the mapping does not list"),
        ("3,05/01/2024 09:30,,Odd,secret words,secret,,4B,no", "state", "is a status that the mapping does not list"),
        ("3,05/01/2024 09:30,,Odd,secret words,New,secret,4B,no", "priority", "is a value that the mapping"),
        ("3,05/01/2024 09:30,,Odd,secret words,New,,4B,secret", "complaint", "is neither yes nor no"),
        ("3,05/01/2024 09:30,,Odd,,New,,4B,no", "words", "is empty"),
        (",05/01/2024 09:30,,Odd,secret words,New,,4B,no", "number", "is empty"),
        ("3,05/01/2024 09:30,,Odd,secret words", "(all)", "has more or fewer fields"),
    ],
)
def test_a_bad_row_is_named_and_not_quoted(tmp_path: Path, mapping: Mapping, row: str, column: str, why: str) -> None:
    report = import_csv(export(tmp_path, GOOD + row + "\n"), mapping, tmp_path / "history", max_bad_share=0.5)
    (bad,) = report.first_bad
    assert (bad.row, bad.column) == (3, column)
    assert bad.why.startswith(why)
    told = "\n".join(report.lines())
    assert "secret" not in told
    assert "4B" not in told
    assert len(read_history(tmp_path / "history", "flats").reports) == 2


def test_too_many_bad_rows_import_nothing(tmp_path: Path, mapping: Mapping) -> None:
    file = export(tmp_path, GOOD + "3,never,,Odd,words,New,,4B,no\n")
    with pytest.raises(Invalid, match=r"33\.3% of the rows are bad"):
        import_csv(file, mapping, tmp_path / "history")
    assert not (tmp_path / "history").exists()


def test_a_missing_column_is_named(tmp_path: Path, mapping: Mapping) -> None:
    file = tmp_path / "export.csv"
    file.write_text("number,opened,closed,type,words,state,flat,complaint\n")
    with pytest.raises(Invalid, match="no column priority"):
        import_csv(file, mapping, tmp_path / "history")


def test_a_closure_after_the_export_refuses_the_mapping(tmp_path: Path) -> None:
    file = tmp_path / "mapping.yaml"
    file.write_text(MAPPING + "closures_until: 2024-01-05\n")
    with pytest.raises(Invalid, match="closures_until"):
        import_csv(export(tmp_path, GOOD), read_mapping(file), tmp_path / "history")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("name: flats", "name: flats\ntypo: 1", "typo"),
        ("America/New_York", "Mars/Olympus", "IANA"),
        ("urgencies: {P1: Emergency, P4: Low}", "", "columns.urgency"),
        ("{P1: Emergency", "{P1: Dire", "urgencies.P1"),
        ("trade: plumbing", "trade: wizardry", "trade"),
    ],
)
def test_a_wrong_mapping_says_where(tmp_path: Path, old: str, new: str, why: str) -> None:
    file = tmp_path / "mapping.yaml"
    assert old in MAPPING
    file.write_text(MAPPING.replace(old, new))
    with pytest.raises(Invalid, match=why):
        read_mapping(file)


def test_an_undecided_status_without_a_closing_time_is_neither_open_nor_closed(tmp_path: Path) -> None:
    file = tmp_path / "mapping.yaml"
    file.write_text(MAPPING.replace("open: [New]", "open: [New], undecided: [Seen]"))
    rows = "3,05/07/2024 09:30,,Odd,a smell,Seen,,4B,no\n4,05/07/2024 09:30,06/07/2024 09:30,Odd,a smell,Seen,,4B,no\n"
    import_csv(export(tmp_path, GOOD + rows), read_mapping(file), tmp_path / "history")
    reports = {each.source_id: each for each in read_history(tmp_path / "history", "flats").reports}
    assert [reports[number].undecided for number in "1234"] == [None, None, True, None]
    assert [reports[number].closed for number in "1234"] == [True, False, False, True]


def test_a_status_in_two_lists_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mapping.yaml"
    file.write_text(MAPPING.replace("open: [New]", "open: [New], undecided: [New]"))
    with pytest.raises(Invalid, match="a status is in two lists: New"):
        read_mapping(file)


@pytest.mark.parametrize("name", ["city_reports", "property_system"])
def test_the_examples_are_valid(name: str) -> None:
    folder = Path(__file__).resolve().parents[3] / "models" / "operator" / "examples"
    assert read_mapping(folder / f"{name}.yaml").name == name
