"""Papers in LaTeX."""

from pathlib import Path

from llama_mini.data import latex
from llama_mini.data.readers.archives import Read, members
from llama_mini.data.sources import Part


def read(archive: Path, part: Part) -> Read:
    """Papers in LaTeX, a document for every section; a paper's sections belong together."""
    for name, raw in members(archive, part):
        for number, (title, text) in enumerate(latex.paper_sections(raw.decode("utf-8"))):
            yield f"{name}/{number} {title}", name, text
