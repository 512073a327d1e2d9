"""AdamW as LLaMA used it: the matrices decay, the norms do not."""

from typing import Any

import torch
from torch import nn


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Split a model's parameters into those that decay and those that do not.

    Matrices decay: embeddings, projections, output head. Vectors do not: a norm's scale has no
    reason to be near zero. → two groups for an optimizer, each parameter in exactly one.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]


def adamw(
    model: nn.Module,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.95),
    weight_decay: float = 0.1,
) -> torch.optim.AdamW:
    """AdamW (Loshchilov & Hutter 2019) over the model's parameters, with LLaMA's betas and decay.

    The fused kernel does the same arithmetic in one pass over memory where the device has it.
    """
    fused = all(p.device.type in ("cpu", "cuda") for p in model.parameters())
    groups = parameter_groups(model, weight_decay)
    return torch.optim.AdamW(groups, lr=lr, betas=betas, fused=fused)


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Use `lr` for the next update of every parameter."""
    for group in optimizer.param_groups:
        group["lr"] = lr
