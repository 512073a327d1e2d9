"""Training in float16: what flows back is scaled up, and an update may be left out."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from llama_mini.training.scale import precision


@dataclass
class LossScale:
    """How many times larger the gradient is that flows back than the one that is meant.

    float16 holds nothing below 6e-8, and many gradients of a mean loss are smaller. scale: the
    factor, at first that of torch's GradScaler. good_steps: updates since it last moved.
    """

    scale: float = 2.0**16
    good_steps: int = 0

    @property
    def can_fall(self) -> bool:
        """Whether a smaller scale may help against an overflow; below 1, it is not to blame."""
        return self.scale >= 1

    def on(self, forward: Callable[[Any], Tensor]) -> Callable[[Any], Tensor]:
        """The same logits, from which `scale` times the gradient flows back.

        By the chain rule that is what scaling the loss does, and the loss itself stays readable.
        """

        def scaled(inputs: Any) -> Tensor:
            logits = forward(inputs)
            logits.register_hook(lambda gradient: gradient * self.scale)
            return logits

        return scaled

    @torch.no_grad()
    def divide(self, parameters: Iterable[nn.Parameter]) -> None:
        """Turn the gradients, in place, into those that are meant."""
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.grad.div_(self.scale)

    def move(self, found_inf: bool) -> None:
        """Take the next update's scale, after one whose gradients overflowed or did not."""
        self.scale, self.good_steps = precision.update_loss_scale(
            self.scale, found_inf, self.good_steps
        )
