"""AdamW as LLaMA used it: the matrices decay, the norms do not."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from llama_mini import slots
from llama_mini.training.recipe import clipping


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Split a model's parameters into those that decay and those that do not.

    Matrices decay: embeddings, projections, output head. Vectors do not: a norm's scale has no
    reason to be near zero. Parameters that are not trained (requires_grad is False) are in neither.
    → two groups for an optimizer, each a dictionary of "params", a list in the model's own order,
    and "weight_decay": first those of two axes and more with weight_decay, then the others with 0.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]


def adamw_update(
    parameter: Tensor,
    gradient: Tensor,
    m: Tensor,
    v: Tensor,
    step: int,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """One update of one parameter by AdamW: new tensors, and the ones given stay as they were.

    gradient, m, v: of the parameter's shape; m and v are the running means of the gradient and of
    its square, zero before the first update. step: this update's number, from 1. With β₁, β₂ of
    betas: m ← β₁ m + (1 − β₁) g and v ← β₂ v + (1 − β₂) g². Both began at zero, so they are too
    small by 1 − β₁^step and 1 − β₂^step, and are divided by that: m̂, v̂. The parameter first
    shrinks to (1 − lr · weight_decay) of itself, then moves by −lr · m̂ / (√v̂ + eps).
    → (parameter, m, v). Raises ValueError if step is below 1.
    Source: Loshchilov & Hutter 2019, algorithm 2, with lr as both its α and its η.
    """
    if step < 1:
        raise ValueError(f"Updates are counted from 1, or a mean is divided by 0; got step {step}.")
    beta1, beta2 = betas
    m = beta1 * m + (1 - beta1) * gradient
    v = beta2 * v + (1 - beta2) * gradient.square()
    mean = m / (1 - beta1**step)
    spread = (v / (1 - beta2**step)).sqrt()
    return parameter * (1 - lr * weight_decay) - lr * mean / (spread + eps), m, v


class AdamW(torch.optim.AdamW):
    """Calls `adamw_update` for every parameter, or torch's kernels where they do the same.

    They do where no learner's code fills that slot. Moments are kept as torch keeps them, so that a
    run may change sides: the state of one is the state of the other.
    """

    def clip(self, parameters: Iterable[nn.Parameter], max_norm: float) -> float:
        """Shorten the whole gradient of the parameters to at most max_norm → its norm before."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        return float(clipping.clip_gradients(gradients, max_norm))

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Follow the gradients once. closure: torch's protocol, for optimizers that ask twice."""
        if slots.owner(f"{__name__}:adamw_update") == "reference":
            return super().step(closure)
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)
        return loss

    def _update(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            # The fused kernel counts where the parameter is, the others on the CPU.
            place = parameter.device if group["fused"] else "cpu"
            state["step"] = torch.zeros((), device=place)
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        state["step"] += 1
        new = adamw_update(
            parameter,
            parameter.grad,
            state["exp_avg"],
            state["exp_avg_sq"],
            int(state["step"]),
            group["lr"],
            group["betas"],
            group["eps"],
            group["weight_decay"],
        )
        for old, value in zip((parameter, state["exp_avg"], state["exp_avg_sq"]), new, strict=True):
            old.copy_(value)


def adamw(
    model: nn.Module,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.95),
    weight_decay: float = 0.1,
) -> AdamW:
    """AdamW (Loshchilov & Hutter 2019) over the model's parameters, with LLaMA's betas and decay.

    The fused kernel does the same arithmetic in one pass over memory where the device has it.
    """
    fused = all(p.device.type in ("cpu", "cuda") for p in model.parameters())
    return AdamW(parameter_groups(model, weight_decay), lr=lr, betas=betas, fused=fused)


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Use `lr` for the next update of every parameter."""
    for group in optimizer.param_groups:
        group["lr"] = lr
