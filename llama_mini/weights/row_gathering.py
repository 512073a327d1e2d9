"""Copying the rows of a mapped matrix in another order, while other work goes on."""

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor


class RowGatherer:
    """`weight.index_select(0, rows)` for matrices on the CPU, in the background.

    n_threads: by default as many as torch uses. The work is split over threads of Python, which
    sleep when they are done; those of OpenMP spin, and on a busy machine wait for one another.
    """

    def __init__(self, n_threads: int | None = None) -> None:
        self._n_threads = n_threads or torch.get_num_threads()
        self._pool = ThreadPoolExecutor(self._n_threads)

    def start(self, weight: Tensor, rows: Tensor) -> "Gathering":
        """Begin to copy the rows `rows` of `weight` (rows, columns) into memory of their own."""
        result = torch.empty(len(rows), weight.shape[1], dtype=weight.dtype)
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
