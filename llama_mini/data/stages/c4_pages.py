"""C4's heuristics: a page keeps the lines that are sentences, if it has enough of them."""

from collections.abc import Iterable, Iterator

from llama_mini.data import c4
from llama_mini.data.documents import Document
from llama_mini.data.stages import Answer


def answers(documents: Iterable[Document], bad_words: list[str]) -> Iterator[Answer]:
    """The pages that C4 would keep, with the lines that it would keep."""
    for document in documents:
        text = c4.clean_page(document.text, bad_words)
        yield (None, "no page to C4") if text is None else (document.with_text(text), None)
