"""What full_weights.py does in each step: write a checkpoint, load one, measure how it decodes."""

import itertools
import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from llama_mini import CONFIGS, KVCache, ModelConfig, Transformer, generation, planning
from llama_mini.empty import empty_model
from llama_mini.machine import devices
from llama_mini.plan import fitting, plans
from llama_mini.weights import loading
from llama_mini.weights.filling import fill
from llama_mini.weights.formats.meta import writer as meta_writer
from llama_mini.weights.memory import PeakMemory
from llama_mini.weights.shapes import parameter_shapes
from llama_mini.weights.stored import Entry, StoredWeights

GIGABYTE = 10**9
PRECISIONS = ("bf16", "int8", "int4")


@dataclass(frozen=True)
class Size:
    """A model, and where its numbers come from: a folder in Meta's layout, or drawn on the device.

    n_shards: of the folder; 0 if there is none. prompt and new: tokens of a measurement. compiled:
    whether to decode with a compiled program, too; compiling takes a minute.
    """

    config: ModelConfig
    n_shards: int = 0
    prompt: int = 512
    new: int = 200
    compiled: bool = True

    @property
    def folder_bytes(self) -> int:
        """What the folder takes, in float16 as Meta's do."""
        return planning.weight_bytes(self.config, 16) if self.n_shards else 0


# Meta's own numbers of shards. What is larger than the disk is drawn, and never lies on it.
FULL = {
    "7B": Size(CONFIGS["7B"], n_shards=1),
    "13B": Size(CONFIGS["13B"], n_shards=2),
    "33B": Size(CONFIGS["33B"]),
    "65B": Size(CONFIGS["65B"]),
}
_SMALL = ModelConfig(dim=64, n_layers=2, n_heads=4, vocab_size=512, max_seq_len=128)
TINY = {
    "tiny": Size(_SMALL, n_shards=2, prompt=8, new=6, compiled=False),
    "tiny, drawn": Size(_SMALL, prompt=8, new=6, compiled=False),
}


class Drawn(StoredWeights):
    """A model of random numbers, drawn on the device when they are asked for; norms are ones."""

    what = "random numbers"

    def __init__(self, config: ModelConfig, dtype: torch.dtype = torch.bfloat16) -> None:
        self.config, self._dtype = config, dtype
        self.entries = {
            name: Entry(shape, dtype, math.prod(shape) * dtype.itemsize)
            for name, shape in parameter_shapes(config)
        }

    def tensor(self, name: str, device: torch.device) -> Tensor:
        numbers = torch.empty(self.entries[name].shape, dtype=self._dtype, device=device)
        return numbers.fill_(1) if numbers.ndim == 1 else numbers.normal_(std=0.02)

    def tokenizer(self) -> None:
        return None


def ceilings(device: torch.device) -> dict[str, Any]:
    """What this machine allows: bytes per second of the device's memory, and from host to it.

    The device's own is the better of reading a matrix once and of copying, read and written bytes
    counted; from the host it is from pinned memory.
    """
    name = str(device)
    read = devices.measured_bandwidth(name)
    found = {"read": read, "copy": _copy_bandwidth(device)}
    found["memory"] = max(found.values())
    if device.type == "cuda":
        found["host_to_device"] = devices.measured_bandwidth("cpu", to=name)
    return found


def write(size: Size, folder: Path, device: torch.device) -> dict[str, Any]:
    """The size as Meta would have released it, drawn tensor by tensor."""
    drawn = Drawn(size.config, torch.float16)
    tensors = ((name, drawn.tensor(name, device).cpu()) for name in drawn.entries)
    started = time.perf_counter()
    meta_writer.write_meta(folder, size.config, tensors, size.n_shards)
    seconds = time.perf_counter() - started
    n_bytes = sum(file.stat().st_size for file in folder.iterdir())
    return {"seconds": seconds, "bytes": n_bytes}


def measure(
    size: Size, precision: str, folder: Path, device: torch.device, ceiling: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Load a size in one precision and decode with it; or the plan's refusal, if it will not fit.

    ceiling: what `ceilings` found; shares are of it. Yields what is known before the compiler
    starts, which may take longer than there is time, and again with what it made.
    """
    context = size.prompt + size.new
    plan = plans.plan_decoding(size.config, precision, context, prompt=size.prompt)
    here = replace(devices.this_machine(str(device)), bytes_per_second=ceiling.get("memory"))
    if plan.fits(here) is False:
        yield {"refused": fitting.verdict(plan, here)}
        return

    torch.manual_seed(0)
    with PeakMemory(device) as memory:
        model, n_bytes, seconds = _load(size, precision, folder, device)
    result: dict[str, Any] = {
        "load_seconds": seconds,
        "load_bytes": n_bytes,
        "host_bytes": memory.host_bytes,
        "largest_tensor_bytes": max(math.prod(s) for _, s in parameter_shapes(size.config)) * 2,
        "loaded_bytes": memory.device_bytes,
        "plan_weights": plan.parts["weights"],
        "plan_total": plan.total,
        "bound_tokens_per_second": plan.tokens_per_second(here),
    }
    with PeakMemory(device) as memory:
        result["prefill_tokens_per_second"] = _prefill(model, size, device)
        stream = partial(generation.stream, model)
        result["eager_tokens_per_second"] = _decode(stream, size, device)
    result["decoding_bytes"] = memory.device_bytes
    yield result
    if size.compiled:
        yield result | _compiled(model, size, device)


def _load(
    size: Size, precision: str, folder: Path, device: torch.device
) -> tuple[Transformer, int, float]:
    if size.n_shards:
        loaded = loading.read(folder, device, precision)
        return loaded.model, loaded.bytes_read, loaded.seconds
    model, drawn = empty_model(size.config), Drawn(size.config)
    started = time.perf_counter()
    fill(model, drawn, device, precision)
    _wait(device)
    return model.eval(), 0, time.perf_counter() - started


@torch.no_grad()
def _prefill(model: Transformer, size: Size, device: torch.device, rounds: int = 5) -> float:
    """Prompt tokens per second: the median of some rounds, after one."""
    tokens = torch.randint(size.config.vocab_size, (1, size.prompt), device=device)
    dtype = model.tok_embeddings.weight.dtype
    times = []
    for _ in range(1 + rounds):
        cache = KVCache(model.config, 1, size.prompt, device=device, dtype=dtype)
        _wait(device)
        started = time.perf_counter()
        model(tokens, cache=cache)
        _wait(device)
        times.append(time.perf_counter() - started)
    return size.prompt / statistics.median(times[1:])


def _compiled(model: Transformer, size: Size, device: torch.device) -> dict[str, Any]:
    """Decoding by one compiled program a token, and what the first tokens took with compiling."""
    from llama_mini.compiled import CompiledDecoder

    started = time.perf_counter()
    try:
        decoder = CompiledDecoder(model, size.prompt + size.new)
        list(decoder.stream(torch.zeros(1, size.prompt, dtype=torch.long, device=device), 3))
        seconds = time.perf_counter() - started
        speed = _decode(decoder.stream, size, device)
    except Exception as error:  # the compiler's own are many; what was measured before stays
        return {"compile_error": f"{type(error).__name__}: {str(error)[:500]}"}
    return {"compile_seconds": seconds, "compiled_tokens_per_second": speed}


def _decode(stream: Callable[..., Iterator[Tensor]], size: Size, device: torch.device) -> float:
    """New tokens per second: the median time from one to the next, prefill and start left out."""
    tokens = torch.randint(size.config.vocab_size, (1, size.prompt), device=device)
    moments = []
    for column in stream(tokens, size.new):
        column.tolist()  # as a reader would see it; waits for the device
        moments.append(time.perf_counter())
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    return 1 / statistics.median(gaps[len(gaps) // 10 :])


def _copy_bandwidth(device: torch.device, rounds: int = 10) -> float:
    n_bytes = 4 * GIGABYTE if device.type == "cuda" else GIGABYTE // 4
    source = torch.ones(n_bytes, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    times = []
    for _ in range(rounds):
        _wait(device)
        started = time.perf_counter()
        target.copy_(source)
        _wait(device)
        times.append(time.perf_counter() - started)
    return 2 * n_bytes / min(times)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
