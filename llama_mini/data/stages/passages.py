"""Documents that share passages: what is mostly a copy goes, relatives become one group."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from llama_mini.data.ccnet import dedup, overlaps
from llama_mini.data.documents import Document
from llama_mini.data.stages import Answer


def answers(
    documents: Sequence[Document], duplicate_above: float, related_above: float
) -> Iterator[Answer]:
    """The documents that are no copies, with the groups of relatives joined.

    See `find_overlaps` for both limits.
    """
    found = overlaps.find_overlaps(
        [dedup.shingles(document.text) for document in documents],
        [document.group for document in documents],
        duplicate_above,
        related_above,
    )
    for document, original, group in zip(documents, found.duplicate_of, found.group, strict=True):
        if original is None:
            yield replace(document, group=group), None
        else:
            yield None, "mostly in one earlier document"
