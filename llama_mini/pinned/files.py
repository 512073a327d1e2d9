"""What a pinned file is, and how it comes whole into the cache."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from llama_mini import files


class CacheError(RuntimeError):
    """A file of the cache cannot be had or written; the message says what the reader is to do."""


@dataclass(frozen=True)
class PinnedFile:
    """A file of a package registry that can never change: its SHA-256 is part of the name.

    package, version, filename: where to ask for it. size: bytes. licence: of what we take.
    """

    package: str
    version: str
    filename: str
    sha256: str
    size: int
    licence: str


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """`llama_mini.files.atomic_write`, with what to do about the cache when the disk is full.

    Raises CacheError in that case.
    """
    try:
        with files.atomic_write(path) as file:
            yield file
    except files.DiskFullError as error:
        raise CacheError(
            f"{error.strerror}. Free some space, or set LLAMA_MINI_CACHE to a folder on another "
            "disk, and run the same command again: finished steps are kept."
        ) from error
