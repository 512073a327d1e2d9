"""Writing files so that a kill at any moment leaves either the whole file or none."""

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


class DataError(RuntimeError):
    """Something about the data that the reader has to act on; the message says what to do."""


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a file to write bytes to; it appears under its name only when it is complete.

    The bytes go to a neighbour that is flushed to disk and then renamed. Raises DataError if the
    disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DataError(
                f"No room left for {path.name} in {path.parent} ({error.strerror}). Free some space"
                ", or set LLAMA_MINI_CACHE to a folder on another disk, and run the same command "
                "again: finished steps are kept."
            ) from error
        raise
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def remove_partial_files(folder: Path) -> None:
    """Delete what killed runs left half-written in `folder`. Finished files are never touched."""
    for path in folder.glob(".*.partial"):
        path.unlink(missing_ok=True)


def sha256_of_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(*parts: Any) -> str:
    """A SHA-256 in hex that changes whenever one of the JSON-like `parts` does."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()
