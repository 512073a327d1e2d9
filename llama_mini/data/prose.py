"""Which documents are worth reading."""

import re

from llama_mini.data import code
from llama_mini.data.documents import Document

_WORD = re.compile(r"[A-Za-z]+(?:['’][a-z]+)?")
_COMMON = frozenset(
    "the of and to in a is that it for with as on be by this are from or not".split()
)


def rejection(document: Document) -> str | None:
    """Why a document is not worth training on, or None if it is.

    Prose must be long enough (300 characters, CCNet's limit; Wikipedia's short leads 100), mostly
    letters, and use common English words; code is judged by its lines.
    """
    text = document.text
    if "\ufffd" in text:
        return "damaged characters"
    if document.source == "github":
        return code.rejection(text)
    if len(text) < (100 if document.source == "wikipedia" else 300):
        return "too short"
    if document.source == "arxiv":
        return None
    words = _WORD.findall(text.lower())
    if sum(map(len, words)) < 0.65 * len("".join(text.split())):
        return "too few letters"
    if sum(word in _COMMON for word in words) < 0.08 * len(words):
        return "too few common words"
    if document.source in ("commoncrawl", "c4") and len(words) < 60:
        return "too short"
    if _share_of_repeated_lines(text) > 0.3:
        return "repeats itself"
    return None


def _share_of_repeated_lines(text: str) -> float:
    lines = [line for line in text.split("\n") if line.strip()]
    repeated = len(lines) - len(set(lines))
    return repeated / max(1, len(lines))
