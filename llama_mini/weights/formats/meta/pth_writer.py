"""Writing a `.pth` file tensor by tensor, for models larger than the memory."""

import io
import pickle
import sys
import zipfile
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any

import torch
from torch import Tensor

_STORAGES = {
    torch.float32: torch.FloatStorage,
    torch.float16: torch.HalfStorage,
    torch.bfloat16: torch.BFloat16Storage,
}
_ALIGNMENT = 64  # bytes, as torch.save has it
_CHUNK = 1 << 24  # bytes


@dataclass(frozen=True)
class _Stored:
    """A tensor in the pickle: which record it lies in, and its shape."""

    record: str
    dtype: torch.dtype
    shape: tuple[int, ...]


class PthWriter:
    """Writes a `.pth` file tensor by tensor, so that no more than one need be in memory.

    file: open for writing bytes. Used in a `with` block, at whose end the file is complete, and
    `torch.load` reads it, mapped or not.
    """

    def __init__(self, file: IO[bytes], name: str = "archive") -> None:
        self._file, self._name = file, name
        self._archive = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True)
        self._stored: dict[str, _Stored] = {}

    def add(self, name: str, tensor: Tensor) -> None:
        """Write one tensor. Raises ValueError if the name was written before, or the
        dtype is not float32, float16 or bfloat16."""
        if name in self._stored:
            raise ValueError(f"{name} was written already.")
        if tensor.dtype not in _STORAGES:
            raise ValueError(
                f"{name} is {tensor.dtype}; written are {', '.join(map(str, _STORAGES))}."
            )
        numbers = tensor.detach().cpu().contiguous()
        record = str(len(self._stored))
        self._stored[name] = _Stored(record, numbers.dtype, tuple(numbers.shape))
        self._write(f"data/{record}", memoryview(numbers.reshape(-1).view(torch.uint8).numpy()))

    def __enter__(self) -> "PthWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._say_where_each_lies()
            self._archive.close()
        else:
            # A file that will be thrown away is closed too, or the archive tries again later.
            with suppress(OSError, ValueError):
                self._archive.close()

    def _say_where_each_lies(self) -> None:
        pickled = io.BytesIO()
        _TensorPickler(pickled, protocol=2).dump(self._stored)
        self._write("data.pkl", pickled.getbuffer())
        self._write("byteorder", sys.byteorder.encode())
        self._write("version", b"3\n")

    def _write(self, name: str, data: "memoryview | bytes") -> None:
        record = zipfile.ZipInfo(f"{self._name}/{name}")
        # The extra field pads the header, so that the numbers begin where torch.save aligns them.
        # 30 bytes are the header's own, 20 the sizes above 4 GB, 4 the extra field's head.
        begins = self._file.tell() + 30 + len(record.filename) + 20 + 4
        padding = -begins % _ALIGNMENT
        record.extra = b"FB" + padding.to_bytes(2, "little") + b"Z" * padding
        with self._archive.open(record, "w", force_zip64=True) as target:
            for start in range(0, len(data), _CHUNK):
                target.write(data[start : start + _CHUNK])


class _TensorPickler(pickle.Pickler):
    """Pickles `_Stored` as torch.save pickles the tensor itself."""

    def persistent_id(self, value: Any) -> Any:
        return value.tuple if isinstance(value, _Storage) else None

    def reducer_override(self, value: Any) -> Any:
        if not isinstance(value, _Stored):
            return NotImplemented
        numel, strides = 1, []
        for length in reversed(value.shape):
            strides.insert(0, numel)
            numel *= length
        storage = _Storage(("storage", _STORAGES[value.dtype], value.record, "cpu", numel))
        return (
            torch._utils._rebuild_tensor_v2,
            (storage, 0, value.shape, tuple(strides), False, OrderedDict()),
        )


@dataclass(frozen=True)
class _Storage:
    tuple: tuple[Any, ...]
