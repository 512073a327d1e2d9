"""From a package file to documents: one reader for every kind of member, a file each.

A part of `sources.toml` names its reader by the file: `web_pages` is `readers/web_pages.py`, whose
`read` is called.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

from llama_mini.data.documents import Document
from llama_mini.data.sources import Part
from llama_mini.data.stages import Answer
from llama_mini.pinned.files import PinnedFile


def names() -> list[str]:
    """The readers there are."""
    return sorted({module.name for module in pkgutil.iter_modules(__path__)} - {"archives"})


def read_part(archive: Path, part: Part, file: PinnedFile) -> Iterator[tuple[Document, Answer]]:
    """All documents of a part, and whether each stays.

    A reader of your own is named by its module's full name, which has a dot in it. Raises
    ValueError if there is no such reader.
    """
    if "." not in part.reader and part.reader not in names():
        raise ValueError(f"There is no reader {part.reader!r}; there are {', '.join(names())}.")
    prefix = f"{file.package}-{file.version}"
    for read in importlib.import_module(part.reader_module).read(archive, part):
        document = Document(
            part.source, f"{prefix}/{read.name}", f"{prefix}/{read.group}", read.text
        )
        reason = read.reason or (None if read.text else "no text")
        yield document, (document, None) if reason is None else (None, reason)
