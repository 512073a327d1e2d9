"""Removing what was seen before: repeated paragraphs, and documents that overlap."""

import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator

import numpy as np

from llama_mini.data.documents import Document

PUNCTUATION = re.compile(r"[^\w\s]")
DIGITS = re.compile(r"\d")
_WORDS_PER_SHINGLE = 8
_KEEP_ONE_SHINGLE_IN = 4
_MULTIPLIERS = np.array([0x9E3779B97F4A7C15**k % 2**64 for k in range(8)], dtype=np.uint64)


def normalize_paragraph(paragraph: str) -> str:
    """What counts as the same paragraph: lower case, digits as 0, no punctuation (CCNet)."""
    bare = PUNCTUATION.sub("", DIGITS.sub("0", paragraph.lower()))
    return " ".join(bare.split())


def paragraph_key(paragraph: str) -> bytes:
    """A name of 8 bytes for all paragraphs of one normal form: the first of its SHA-1 (CCNet)."""
    return hashlib.sha1(normalize_paragraph(paragraph).encode("utf-8")).digest()[:8]


def without_repeated_paragraphs(
    documents: Iterable[Document], seen: set[bytes]
) -> Iterator[Document]:
    """Keep each paragraph where it occurs first, whatever document it comes back in.

    A paragraph is what blank lines separate. CCNet does this with lines, and keys of 64 bits.
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
