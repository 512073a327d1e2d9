"""What was seen before: paragraphs that come back, and the runs of words that overlaps share."""

import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator

import numpy as np

from llama_mini.data.documents import Document

_WORDS_PER_SHINGLE = 8
_KEEP_ONE_SHINGLE_IN = 4
_MULTIPLIERS = np.array([0x9E3779B97F4A7C15**k % 2**64 for k in range(8)], dtype=np.uint64)


def normalize_paragraph(paragraph: str) -> str:
    """What counts as the same paragraph: lower case, digits as 0, no punctuation, single spaces.

    First lower case (`str.lower`), then each digit of any script (`\\d`) becomes "0", then every
    character goes that is no letter, digit or underscore (`\\w`) and no white space, accents
    staying as they are; runs of white space become one space, and none is left at the ends.

    Source: Wenzek et al. 2019, arXiv 1911.00359, §3.1, and CCNet's `normalize_for_dedup`, which
    removes punctuation by a list of characters, and white space altogether.
    """
    text = re.sub(r"\d", "0", paragraph.lower())
    return " ".join(re.sub(r"[^\w\s]", "", text).split())


def paragraph_key(paragraph: str) -> bytes:
    """A name for all paragraphs of one normal form: the first 8 bytes of its SHA-1.

    The hash is of `normalize_paragraph(paragraph)` in UTF-8. Among n different normal forms, some
    two share a key with a probability of about n² / 2⁶⁵.

    Source: CCNet, arXiv 1911.00359, §3.1.
    """
    return hashlib.sha1(normalize_paragraph(paragraph).encode("utf-8")).digest()[:8]


def without_repeated_paragraphs(
    documents: Iterable[Document], seen: set[bytes]
) -> Iterator[Document]:
    """The documents with each paragraph left only where it occurs first.

    A paragraph is what "\\n\\n" separates. One whose `paragraph_key` is in `seen` goes, and the
    keys of those that stay are added to `seen` at once, so it goes when it comes back in its own
    document too. Every document comes back, in order, as `document.with_text(…)`, its paragraphs
    joined by "\\n\\n" again; one that lost them all has an empty text. One document is read at a
    time.

    Source: CCNet, arXiv 1911.00359, §3.1, which does it with lines.
    """
    for document in documents:
        kept = []
        for paragraph in document.text.split("\n\n"):
            key = paragraph_key(paragraph)
            if key not in seen:
                seen.add(key)
                kept.append(paragraph)
        yield document.with_text("\n\n".join(kept))


def shingles(text: str) -> set[int]:
    """A sample of the runs of eight words in a text, as 64-bit hashes.

    One in four, chosen by the hash itself, so that two texts sample their common runs alike.
    """
    words = normalize_paragraph(text).split()
    if len(words) < _WORDS_PER_SHINGLE:
        return set()
    ids = np.array([zlib.crc32(word.encode("utf-8")) for word in words], dtype=np.uint64)
    count = len(ids) - _WORDS_PER_SHINGLE + 1
    hashes = np.zeros(count, dtype=np.uint64)
    for offset in range(_WORDS_PER_SHINGLE):
        hashes += ids[offset : offset + count] * _MULTIPLIERS[offset]
    hashes ^= hashes >> np.uint64(29)
    hashes *= _MULTIPLIERS[3]
    hashes ^= hashes >> np.uint64(32)
    return set(hashes[hashes % _KEEP_ONE_SHINGLE_IN == 0].tolist())
