"""What processes that train one model tell each other after each backward pass."""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

AllReduce = Callable[[Tensor], object]
"""Replaces a tensor, in place, by its sum over all processes; every process must call it."""


def average_gradients(
    parameters: Iterable[nn.Parameter], all_reduce: AllReduce, world_size: int
) -> None:
    """Give every process the mean of all processes' gradients, in place.

    all_reduce(tensor) replaces a tensor by its sum over the world_size processes, in place. Each of
    them has to call it as often and in the same order as all others, or they wait for each other
    for ever. So a parameter that has no gradient here, since this process's tokens did not reach
    it, takes part with zeros; one that is not trained (requires_grad is False) takes no part.
    Raises ValueError if world_size is below 1. Source: Li et al. 2020, PyTorch Distributed, §3.
    """
    if world_size < 1:
        raise ValueError(f"A mean over processes needs 1 of them at least; got {world_size}.")
    for parameter in parameters:
        if not parameter.requires_grad:
            continue
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        all_reduce(parameter.grad)
        parameter.grad.div_(world_size)


def global_norm(local_gradients: Iterable[Tensor], all_reduce: AllReduce) -> float:
    """The length of the whole gradient, of which each process holds other pieces: √ Σ g².

    local_gradients: this process's pieces, any shapes, one at least; no number of the gradient may
    be in two processes' pieces, or it would count twice. all_reduce(tensor) replaces a tensor by
    its sum over all processes, in place. Squares are what adds up: the sum of the processes' own
    norms would be too large. Summed in float32 → the same float in every process, not finite if
    any piece is not.
    Raises ValueError without a piece. Source: Pascanu et al. 2013, algorithm 1, for the norm.
    """
    squares = [piece.float().square().sum() for piece in local_gradients]
    if not squares:
        raise ValueError(
            "This process has no piece of the gradient, so it cannot say on which device to add. "
            "Give an empty tensor."
        )
    total = torch.stack(squares).sum()
    all_reduce(total)
    return math.sqrt(total.item())
