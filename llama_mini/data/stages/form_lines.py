"""Lines of forms and shops, which the pages we have are full of: they were collected for them."""

from collections.abc import Iterable, Iterator

from llama_mini.data import web
from llama_mini.data.documents import Document
from llama_mini.data.stages import Answer


def answers(documents: Iterable[Document]) -> Iterator[Answer]:
    """Every page without such lines."""
    for document in documents:
        yield document.with_text(web.without_form_lines(document.text)), None
