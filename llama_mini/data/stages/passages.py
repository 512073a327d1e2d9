"""Documents that share passages: more than half is a copy, a tenth makes relatives."""

from collections.abc import Iterator, Sequence

from llama_mini.data.ccnet import dedup
from llama_mini.data.documents import Document
from llama_mini.data.stages import Answer


def answers(
    documents: Sequence[Document], duplicate_above: float, related_above: float
) -> Iterator[Answer]:
    """The documents that are no copies, relatives in one group."""
    kept = {
        document.id: document
        for document in dedup.without_near_duplicates(documents, duplicate_above, related_above)
    }
    for document in documents:
        rest = kept.get(document.id)
        yield (rest, None) if rest else (None, "mostly in one earlier document")
