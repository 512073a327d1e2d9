"""Paragraphs that came before, in any document of the crawled sources."""

from collections.abc import Iterator, Sequence

from llama_mini.data.ccnet import dedup
from llama_mini.data.documents import Document
from llama_mini.data.files import DataError
from llama_mini.data.stages import Answer


def answers(documents: Sequence[Document], sources: list[str]) -> Iterator[Answer]:
    """Documents of `sources` without the paragraphs seen before; all others as they are."""
    seen: set[bytes] = set()
    cleaned = dedup.without_repeated_paragraphs((d for d in documents if d.source in sources), seen)
    for document in documents:
        if document.source not in sources:
            yield document, None
            continue
        rest = next(cleaned, None)
        if rest is None or rest.id != document.id:
            raise DataError(
                f"without_repeated_paragraphs gave {rest.id if rest else 'nothing'} for "
                f"{document.id}; it gives every document back, in order, an emptied one too."
            )
        yield (rest, None) if rest.text else (None, "nothing that was not seen before")
