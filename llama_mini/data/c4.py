"""C4's heuristics: which lines of a web page are sentences, and which pages have enough."""

import re

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
