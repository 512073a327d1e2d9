"""Run a command in several processes that find each other, as torchrun starts them."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent


def start(processes: int, *command: str, folder: Path) -> subprocess.Popen:
    """A command on its way in so many processes, a group of their own, with pipes of text.

    folder: where the workspace of the command is made.
    """
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
        "LLAMA_MINI_HOME": str(folder / "home"),
        "OMP_NUM_THREADS": "1",
    }
    run = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    return subprocess.Popen(
        [sys.executable, *run, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )


def torchrun(processes: int, *command: str, folder: Path) -> str:
    """What a command prints that runs in so many processes."""
    started = start(processes, *command, folder=folder)
    said, errors = started.communicate()
    assert started.returncode == 0, errors[-3000:]
    return said
