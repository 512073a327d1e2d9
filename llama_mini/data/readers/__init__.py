"""From a package file to documents: one reader for every kind of member, a file each.

A part of `sources.toml` names its reader by the file: `web_pages` is `readers/web_pages.py`, whose
`read` is called.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

from llama_mini.data import cleaning
from llama_mini.data.documents import Document
from llama_mini.data.sources import Part
from llama_mini.pinned.files import PinnedFile


def names() -> list[str]:
    """The readers there are."""
    return sorted(
        module.name for module in pkgutil.iter_modules(__path__) if module.name != "archives"
    )


def read_part(archive: Path, part: Part, file: PinnedFile) -> Iterator[Document]:
    """All documents of a part, extracted and cleaned, not yet filtered."""
    if part.reader not in names():
        raise ValueError(f"There is no reader {part.reader!r}; there are {', '.join(names())}.")
    reader = importlib.import_module(f"{__name__}.{part.reader}")
    for name, group, text in reader.read(archive, part):
        # Python separates its definitions by two blank lines.
        blank_lines = 2 if part.reader == "python_sources" else 1
        if text := cleaning.tidy(text, blank_lines):
            prefix = f"{file.package}-{file.version}"
            yield Document(part.source, f"{prefix}/{name}", f"{prefix}/{group}", text)
