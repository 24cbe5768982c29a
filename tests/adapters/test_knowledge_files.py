from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.knowledge_files import IndexedDocument, documents_in_scope

DAY = date(2026, 7, 1)


def document(
    doc_id: str,
    building: str = "all",
    supersedes: tuple[str, ...] = (),
    begins: date = date(2026, 1, 1),
    ends: date | None = None,
) -> IndexedDocument:
    return IndexedDocument(
        doc_id=doc_id,
        title=doc_id,
        kind="information",
        building=building,
        effective_from=begins,
        effective_to=ends,
        supersedes=supersedes,
    )


HOURS = (document("hours"), document("hours-b", "B", ("hours",)), document("pets"))


def test_a_buildings_own_document_takes_the_place_of_the_general_one_there_and_only_there():
    assert documents_in_scope(HOURS, "B", DAY) == {"hours-b", "pets"}
    assert documents_in_scope(HOURS, "A", DAY) == {"hours", "pets"}


def test_without_a_building_every_document_is_in_scope():
    assert documents_in_scope(HOURS, None, DAY) == {"hours", "hours-b", "pets"}


def test_a_document_holds_from_its_first_day_to_its_last():
    summer = document("summer", begins=date(2026, 6, 1), ends=date(2026, 8, 31))
    for day, held in ((date(2026, 5, 31), False), (date(2026, 6, 1), True), (date(2026, 8, 31), True)):
        assert ("summer" in documents_in_scope([summer], "A", day)) is held
    assert documents_in_scope([summer], "A", date(2026, 9, 1)) == set()


def test_a_successor_that_has_not_begun_hides_nothing():
    documents = [document("old"), document("new", supersedes=("old",), begins=date(2027, 1, 1))]
    assert documents_in_scope(documents, None, date(2026, 12, 31)) == {"old"}
    assert documents_in_scope(documents, None, date(2027, 1, 1)) == {"new"}


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["all", "A", "B"]), min_size=1, max_size=6),
    st.sampled_from(["A", "B", "C", None]),
)
def test_no_building_ever_sees_what_is_another_ones(buildings: list[str], asking: str | None):
    documents = [document(f"d{place}", building) for place, building in enumerate(buildings)]
    seen = documents_in_scope(documents, asking, DAY)
    wanted = {
        entry.doc_id for entry in documents if asking is None or entry.building == "all" or entry.building == asking
    }
    assert seen == wanted
