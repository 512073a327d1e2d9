"""Pages of the open web."""

from pathlib import Path

from llama_mini.data import c4, cleaning
from llama_mini.data.ccnet import extraction
from llama_mini.data.readers.archives import Read, members
from llama_mini.data.sources import Part


def read(archive: Path, part: Part) -> Read:
    """Pages of the open web: the main text, of which only paragraphs of sentences are kept."""
    for name, page in members(archive, part):
        text = cleaning.tidy(extraction.extract_text(page))
        yield name, name, c4.c4_lines(text)
