"""Rules of thumb for what is worth reading, as the table of sources sets them."""

from collections.abc import Iterable, Iterator
from typing import Any

from llama_mini.data import code, prose
from llama_mini.data.documents import Document
from llama_mini.data.stages import Answer


def answers(documents: Iterable[Document], rules: dict[str, dict[str, Any]]) -> Iterator[Answer]:
    """The documents that keep the rules of their source; `rules` has them for every source."""
    for document in documents:
        reason = rejection(document.text, **rules[document.source])
        yield (document, None) if reason is None else (None, reason)


def rejection(text: str, kind: str, min_characters: int, min_words: int) -> str | None:
    """Why a text is not worth training on, or None if it is.

    kind: "prose" and "code" have rules of their own; any other kind has none.
    """
    if "\ufffd" in text:
        return "damaged characters"
    if len(text) < min_characters:
        return "too short"
    if kind == "code":
        return code.rejection(text)
    if kind == "prose":
        return prose.rejection(text, min_words)
    return None
