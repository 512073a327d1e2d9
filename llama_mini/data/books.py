"""Books, cut at their chapters."""

import re
from collections.abc import Iterator

from llama_mini.data import cleaning


def chapters(text: str) -> Iterator[str]:
    """The chapters or tales of a book, each with its heading and its paragraphs unwrapped."""
    paragraphs = text.split("\n\n")
    chapter: list[str] = []
    for paragraph in paragraphs:
        is_heading = "\n" not in paragraph and _is_chapter_heading(paragraph)
        if is_heading and any(not _is_chapter_heading(p) for p in chapter):
            yield cleaning.unwrap("\n\n".join(chapter))
            chapter = []
        chapter.append(paragraph)
    yield cleaning.unwrap("\n\n".join(chapter))


def _is_chapter_heading(line: str) -> bool:
    line = line.strip()
    if re.match(r"(?i)^(?:chapter|part|book)\s+[ivxlc\d]+\b", line) or re.match(
        r"^[IVXL]{1,7}\.?$", line
    ):
        return len(line) < 80
    letters = [c for c in line if c.isalpha()]
    return 3 < len(line) < 70 and len(letters) > 3 and all(c.isupper() for c in letters)
