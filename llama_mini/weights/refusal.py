"""Refusing a load that cannot fit, before any of it is read."""

import math
from collections.abc import Iterator

import torch

from llama_mini.machine.amounts import in_words
from llama_mini.machine.devices import DEVICES
from llama_mini.machine.free_memory import free_bytes
from llama_mini.precisions import PRECISIONS
from llama_mini.weights.filling import becomes_quantized
from llama_mini.weights.quantized.linear import quantized_bytes
from llama_mini.weights.stored import StoredWeights


class DoesNotFitError(ValueError):
    """A model that was asked for takes more memory than there is."""


def demand_fit(checkpoint: StoredWeights, device: torch.device, precision: str | None) -> None:
    """Raise DoesNotFitError if the weights, while they are loaded, need more than is free.

    Only what is certain is refused: a cache and activations come later, and their size is not known
    yet (`llama-mini plan` counts them). Where nobody can say how much is free, nothing is refused.
    """
    free = free_bytes(device)
    weights, needed = loading_bytes(checkpoint, device, precision)
    if free is None or needed <= free:
        return
    raise DoesNotFitError(
        f"{checkpoint.what} {_in_precision(precision)} does not fit on {device}: "
        f"{in_words(weights)} of weights and {in_words(needed - weights)} for tensors on their "
        f"way are {in_words(needed)}, and {in_words(free)} are free. "
        f"What would fit: {'; '.join(_nearest(checkpoint, device, precision, free))}. "
        "`llama-mini plan` shows more; force=True (--force) loads it anyway."
    )


def loading_bytes(
    checkpoint: StoredWeights, device: torch.device, precision: str | None
) -> tuple[int, int]:
    """Bytes on the device of the loaded weights, and of the largest moment on the way there.

    On a CPU, tensors that stay as they are stored lie in their mapped file, whose pages the system
    drops and reads again as it likes: they take no memory that could run out. A tensor that is
    merged, cast or quantised is there twice for a moment.
    """
    weights = largest = 0
    for name, entry in checkpoint.entries.items():
        size = math.prod(entry.shape)
        dtype = entry.dtype if precision is None else PRECISIONS[precision]
        arriving, kept = size * entry.dtype.itemsize, size * dtype.itemsize
        if becomes_quantized(name, len(entry.shape), precision):
            kept = quantized_bytes(entry.shape, precision, dtype=dtype)
        elif device.type == "cpu" and dtype == entry.dtype and checkpoint.is_mapped(name):
            continue
        weights += kept
        largest = max(largest, arriving)
    return weights, weights + largest


def _nearest(
    checkpoint: StoredWeights, device: torch.device, precision: str | None, free: int
) -> Iterator[str]:
    _, asked = loading_bytes(checkpoint, device, precision)
    for name in PRECISIONS:
        _, needed = loading_bytes(checkpoint, device, name)
        if needed <= free and needed < asked:
            yield f"precision {name} ({in_words(needed)})"
            break
    if roomy := [known for known in DEVICES.values() if known.memory_bytes >= asked]:
        yield f"a device such as {min(roomy, key=lambda known: known.memory_bytes).name}"
    yield f"several devices with {in_words(asked)} together, through torchrun"


def _in_precision(precision: str | None) -> str:
    return "as stored" if precision is None else f"in {precision}"
