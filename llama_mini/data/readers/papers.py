"""Papers in LaTeX."""

from collections.abc import Iterator
from pathlib import Path

from llama_mini.data import cleaning, latex
from llama_mini.data.readers.archives import Read, members
from llama_mini.data.sources import Part


def read(archive: Path, part: Part) -> Iterator[Read]:
    """Papers in LaTeX, a document for every section; a paper's sections belong together."""
    for name, raw in members(archive, part):
        for number, (title, text) in enumerate(latex.paper_sections(raw.decode("utf-8"))):
            yield Read(f"{name}/{number} {title}", name, cleaning.tidy(text))
