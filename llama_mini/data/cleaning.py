"""Making text fit to read: what each kind of source needs before a model sees it."""

import re
import unicodedata
from collections.abc import Iterable

_CONTROL = [*range(0x00, 0x09), 0x0B, *range(0x0E, 0x20), *range(0x7F, 0xA0)]
_INVISIBLE = [0xAD, *range(0x200B, 0x2010), 0x2060, 0xFEFF]
_UNWANTED = dict.fromkeys([*_CONTROL, *_INVISIBLE])
_SPACES = dict.fromkeys([0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000], " ")
_BREAKS = {0x0C: "\n", 0x85: "\n", 0x2028: "\n", 0x2029: "\n"}
_CHARACTERS = _UNWANTED | _SPACES | _BREAKS


def tidy(text: str) -> str:
    """Plain characters and plain spacing: what every source gets.

    Composes accents (NFC), removes control and invisible characters, makes every space and line
    break a plain one, drops trailing spaces, and leaves at most one blank line in a row.
    """
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = text.translate(_CHARACTERS)
    text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n")


def unwrap(text: str) -> str:
    """Join the lines of each paragraph that were broken to fit a page.

    A paragraph with an indented line (verse, code, a table) or with short lines alone stays as is.
    """
    return "\n\n".join(_unwrap_paragraph(p) for p in re.split(r"\n{2,}", text))


def _unwrap_paragraph(paragraph: str) -> str:
    lines = paragraph.split("\n")
    if len(lines) < 2 or any(line[:1].isspace() for line in lines[1:]):
        return paragraph
    if max(len(line) for line in lines) < 50:
        return paragraph
    return " ".join(line.strip() for line in lines)


# News. The table of articles was read once in the wrong character set: a closing curly quote and
# the space after it became `"?`, other characters U+FFFD, and non-breaking spaces hyphens.
_LOST_SPACE_AFTER_QUOTE = re.compile(r'([,.!?])"\?\s?(?=[\w"\'(]|$)')
_HYPHEN_FOR_SPACE = re.compile(
    r"(?<=[.,;:!?)\"'])-+(?=[\s\w\"']|$)|(?<=\s)-(?=[A-Za-z]\w)|^-(?=\w)"
)
_HYPHEN_BEFORE_SMALL_WORD = re.compile(
    r"(?<=[a-z])-(?=(?:said|told|says|has|have|had|was|were|is|are|the|that|which|who|from|will"
    r"|would|could|he|she|they|his|their)\b)(?!that|the-)"
)
_BROKEN = re.compile(r"\ufffd|\"\?|\w\?\w|[a-z]\"[a-z]|(?:^|\s)\?\w")
_OPENING = re.compile(r"^(?:[A-Z][A-Z .,'/-]{2,40}\s*)?\(\s*(?:CNN|Reuters|AP)\s*\)\s*(?:--?\s*)?")
_DATELINE = re.compile(r"^[A-Z][A-Z .,'-]+,? (?:[A-Z][a-z]+ \d+)?\.? ?/TASS ?/\.? ?")
_SHARE_BAR = re.compile(
    r"(?:Send )?Facebook Twitter Google\+ .{0,120}?Permalink https?://\S+|"
    r"(?:Share this with|Copy this link|These are external links)[^.]{0,200}?\bClose share panel\b"
    r"|Media playback is (?:un)?supported on (?:this|your) device"
    r"|Please turn on JavaScript\.[^.]*\.|(?:Media|Image) (?:caption|copyright)\s",
    re.IGNORECASE,
)
_TAIL = re.compile(
    r"\s*(?:-+\s*)?(?:Source\s*:?-?\s*(?:Al Jazeera|News agenc|AP|AFP|Reuters).*"
    r"|\(\s*China Daily[^)]*page ?\d+\s*\)|Share this slide:.*"
    r"|(?:[a-z]{2,4}/)?[a-z]{2,4}\s*\((?:AP|AFP|dpa|Reuters|EPA|Interfax|KNA|epd|SID|Lusa)[^)]*\)"
    r"|(?:Contact the writers? (?:at|through) )?\S+@chinadaily\S*)\s*$"
)


def repair_news(text: str) -> str | None:
    """An article with what its wrong character set did undone, or None if that cannot be.

    Only repairs that leave no doubt are made; an article with other damage is not worth guessing.
    """
    text = _SHARE_BAR.sub(" ", text)
    while (shorter := _TAIL.sub("", text)) != text:
        text = shorter
    text = _DATELINE.sub("", _OPENING.sub("", text.strip()))
    text = _LOST_SPACE_AFTER_QUOTE.sub(r'\1" ', text)
    text = _HYPHEN_BEFORE_SMALL_WORD.sub(" ", _HYPHEN_FOR_SPACE.sub(" ", text))
    text = re.sub(r"\s*(?:- ){3,}-?\s*", "\n\n", text)
    text = re.sub(r"[ \t]{2,}", " ", text).strip()
    return None if _BROKEN.search(text) else text


def sentences(text: str) -> list[str]:
    """Split running text after each `. ! ?` that a space and a capital, digit or quote follow."""
    return re.split(r"(?<=[.!?])[\"']?\s+(?=[A-Z0-9\"'(])", text)


def without_phrases(text: str, phrases: Iterable[str]) -> str:
    """Remove each phrase wherever it occurs."""
    for phrase in phrases:
        text = text.replace(phrase, " ")
    return re.sub(r" {2,}", " ", text).strip()


# Code.
_LICENCE_WORDS = re.compile(r"copyright|licen[cs]e|spdx|all rights reserved", re.IGNORECASE)
_LEADING_COMMENTS = re.compile(r"\A(?:[ \t]*#[^\n]*\n|[ \t]*\n)+")


def without_licence_header(code: str) -> str:
    """Python source without the comments at its top, if they speak of licences or copyright."""
    head = _LEADING_COMMENTS.match(code)
    if head and _LICENCE_WORDS.search(head.group()):
        return code[head.end() :]
    return code


# Encyclopedia.
_EMPTY_BRACKETS = re.compile(r"\s*\((?:[\s;,:]|or|listen)*\)")
_BRACKET_START = re.compile(r"\((?:\s*[;,]\s*|\s+)+")


def clean_lead(text: str) -> str:
    """The lead of an article without the holes that removed pronunciations leave in brackets."""
    text = _BRACKET_START.sub("(", _EMPTY_BRACKETS.sub("", text))
    text = re.sub(r"\s+([,.;:)])", r"\1", text)
    return re.sub(r"[ \t]{2,}", " ", text).strip()
