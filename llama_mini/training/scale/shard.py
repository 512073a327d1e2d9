"""A tensor in equal flat pieces, one a process."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def shard(tensor: Tensor, rank: int, world_size: int) -> Tensor:
    """The piece of a tensor that process `rank` of `world_size` keeps, flat.

    tensor: any shape, of n numbers → (⌈n / world_size⌉,), the same length for every rank: numbers
    rank · length and on, in the order of `tensor.flatten()`. Where the tensor ends before the
    piece does, the piece goes on with zeros; a last piece may be zeros alone. It is a copy, of the
    tensor's dtype, on its device. Raises ValueError if there is no such rank.
    Source: Rajbhandari et al. 2020, ZeRO, arXiv 1910.02054.
    """
    if not 0 <= rank < world_size:
        raise ValueError(
            f"{world_size} processes have the ranks 0 to {world_size - 1}; got {rank}."
        )
    length = math.ceil(tensor.numel() / world_size)
    piece = tensor.flatten()[rank * length : (rank + 1) * length]
    return F.pad(piece, (0, length - len(piece)))


def unshard(pieces: Sequence[Tensor], shape: Sequence[int]) -> Tensor:
    """Put the pieces of all ranks, in their order, together again, without the padding.

    pieces: what `shard` made, flat and of one length → a tensor of `shape`. Raises ValueError if
    they are not the pieces of such a tensor: another number of them would hold other numbers.
    """
    n, lengths = math.prod(shape), {tuple(piece.shape) for piece in pieces}
    expected = math.ceil(n / len(pieces)) if pieces else 0
    if lengths != {(expected,)}:
        raise ValueError(
            f"A tensor of shape {tuple(shape)} has {n} numbers, in {len(pieces)} pieces of "
            f"{expected}; got pieces of shapes {sorted(lengths)}. Are they all here?"
        )
    return torch.cat(list(pieces))[:n].reshape(tuple(shape))
