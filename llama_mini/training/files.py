"""Files that are whole or not there, whenever the machine stops."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO


def write_whole(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    """Let `write` fill a file beside `path`, bring it safely to the disk, then move it there.

    A kill at any moment leaves the old file or the new one. Raises OSError if the disk is full; the
    old file stays, and nothing else does.
    """
    beside = path.with_name(f".{path.name}.partial")
    try:
        with beside.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        if full := _disk_full(error):
            raise OSError(
                full.errno,
                f"No room to write {path} ({full.strerror}). What was there before is untouched. "
                "Free some disk space, or delete old runs, then continue with --resume",
            ) from error
        raise
    _sync_folder(path.parent)


def write_json(path: Path, values: Any) -> None:
    """Write plain values as readable JSON, whole or not at all."""
    text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    write_whole(path, lambda file: file.write(text.encode("utf-8")))


def _disk_full(error: BaseException | None) -> OSError | None:
    """The error that says so, which torch.save buries under one about its own file format."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return error
        error = error.__cause__ or error.__context__
    return None


def _sync_folder(folder: Path) -> None:
    # The new name is on the disk only when its folder is. Windows cannot open folders, and its
    # renames need no such step.
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
