"""One update of the weights: gradients, clipping, optimizer. It knows no file, clock or command."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from llama_mini.training.recipe import clipping, optimizer, step

MicroBatches = Sequence[tuple[Any, Tensor]]


class NotFiniteError(FloatingPointError):
    """Raised when training leaves the numbers; says what is no number, in words."""


@dataclass
class Step:
    """What the loop calls once an update, and all it knows of the mathematics.

    model: whose weights change. adamw: its optimizer. clip_norm: the largest norm of the whole
    gradient. forward: inputs → logits (batch, seq, vocab); number formats, masks and compiled code
    go in here, and `model` itself is the plainest. after_backward: called with the parameters when
    `.grad` holds this process's gradients; processes that share an update take their mean here.
    mean_loss: this process's loss () → that of the whole batch.
    """

    model: nn.Module
    adamw: torch.optim.Optimizer
    clip_norm: float
    forward: Callable[[Any], Tensor]
    after_backward: Callable[[Iterable[nn.Parameter]], None] = lambda parameters: None
    mean_loss: Callable[[Tensor], Tensor] = lambda loss: loss

    def __call__(self, micro_batches: MicroBatches, lr: float) -> tuple[float, float]:
        """Change the weights once → the loss before the change, and the gradient's norm.

        micro_batches: inputs and targets, whose mean over all tokens is followed. The norm is that
        before clipping. Raises NotFiniteError, before any weight changes, if the loss or the
        gradient is no number; and after it, if a weight became none, and the weights are then lost.
        """
        self.adamw.zero_grad()
        loss = self.mean_loss(step.accumulate(self.forward, micro_batches)).item()
        self.after_backward(self.model.parameters())
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        norm = float(clipping.clip_gradients(gradients, self.clip_norm))
        if not math.isfinite(loss) or not math.isfinite(norm):
            self.adamw.zero_grad()
            what = f"loss is {loss}" if not math.isfinite(loss) else f"gradient's norm is {norm}"
            raise NotFiniteError(what)
        optimizer.set_learning_rate(self.adamw, lr)
        self.adamw.step()
        self.adamw.zero_grad()
        if not is_finite(self.model.parameters()):
            raise NotFiniteError("new weights are not all numbers")
        return loss, norm


@torch.no_grad()
def is_finite(tensors: Iterable[Tensor]) -> bool:
    """Whether every number in the tensors is one: neither infinite nor NaN."""
    # The smallest and the largest tell it, NaN included, and no second tensor is made for it.
    ends = [end for t in tensors if t.numel() for end in torch.aminmax(t.detach())]
    return not ends or bool(torch.stack([end.isfinite() for end in ends]).all())
