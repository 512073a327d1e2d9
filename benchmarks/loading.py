"""Load the same weights with this package and with its peers, and compare the times.

  python benchmarks/loading.py                    every comparison
  python benchmarks/loading.py --only huggingface
  python benchmarks/loading.py --summary          only print what the results say

Each comparison writes a random model of about 1 GB, brings its files into the page cache, and then
times its contestants in turn, each in a process of its own that has imported everything before the
clock starts. A time ends when a byte of every page of every parameter was read: mapping a file
costs nothing, reading it does. `first` is the first load in a process, as a user has it; `again` is
the median of the loads after it in the same process. Anonymous memory is the most at any time of
one more load; what the files themselves map is no part of it. One line is appended to
benchmarks/results/loading.jsonl for each comparison.
"""

import argparse
import gc
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import Tensor

from llama_mini import ModelConfig, slots
from llama_mini.weights.memory import PeakMemory, anonymous_bytes
from llama_mini.weights.shapes import parameter_shapes

RESULTS = Path(__file__).parent / "results" / "loading.jsonl"
ROUNDS, AGAIN = 7, 5
PAGE = 4096

# LLaMA's proportions at 0.98 GB in bfloat16.
CONFIG = ModelConfig(dim=1280, n_layers=20, n_heads=10)

Load = Callable[[Path], Iterable[Tensor]]


def random_tensors(config: ModelConfig) -> Iterable[tuple[str, Tensor]]:
    """Every parameter of the shape, with seeded random numbers; norms at one."""
    generator = torch.Generator().manual_seed(0)
    for name, shape in parameter_shapes(config):
        numbers = torch.empty(shape, dtype=torch.bfloat16)
        yield (
            name,
            numbers.fill_(1) if len(shape) == 1 else numbers.normal_(std=0.02, generator=generator),
        )


def write_huggingface(folder: Path) -> None:
    """The model as Hugging Face's folder, in three files."""
    from llama_mini.weights.formats.huggingface import writer as huggingface_writer

    huggingface_writer.write_huggingface(
        folder, CONFIG, random_tensors(CONFIG), torch.bfloat16, n_shards=3
    )


def write_meta(folder: Path) -> None:
    """The model as Meta's folder, in two shards of float16."""
    from llama_mini.weights.formats.meta import writer as meta_writer

    meta_writer.write_meta(folder, CONFIG, random_tensors(CONFIG), n_shards=2)


def with_llama_mini() -> Load:
    """`llama_mini.load`, weights as stored, on the CPU."""
    from llama_mini.weights.loading import load

    return lambda folder: load(folder)[0].parameters()


def with_transformers() -> Load:
    """`AutoModelForCausalLM.from_pretrained`, which keeps the stored dtype since version 5."""
    from transformers import AutoModelForCausalLM
    from transformers.models.llama import modeling_llama
    from transformers.utils import logging

    logging.disable_progress_bar()
    assert modeling_llama  # imported here, so that from_pretrained need not
    return lambda folder: AutoModelForCausalLM.from_pretrained(folder, dtype="auto").parameters()


def with_load_and_concatenate() -> Load:
    """What one writes first: read every shard, then concatenate what is cut."""
    from llama_mini.weights.meta import shard_axis

    def load(folder: Path) -> Iterable[Tensor]:
        shards = [torch.load(p, weights_only=True) for p in sorted(folder.glob("*.pth"))]
        for name in [name for name in shards[0] if not name.endswith("rope.freqs")]:
            axis = shard_axis(name)
            parts = [shard[name] for shard in shards]
            yield parts[0] if axis is None else torch.cat(parts, dim=axis)

    return load


@dataclass(frozen=True)
class Comparison:
    """One model on disk, and who loads it; the first contestant is compared with the others."""

    write: Callable[[Path], None]
    contestants: dict[str, Callable[[], Load]]
    packages: tuple[str, ...] = ()


COMPARISONS = {
    "huggingface": Comparison(
        write_huggingface,
        {"llama_mini": with_llama_mini, "transformers": with_transformers},
        ("transformers", "safetensors"),
    ),
    "meta": Comparison(
        write_meta,
        {"llama_mini": with_llama_mini, "load and concatenate": with_load_and_concatenate},
    ),
}


def touch(parameters: Iterable[Tensor]) -> int:
    """Read a byte of every page; the sum, so that nothing can leave the reading out."""
    return sum(
        int(parameter.detach().reshape(-1).view(torch.uint8)[::PAGE].sum())
        for parameter in parameters
    )


def time_loads(load: Load, folder: Path) -> dict[str, float]:
    """In this process: the first load, the median of those after it, and the peak of memory."""
    for file in folder.iterdir():
        file.read_bytes()
    at_first, seconds = anonymous_bytes() or 0, []
    for _ in range(1 + AGAIN):
        gc.collect()
        started = time.perf_counter()
        parameters = list(load(folder))
        touch(parameters)
        seconds.append(time.perf_counter() - started)
        size = sum(parameter.nbytes for parameter in parameters)
        del parameters
    gc.collect()
    kept = (anonymous_bytes() or 0) - at_first  # freed by Python, and used again by the next load
    with PeakMemory(torch.device("cpu")) as memory:  # in a load of its own: watching takes time
        held = list(load(folder))
    del held
    return {
        "first": seconds[0],
        "again": statistics.median(seconds[1:]),
        "anonymous_share": (kept + (memory.host_bytes or 0)) / size,
    }


def compare(name: str, folder: Path) -> dict[str, object]:
    """Write the model and time every contestant in `ROUNDS` processes, alternating."""
    comparison = COMPARISONS[name]
    comparison.write(folder)
    rounds: dict[str, list[dict[str, float]]] = {who: [] for who in comparison.contestants}
    for number in range(ROUNDS):
        for who in comparison.contestants:
            command = [sys.executable, __file__, "--one", name, who, str(folder)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            rounds[who].append(json.loads(done.stdout.splitlines()[-1]))
            print(f"{name} {number + 1}/{ROUNDS} {who}: {rounds[who][-1]}", file=sys.stderr)
    return {
        "comparison": name,
        "gigabytes": sum(file.stat().st_size for file in folder.iterdir()) / 1e9,
        "medians": {
            who: {key: statistics.median(run[key] for run in runs) for key in runs[0]}
            for who, runs in rounds.items()
        },
        "rounds": rounds,
        "config": CONFIG.to_dict(),
        "machine": machine(comparison.packages),
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def machine(packages: Sequence[str]) -> dict[str, object]:
    """What a reader needs to know of where the times come from."""
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        # What else ran on the machine: processes that wanted a core, the benchmark's own included.
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "code": slots.fingerprint(),
        "torch": torch.__version__,
        **{package: importlib.metadata.version(package) for package in packages},
    }


def summary() -> str:
    """The newest result of each comparison, as ratios."""
    if not RESULTS.is_file():
        return "Nothing was measured yet."
    newest = {}
    for line in RESULTS.read_text(encoding="utf-8").splitlines():
        result = json.loads(line)
        newest[result["comparison"]] = result
    lines = []
    for name, result in newest.items():
        lines.append(f"{name}: {result['gigabytes']:.2f} GB, {result['when']}, {result['machine']}")
        ours = next(iter(result["medians"].values()))
        for who, times in result["medians"].items():
            lines.append(
                f"  {who:20} first {times['first'] * 1e3:6.0f} ms "
                f"(ours is {ours['first'] / times['first']:.2f} of it)   "
                f"again {times['again'] * 1e3:6.0f} ms ({ours['again'] / times['again']:.2f})   "
                f"anonymous memory {times['anonymous_share']:.2f} of the weights"
            )
    return "\n".join(lines)


def main() -> None:
    """Run what is asked for, and say what came out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=COMPARISONS, action="append")
    parser.add_argument("--summary", action="store_true")
    parser.add_argument("--folder", type=Path, help="for the models (default: a temporary one)")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        name, who, folder = options.one
        times = time_loads(COMPARISONS[name].contestants[who](), Path(folder))
        print(json.dumps(times))
        return
    for name in [] if options.summary else options.only or COMPARISONS:
        with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
            result = compare(name, Path(scratch) / name)
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")
    print(summary())


if __name__ == "__main__":
    main()
