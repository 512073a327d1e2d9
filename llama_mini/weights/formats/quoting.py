"""What stands in a file, quoted in a message: whatever it is, it stays a part of a sentence."""

from collections.abc import Sequence
from typing import Any

_MOST = 80  # characters


def shown(value: Any, most: int = _MOST) -> str:
    """A value as Python writes it, cut to so many characters."""
    text = repr(value)
    return text if len(text) <= most else f"{text[:most]}…"


def cut(text: Any, most: int = 4 * _MOST) -> str:
    """The first line of a text, or of an error's message, cut to so many characters."""
    line = str(text).strip().partition("\n")[0]
    return line if len(line) <= most else f"{line[:most]}…"


def listed(names: Sequence[str], most: int = 3) -> str:
    """The first few names, and whether there are more."""
    return ", ".join(cut(name, _MOST) for name in names[:most]) + " …" * (len(names) > most)
