"""One update of the weights: gradients, clipping, optimizer. It knows no file, clock or command."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from llama_mini.training.recipe import optimizer, step
from llama_mini.training.scale import reduce
from llama_mini.training.scale.loss_scale import LossScale
from llama_mini.training.scale.processes import Ranks

MicroBatches = Sequence[tuple[Any, Tensor]]


class NotFiniteError(FloatingPointError):
    """Raised when training leaves the numbers; says what is no number, in words."""


class Optimizer(Protocol):
    """What an update needs of AdamW, whole or shared out over processes."""

    param_groups: list[dict[str, Any]]

    def zero_grad(self) -> None: ...

    def clip(self, parameters: Iterable[nn.Parameter], max_norm: float) -> float: ...

    def step(self) -> Any: ...


@dataclass
class Step:
    """What the loop calls once an update, and all it knows of the mathematics.

    model: whose weights change. adamw: its optimizer. clip_norm: the largest norm of the whole
    gradient. forward: inputs → logits (batch, seq, vocab); number formats, masks and compiled code
    go in here, and `model` itself is the plainest. ranks: the processes that share every update,
    each with micro-batches of as many tokens. loss_scale: for float16; it may leave updates out.
    """

    model: nn.Module
    adamw: Optimizer
    clip_norm: float
    forward: Callable[[Any], Tensor]
    ranks: Ranks = field(default_factory=Ranks)
    loss_scale: LossScale | None = None

    def __call__(self, micro_batches: MicroBatches, lr: float) -> tuple[float, float]:
        """Change the weights once → the loss before the change, and the gradient's norm.

        micro_batches: inputs and targets, whose mean over all tokens of all processes is followed.
        The norm is that before clipping; where it is not finite, float16 overflowed, the update was
        left out and the next one's loss scale is smaller. Raises NotFiniteError, before any weight
        changes, if the loss or the gradient is no number; and after it, if a weight became none,
        and the weights are then lost.
        """
        self.adamw.zero_grad()
        parameters = list(self.model.parameters())
        scale = self.loss_scale
        forward = self.forward if scale is None else scale.on(self.forward)
        loss = self._mean(step.accumulate(forward, micro_batches))
        reduce.average_gradients(parameters, self.ranks.all_reduce, self.ranks.world_size)
        if scale is not None:
            scale.divide(parameters)
        norm = self.adamw.clip(parameters, self.clip_norm)
        overflow = not math.isfinite(norm)
        may_overflow = scale is not None and scale.can_fall
        if not math.isfinite(loss) or (overflow and not may_overflow):
            self.adamw.zero_grad()
            what = f"loss is {loss}" if not math.isfinite(loss) else f"gradient's norm is {norm}"
            raise NotFiniteError(what)
        if scale is not None:
            scale.move(overflow)
        if overflow:
            self.adamw.zero_grad()
            return loss, norm
        optimizer.set_learning_rate(self.adamw, lr)
        self.adamw.step()
        self.adamw.zero_grad()
        if not is_finite(self.model.parameters()):
            raise NotFiniteError("new weights are not all numbers")
        return loss, norm

    def _mean(self, loss: Tensor) -> float:
        """The mean of all processes' losses."""
        total = loss.detach().clone()
        self.ranks.all_reduce(total)
        return total.item() / self.ranks.world_size


@torch.no_grad()
def is_finite(tensors: Iterable[Tensor]) -> bool:
    """Whether every number in the tensors is one: neither infinite nor NaN."""
    # The smallest and the largest tell it, NaN included, and no second tensor is made for it.
    ends = [end for t in tensors if t.numel() for end in torch.aminmax(t.detach())]
    return not ends or bool(torch.stack([end.isfinite() for end in ends]).all())
