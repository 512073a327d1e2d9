"""How much the model itself allocates: its own code is run on tensors that have no memory.

Nothing about attention or feed-forward is written down a second time here. One block of the model
is called with tensors that know their shape and dtype only, and what it would have allocated is
counted as it comes and goes. So the answer is right for a learner's own components, too.
"""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from llama_mini import precisions, slots
from llama_mini.cache import KVCache
from llama_mini.config import ModelConfig
from llama_mini.empty import empty_model
from llama_mini.precisions import QUANTIZED, dtype_of
from llama_mini.training.recipe import loss as objective
from llama_mini.weights.filling import becomes_quantized, place
from llama_mini.weights.quantized.linear import Int4Linear, Int8Linear, group_size_for
from llama_mini.weights.shapes import parameter_shapes


class PeakBytes(TorchDispatchMode):
    """Counts the bytes that operations inside the block allocate: `peak` is the most at one time.

    What was there before the block is not counted, but counts down when it goes: a layer may put
    its weight into another order and drop the first. Storage is counted, not tensors: a view is
    free.
    """

    def __init__(self) -> None:
        super().__init__()
        self.peak = self._now = 0
        self._held: dict[int, int] = {}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None):
        kwargs = kwargs or {}
        for tensor in _tensors((args, kwargs)):
            self._hold(tensor.untyped_storage(), is_new=False)
        result = function(*args, **kwargs)
        for tensor in _tensors(result):
            self._hold(tensor.untyped_storage(), is_new=True)
        return result

    def _hold(self, storage: torch.UntypedStorage, is_new: bool) -> None:
        key = storage._cdata
        if key not in self._held:
            self._held[key] = storage.nbytes()
            weakref.finalize(storage, self._release, key)
            if is_new:
                self._now += storage.nbytes()
                self.peak = max(self.peak, self._now)

    def _release(self, key: int) -> None:
        self._now -= self._held.pop(key)


def decoding_bytes(
    config: ModelConfig, precision: str, batch: int, n_queries: int, n_keys: int
) -> int:
    """The most that one call allocates beyond weights and cache, when it computes n_queries
    positions of each sequence, the last of n_keys in the cache.

    n_queries = n_keys is the prefill of a prompt, n_queries = 1 a step of decoding. Includes the
    float32 logits (batch, n_queries, vocab). Blocks free what they allocate, so depth is no matter.
    """
    one_block = replace(config, n_layers=1, max_seq_len=max(config.max_seq_len, n_keys))
    return _decoding_bytes(one_block, precision, batch, n_queries, n_keys, _components())


def training_bytes(config: ModelConfig, precision: str, batch: int, seq: int) -> int:
    """The most that forward and backward hold beyond weights and gradients, without checkpointing.

    Weights are float32; precision is that of the matrix products, as in `llama_mini.training`.
    Every block keeps what its backward pass needs, so what one block more adds is counted n_layers
    times.
    """
    shape = replace(config, max_seq_len=max(config.max_seq_len, seq))
    few, more = (
        _training_bytes(replace(shape, n_layers=n), precision, batch, seq, _components())
        for n in (2, 3)
    )
    return few + (config.n_layers - 2) * (more - few)


def _components() -> tuple[Any, ...]:
    """Whose code was counted; part of the key, so that applying the overlay counts anew."""
    return tuple(slots.current(slot) for slot in slots.filled())


@lru_cache(maxsize=512)
def _decoding_bytes(
    config: ModelConfig,
    precision: str,
    batch: int,
    n_queries: int,
    n_keys: int,
    components: tuple[Any, ...],
) -> int:
    with _without_memory():
        model = _model(config, precision)
        cache = KVCache(config, batch, n_keys, dtype=dtype_of(precision))
        cache.advance(n_keys - n_queries)
        tokens = torch.zeros(batch, n_queries, dtype=torch.int64)
        with torch.no_grad():
            if precision in QUANTIZED and n_queries < n_keys:
                # The prompt came before, and has put the codes into the order of the kernels.
                model(tokens[:, :1])
            with PeakBytes() as counted:
                model(tokens, cache=cache)
    return counted.peak


@lru_cache(maxsize=64)
def _training_bytes(
    config: ModelConfig, precision: str, batch: int, seq: int, components: tuple[Any, ...]
) -> int:
    dtype = precisions.UNQUANTIZED[precision]
    with _without_memory():
        model = _model(config, "fp32")
        for parameter in model.parameters():
            parameter.grad = torch.empty_like(parameter)
        tokens = torch.zeros(batch, seq, dtype=torch.int64)
        with PeakBytes() as counted:
            with precisions.autocast(tokens.device, dtype):
                loss = objective.next_token_loss(model(tokens), tokens)
            loss.backward()
    return counted.peak


@contextmanager
def _without_memory() -> Iterator[None]:
    """Tensors made inside take no memory. Raises ValueError for code that asks for their values."""
    try:
        with FakeTensorMode():
            yield
    except (DataDependentOutputException, DynamicOutputShapeException) as error:
        raise ValueError(
            f"The memory of this model cannot be planned: with {slots.describe()}, it looks at "
            f"the value of a tensor ({error}), as .item() and `if tensor:` do. Shapes must be "
            "enough to run it."
        ) from error


def _model(config: ModelConfig, precision: str) -> nn.Module:
    model, dtype = empty_model(config), dtype_of(precision)
    for name, shape in parameter_shapes(config):
        if becomes_quantized(name, len(shape), precision):
            model.set_submodule(name.removesuffix(".weight"), _quantized(shape, precision, dtype))
        else:
            place(model, name, torch.empty(shape, dtype=dtype), None)
    if config.tied_embeddings:
        model.output.weight = model.tok_embeddings.weight
    return model


def _quantized(shape: tuple[int, ...], kind: str, dtype: torch.dtype) -> nn.Module:
    n_rows, n_columns = shape
    if kind == "int8":
        scale = torch.empty(n_rows, 1, dtype=dtype)
        return Int8Linear(torch.empty(shape, dtype=torch.int8), scale)
    codes = torch.empty(n_rows, n_columns // 2, dtype=torch.uint8)
    scale = torch.empty(n_rows, n_columns // group_size_for(n_columns))
    return Int4Linear(codes, scale, scale, dtype)


def _tensors(tree: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor))
