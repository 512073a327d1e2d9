"""The course's commands, for every system; `make lab` and `make test` are these with a short name.

  python tools/make.py lab [--no-browser] [--port N]   set up, then open the course in JupyterLab
  python tools/make.py test [pytest options]           set up, then run every test
  python tools/make.py setup                           only make .venv and install into it
  python tools/make.py notebooks [--check]             rebuild the notebooks from lessons/
  python tools/make.py doctor                          say what this machine can do
  python tools/make.py ablations [--quick]             make the runs behind lesson 07's comparison
  python tools/make.py prove                           give the readers 100,000 damaged files
  python tools/make.py bench-decode [--size 15M]       decode beside llama.cpp and others, an hour
  python tools/make.py full-weights                    measure 7B to 65B on this machine's GPU

Needs Python 3.11, 3.12 or 3.13 and nothing else. Everything goes into .venv and my_llama_mini,
beside this folder. To choose another build of PyTorch than your package index offers first, give
the address of the index that has it, before the first set-up or later:

  make lab TORCH_INDEX_URL=<address>          python tools/make.py lab --torch-index-url <address>
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import chromium
import environment

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: list[str]) -> int:
    """Run one command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="make.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "command",
        choices=[
            "lab",
            "test",
            "setup",
            "notebooks",
            "doctor",
            "ablations",
            "prove",
            "full-weights",
            "bench-decode",
        ],
    )
    parser.add_argument(
        "--torch-index-url",
        default=os.environ.get("TORCH_INDEX_URL") or None,
        metavar="ADDRESS",
        help="install torch from this package index (default: $TORCH_INDEX_URL, else your own)",
    )
    options, rest = parser.parse_known_args(arguments)
    rest = [argument for argument in rest if argument != "--"]
    if options.command == "setup" and rest:
        parser.error(f"setup takes no {' '.join(rest)}")

    try:
        bench = options.command == "bench-decode"
        ready = environment.bench_ready if bench else environment.ready
        python = ready(ROOT, torch_index_url=options.torch_index_url)
        if options.command == "test":
            _offer_chromium()
    except environment.SetupError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1

    commands = {
        "setup": None,
        "lab": [str(ROOT / "tools" / "lab.py"), *rest],
        "test": ["-m", "pytest", *(rest if _names_tests(rest) else ["tests", *rest])],
        "notebooks": [str(ROOT / "tools" / "build_notebooks.py"), *rest],
        "doctor": ["-m", "llama_mini", "doctor", *rest],
        "bench-decode": [str(ROOT / "benchmarks" / "decode.py"), *rest],
        "ablations": [str(ROOT / "benchmarks" / "ablations.py"), *rest],
        "prove": [str(ROOT / "tools" / "prove.py"), *rest],
        "full-weights": [str(ROOT / "benchmarks" / "full_weights.py"), *rest],
    }
    command = commands[options.command]
    if command is None:
        print("Set-up is complete. `make lab` opens the course, `make test` runs its tests.")
        return 0
    return _run([str(python), *command])


def _names_tests(rest: list[str]) -> bool:
    return any((ROOT / argument.partition("::")[0]).exists() for argument in rest if argument)


def _run(command: list[str]) -> int:
    os.chdir(ROOT)
    sys.stdout.flush()
    if os.name != "nt":
        os.execv(command[0], command)  # so that a signal meant for the command reaches it
    process = subprocess.Popen(command)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            # Ctrl-C reached the child as well; it ends by itself, and says how it went.
            continue


def _offer_chromium() -> None:
    """In CI the browser tests must run, so bring the browser; elsewhere leave the system alone."""
    if chromium.find() is not None:
        return
    if not chromium.in_ci():
        print(f"The browser tests will be skipped: {chromium.missing()}", flush=True)
    elif not chromium.install():
        raise environment.SetupError(f"In CI the browser tests must run, but {chromium.missing()}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
