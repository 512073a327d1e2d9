"""Decode beside transformers, litgpt, compiled PyTorch and llama.cpp, at equal precision.

  python benchmarks/decode.py                                  everything; about an hour
  python benchmarks/decode.py --size 15M --precision bf16      one table
  python benchmarks/decode.py --engine ours --engine llama.cpp --rounds 9

Batch 1, greedy, a prompt of 16 tokens and 200 new ones, random weights, as many threads for each.
Every engine lives in a process of its own and they take turns, one generation each a round; what is
shown are medians. The first call, which compiles, is counted apart. One line a table is appended
to benchmarks/results/decode.jsonl.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from decode_engines import COMPILED_PEERS, ENGINES, SIZES, model_config

from llama_mini import slots

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "decode.jsonl"
PACKAGES = ("torch", "transformers", "litgpt", "llama-cpp-python", "gguf")
BITS = {"fp32": 32, "bf16": 16, "int8": 8, "int4": 4}


class Engine:
    """A process that generates when told to, and says how long it took."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.name, self.times = job["engine"], []
        threads = str(job["threads"])
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "decode_engines.py"), json.dumps(job)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads},
        )
        ready = self._answer()
        self.failed: str | None = ready.get("failed")
        self.first_call_seconds = ready.get("first_call_seconds")

    def round(self) -> None:
        """Generate once more, and keep the time."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        answer = self._answer()
        if "seconds" in answer:
            self.times.append(answer["seconds"])
        else:
            self.failed = answer["failed"]

    def close(self) -> None:
        """Let the process end."""
        self._process.stdin.close()
        self._process.wait()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        return json.loads(line) if line else {"failed": "its process ended"}


def read_bandwidth(threads: int, n_bytes: float) -> float:
    """GB/s at which this machine reads as much as the weights take: the best pass of torch's sum.

    A small model stays in the processor's cache from token to token, and so does what is read here.
    """
    import torch

    torch.set_num_threads(threads)
    numbers = torch.ones(int(n_bytes) // 4)
    best = float("inf")
    for _ in range(max(9, int(4e9 / n_bytes))):
        start = time.perf_counter()
        numbers.sum()
        best = min(best, time.perf_counter() - start)
    return numbers.nbytes / best / 1e9


def compare(
    size: str,
    precision: str,
    engines: list[str],
    *,
    rounds: int,
    threads: int = 2,
    prompt: int = 16,
    new_tokens: int = 200,
) -> dict[str, Any]:
    """Alternate the engines for some rounds → one row of results, tokens/s by engine."""
    from llama_mini.model import parameter_count

    job = {"size": size, "precision": precision, "threads": threads}
    job |= {"prompt": prompt, "new_tokens": new_tokens}
    with tempfile.TemporaryDirectory() as folder:
        running = []
        for name in engines:
            if precision in ENGINES[name]:
                print(f"  starting {name} …", flush=True)
                running.append(Engine({**job, "engine": name, "folder": folder}))
        for _ in range(rounds):
            for engine in running:
                if engine.failed is None:
                    engine.round()
        for engine in running:
            engine.close()
    weight_bytes = parameter_count(model_config(size, prompt + new_tokens)) * BITS[precision] / 8
    bandwidth = read_bandwidth(threads, weight_bytes)
    measured = [engine for engine in running if engine.failed is None]
    speeds = {e.name: new_tokens / statistics.median(e.times) for e in measured}
    return {
        **job,
        "rounds": rounds,
        "tokens_per_second": speeds,
        "first_call_seconds": {e.name: e.first_call_seconds for e in measured},
        "failed": {e.name: e.failed for e in running if e.failed is not None},
        "read_gb_per_second": bandwidth,
        "bound_tokens_per_second": bandwidth * 1e9 / weight_bytes,
        "ratios": ratios(speeds),
    }


def ratios(speeds: dict[str, float]) -> dict[str, float]:
    """How ours compares: to the best compiled PyTorch peer, and to llama.cpp."""
    ours = speeds.get("ours")
    found = {}
    peers = [speeds[name] for name in COMPILED_PEERS if name in speeds]
    if ours and peers:
        found["to_best_compiled_peer"] = ours / max(peers)
    if ours and "llama.cpp" in speeds:
        found["to_llama_cpp"] = ours / speeds["llama.cpp"]
    return found


def table(row: dict[str, Any]) -> str:
    """One row of results, for the eye."""
    lines = [
        f"{row['size']} {row['precision']}, {row['threads']} threads, median of {row['rounds']}: "
        f"reads {row['read_gb_per_second']:.1f} GB/s, which bounds decoding at "
        f"{row['bound_tokens_per_second']:.0f} tokens/s"
    ]
    for name, speed in sorted(row["tokens_per_second"].items(), key=lambda item: -item[1]):
        share = speed / row["bound_tokens_per_second"]
        first = row["first_call_seconds"][name]
        lines.append(
            f"  {name:20} {speed:8.1f} tokens/s   {share:4.0%} of bound   first call {first:.1f} s"
        )
    lines += [f"  {name:20} not measured: {why}" for name, why in row["failed"].items()]
    lines += [
        f"  ours {name.replace('_', ' ')}: {value:.2f}" for name, value in row["ratios"].items()
    ]
    return "\n".join(lines)


def machine() -> dict[str, Any]:
    """What the numbers depend on."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "platform": platform.platform(),
            "processor": _processor(),
            "cpus": os.cpu_count(),
        },
        "versions": {"python": platform.python_version(), **versions},
        "code": slots.fingerprint(),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def main() -> None:
    """Measure every chosen size and precision, and keep the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", action="append", choices=list(SIZES))
    parser.add_argument("--precision", action="append", choices=list(BITS))
    parser.add_argument("--engine", action="append", choices=list(ENGINES))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    for size in options.size or ["15M", "110M"]:
        for precision in options.precision or list(BITS):
            print(f"{size} {precision}", flush=True)
            row = compare(
                size,
                precision,
                options.engine or list(ENGINES),
                rounds=options.rounds,
                threads=options.threads,
            )
            print(table(row), flush=True)
            options.results.parent.mkdir(parents=True, exist_ok=True)
            with options.results.open("a", encoding="utf-8") as file:
                file.write(json.dumps({**machine(), **row}) + "\n")


if __name__ == "__main__":
    main()
