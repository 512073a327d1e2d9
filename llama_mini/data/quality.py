"""Which lines of a page, and which documents, are worth reading."""

import re

from llama_mini.data.documents import Document

_TERMINAL = (".", "!", "?", '"', "”", "…")
_POLICY = (
    "terms of use", "terms of service", "privacy policy", "cookie policy", "uses cookies",
    "use of cookies", "use cookies", "javascript", "lorem ipsum",
)  # fmt: skip
_FORMS = (
    "all rights reserved", "©", "copyright", "password", "sign in", "sign up", "log in", "captcha",
    "your account", "shopping cart", "add to cart", "write a review", "free shipping", "checkout",
    "newsletter", "click here",
)  # fmt: skip
_CITATION = re.compile(r"\[(?:\d+|edit|citation needed)\]")
_WORD = re.compile(r"[A-Za-z]+(?:['’][a-z]+)?")
_COMMON = frozenset(
    "the of and to in a is that it for with as on be by this are from or not".split()
)


def c4_lines(text: str) -> str:
    """The lines of a page that C4 would keep, or an empty string if it would drop the page.

    A line stays if it has at least five words, ends like a sentence, and speaks of no cookies,
    policies or JavaScript; a page needs three sentences and no curly bracket. Source: the T5 paper,
    section 2.2, in its final version (an early one said three words and five sentences). Ours also
    drops lines that belong to forms and shops: the pages we have were collected for their forms.
    """
    if "{" in text:
        return ""
    kept = []
    for line in _CITATION.sub("", text).split("\n"):
        line = line.strip()
        lower = line.lower()
        if len(line.split()) < 5 or not line.endswith(_TERMINAL) or line.endswith("..."):
            continue
        if any(phrase in lower for phrase in (*_POLICY, *_FORMS)):
            continue
        kept.append(line)
    n_sentences = sum(len(re.findall(r"[.!?](?=\s|$|[\"”])", line)) for line in kept)
    return "\n\n".join(kept) if n_sentences >= 3 else ""


_MENU_LINE = re.compile(
    r"^(?:menu|skip to .*|previous|next|contents|table of contents|index|search|home|¶|up|"
    r"object name|description|member name|\[docs\]|see also)$",
    re.IGNORECASE,
)
_SIGNATURE = re.compile(
    r"^\s*(?:(?:async )?(?:class|exception|method|classmethod|staticmethod|function|attribute"
    r"|property|data)\s+)\w+\.[\w.]+|^inherits from |^Bases: |^Member Name\b|^Object Name\b"
)
_IMAGE = re.compile(r"^\S+\.(?:png|gif|jpe?g|svg)$", re.IGNORECASE)


def without_menus(text: str) -> str:
    """A manual's page without navigation, signatures, image names and empty bullets."""
    lines = []
    for line in text.replace("¶", "").split("\n"):
        bare = line.strip(" •*-\t")
        if line.strip() and (not bare or _MENU_LINE.match(bare) or _IMAGE.match(bare)):
            continue
        if _SIGNATURE.match(line):
            continue
        lines.append(line)
    return "\n".join(lines)


def rejection(document: Document) -> str | None:
    """Why a document is not worth training on, or None if it is.

    Prose must be long enough (300 characters, CCNet's limit; Wikipedia's short leads 100), mostly
    letters, and use common English words; code must have ordinary lines (FACTS of LLaMA's GitHub
    filters name line length and share of alphanumeric characters, not their thresholds; ours are
    those of Codex and The Stack: mean 100, longest 1,000, share 0.25).
    """
    text = document.text
    if "\ufffd" in text:
        return "damaged characters"
    if document.source == "github":
        return _code_rejection(text)
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


def _code_rejection(code: str) -> str | None:
    lines = code.split("\n")
    if len(code) < 200:
        return "too short"
    if len(code) / len(lines) > 100 or max(map(len, lines)) > 1000:
        return "long lines"
    if sum(c.isalnum() for c in code) < 0.25 * len(code):
        return "too few letters"
    return None


def _share_of_repeated_lines(text: str) -> float:
    lines = [line for line in text.split("\n") if line.strip()]
    repeated = len(lines) - len(set(lines))
    return repeated / max(1, len(lines))
