"""Articles whose ends of lines were lost: what follows the last sentence was a line of its own."""

from collections.abc import Iterable, Iterator

from llama_mini.data import news
from llama_mini.data.documents import Document
from llama_mini.data.stages import Answer


def answers(documents: Iterable[Document]) -> Iterator[Answer]:
    """Every article, with a line break before such an end, so that a rule on lines can see it."""
    for document in documents:
        yield document.with_text(news.closing_line_apart(document.text)), None
