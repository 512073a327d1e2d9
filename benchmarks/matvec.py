"""How fast a matrix is read when it multiplies one row: each shape of decoding, each way to do it.

  python benchmarks/matvec.py [--precision int8] [--threads 2]

GB/s of weights, medians of alternating rounds, appended to benchmarks/results/matvec.jsonl. Each
sample multiplies a chain of different matrices, 100 MB of them, so that none waits in a cache, in
one compiled program, so that calling it costs nothing. Ways: `linear eager` and `linear compiled`
are F.linear, `autotuned` the same under max-autotune, `row product` what CompiledDecoder uses,
`int4 kernel` torch's own.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from decode import machine, read_bandwidth
from torch import Tensor

from llama_mini.compiled.products import row_product
from llama_mini.weights.quantized import kernels

RESULTS = Path(__file__).resolve().parent / "results" / "matvec.jsonl"
SHAPES = [(288, 288), (768, 288), (288, 768), (32000, 288)]
SHAPES += [(768, 768), (2048, 768), (768, 2048), (32000, 768)]
FUSED = {"cpp.enable_floating_point_contract_flag": "fast"}
BYTES = 100e6


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """F.linear, in the dtype of the weight; int8 codes are cast first."""
    dtype = torch.bfloat16 if weight.dtype is torch.int8 else weight.dtype
    return F.linear(x.to(dtype), weight.to(dtype)).float()


def by_rows(x: Tensor, weight: Tensor) -> Tensor:
    """The multiply and the sum of CompiledDecoder."""
    return row_product(x, weight.t())


def int4(x: Tensor, weight: tuple[Tensor, Tensor]) -> Tensor:
    """torch's int4 kernel, groups of 32."""
    return kernels.int4_product(x.bfloat16(), weight[0], 32, weight[1]).float()


def chain(product: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """All products after another, each waiting for the one before, as in a model."""

    def run(x: Tensor, weights: list[Any]) -> Tensor:
        for weight in weights:
            x = x + 1e-30 * product(x, weight)[:, :1]
        return x

    return run


def matrices(shape: tuple[int, int], precision: str) -> list[Any]:
    """Some different weights of a shape, ready for the products of a precision."""
    out_features, in_features = shape
    size = out_features * in_features * {"fp32": 4, "bf16": 2, "int8": 1, "int4": 0.5}[precision]
    count = max(2, min(24, int(BYTES / size)))
    if precision == "int4":
        codes = [torch.randint(16, shape, dtype=torch.uint8) for _ in range(count)]
        scales = torch.ones(in_features // 32, out_features, 2, dtype=torch.bfloat16)
        return [(kernels.into_int4_order(c, c), scales) for c in codes]
    if precision == "int8":
        return [torch.randint(-127, 128, shape, dtype=torch.int8) for _ in range(count)]
    dtype = torch.float32 if precision == "fp32" else torch.bfloat16
    return [torch.randn(shape).to(dtype) for _ in range(count)]


def ways(precision: str, autotune: bool) -> dict[str, Callable[..., Tensor]]:
    """The ways to multiply in a precision, by name."""
    if precision == "int4":
        return {"int4 kernel": chain(int4)}
    compiled = {
        "linear compiled": torch.compile(chain(linear), dynamic=False),
        "row product": torch.compile(chain(by_rows), dynamic=False, options=FUSED),
    }
    if autotune:
        compiled["autotuned"] = torch.compile(
            chain(linear), dynamic=False, options={"max_autotune": True, "freezing": True}
        )
    return compiled if precision == "int8" else {"linear eager": chain(linear), **compiled}


@torch.no_grad()
def measure(shape: tuple[int, int], precision: str, rounds: int, autotune: bool) -> dict[str, Any]:
    """GB/s by way, the median of alternating rounds."""
    torch._dynamo.reset()
    weights = matrices(shape, precision)
    x = torch.randn(1, shape[1])
    size = sum(w[0].nbytes if isinstance(w, tuple) else w.nbytes for w in weights)
    repeats = max(1, int(BYTES / size))
    programs = ways(precision, autotune)
    times: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(2):
        for program in programs.values():
            program(x, weights)
    for _ in range(rounds):
        for name, program in programs.items():
            start = time.perf_counter()
            for _ in range(repeats):
                program(x, weights)
            times[name].append((time.perf_counter() - start) / repeats)
    return {name: size / statistics.median(taken) / 1e9 for name, taken in times.items()}


def main() -> None:
    """Measure every shape and append a line for each precision."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--precision", action="append", choices=["fp32", "bf16", "int8", "int4"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--no-autotune", action="store_true", help="leave max-autotune out")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    bandwidth = read_bandwidth(options.threads, BYTES)
    print(f"{options.threads} threads; memory is read at {bandwidth:.1f} GB/s", flush=True)
    for precision in options.precision or ["fp32", "bf16", "int8", "int4"]:
        table = {}
        for shape in SHAPES:
            speeds = measure(shape, precision, options.rounds, not options.no_autotune)
            table["x".join(map(str, shape))] = speeds
            words = "   ".join(f"{name} {speed:.1f}" for name, speed in speeds.items())
            print(f"{precision} {shape[0]:5} x {shape[1]:4}   {words}", flush=True)
        row = {"precision": precision, "threads": options.threads, "rounds": options.rounds}
        row |= {"read_gb_per_second": bandwidth, "gb_per_second": table}
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**machine(), **row}) + "\n")


if __name__ == "__main__":
    main()
