"""The HTML pages of a manual."""

from collections.abc import Iterator
from pathlib import Path

from llama_mini.data import cleaning, manuals
from llama_mini.data.ccnet import extraction
from llama_mini.data.readers.archives import Read, members
from llama_mini.data.sources import Part


def read(archive: Path, part: Part) -> Iterator[Read]:
    """Pages of a manual: the main text, with its headings and its code."""
    for name, page in members(archive, part):
        text = cleaning.tidy(extraction.extract_text(page))
        yield Read(name, name, manuals.without_menus(text))
