"""Writing a `.safetensors` file tensor by tensor, for models larger than the memory."""

import json
from collections.abc import Mapping
from typing import IO

import torch
from torch import Tensor

from llama_mini.weights.formats.huggingface.safetensors_file import DTYPES

_CODES = {dtype: code for code, dtype in DTYPES.items()}
_CHUNK = 1 << 24  # bytes


class SafetensorsWriter:
    """Writes one file whose tensors are known by shape, in whatever order they come.

    file: open for writing bytes and seekable. shapes: of every tensor by name, all in one dtype.
    The header comes first and says where each lies, so no tensor need wait for another. Source: the
    format's description in the README of safetensors.
    """

    def __init__(
        self, file: IO[bytes], shapes: Mapping[str, tuple[int, ...]], dtype: torch.dtype
    ) -> None:
        self._file, self._dtype, self._shapes = file, dtype, dict(shapes)
        header: dict[str, object] = {"__metadata__": {"format": "pt"}}
        end = 0
        self._starts: dict[str, int] = {}
        for name, shape in self._shapes.items():
            begin, end = end, end + torch.Size(shape).numel() * dtype.itemsize
            header[name] = {
                "dtype": _CODES[dtype],
                "shape": list(shape),
                "data_offsets": [begin, end],
            }
            self._starts[name] = begin
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)  # the numbers begin aligned
        file.write(len(text).to_bytes(8, "little") + text)
        self._data = file.tell()

    def add(self, name: str, tensor: Tensor) -> None:
        """Write one tensor. Raises ValueError if it is not of the shape and dtype that was said."""
        if tuple(tensor.shape) != self._shapes.get(name) or tensor.dtype != self._dtype:
            raise ValueError(
                f"{name} should be {self._dtype} {self._shapes.get(name)}; it is {tensor.dtype} "
                f"{tuple(tensor.shape)}."
            )
        self._file.seek(self._data + self._starts[name])
        numbers = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        for start in range(0, len(numbers), _CHUNK):
            self._file.write(numbers[start : start + _CHUNK].data)
