"""Full-size weights on this machine's GPU: write them, load them, decode, and say how fast.

  python benchmarks/full_weights.py                     every step that is missing
  python benchmarks/full_weights.py --list              the steps, and which are done
  python benchmarks/full_weights.py --only "7B int4"    one step
  python benchmarks/full_weights.py --table             only print what the results say
  python benchmarks/full_weights.py --tiny              the smallest size, on the CPU

The weights are random, of the real shapes: what is measured does not depend on the numbers. 7B and
13B are written to the disk in Meta's layout (float16, one and two shards) and loaded from there;
33B and 65B are drawn on the device, tensor by tensor, and quantised as they come. A step that does
not fit the device is recorded with the plan's refusal.

Each step is a process of its own of at most eight minutes, and appends one line to
benchmarks/results/full_weights.jsonl; what is there for this device is not done again, so an
interrupted sweep goes on where it stopped. Files are deleted as soon as no step needs them.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from full_weights_steps import FULL, GIGABYTE, PRECISIONS, TINY, Size, ceilings, measure, write

from llama_mini import slots

RESULTS = Path(__file__).parent / "results" / "full_weights.jsonl"
STEP_SECONDS = 8 * 60
HEADER = (
    "weights | precision | load | of the bus | host memory | GPU memory (plan) "
    "| prefill tokens/s | decode tokens/s (of the bandwidth)"
)


def step_names(sizes: Mapping[str, Size]) -> list[str]:
    """Every step in order: "ceilings", then "7B write", "7B bf16" and so on for each size."""
    names = ["ceilings"]
    for name, size in sizes.items():
        names += [f"{name} write"] * bool(size.n_shards)
        names += [f"{name} {precision}" for precision in PRECISIONS]
    return names


def read_results(path: Path, device: str) -> dict[str, dict[str, Any]]:
    """The newest finished result of each step on a device; none if there is no file."""
    return {line["step"]: line for line in _lines(path) if line["device"] == device}


def tables(path: Path, sizes: Mapping[str, Size]) -> str:
    """A table for each device that has results of these sizes; if none has, an empty one."""
    of_sizes = [line for line in _lines(path) if line["step"].rpartition(" ")[0] in sizes]
    names = dict.fromkeys(line["device"] for line in of_sizes)
    done = [read_results(path, name) for name in names] or [{}]
    return "\n\n".join(table(results, sizes) for results in done)


def run_step(step: str, sizes: Mapping[str, Size], results: Path, files: Path) -> None:
    """Do one step in this process, and append its line; a later line of a step replaces it."""
    device = torch.device("cuda" if sizes is FULL else "cpu")
    limits = read_results(results, _device_name(sizes)).get("ceilings", {}).get("found", {})
    name, _, what = step.rpartition(" ")
    started = time.perf_counter()
    if step == "ceilings":
        outcomes = iter([ceilings(device)])
    elif what == "write":
        outcomes = iter([write(sizes[name], files / name, device)])
    else:
        if sizes[name].n_shards and not (files / name).exists():
            write(sizes[name], files / name, device)
        outcomes = measure(sizes[name], what, files / name, device, limits)
    results.parent.mkdir(parents=True, exist_ok=True)
    for outcome in outcomes:
        line = {
            "step": step,
            "device": _device_name(sizes),
            "found": outcome,
            "seconds": round(time.perf_counter() - started, 1),
            "date": datetime.now(UTC).date().isoformat(),
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
            "versions": {"python": platform.python_version(), "torch": torch.__version__},
            "code": slots.fingerprint(),
        }
        with results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def sweep(
    steps: list[str], sizes: Mapping[str, Size], results: Path, files: Path, minutes: float
) -> int:
    """Do the steps that are missing, until so many minutes are over; how many failed."""
    end, failed = time.monotonic() + 60 * minutes, 0
    mode = [] if sizes is FULL else ["--tiny"]
    for index, step in enumerate(steps):
        done = read_results(results, _device_name(sizes))
        if step in done:
            continue
        if time.monotonic() > end:
            print(f"The time is up before {step!r}; the next run goes on there.")
            return failed
        if reason := _no_room(step, sizes, files):
            print(f"{step}: left out, {reason}")
            failed += 1
            continue
        command = [sys.executable, __file__, *mode, "--results", str(results)]
        command += ["--files", str(files), "--step", step]
        started = time.monotonic()
        try:
            left = min(STEP_SECONDS, end - started)
            succeeded = subprocess.run(command, timeout=left).returncode == 0
        except subprocess.TimeoutExpired:
            succeeded = False
        took = f"{time.monotonic() - started:.0f} s"
        print(f"{step}: {'done' if succeeded else 'FAILED'} in {took}", flush=True)
        failed += not succeeded
        _delete_what_nobody_needs(steps[index + 1 :], sizes, files)
    return failed


def table(done: Mapping[str, Mapping[str, Any]], sizes: Mapping[str, Size]) -> str:
    """The results as a table in Markdown; what has none is "not measured"."""
    found = {step: line["found"] for step, line in done.items()}
    limits = found.get("ceilings", {})
    lines = [f"| {HEADER} |", "|" + " --- |" * (HEADER.count("|") + 1)]
    for name in sizes:
        for precision in PRECISIONS:
            cells = _cells(found.get(f"{name} {precision}"), limits)
            lines.append("| " + " | ".join((name, precision, *cells)) + " |")
    if limits:
        line = next(iter(done.values()))
        bus = limits.get("host_to_device")
        sent = f", {bus / 1e9:,.1f} GB/s to it from pinned memory" if bus else ""
        lines += [
            "",
            f"{line['device']}, which moves {limits['memory'] / 1e9:,.0f} GB/s{sent}; "
            f"Python {line['versions']['python']}, torch {line['versions']['torch']}, "
            f"{line['date']}.",
        ]
    return "\n".join(lines)


def _cells(found: Mapping[str, Any] | None, limits: Mapping[str, float]) -> list[str]:
    if found is None:
        return ["not measured"] * (HEADER.count("|") - 1)
    if "refused" in found:
        return ["does not fit"] + ["–"] * (HEADER.count("|") - 2)
    bus = limits.get("host_to_device")
    rate = found["load_bytes"] / found["load_seconds"]
    from_disk = bool(found["load_bytes"])
    load = f"{found['load_seconds']:.1f} s"
    peak, plan = found["decoding_bytes"], found["plan_total"]
    decode = []
    for kind in ("eager", "compiled"):
        if speed := found.get(f"{kind}_tokens_per_second"):
            bound = found["bound_tokens_per_second"]
            share = f" ({speed / bound:.2f})" if bound else ""
            decode.append(f"{kind} {speed:,.1f}{share}")
    return [
        f"{load}, {rate / 1e9:.2f} GB/s" if from_disk else f"{load}, drawn",
        f"{rate / bus:.2f}" if from_disk and bus else "–",
        "–" if found["host_bytes"] is None else f"{found['host_bytes'] / 1e9:.2f} GB",
        f"{peak / 1e9:.2f} GB ({peak / plan - 1:+.1%})" if peak else f"– ({plan / 1e9:.3g} GB)",
        f"{found['prefill_tokens_per_second']:,.0f}",
        ", ".join(decode),
    ]


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _no_room(step: str, sizes: Mapping[str, Size], files: Path) -> str | None:
    """Why the disk cannot hold what a step writes; None if it can."""
    name = step.rpartition(" ")[0]
    if name not in sizes or (files / name).exists():
        return None
    files.mkdir(parents=True, exist_ok=True)
    free, wanted = shutil.disk_usage(files).free, sizes[name].folder_bytes
    if free >= wanted + GIGABYTE:
        return None
    return f"{files} has {free / 1e9:.0f} GB free and {name} takes {wanted / 1e9:.0f} GB"


def _delete_what_nobody_needs(ahead: list[str], sizes: Mapping[str, Size], files: Path) -> None:
    for name in sizes:
        if not any(step.rpartition(" ")[0] == name for step in ahead):
            shutil.rmtree(files / name, ignore_errors=True)


def _device_name(sizes: Mapping[str, Size]) -> str:
    if sizes is FULL and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return "no GPU" if sizes is FULL else "CPU"


def main() -> int:
    """Do what is missing, then print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--list", action="store_true", help="print the steps and do nothing")
    parser.add_argument("--table", action="store_true", help="print the results and do nothing")
    parser.add_argument("--only", metavar="STEP", help="this step alone")
    parser.add_argument("--tiny", action="store_true", help="the smallest size, on the CPU")
    parser.add_argument("--budget-minutes", type=float, default=25.0, help="default: 25")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the file of results")
    parser.add_argument(
        "--files",
        type=Path,
        default=Path(tempfile.gettempdir()) / "llama_mini_full_weights",
        help="where checkpoints are written (40 GB at most, deleted afterwards)",
    )
    parser.add_argument("--step", help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = TINY if options.tiny else FULL
    steps = step_names(sizes)
    if options.step:
        run_step(options.step, sizes, options.results, options.files)
        return 0
    if options.only and options.only not in steps:
        parser.error(f"there is no step {options.only!r}; there are {', '.join(steps)}")

    failed = 0
    if options.list:
        done = read_results(options.results, _device_name(sizes))
        print("\n".join(f"{'done   ' if step in done else 'missing'}  {step}" for step in steps))
        return 0
    if not options.table:
        if sizes is FULL and not torch.cuda.is_available():
            print("There is no CUDA GPU here, so nothing was measured. --tiny runs on the CPU.\n")
        else:
            wanted = [options.only] if options.only else steps
            failed = sweep(wanted, sizes, options.results, options.files, options.budget_minutes)
    print(tables(options.results, sizes))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
