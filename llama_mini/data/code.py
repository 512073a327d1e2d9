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
    """Why a source file is left out, or None if it stays: its lines, its share of alphanumerics.

    LLaMA's filters on GitHub are named in its paper, section 2.1, their thresholds are not. Ours
    are those of Codex and The Stack: lines of 100 characters on average and 1,000 at most, and at
    least a quarter of the characters letters or digits.
    """
    lines = code.split("\n")
    if len(code) / len(lines) > 100 or max(map(len, lines)) > 1000:
        return "long lines"
    if sum(c.isalnum() for c in code) < 0.25 * len(code):
        return "too few letters"
    return None
