"""Finds what the knowledge base holds on messages: each text embedded once, then one vector query for all of them."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import ArtefactRefused, Unavailable
from core.messages import ResolveItem, Retrieved, RetrieveQuery
from core.ports.intelligence import Embedder, Knowledge

LOG = logging.getLogger(__name__)

PASSAGES = 5
SENTENCES = 12

Search = Callable[[Sequence[RetrieveQuery], Sequence[bytes]], list[tuple[Retrieved, ...]]]


@dataclass(frozen=True)
class Evidence:
    """What the knowledge base holds on one message."""

    vector: bytes = b""
    """Of the message's text; empty where it could not be embedded, and then nothing is found."""
    passages: tuple[Retrieved, ...] = ()
    sentences: tuple[Retrieved, ...] = ()


class Retrieval:
    """Searches the knowledge base with the embedder that its index was built with."""

    def __init__(self, knowledge: Knowledge, embedder: Embedder) -> None:
        """Raises `ArtefactRefused` where the index was built with another embedder: no score would mean anything."""
        self._knowledge = knowledge
        self._embedder = embedder
        self.embedder = f"{embedder.name}/{embedder.version}"
        """The model and version that make the vectors."""
        indexed = f"{knowledge.embedding_model}/{knowledge.embedding_version}"
        if indexed != self.embedder:
            raise ArtefactRefused(
                f"The knowledge base was indexed with the embedder {indexed} and can't be searched with "
                f"{self.embedder}; run `python -m aam build`."
            )

    def look_up(self, items: Sequence[ResolveItem], asking: Sequence[int]) -> list[Evidence]:
        """Evidence for each item; sentences only for those at the places `asking`. Blocking, so for a thread.

        An item whose text can't be embedded has none, and where the index fails nobody has any: options and gates need
        no passages, and an emergency must not wait for them.
        """
        vectors = self._embed_each([item.message_text for item in items])
        passages = _search(self._knowledge.search, items, vectors, PASSAGES)
        sentences = _search(self._knowledge.sentences, [items[place] for place in asking], vectors, SENTENCES)
        quotable = dict(zip(asking, sentences, strict=True))
        return [
            Evidence(vectors.get(item.message_text, b""), found, quotable.get(place, ()))
            for place, (item, found) in enumerate(zip(items, passages, strict=True))
        ]

    def retrieve(self, query: RetrieveQuery) -> tuple[Retrieved, ...]:
        """Passages for one query, best first. Raises `Unavailable`."""
        vectors = self._embed_each([query.text])
        if not vectors:
            raise Unavailable("The knowledge base can't be searched for this text at the moment.")
        return self._knowledge.search([query], [vectors[query.text]])[0]

    def embed(self, texts: Sequence[str]) -> list[bytes]:
        """A vector for each text. Raises `Unavailable` where one has none."""
        vectors = self._embed_each(texts)
        if any(text not in vectors for text in texts):
            raise Unavailable("This text can't be compared with others at the moment.")
        return [vectors[text] for text in texts]

    def _embed_each(self, texts: Sequence[str]) -> dict[str, bytes]:
        """The vector of each text that has one; where all at once fails, each is tried by itself."""
        distinct = list(dict.fromkeys(texts))
        try:
            vectors = dict(zip(distinct, self._embedder.embed(distinct), strict=True))
        except Exception:
            if len(distinct) == 1:
                LOG.exception("A text could not be embedded; nothing is looked up for it")
                return {}
            LOG.warning("A batch of %d texts could not be embedded; each is tried by itself", len(distinct))
            return {text: vector for one in distinct for text, vector in self._embed_each([one]).items()}
        sound = {text: vector for text, vector in vectors.items() if self._is_sound(vector)}
        if len(sound) < len(vectors):
            LOG.error("%d vectors are damaged; nothing is looked up for their texts", len(vectors) - len(sound))
        return sound

    def _is_sound(self, vector: bytes) -> bool:
        whole = len(vector) == 4 * self._embedder.dimensions
        return whole and bool(np.isfinite(np.frombuffer(vector, dtype="<f4")).all())


def _search(
    search: Search, items: Sequence[ResolveItem], vectors: dict[str, bytes], top_k: int
) -> list[tuple[Retrieved, ...]]:
    embedded = [place for place, item in enumerate(items) if item.message_text in vectors]
    if not embedded:
        return [()] * len(items)
    wanted = [items[place] for place in embedded]
    queries = [RetrieveQuery(text=item.message_text, top_k=top_k, building_id=item.building_id) for item in wanted]
    try:
        found = search(queries, [vectors[item.message_text] for item in wanted])
    except Exception:
        LOG.exception("The knowledge base could not be searched; deciding without passages")
        return [()] * len(items)
    by_place = dict(zip(embedded, found, strict=True))
    return [by_place.get(place, ()) for place in range(len(items))]
