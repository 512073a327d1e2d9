"""The processes that train one model together; by default this one alone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, distributed


class Ranks:
    """This process, alone: rank 0 of 1, with nobody to add up with or to wait for."""

    rank: int = 0
    world_size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes, prints and decides."""
        return self.rank == 0

    def all_reduce(self, tensor: Tensor) -> None:
        """Replace a tensor by its sum over all processes, in place."""

    def all_gather(self, tensor: Tensor) -> list[Tensor]:
        """This tensor as each process holds it, in the order of the ranks."""
        return [tensor]

    def from_first(self, value: float) -> float:
        """The first process's value, for all of them."""
        return value

    def wait(self) -> None:
        """Go on when all processes are here."""


class ConnectedRanks(Ranks):
    """This process among those that torch.distributed connects.

    device: of the tensors that they exchange; on CUDA each process has its own GPU.
    """

    def __init__(self, device: torch.device | str) -> None:
        self.rank, self.world_size = distributed.get_rank(), distributed.get_world_size()
        self._device = device

    def all_reduce(self, tensor: Tensor) -> None:
        distributed.all_reduce(tensor)

    def all_gather(self, tensor: Tensor) -> list[Tensor]:
        everyone = [torch.empty_like(tensor) for _ in range(self.world_size)]
        distributed.all_gather(everyone, tensor)
        return everyone

    def from_first(self, value: float) -> float:
        held = torch.tensor([value], dtype=torch.float64, device=self._device)
        distributed.broadcast(held, src=0)
        return held.item()

    def wait(self) -> None:
        self.from_first(0.0)


@contextmanager
def started(device: torch.device | str) -> Iterator[Ranks]:
    """The processes that torchrun started, connected until the block ends, or this one alone.

    On CUDA each takes the GPU of its local rank and they talk through NCCL; on the CPU through
    gloo. Raises ValueError if there are more processes than GPUs.
    """
    if "LOCAL_RANK" not in os.environ:
        yield Ranks()
        return
    from llama_mini import (
        parallel,
    )  # here, for one process needs none of torch's tensor parallelism

    with parallel.processes(device):
        yield ConnectedRanks(device)
