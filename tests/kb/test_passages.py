from pathlib import Path

from kb.passages import LONGEST_PASSAGE, passage_input, passages, sentence_input, single_sentences
from kb.reader import DOCUMENTS, read_document, read_documents


def test_each_section_is_a_passage_under_its_heading():
    document = read_document(DOCUMENTS / "amenity-hours.md")
    found = passages(document)
    assert [entry.section for entry in found[:3]] == ["Amenities and their hours", "Gym", "Pool"]
    assert found[1].text.startswith("The gym is open every day")
    assert passage_input(document.front.title, found[1]).startswith("Amenities and their hours: Gym. The gym")


def test_no_passage_is_longer_than_the_embedder_reads_and_no_word_is_lost():
    for document in read_documents():
        for entry in passages(document):
            assert len(entry.text) <= LONGEST_PASSAGE * 2
        words = " ".join(entry.text for entry in passages(document)).split()
        assert sorted(words) == sorted(" ".join(section.text for section in document.sections).split())


def test_sentences_are_word_for_word_in_their_document():
    for document in read_documents():
        for entry in single_sentences(document):
            assert entry.text in " ".join(document.source.split())


def test_instructions_to_staff_answer_no_resident():
    assert single_sentences(read_document(DOCUMENTS / "procedure-billing.md")) == []
    gym = single_sentences(read_document(DOCUMENTS / "amenity-hours.md"))[2]
    assert sentence_input("Amenities", gym) == f"Amenities: Gym: {gym.text}"


def test_a_nested_section_is_named_with_its_parents(tmp_path: Path):
    path = tmp_path / "a.md"
    path.write_text(
        "---\nid: a\ntitle: A\nkind: information\nversion: 1\neffective_from: 2026-01-01\nowner: x\n---\n"
        "# A\n\n## Dogs\n\nLeash.\n\n### Big dogs\n\nShort leash.\n"
    )
    assert [entry.section for entry in passages(read_document(path))] == ["Dogs", "Dogs > Big dogs"]
