"""Copying the rows of a mapped matrix in another order, as fast as the memory allows."""

import mmap
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

_BLOCK_BYTES = 1 << 26
_ALIGNMENT = 64  # bytes, as torch aligns what it allocates


class RowGatherer:
    """`weight.index_select(0, rows)` for matrices on the CPU, in the background, and fast.

    n_threads: by default as many as torch uses. The work is split over threads of Python, which
    sleep when they are done; those of OpenMP spin, and on a busy machine wait for one another. And
    the results lie in large pages where the system has them, for the first touch of a small page
    costs more than to fill it.
    """

    def __init__(self, n_threads: int | None = None) -> None:
        self._n_threads = n_threads or torch.get_num_threads()
        self._pool = ThreadPoolExecutor(self._n_threads)
        self._memory = _LargePages()

    def start(self, weight: Tensor, rows: Tensor) -> "Gathering":
        """Begin to copy the rows `rows` of `weight` (rows, columns) into memory of their own."""
        result = self._memory.empty((len(rows), weight.shape[1]), weight.dtype)
        source, target = (t.view(torch.uint8).numpy() for t in (weight.contiguous(), result))
        parts = zip(
            np.array_split(rows.numpy(), self._n_threads),
            np.array_split(target, self._n_threads),
            strict=True,
        )
        # Clipping is what lets numpy write into its target itself; no row is outside.
        copies = [
            self._pool.submit(source.take, some, 0, place, "clip")
            for some, place in parts
            if len(some)
        ]
        return Gathering(result, copies)


class Gathering:
    """Rows that are being copied."""

    def __init__(self, target: Tensor, copies: list[Future]) -> None:
        self._target, self._copies = target, copies

    def result(self) -> Tensor:
        """The tensor, once all of its rows are there."""
        for copy in self._copies:
            copy.result()
        return self._target


class _LargePages:
    """Memory in pages of 2 MB instead of 4 KB, where Linux grants them.

    Tensors that are smaller share a block, each in a storage of its own; the block lives as long as
    one of them.
    """

    def __init__(self) -> None:
        self._block: mmap.mmap | None = None
        self._used = 0

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """An uninitialised tensor."""
        count = torch.Size(shape).numel()
        if not hasattr(mmap, "MADV_HUGEPAGE"):
            return torch.empty(shape, dtype=dtype)
        end = self._used + count * dtype.itemsize
        if self._block is None or end > len(self._block):
            self._used, end = 0, count * dtype.itemsize
            flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
            self._block = mmap.mmap(-1, max(end, _BLOCK_BYTES), flags=flags)
            self._block.madvise(mmap.MADV_HUGEPAGE)
        tensor = torch.frombuffer(self._block, dtype=dtype, count=count, offset=self._used)
        self._used = -(-end // _ALIGNMENT) * _ALIGNMENT
        return tensor.view(shape)
