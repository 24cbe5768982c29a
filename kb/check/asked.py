"""Looks at the questions kept for the documents: each must name a section that is there, and a sentence of it."""

from collections.abc import Iterator

from kb.asked import AskedQuestion
from kb.check.finding import Finding, error
from kb.check.library import Library
from kb.passages import section_place
from kb.reader import Document
from kb.text import sentences


def find(library: Library) -> Iterator[Finding]:
    """Questions for a document, a section or a sentence that is not there, and the same question twice."""
    documents = {document.front.id: document for document in library.documents}
    for doc_id, questions in library.asked.items():
        if doc_id in documents:
            yield from _questions(documents[doc_id], questions)
        elif not library.may_name(doc_id):
            yield error("dangling_question", f"{doc_id}.jsonl", f"There is no document {doc_id}.")


def _questions(document: Document, questions: tuple[AskedQuestion, ...]) -> Iterator[Finding]:
    file = f"{document.front.id}.jsonl"
    texts: dict[str, set[str]] = {}
    for section in document.sections:
        texts.setdefault(section_place(section), set()).update(sentences(section.text))
    seen: set[str] = set()
    for line, asked in enumerate(questions, 1):
        if asked.section not in texts:
            message = f"{asked.question!r} is kept for the section {asked.section!r}, which the document does not have."
            yield error("dangling_question", file, message, line)
        elif asked.sentence and asked.sentence not in texts[asked.section]:
            message = f"{asked.section!r} does not hold {asked.sentence!r}, which answers {asked.question!r}."
            yield error("dangling_question", file, message, line)
        if (said := " ".join(asked.question.casefold().split())) in seen:
            yield error("repeated_question", file, f"{asked.question!r} is there twice.", line)
        seen.add(said)
