"""A reader that does what no reader may, to see that a campaign notices."""

import ctypes
import mmap
from pathlib import Path


def write_seeds(folder: Path) -> None:
    """A file of one page."""
    (folder / "page").write_bytes(bytes(mmap.PAGESIZE))


def attempt(folder: Path, reader: str, seed: str) -> str:
    """Each number a fault of its own; the others are fine."""
    number = int(seed.rpartition("/")[2])
    if number == 1:
        _read_behind_the_end(folder / "page")
    if number == 3:
        while True:
            pass
    if number == 5:
        bytearray(1 << 40)
    if number == 7:
        b"\xff".decode()
    return "refused" if number % 2 else "read"


def _read_behind_the_end(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(2 * mmap.PAGESIZE)
        mapped = mmap.mmap(file.fileno(), 0)
        file.truncate(mmap.PAGESIZE)
        ctypes.string_at(ctypes.addressof(ctypes.c_char.from_buffer(mapped)), 2 * mmap.PAGESIZE)
