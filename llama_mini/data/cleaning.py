"""Making text fit to read: what each kind of source needs before a model sees it."""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable

_CONTROL = [*range(0x00, 0x09), 0x0B, *range(0x0E, 0x20), *range(0x7F, 0xA0)]
_INVISIBLE = [0xAD, *range(0x200B, 0x2010), 0x2060, 0xFEFF]
_UNWANTED = dict.fromkeys([*_CONTROL, *_INVISIBLE])
_SPACES = dict.fromkeys([0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000], " ")
_BREAKS = {0x0C: "\n", 0x85: "\n", 0x2028: "\n", 0x2029: "\n"}
_CHARACTERS = _UNWANTED | _SPACES | _BREAKS


def tidy(text: str, blank_lines: int = 1) -> str:
    """Plain characters and plain spacing: what every source gets.

    Composes accents (NFC), removes control and invisible characters, makes every space and line
    break a plain one, drops trailing spaces, and leaves at most `blank_lines` of them in a row.
    """
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = text.translate(_CHARACTERS)
    text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
    most = "\n" * (blank_lines + 1)
    return re.sub(rf"\n{{{blank_lines + 2},}}", most, text).strip("\n")


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
_LOST_POUND = re.compile(r"(?<=euros; )(?=\d)")
_HYPHEN_AT_BORDER = re.compile(
    r"(?<=[.,;:!?)\"'])-+(?=[\s\w\"']|$)|(?<=\s)-(?=[A-Za-z]\w)|^-(?=\w)"
)
_NEVER_FIRST = (
    "is|was|are|were|has|have|had|been|and|the|that|which|who|it|he|she|they|of|with|said"
)
_NEVER_LAST = f"(?:{_NEVER_FIRST}|told|says|from|for|would|could|will|his|her|their)"
_HYPHEN_AT_SMALL_WORD = re.compile(
    rf"(?<![\w-])((?:{_NEVER_FIRST}|The|(?:to|in|on|at|by|for)(?=-[A-Z])))-(?=[A-Za-z])"
    rf"|(?<=[a-z\d])-(?={_NEVER_LAST}[\s,.]|(?:to|in|on|at|by) (?:the|a|an|his|her|its|their)\b)"
)
# `anti-Trump` is a word, `confidante-Choi` two; short lower-case words are Arabic articles.
_HYPHEN_BEFORE_NAME = re.compile(
    r"(?<![\w-])(?!(?:anti|post|trans|inter|then|self|semi|multi|intra|half|near|over|euro)-)"
    r"([a-z]{4,})-(?=[A-Z][a-z])"
)
_BROKEN = re.compile(r"\ufffd|\"\?|\w\?\w|[a-z]\"[a-z]|(?:^|\s)\?\w")
_OPENING = re.compile(r"^(?:[A-Z][A-Z .,'/-]{2,40}\s*)?\(\s*(?:CNN|Reuters|AP)\s*\)\s*(?:--?\s*)?")
_DATELINE = re.compile(r"^[A-Z][A-Z .,'-]+,? (?:[A-Z][a-z]+ \d+)?\.? ?/TASS ?/\.? ?")
_SHARE_BAR = re.compile(
    r"(?:Send )?Facebook Twitter Google\+ .{0,120}?Permalink https?://\S+|"
    r"(?:Share this with|Copy this link|These are external links)[^.]{0,200}?\bClose share panel\b"
    r"|Share this with Can you get the answers nobody else knows\?.*"
    r"|If you are reading this page on the BBC News app.*"
    r"|For more ideas, information and inspiration, visit.*|\bShare this with\b"
    r"|Media playback is (?:un)?supported on (?:this|your) device"
    r"|Please turn on JavaScript\.[^.]*\.|(?:Media|Image) (?:caption|copyright)\s",
    re.IGNORECASE,
)
_CAPTION = re.compile(
    r"(?<=[.?!\"']) - [^.]{5,240}\.? (?:Provided to China Daily|Getty Images|Xinhua"
    r"|[A-Z]\w+ [A-Z]\w+ ?/ ?(?:for )?China Daily)\.?"
)
_TAIL = re.compile(
    r"\s*(?:-+\s*)?(?:Source\s*:?-?\s*(?:Al Jazeera|News agenc|AP|AFP|Reuters).*"
    r"|\(\s*China Daily[^)]*page ?\d+\s*\)|Share this slide:.*|Author: [A-Z][\w .-]{3,40}"
    r"|(?:[a-z]{2,5}/)?[a-z]{2,5}/?[\s,-]*"
    r"\((?:AP|AFP|dpa|Reuters|EPA|EFE|Interfax|KNA|epd|SID|Lusa|LUSA|DPA)\b[^)]*\)"
    r"|(?:Contact the writers? (?:at|through) )?\S+@\S+\.\w+\.?)\s*$"
)


_PAIR = re.compile(r"(?<![\w-])(\w+)-(?=(\w+)(?![\w-]))")
_WORD_PAIR = re.compile(r"(?<![\w-])(\w+) (?=(\w+)(?!\w))")


def false_hyphens(texts: Iterable[str]) -> set[tuple[str, str]]:
    """Pairs of words that the texts join by a hyphen less often than they part by a space."""
    texts = list(texts)
    joined = Counter(pair for text in texts for pair in _PAIR.findall(text))
    parted = Counter(pair for text in texts for pair in _WORD_PAIR.findall(text) if pair in joined)
    return {pair for pair, count in joined.items() if parted[pair] > count}


def repair_news(text: str, hyphens: Collection[tuple[str, str]] = ()) -> str | None:
    """An article with what its wrong character set did undone, or None if that cannot be.

    hyphens: pairs of words between which a hyphen was a space, from `false_hyphens`. Only repairs
    that leave no doubt are made; an article with other damage is not worth guessing.
    """
    text = _CAPTION.sub("", _SHARE_BAR.sub(" ", text)).strip()
    text = _DATELINE.sub("", _OPENING.sub("", text))
    text = _LOST_POUND.sub("£", _LOST_SPACE_AFTER_QUOTE.sub(r'\1" ', text))
    text = re.sub(r"(?<=\w)-{2,3}(?=\w)", " - ", text)
    text = _PAIR.sub(lambda m: f"{m[1]} " if (m[1], m[2]) in hyphens else m[0], text)
    text = _HYPHEN_AT_SMALL_WORD.sub(r"\1 ", _HYPHEN_AT_BORDER.sub(" ", text))
    text = _HYPHEN_BEFORE_NAME.sub(r"\1 ", text)
    text = re.sub(r"\s*(?:- ){3,}-?\s*", "\n\n", text)
    text = re.sub(r"[ \t]{2,}", " ", text).strip()
    while (shorter := _TAIL.sub("", text)) != text:
        text = shorter
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
