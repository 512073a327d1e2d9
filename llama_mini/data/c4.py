"""C4's heuristics: which lines of a web page are sentences, and which pages have enough."""

import re
from collections.abc import Collection

END_MARKS = (".", "!", "?", '"', "”", "…")
POLICY = (
    "terms of use", "terms of service", "privacy policy", "cookie policy", "uses cookies",
    "use of cookies", "use cookies", "javascript", "lorem ipsum",
)  # fmt: skip


def keeps_line(line: str) -> bool:
    """Whether C4 keeps a line: five words, the end of a sentence, no cookies or JavaScript."""
    line = line.strip()
    if len(line.split()) < 5 or not line.endswith(END_MARKS) or line.endswith("..."):
        return False
    return not any(phrase in line.lower() for phrase in POLICY)


def clean_page(text: str, bad_words: Collection[str] = ()) -> str | None:
    """The lines of a page that C4 would keep, or None if it would drop the page."""
    if "{" in text:
        return None
    lines = re.sub(r"\[(?:\d+|edit|citation needed)\]", "", text).split("\n")
    kept = [line.strip() for line in lines if keeps_line(line)]
    n_sentences = sum(len(re.findall(r"[.!?](?=\s|$|[\"”])", line)) for line in kept)
    return "\n\n".join(kept) if n_sentences >= 3 else None
