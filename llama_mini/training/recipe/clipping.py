"""Keeping one bad batch from throwing the weights far away."""

from collections.abc import Iterable

import torch
from torch import Tensor


@torch.no_grad()
def clip_gradients(gradients: Iterable[Tensor], max_norm: float) -> float:
    """Shorten the whole gradient, in place, to at most max_norm, and keep its direction.

    gradients: those of all parameters, any shapes, one at least; together they are one long vector
    with the norm √(Σ g²). Every one of them is multiplied by the same factor,
    min(1, max_norm / (norm + 1e-6)); the 1e-6 spares a division by 0. → the norm before, which is
    not finite if any number in them is not. Raises ValueError if max_norm is not above 0, or
    without a gradient. Source: Pascanu et al. 2013, algorithm 1; LLaMA paper, §2.3, with 1.0.
    """
    gradients = list(gradients)
    if not max_norm > 0 or not gradients:
        raise ValueError(
            f"Clipping needs a max_norm above 0 and one gradient at least; got max_norm {max_norm} "
            f"and {len(gradients)} gradients."
        )
    norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
    factor = (max_norm / (norm + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(factor)
    return norm.item()
