"""C4's heuristics: which lines of a web page are sentences, and which pages have enough of them."""

import re
from collections.abc import Collection

END_MARKS = (".", "!", "?", '"', "”")
POLICY_PHRASES = (
    "terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies",
    "use cookies",
)  # fmt: skip


def keeps_line(line: str) -> bool:
    """Whether C4 keeps a line of a page: it reads like a sentence, and not like furniture.

    The line, without white space at its ends, must have at least 5 words, none of them longer than
    1,000 characters (words are what white space separates), and end in one of `END_MARKS`, but not
    in three dots. In lower case it may hold neither "javascript" nor one of `POLICY_PHRASES`.

    Source: Raffel et al. 2020, JMLR 21(140), §2.2, and the authors' code in TensorFlow Datasets,
    which has the word of 1,000 characters. The paper's first version swapped two numbers: it asked
    for 3 words in a line and 5 sentences in a page.
    """
    line = line.strip()
    words = line.split()
    if len(words) < 5 or max(map(len, words)) > 1000:
        return False
    if not line.endswith(END_MARKS) or line.endswith("..."):
        return False
    return not any(phrase in line.lower() for phrase in ("javascript", *POLICY_PHRASES))


def clean_page(text: str, bad_words: Collection[str]) -> str | None:
    """The lines of a page that C4 keeps, each a paragraph of its own, or None if it drops the page.

    First the marks of citations go: "[1]" with any number of digits or none, "[edit]" and
    "[citation needed]". A page is dropped if it holds a "{", or, in lower case, "lorem ipsum" or
    one of `bad_words` (in lower case themselves) with no letter, digit or underscore on either side
    of it. The lines that `keeps_line` keeps stay, without white space at their ends, and a blank
    line between two; if they have fewer than 3 sentences together, the page is dropped too. Every
    ".", "!" or "?" before white space, a closing quote (" or ”) or the end of the line ends a
    sentence.

    Source: as for `keeps_line`. C4 counts sentences with NLTK, which knows abbreviations.
    """
    lower = text.lower()
    if "{" in text or "lorem ipsum" in lower:
        return None
    if any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", lower) for word in bad_words):
        return None
    lines = re.sub(r"\[(?:\d*|edit|citation needed)\]", "", text).split("\n")
    kept = [line.strip() for line in lines if keeps_line(line)]
    n_sentences = sum(len(re.findall(r"[.!?](?=\s|$|[\"”])", line)) for line in kept)
    return "\n\n".join(kept) if n_sentences >= 3 else None
