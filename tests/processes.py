"""Run a command in several processes that find each other, as torchrun starts them."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent


def torchrun(processes: int, *command: str, folder: Path) -> str:
    """What a command prints that runs in so many processes."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
        "LLAMA_MINI_HOME": str(folder / "home"),
        "OMP_NUM_THREADS": "1",
    }
    run = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    done = subprocess.run(
        [sys.executable, *run, *command], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
