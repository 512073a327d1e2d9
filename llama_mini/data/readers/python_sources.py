"""Python packages."""

import re
from collections.abc import Iterator
from pathlib import Path

from llama_mini.data import cleaning, code
from llama_mini.data.files import DataError
from llama_mini.data.readers.archives import Read, members
from llama_mini.data.sources import Part


def read(archive: Path, part: Part) -> Iterator[Read]:
    """Python files without tests, vendored copies and licence headers.

    Raises DataError if the package's own metadata names no Apache, BSD or MIT licence.
    """
    metadata = Part(part.source, part.package, part.reader, ("*.dist-info/METADATA",))
    header = b"\n".join(raw for _, raw in members(archive, metadata)).split(b"\n\n")[0]
    if not re.search(rb"^(?:Licen[cs]e|Classifier: License).*(?:Apache|BSD|MIT)", header, re.M):
        raise DataError(
            f"{part.package}: {archive.name} names no Apache, BSD or MIT licence in its metadata, "
            f"so the source {part.source} may not take it. Choose another package in sources.toml."
        )
    for name, raw in members(archive, part):
        if any(re.match(r"_?tests?$|_?vendor", folder) for folder in name.split("/")[:-1]):
            yield Read(name, name, "", "a test or a copy of another package")
            continue
        # Python separates its definitions by two blank lines.
        text = cleaning.tidy(code.without_licence_header(raw.decode("utf-8")), blank_lines=2)
        yield Read(name, name, text)
