"""Many inputs for each reader, in processes that may die: a crash and a hang are findings, too.

A worker takes inputs one after the other and writes down which one it is at. If it dies, by a bus
error or because one input took too long, the campaign records that input, and another worker goes
on behind it. An input is named by its seed, "reader/campaign/number", and comes back from it.

  python -m fuzzing.campaign gguf/0/1234        (in tests/: one input, with its whole traceback)
"""

import faulthandler
import importlib
import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

SECONDS_EACH = 20
MEMORY_BYTES = 2 << 30  # beyond what Python and torch take; of address space, mapped files included
FOLDER = Path(__file__).resolve().parent


@dataclass
class Outcome:
    """What became of the inputs of one reader: how many were read and refused, and the failures.

    failures: seed → what happened.
    """

    counts: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)

    def add(self, other: "Outcome") -> None:
        """Count another part of the same campaign in."""
        self.counts.update(other.counts)
        self.failures.update(other.failures)


def run(
    reader: str,
    start: int,
    stop: int,
    campaign: str = "0",
    module: str = "fuzzing.readers",
    seconds_each: float = SECONDS_EACH,
) -> Outcome:
    """Give a reader the inputs start … stop - 1, in workers.

    module: what has `write_seeds` and `attempt`. seconds_each: what one input may take at most.
    """
    outcome = Outcome()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        log = Path(scratch) / "log.jsonl"
        while start < stop:
            log.write_text("")
            command = ["-m", "fuzzing.campaign", "--work", reader, campaign, str(start), str(stop)]
            worker = subprocess.run(
                [sys.executable, *command, scratch, module, str(seconds_each)],
                cwd=FOLDER.parent,
                env=os.environ | {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"},
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            )
            lines = [json.loads(line) for line in log.read_text().splitlines()]
            for line in lines:
                outcome.counts[line["outcome"]] += 1
                if line["outcome"] == "failed":
                    outcome.failures[line["seed"]] = line["what"]
            start += len(lines)
            if worker.returncode and start < stop:
                what = f"the process died ({worker.returncode}): {worker.stderr[-2000:]}"
                outcome.counts["failed"] += 1
                outcome.failures[f"{reader}/{campaign}/{start}"] = what
                start += 1
            elif worker.returncode == 0 and start < stop:
                raise RuntimeError(f"A worker ended early, at {start} of {stop}.")
    return outcome


def _work(
    reader: str,
    campaign: str,
    start: int,
    stop: int,
    scratch: Path,
    module: str,
    seconds_each: float,
) -> None:
    import torch

    readers = importlib.import_module(module)
    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp(dir=scratch))
    readers.write_seeds(folder)
    _limit_memory()
    with (scratch / "log.jsonl").open("a", buffering=1) as log:
        for number in range(start, stop):
            seed = f"{reader}/{campaign}/{number}"
            faulthandler.dump_traceback_later(seconds_each, exit=True)
            line = {"seed": seed}
            try:
                line["outcome"] = readers.attempt(folder, reader, seed)
            except Exception as error:
                frame = traceback.extract_tb(error.__traceback__)[-1]
                what = f"{type(error).__name__} in {Path(frame.filename).name}:{frame.lineno}"
                line |= {"outcome": "failed", "what": f"{what}: {str(error)[:500]}"}
            finally:
                faulthandler.cancel_dump_traceback_later()
            log.write(json.dumps(line) + "\n")


def _limit_memory() -> None:
    """Let a reader that allocates what a header claims fail here, and not the machine."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return
    try:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:  # not Linux: address space is not counted alike
        return
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES, used + MEMORY_BYTES))


def _show(seed: str) -> None:
    from fuzzing import readers

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        readers.write_seeds(Path(folder))
        print(readers.attempt(Path(folder), seed.partition("/")[0], seed))


if __name__ == "__main__":
    if sys.argv[1] == "--work":
        _, _, name, of, first, last, folder, *rest = sys.argv
        rest = rest or ["fuzzing.readers", SECONDS_EACH]
        _work(name, of, int(first), int(last), Path(folder), rest[0], float(rest[1]))
    else:
        _show(sys.argv[1])
