"""A model without numbers, to be filled from a checkpoint."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from llama_mini import model as architecture
from llama_mini.config import ModelConfig


def empty_model(config: ModelConfig) -> architecture.Transformer:
    """A Transformer on the meta device: shapes and dtypes, and no memory behind them."""
    with without_memory():
        return architecture.Transformer(config)


@contextmanager
def without_memory() -> Iterator[None]:
    """Modules built inside are on the meta device, and no numbers are drawn for them."""
    with torch.device("meta"), _NothingToDraw():
        yield


class _NothingToDraw(TorchFunctionMode):
    """Leaves out `torch.nn.init`: weights that are about to be read need no first values.

    On the meta device an initialiser computes nothing, but the first normal_ imports torch's whole
    compiler, which takes longer than to read a small model.
    """

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(function, "__module__", None) == nn.init.__name__:
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return function(*args, **kwargs)
