"""Copying the rows of a mapped matrix in another order, as fast as the memory allows."""

import mmap
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

_ARENA_BYTES = 1 << 26
_ALIGNMENT = 64  # bytes, as torch aligns what it allocates


class RowGatherer:
    """`weight.index_select(0, rows)` for matrices on the CPU, with two things done for speed.

    The work is split over threads of Python, which sleep when they are done; those of OpenMP spin,
    and on a busy machine wait for one another. And the results lie in memory of large pages where
    the system has them, for the first touch of a small page costs more than to fill it. So small
    results share an arena, which lives as long as one of them.
    """

    def __init__(self, n_threads: int | None = None) -> None:
        self._n_threads = n_threads or torch.get_num_threads()
        self._pool = ThreadPoolExecutor(self._n_threads)
        self._arena = torch.empty(0, dtype=torch.uint8)

    def __call__(self, weight: Tensor, rows: Tensor) -> Tensor:
        """The rows `rows` of `weight` (rows, columns), in memory of their own."""
        if weight.device.type != "cpu":
            return weight.index_select(0, rows.to(weight.device))
        result = self._allocate(len(rows) * weight.shape[1] * weight.itemsize)
        source = weight.contiguous().view(torch.uint8).numpy()
        target = result.view(len(rows), source.shape[1]).numpy()
        parts = zip(
            np.array_split(rows.numpy(), self._n_threads),
            np.array_split(target, self._n_threads),
            strict=True,
        )
        # Clipping is what lets numpy write into `out` itself; no row is outside.
        list(self._pool.map(lambda part: source.take(part[0], 0, part[1], "clip"), parts))
        return result.view(weight.dtype).view(len(rows), weight.shape[1])

    def _allocate(self, n_bytes: int) -> Tensor:
        if len(self._arena) < n_bytes:
            self._arena = _large_pages(max(n_bytes, _ARENA_BYTES))
        result, self._arena = (
            self._arena[:n_bytes],
            self._arena[-(-n_bytes // _ALIGNMENT) * _ALIGNMENT :],
        )
        return result


def _large_pages(n_bytes: int) -> Tensor:
    """Zeros, in pages of 2 MB instead of 4 KB where Linux grants them."""
    if not hasattr(mmap, "MADV_HUGEPAGE"):
        return torch.empty(n_bytes, dtype=torch.uint8)
    memory = mmap.mmap(-1, n_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(memory, dtype=torch.uint8)
