"""The header of a GGUF file, read without trusting it: what it says, and where its tensors lie.

Every length is compared with the bytes that are left before it is used, so a damaged or hostile
header ends in one sentence. Source of the layout: ggml's docs/gguf.md, versions 2 and 3.
"""

import math
import mmap
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from llama_mini.weights.formats.quoting import shown

# Real headers hold a vocabulary: 2 MB at 49,152 tokens, 16 MB at 262,144.
_MAX_HEADER = 64 << 20
_MAX_NAME = 1 << 16
_MAX_AXES = 4
_ALIGNMENT = 32

_SCALARS = {
    0: "<u1",
    1: "<i1",
    2: "<u2",
    3: "<i2",
    4: "<u4",
    5: "<i4",
    6: "<f4",
    7: "?",
    10: "<u8",
    11: "<i8",
    12: "<f8",
}
_STRING, _ARRAY = 8, 9


@dataclass(frozen=True)
class TensorPlace:
    """Where one tensor lies: its shape (slowest axis first), its type, and its bytes in the file.

    kind: GGUF's name of the type, such as "Q4_1". start: offset from the beginning of the file.
    """

    shape: tuple[int, ...]
    kind: str
    start: int
    n_bytes: int


@dataclass(frozen=True)
class Header:
    """What a GGUF file says of itself.

    metadata: key → a number, a bool, a string, a list of strings, or a numpy array of numbers.
    tensors: name → its place, in the file's order; every place is inside the file, and no two
    overlap.
    """

    metadata: dict[str, Any]
    tensors: dict[str, TensorPlace]


def read_header(path: str | Path) -> Header:
    """Read and check the header of a GGUF file, and nothing behind it.

    Raises FileNotFoundError if there is no file, and ValueError in one sentence if it is not GGUF,
    damaged, cut short, or of a version or byte order that is not read.
    """
    with Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            raise ValueError(f"{path} is no readable GGUF file: it is empty. Fetch it again.")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return parse_header(data, str(path))


def parse_header(data: bytes | mmap.mmap, what: str = "this") -> Header:
    """`read_header` on the bytes of a whole file. what: its name, for the error's sentence."""
    try:
        return _parse(_Cursor(data))
    except _Fault as fault:
        raise ValueError(
            f"{what} is no readable GGUF file: {fault}. Fetch it again from where it came."
        ) from None


class _Fault(Exception):
    """What is wrong with the header, in words that continue a sentence."""


class _Cursor:
    """A place in the bytes, from which a number of them can be taken if they are there."""

    def __init__(self, data: bytes | mmap.mmap) -> None:
        self.data, self.position, self.size = data, 0, len(data)

    def take(self, count: int, what: str) -> bytes:
        self.demand(count, what)
        start, self.position = self.position, self.position + count
        return self.data[start : self.position]

    def demand(self, count: int, what: str) -> None:
        """Raise unless `count` bytes are left, and still belong to what a header may take."""
        if count > self.size - self.position:
            raise _Fault(
                f"{what} would take {count:,} bytes at offset {self.position:,}, and the file ends "
                f"at {self.size:,}"
            )
        if self.position + count > _MAX_HEADER:
            raise _Fault(f"its header is longer than {_MAX_HEADER >> 20} MiB")

    def u32(self, what: str) -> int:
        return struct.unpack("<I", self.take(4, what))[0]

    def u64(self, what: str) -> int:
        return struct.unpack("<Q", self.take(8, what))[0]

    def string(self, what: str, limit: int = _MAX_HEADER) -> str:
        length = self.u64(what)
        if length > limit:
            raise _Fault(f"{what} is {length:,} bytes long, where {limit:,} is the most")
        try:
            return self.take(length, what).decode("utf-8")
        except UnicodeDecodeError:
            raise _Fault(f"{what}, before offset {self.position:,}, is not UTF-8") from None


def _parse(cursor: _Cursor) -> Header:
    magic = cursor.take(4, "the magic number")
    if magic != b"GGUF":
        raise _Fault(f"it begins with {magic!r}, not with b'GGUF'")
    version = cursor.u32("the version")
    if version not in (2, 3):
        swapped = int.from_bytes(version.to_bytes(4, "little"), "big")
        detail = "it is big-endian" if swapped in (2, 3) else f"its version is {version}"
        raise _Fault(f"{detail}, and read are versions 2 and 3, little-endian")
    n_tensors = cursor.u64("the number of tensors")
    n_keys = cursor.u64("the number of metadata keys")
    metadata = _metadata(cursor, n_keys)
    tensors = _tensors(cursor, n_tensors, _alignment(metadata))
    return Header(metadata, tensors)


def _metadata(cursor: _Cursor, count: int) -> dict[str, Any]:
    # A key takes 13 bytes at least: its length, its type, and a value of one byte.
    cursor.demand(13 * count, f"metadata of {count:,} keys")
    found: dict[str, Any] = {}
    for index in range(count):
        key = cursor.string(f"the name of metadata key {index}", _MAX_NAME)
        if key in found:
            raise _Fault(f"metadata key {shown(key)} is there twice")
        found[key] = _value(cursor, cursor.u32("a type of metadata"), shown(key))
    return found


def _value(cursor: _Cursor, kind: int, what: str) -> Any:
    if kind == _STRING:
        return cursor.string(what)
    if kind == _ARRAY:
        return _array(cursor, what)
    return _numbers(cursor, kind, 1, what)[0].item()


def _array(cursor: _Cursor, what: str) -> list[str] | np.ndarray:
    kind = cursor.u32(f"the type of the items of {what}")
    count = cursor.u64(f"the length of {what}")
    if kind != _STRING:
        return _numbers(cursor, kind, count, what)
    cursor.demand(8 * count, f"{what}, {count:,} strings,")
    return [cursor.string(f"item {index:,} of {what}") for index in range(count)]


def _numbers(cursor: _Cursor, kind: int, count: int, what: str) -> np.ndarray:
    if kind not in _SCALARS:
        raise _Fault(f"{what} has type {kind}, which is not a type of metadata that is read")
    dtype = np.dtype(_SCALARS[kind])
    return np.frombuffer(cursor.take(dtype.itemsize * count, what), dtype)


def _alignment(metadata: dict[str, Any]) -> int:
    alignment = metadata.get("general.alignment", _ALIGNMENT)
    whole = isinstance(alignment, int) and not isinstance(alignment, bool)
    if not whole or alignment < 8 or alignment & (alignment - 1):
        raise _Fault(
            f"general.alignment is {shown(alignment)}, and must be a power of two from 8 upwards"
        )
    return alignment


def _tensors(cursor: _Cursor, count: int, alignment: int) -> dict[str, TensorPlace]:
    # A tensor takes 32 bytes at least: its name's length, one axis, its type and its offset.
    cursor.demand(32 * count, f"a table of {count:,} tensors")
    described = {}
    for index in range(count):
        name = cursor.string(f"the name of tensor {index}", _MAX_NAME)
        if name in described:
            raise _Fault(f"tensor {shown(name)} is there twice")
        described[name] = _describe(cursor, name, alignment)
    data_start = -(-cursor.position // alignment) * alignment
    places = {
        name: TensorPlace(shape, kind, data_start + offset, n_bytes)
        for name, (shape, kind, offset, n_bytes) in described.items()
    }
    _demand_apart(places, cursor.size)
    return places


def _describe(cursor: _Cursor, name: str, alignment: int) -> tuple[tuple[int, ...], str, int, int]:
    """One line of the table of tensors: shape, type, offset in the data, bytes."""
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

    what = f"tensor {shown(name)}"
    n_axes = cursor.u32(f"the number of axes of {what}")
    if not 1 <= n_axes <= _MAX_AXES:
        raise _Fault(f"{what} has {n_axes} axes, and may have 1 to {_MAX_AXES}")
    # GGUF writes the fastest axis first.
    shape = struct.unpack(f"<{n_axes}Q", cursor.take(8 * n_axes, f"the axes of {what}"))[::-1]
    number = cursor.u32(f"the type of {what}")
    offset = cursor.u64(f"the offset of {what}")
    try:
        kind = GGMLQuantizationType(number)
    except ValueError:
        raise _Fault(f"{what} has type {number}, which no version of GGUF knows") from None
    block, block_bytes = GGML_QUANT_SIZES[kind]
    if 0 in shape or shape[-1] % block:
        raise _Fault(
            f"{what} of type {kind.name} has shape {shape}, where rows of whole blocks of {block} "
            "are expected"
        )
    if offset % alignment:
        raise _Fault(f"{what} begins at {offset:,}, which is not a multiple of {alignment}")
    return shape, kind.name, offset, math.prod(shape) // block * block_bytes


def _demand_apart(places: dict[str, TensorPlace], size: int) -> None:
    previous, end = "", 0
    for name, place in sorted(places.items(), key=lambda item: item[1].start):
        if place.start < end:
            raise _Fault(f"tensors {shown(previous)} and {shown(name)} overlap")
        previous, end = name, place.start + place.n_bytes
        if end > size:
            raise _Fault(
                f"tensor {shown(name)} would end at {end:,}, and the file ends at {size:,}: it is "
                "cut short, or its header is damaged"
            )
