"""The leads of encyclopedia articles."""

import re

_EMPTY_BRACKETS = re.compile(r"\s*\((?:[\s;,:]|or|listen)*\)")
_BRACKET_START = re.compile(r"\((?:\s*[;,]\s*|\s+)+")


def clean_lead(text: str) -> str:
    """The lead of an article without the holes that removed pronunciations leave in brackets."""
    text = _BRACKET_START.sub("(", _EMPTY_BRACKETS.sub("", text))
    text = re.sub(r"\s+([,.;:)])", r"\1", text)
    return re.sub(r"[ \t]{2,}", " ", text).strip()
