"""The language of a text, for sources whose every text must be in one."""

from collections.abc import Iterable, Iterator

from llama_mini.data.ccnet import language
from llama_mini.data.documents import Document
from llama_mini.data.stages import Answer


def answers(documents: Iterable[Document], languages: dict[str, str]) -> Iterator[Answer]:
    """Documents in the language that `languages` asks of their source, if it asks for one."""
    for document in documents:
        wanted = languages.get(document.source)
        found = language.detect_language(document.text) if wanted else wanted
        yield (document, None) if found == wanted else (None, f"not {wanted}")
