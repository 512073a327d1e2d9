"""Ranks as threads of one process that really wait for each other."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from torch import Tensor

from llama_mini.training.scale.processes import Ranks


class ThreadRanks(Ranks):
    """One of several threads that exchange tensors through a list."""

    def __init__(self, rank: int, held: list[Tensor | None], barrier: threading.Barrier) -> None:
        self.rank, self.world_size = rank, len(held)
        self._held, self._barrier = held, barrier

    def all_reduce(self, tensor: Tensor) -> None:
        everyone = self.all_gather(tensor)
        tensor.copy_(sum(everyone[1:], everyone[0]))

    def all_gather(self, tensor: Tensor) -> list[Tensor]:
        self._held[self.rank] = tensor.detach().clone()
        self._barrier.wait()
        everyone = [other.clone() for other in self._held]
        self._barrier.wait()
        return everyone


def on_every_rank(world_size: int, work: Callable[[Ranks], Any]) -> list:
    """What work(ranks) returns for each rank, all running at once."""
    held: list[Tensor | None] = [None] * world_size
    barrier = threading.Barrier(world_size, timeout=60)

    def begin(rank: int) -> Any:
        try:
            return work(ThreadRanks(rank, held, barrier))
        except BaseException:
            barrier.abort()  # nobody is to wait for one that failed
            raise

    with ThreadPoolExecutor(world_size) as pool:
        return list(pool.map(begin, range(world_size)))
