"""Files that are whole or not there, whenever the machine stops."""

import errno
import hashlib
import itertools
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

if os.name == "nt":
    import msvcrt
else:
    import fcntl

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class DiskFullError(OSError):
    """There is no room for a file; what was under its name before is untouched."""


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a file to write bytes to; it appears under its name only when it is complete.

    The bytes go to a neighbour, which is brought to the disk and then renamed, so a kill at any
    moment leaves the old file or the new one. Raises DiskFullError if there is no room.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if full := _disk_full(error):
            raise DiskFullError(
                full.errno,
                f"No room left for {path.name} in {path.parent} ({full.strerror}). "
                "What was there before is untouched",
            ) from error
        raise
    _sync_folder(path.parent)


def sha256_of_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all. Raises DiskFullError."""
    with atomic_write(path) as file:
        file.write(text.encode("utf-8"))


def write_json(path: Path, values: Any) -> None:
    """Write plain values as readable JSON, whole or not at all. Raises DiskFullError."""
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A folder to write files into; it appears under its name only when the block has ended.

    → its temporary neighbour. Raises FileExistsError if something is under the name already, and
    DiskFullError if there is no room; nothing is left behind then.
    """
    if path.exists():
        raise FileExistsError(f"{path} exists already. Name a folder that does not.")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
        for file in partial.rglob("*"):
            _sync_file(file)
        os.replace(partial, path)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if full := _disk_full(error):
            raise DiskFullError(
                full.errno, f"No room left for {path} ({full.strerror}). Nothing was written"
            ) from error
        raise
    _sync_folder(path.parent)


@contextmanager
def lock(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock of the file or folder `path`; nobody else holds it while the block runs.

    The lock is a hidden, empty neighbour of `path`, which need not exist and is not touched. It is
    held against other processes and other threads alike, and not twice by one. The system takes it
    from a holder that ends, however it ends, so a kill leaves nobody waiting; a process forked
    inside the block holds it too, until it ends. Some network file systems have no locks; there the
    block runs without one.

    wait: what to do while another holds it: wait, or raise BlockingIOError at once. Raises OSError
    where the neighbour cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _take(handle, path, wait)
        # Closing gives it back: the file stays, for a name deleted here might be another's by now.
        yield
    finally:
        os.close(handle)


def free_name(path: Path) -> Path:
    """The path if there is nothing under it, else the first free one of `name-2`, `name-3`, …."""
    candidates = itertools.chain(
        [path], (path.with_stem(f"{path.stem}-{n}") for n in itertools.count(2))
    )
    return next(candidate for candidate in candidates if not os.path.lexists(candidate))


def remove_partial_files(folder: Path) -> None:
    """Delete what killed writers left half-written in `folder`; finished files stay."""
    for path in folder.glob(".*.partial"):
        path.unlink(missing_ok=True)


def _take(handle: int, path: Path, wait: bool) -> None:
    busy = BlockingIOError(errno.EWOULDBLOCK, "Another process is at work on it", str(path))
    if os.name != "nt":
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise busy from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        return
    while True:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            return
        except OSError:
            # It says the same, EACCES, whatever the reason; the file itself was opened before.
            if not wait:
                raise busy from None
            time.sleep(0.05)


def _disk_full(error: BaseException | None) -> OSError | None:
    """The error that says so, which torch.save buries under one about its own file format."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return error
        error = error.__cause__ or error.__context__
    return None


def _sync_file(path: Path) -> None:
    if path.is_file():
        with path.open("rb+") as file:
            os.fsync(file.fileno())


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
