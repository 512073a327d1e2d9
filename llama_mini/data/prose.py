"""Which prose is worth reading."""

import re

_WORD = re.compile(r"[A-Za-z]+(?:['’][a-z]+)?")
_COMMON = frozenset(
    "the of and to in a is that it for with as on be by this are from or not".split()
)


def rejection(text: str, min_words: int) -> str | None:
    """Why prose is not worth training on, or None if it is.

    It must be mostly letters, use common English words, and not repeat its lines.
    """
    words = _WORD.findall(text.lower())
    if sum(map(len, words)) < 0.65 * len("".join(text.split())):
        return "too few letters"
    if sum(word in _COMMON for word in words) < 0.08 * len(words):
        return "too few common words"
    if len(words) < min_words:
        return "too short"
    if _share_of_repeated_lines(text) > 0.3:
        return "repeats itself"
    return None


def _share_of_repeated_lines(text: str) -> float:
    lines = [line for line in text.split("\n") if line.strip()]
    repeated = len(lines) - len(set(lines))
    return repeated / max(1, len(lines))
