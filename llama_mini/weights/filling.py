"""Giving a model that was built without memory its weights, tensor by tensor."""

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from llama_mini import slots
from llama_mini.precisions import PRECISIONS, QUANTIZED
from llama_mini.weights import transfer
from llama_mini.weights.casting import cast
from llama_mini.weights.quantized.linear import QuantizedLinear
from llama_mini.weights.stored import StoredWeights


def fill(
    model: nn.Module, checkpoint: StoredWeights, device: torch.device, precision: str | None
) -> None:
    """Give a model that was built on the meta device its weights, one tensor at a time.

    A bar shows the bytes and GB/s. precision: as for `load`. Raises ValueError if a tensor
    overflows fp16, or a part of the model is no weight of the checkpoint's.
    """
    total = sum(entry.bytes_on_disk for entry in checkpoint.entries.values())
    # The largest first: the embeddings and the head are whole and cast for a moment, and that
    # moment should not come when all the rest is on the device.
    names = sorted(checkpoint.entries, key=lambda name: name.startswith("layers."))
    try:
        with tqdm(total=total, unit="B", unit_scale=True, desc="Loading", leave=False) as bar:
            for name in names:
                place(model, name, checkpoint.tensor(name, device), precision)
                bar.update(checkpoint.entries[name].bytes_on_disk)
    finally:
        transfer.release()
    if model.config.tied_embeddings:
        model.output.weight = model.tok_embeddings.weight
    _demand_full(model)


def place(model: nn.Module, name: str, tensor: Tensor, precision: str | None) -> None:
    """Make a tensor the model's parameter of that name, in the precision asked for.

    A projection that is to be quantised becomes a `QuantizedLinear` instead, on the device where
    the tensor is; so no more than one of them is there in 16 bits at any time.
    """
    dtype = tensor.dtype if precision is None else PRECISIONS[precision]
    owner, _, leaf = name.rpartition(".")
    if becomes_quantized(name, tensor.ndim, precision):
        layer = QuantizedLinear.from_weight(tensor, precision, dtype=dtype)
        model.set_submodule(owner, layer)
        return
    setattr(model.get_submodule(owner), leaf, nn.Parameter(cast(name, tensor, dtype)))


def becomes_quantized(name: str, ndim: int, precision: str | None) -> bool:
    """Whether a precision quantises the parameter of that name: matrices that multiply, no more."""
    return precision in QUANTIZED and is_projection(name, ndim)


def is_projection(name: str, ndim: int) -> bool:
    """Whether a tensor is the weight of a linear layer, which is what int8 and int4 quantise.

    The embeddings are looked up, a row at a time, and stay as they are; so tied ones do.
    """
    return ndim == 2 and name != "tok_embeddings.weight"


def _demand_full(model: nn.Module) -> None:
    """What is on the meta device after loading would fail at its first use, and say nothing."""
    empty = [name for name, tensor in model.named_buffers() if tensor.is_meta]
    if empty:
        raise ValueError(
            f"The model, which has {slots.describe()}, keeps {', '.join(empty[:3])} as a buffer. "
            "No weights come for it, and what __init__ computed for it has no memory. Compute it "
            "in forward, or keep it as a plain attribute that forward fills."
        )
