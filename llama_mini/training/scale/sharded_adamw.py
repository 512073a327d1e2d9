"""AdamW whose moments lie over the processes, a piece in each: the first stage of ZeRO."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from llama_mini.training.recipe.optimizer import AdamW
from llama_mini.training.scale import reduce, shard
from llama_mini.training.scale.processes import Ranks


class ShardedAdamW:
    """Each process updates its own piece of every parameter, then all hand theirs to each other.

    AdamW changes each number by itself, so a piece changes as it would inside the whole, and only
    its own moments, twice the size of the weights, have to be kept. whole: the optimizer to share
    out, before its first update. Its state on disk is that of the whole one, whatever the number
    of processes. Source: Rajbhandari et al. 2020, ZeRO, arXiv 1910.02054, §5.1.
    """

    def __init__(self, whole: AdamW, ranks: Ranks) -> None:
        self._ranks = ranks
        # In the order in which torch numbers the parameters of an optimizer's state.
        self._pieces = {
            parameter: nn.Parameter(self._piece(parameter.detach()))
            for group in whole.param_groups
            for parameter in group["params"]
        }
        self._adamw = type(whole)(
            [
                {**group, "params": [self._pieces[parameter] for parameter in group["params"]]}
                for group in whole.param_groups
            ]
        )

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The options of every group, such as "lr", with this process's pieces as "params"."""
        return self._adamw.param_groups

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for tensor in (*self._pieces, *self._pieces.values()):
            tensor.grad = None

    def clip(self, parameters: Iterable[nn.Parameter], max_norm: float) -> float:
        """Keep this process's piece of each gradient, shortened as the whole gradient has to be.

        The parameters' gradients are the same in every process; they are gone after this. → the
        norm of the whole before, the same everywhere.
        """
        gradients = []
        for parameter in parameters:
            piece = self._pieces[parameter]
            piece.grad, parameter.grad = self._piece(parameter.grad), None
            gradients.append(piece.grad)
        norm = reduce.global_norm(gradients, self._ranks.all_reduce)
        for gradient in gradients:
            gradient.mul_(min(1.0, max_norm / (norm + 1e-6)))
        return norm

    @torch.no_grad()
    def step(self) -> None:
        """Follow the clipped gradient once; every process has all the new weights after it."""
        self._adamw.step()
        for parameter, piece in self._pieces.items():
            parameter.copy_(self._whole(piece.detach(), parameter))

    def state_dict(self) -> dict[str, Any]:
        """What the whole optimizer's state would be. Every process has to ask for it at once."""
        saved, parameters = self._adamw.state_dict(), list(self._pieces)
        state = {
            index: {
                name: value if value.ndim == 0 else self._whole(value, parameters[index])
                for name, value in moments.items()
            }
            for index, moments in saved["state"].items()
        }
        return {**saved, "state": state}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Take this process's pieces of a whole state, and of the parameters as they are now."""
        state = {
            index: {
                name: value if value.ndim == 0 else self._piece(value)
                for name, value in moments.items()
            }
            for index, moments in saved["state"].items()
        }
        self._adamw.load_state_dict({**saved, "state": state})
        for parameter, piece in self._pieces.items():
            piece.data = self._piece(parameter.detach())

    def _piece(self, tensor: Tensor) -> Tensor:
        return shard.shard(tensor, self._ranks.rank, self._ranks.world_size)

    def _whole(self, piece: Tensor, parameter: nn.Parameter) -> Tensor:
        return shard.unshard(self._ranks.all_gather(piece), parameter.shape)
