"""Writing the data's files, and telling them apart by their contents."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from llama_mini import files


class DataError(RuntimeError):
    """Something about the data that the reader has to act on; the message says what to do."""


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """`llama_mini.files.atomic_write`, with what to do about the data when the disk is full.

    Raises DataError in that case.
    """
    try:
        with files.atomic_write(path) as file:
            yield file
    except files.DiskFullError as error:
        raise DataError(
            f"{error.strerror}. Free some space, or set LLAMA_MINI_CACHE to a folder on another "
            "disk, and run the same command again: finished steps are kept."
        ) from error


def sha256_of_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(*parts: Any) -> str:
    """A SHA-256 in hex that changes whenever one of the JSON-like `parts` does."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()
