"""Repairing news articles: a wrong character set, datelines, and the outlets' furniture."""

import re
from collections import Counter
from collections.abc import Collection, Iterable

# The table of articles was read once in the wrong character set: a closing curly quote and
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


_SENTENCE_END = re.compile(r"(?<!\.\.)[.!?][\"”]?(?=\s|$)\s*")


def closing_line_apart(text: str) -> str:
    """An article with what follows its last sentence as a paragraph of its own, if anything does.

    Such as "READ: Five ways in which it will change" behind "… he said." An article without any
    sentence stays as it is.
    """
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    if not ends or ends[-1] == len(text):
        return text
    return f"{text[: ends[-1]].rstrip()}\n\n{text[ends[-1] :]}"


def without_phrases(text: str, phrases: Iterable[str]) -> str:
    """Remove each phrase wherever it occurs."""
    for phrase in phrases:
        text = text.replace(phrase, " ")
    return re.sub(r" {2,}", " ", text).strip()
