"""Source code: licence headers go, and files that are data or hardly code."""

import re

_LICENCE_WORDS = re.compile(r"copyright|licen[cs]e|spdx|all rights reserved", re.IGNORECASE)
_LEADING_COMMENTS = re.compile(r"\A(?:[ \t]*#[^\n]*\n|[ \t]*\n)+")


def without_licence_header(code: str) -> str:
    """Python source without the comments at its top, if they speak of licences or copyright."""
    head = _LEADING_COMMENTS.match(code)
    if head and _LICENCE_WORDS.search(head.group()):
        return code[head.end() :]
    return code


def rejection(code: str) -> str | None:
    """Why a source file is left out, or None if it stays.

    "long lines" if its lines have more than 100 characters on average (the length of the file by
    the number of lines that "\\n" separates) or any has more than 1,000. Else "too few letters" if
    less than a quarter of its characters are letters or digits (`str.isalnum`). An empty file
    stays.

    Source: LLaMA, arXiv 2302.13971, §2.1, filters by "line length or proportion of alphanumeric
    characters" and gives no thresholds. These are those of Codex and The Stack.
    """
    lines = code.split("\n")
    if len(code) / len(lines) > 100 or max(map(len, lines)) > 1000:
        return "long lines"
    if sum(c.isalnum() for c in code) < 0.25 * len(code):
        return "too few letters"
    return None
