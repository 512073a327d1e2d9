"""Whole books."""

from collections.abc import Iterator
from pathlib import Path

from llama_mini.data import books, cleaning
from llama_mini.data.readers.archives import Read, members
from llama_mini.data.sources import Part


def read(archive: Path, part: Part) -> Iterator[Read]:
    """Books cut at their chapters or tales. A book's chapters belong together; tales do not."""
    for name, raw in members(archive, part):
        text = cleaning.tidy(raw.decode("utf-8-sig"))
        title = Path(name).stem
        tales = "Tales" in title
        for number, chapter in enumerate(books.chapters(text)):
            yield Read(f"{title}/{number}", f"{title}/{number}" if tales else title, chapter)
