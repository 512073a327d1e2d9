"""The long proof that no damaged or hostile file gets through the readers of weights.

  make prove                                100,000 damaged files, over the four readers
  make prove ARGS="--inputs 2000"           so many for each reader
  make prove ARGS="--campaign 7"            other ones
  make prove ARGS="--only gguf"             one reader

Each input is a file as the format's own writer made it (params.json, checklist.chk, a Hugging Face
folder, a GGUF file), damaged at random. It must be read, or be refused with a named error of one
sentence; it must not take long, allocate much, or read outside the file. What happened is counted
here and written to benchmarks/results/fuzzing.json. A failure is named by its seed; see it with

  cd tests; python -m fuzzing.campaign gguf/0/1234
"""

import argparse
import json
import os
import platform
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from fuzzing import campaign  # noqa: E402

READERS = ("params", "checklist", "safetensors", "gguf")
RESULTS = ROOT / "benchmarks" / "results" / "fuzzing.json"
PART = 5000  # inputs of one worker, so that all processors are busy to the end


def main() -> int:
    """Run the campaign, print what became of it, and fail if anything did."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=25_000, help="for each reader")
    parser.add_argument("--campaign", default="0", help="a name; another one draws other inputs")
    parser.add_argument("--only", choices=READERS, action="append", help="this reader")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes at a time")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the file of results")
    options = parser.parse_args()
    readers = options.only or READERS

    started = time.monotonic()
    outcomes = {reader: campaign.Outcome() for reader in readers}
    parts = [
        (reader, start, min(start + PART, options.inputs))
        for start in range(0, options.inputs, PART)
        for reader in readers
    ]
    with ThreadPoolExecutor(options.jobs) as pool:
        done = pool.map(lambda part: campaign.run(*part, options.campaign), parts)
        for (reader, _, stop), outcome in zip(parts, done, strict=True):
            outcomes[reader].add(outcome)
            print(f"{reader}: {stop:,} inputs, {_words(outcomes[reader])}", flush=True)
            for seed, what in list(outcome.failures.items())[:5]:
                print(f"  {seed}: {what}", flush=True)

    seconds = time.monotonic() - started
    print(f"\n{'reader':12} {'inputs':>8} {'read':>8} {'refused':>8} {'failed':>8}")
    for reader, outcome in outcomes.items():
        counts = [outcome.counts[kind] for kind in ("read", "refused", "failed")]
        print(f"{reader:12} {sum(counts):8,} {counts[0]:8,} {counts[1]:8,} {counts[2]:8,}")
    print(f"In {seconds:.0f} s, {options.jobs} processes at a time.")
    failures = {k: v for outcome in outcomes.values() for k, v in outcome.failures.items()}
    _save(outcomes, failures, seconds, options)
    return 1 if failures else 0


def _words(outcome: campaign.Outcome) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in sorted(outcome.counts.items()))


def _save(
    outcomes: dict[str, campaign.Outcome],
    failures: dict[str, str],
    seconds: float,
    options: argparse.Namespace,
) -> None:
    import torch

    options.results.parent.mkdir(parents=True, exist_ok=True)
    values = {
        "campaign": options.campaign,
        "inputs": {reader: dict(outcome.counts) for reader, outcome in outcomes.items()},
        "failures": failures,
        "seconds": round(seconds),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}, {options.jobs} processes",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }
    options.results.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
