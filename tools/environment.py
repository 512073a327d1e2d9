"""Make .venv and install the course into it, once. Standard library only.

`ready` is quick when there is nothing to do: a stamp inside .venv holds a hash of everything that
decides what is installed, and it is written last, so a set-up that was cut short has none and is
taken up again.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST, NEWEST = (3, 11), (3, 13)
EXTRAS = "data,weights,peers,dev"
# Only for `make bench-decode`. litgpt holds huggingface-hub back below what transformers needs,
# though it runs with either: it is installed without its wishes, and they are named here.
BENCH_EXTRAS = "peers,weights,bench"
BENCH_APART = ["litgpt>=0.5.13,<0.6"]
STAMP = "llama_mini.json"
LOG = "llama_mini-setup.log"
GIGABYTE = 10**9


class SetupError(RuntimeError):
    """Set-up cannot go on; the message says why and what to do."""


def ready(root: Path, torch_index_url: str | None = None) -> Path:
    """The Python of `root`/.venv, with everything the course needs installed in it.

    `torch_index_url` is asked of pip for torch alone. Without one, a choice made in an earlier
    set-up stays. Raises SetupError.
    """
    venv = root / ".venv"
    stamp = _read_stamp(venv)
    torch_index_url = torch_index_url or stamp.get("torch_index_url")
    python = venv_python(venv)
    if stamp and stamp.get("wanted") == _wanted(root, stamp.get("python", ""), torch_index_url):
        if _version_of(str(python)) == stamp["python"]:
            return python

    base = _base_python()
    if stamp:
        print(f"Bringing {venv} up to date.", flush=True)
    else:
        _demand_space(root)
        print(f"Setting up llama_mini in {venv}. This happens once.", flush=True)
    if not _usable(venv):
        _make_venv(base, venv)
        stamp = {}
    _install(root, venv, torch_index_url, stamp)
    version = _version_of(str(python))
    _write_stamp(
        venv,
        {
            "wanted": _wanted(root, version, torch_index_url),
            "python": version,
            "torch_index_url": torch_index_url,
        },
    )
    return python


def bench_ready(root: Path, torch_index_url: str | None = None) -> Path:
    """The Python of `root`/.venv-bench: the course beside the engines it is compared with.

    An environment of its own, for some of them are built from source and others want older
    packages than the course does. Raises SetupError.
    """
    venv = root / ".venv-bench"
    python = venv_python(venv)
    version = _version_of(str(python))
    wanted = _wanted(root, f"{version} {BENCH_EXTRAS} {BENCH_APART}", torch_index_url)
    if version and _read_stamp(venv).get("wanted") == wanted:
        return python
    _demand_space(root)
    print(f"Setting up the engines to compare with in {venv}; llama.cpp is built, minutes.")
    if not _usable(venv):
        _make_venv(_base_python(), venv)
    pip = [str(python), "-m", "pip", "install", "--progress-bar", "off", "--no-color"]
    pip += ["--disable-pip-version-check", "--constraint", str(root / "constraints.txt")]
    log = venv / LOG
    log.write_text("", encoding="utf-8")
    if torch_index_url:
        _pip([*pip, "--no-deps", "--index-url", torch_index_url, "torch"], root, log)
    _pip([*pip, "--editable", f"{root}[{BENCH_EXTRAS}]"], root, log)
    _pip([*pip, "--no-deps", *BENCH_APART], root, log)
    version = _version_of(str(python))
    wanted = _wanted(root, f"{version} {BENCH_EXTRAS} {BENCH_APART}", torch_index_url)
    _write_stamp(venv, {"wanted": wanted, "python": version, "torch_index_url": torch_index_url})
    return python


def venv_python(venv: Path) -> Path:
    """Where a virtual environment keeps its Python."""
    return venv / "Scripts" / "python.exe" if os.name == "nt" else venv / "bin" / "python"


# What is there already


def _wanted(root: Path, python: str, torch_index_url: str | None) -> str:
    digest = hashlib.sha256()
    for part in ("pyproject.toml", "constraints.txt"):
        digest.update((root / part).read_bytes() + b"\0")
    digest.update("\0".join([str(root), python, EXTRAS, torch_index_url or ""]).encode())
    return digest.hexdigest()


def _read_stamp(venv: Path) -> dict:
    try:
        stamp = json.loads((venv / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def _write_stamp(venv: Path, stamp: dict) -> None:
    scratch = venv / f"{STAMP}.{os.getpid()}.tmp"
    scratch.write_text(json.dumps(stamp, indent=1) + "\n", encoding="utf-8")
    os.replace(scratch, venv / STAMP)


def _usable(venv: Path) -> bool:
    """Whether .venv has a Python of the right version with a pip that runs."""
    python = str(venv_python(venv))
    version = _version_of(python)
    return bool(version and _fits(version)) and _succeeds([python, "-m", "pip", "--version"])


def _version_of(python: str) -> str:
    code = "import sys; print('%d.%d.%d' % sys.version_info[:3])"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _fits(version: str) -> bool:
    major, minor = version.split(".")[:2]
    return OLDEST <= (int(major), int(minor)) <= NEWEST


def _succeeds(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=120).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


# Making it


def _base_python() -> str:
    """This Python if its version fits, else another one found on the PATH."""
    mine = platform.python_version()
    if _fits(mine):
        return sys.executable
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        other = shutil.which(f"python3.{minor}")
        if other and _fits(_version_of(other) or "0.0"):
            print(f"This is Python {mine}; using {other} instead.", flush=True)
            return other
    raise SetupError(
        f"llama_mini needs Python 3.{OLDEST[1]} to 3.{NEWEST[1]}; this is {mine} and no other was "
        "found. Install one of them, then name it: make lab PYTHON=/path/to/python3.12"
    )


def _demand_space(root: Path) -> None:
    free = shutil.disk_usage(root).free
    if free < 2 * GIGABYTE:
        raise SetupError(
            f"Only {free / GIGABYTE:.1f} GB are free at {root}; set-up needs about 2 GB, and about "
            "10 GB with the CUDA build of torch. Make room, then run the same command again."
        )


def _make_venv(base: str, venv: Path) -> None:
    if venv.exists():
        ours = (venv / "pyvenv.cfg").is_file() or (venv.is_dir() and not any(venv.iterdir()))
        if not ours:
            raise SetupError(f"{venv} exists and is no virtual environment. Move it away first.")
        print("  .venv is incomplete or made for another Python; making it again", flush=True)
    if not _succeeds([base, "-c", "import venv, ensurepip"]):
        minor = ".".join(_version_of(base).split(".")[:2])
        raise SetupError(
            "This Python cannot make virtual environments: Debian and Ubuntu put that into a "
            f"package of its own.\nRun: apt-get install python{minor}-venv  (as root, or with sudo)"
        )
    print(f"  making .venv with Python {_version_of(base)}", flush=True)
    done = subprocess.run(
        [base, "-m", "venv", "--clear", str(venv)], capture_output=True, text=True
    )
    if done.returncode:
        raise SetupError(f"{base} could not make {venv}:\n{(done.stdout + done.stderr).strip()}")


def _install(root: Path, venv: Path, torch_index_url: str | None, earlier: dict) -> None:
    python = str(venv_python(venv))
    pip = [python, "-m", "pip", "install", "--progress-bar", "off", "--no-color"]
    pip += ["--disable-pip-version-check", "--constraint", str(root / "constraints.txt")]
    log = venv / LOG
    log.write_text("", encoding="utf-8")
    if torch_index_url:
        # Without its dependencies: they come from the usual index with everything else.
        print(f"  installing torch from {torch_index_url}", flush=True)
        # Builds of one version count as the same to pip, so a change of build must be forced.
        changed = torch_index_url != earlier.get("torch_index_url")
        force = ["--force-reinstall"] if changed else []
        _pip([*pip, *force, "--no-deps", "--index-url", torch_index_url, "torch"], root, log)
    elif sys.platform == "linux" and not earlier and not shutil.which("nvidia-smi"):
        print(
            "  no NVIDIA GPU seen. On most package indexes torch for Linux brings CUDA with it,\n"
            "  several gigabytes. For the small build stop here (Ctrl-C) and give the address of\n"
            "  PyTorch's own CPU index, shown on its page Get Started:\n"
            "      make lab TORCH_INDEX_URL=<address>",
            flush=True,
        )
    wait = "" if earlier else "; minutes the first time"
    print(f"  installing the course and its packages{wait}", flush=True)
    _pip([*pip, "--editable", f"{root}[{EXTRAS}]"], root, log)
    if not _succeeds([python, "-c", "import torch, jupyterlab, llama_mini"]):
        done = subprocess.run(
            [python, "-c", "import torch, jupyterlab, llama_mini"], capture_output=True, text=True
        )
        raise SetupError(f"Everything is installed, but does not load:\n{done.stderr.strip()}")
    print("  installed", flush=True)


def _pip(command: list[str], root: Path, log: Path) -> None:
    """Run pip, its whole output in `log` and on the screen only what a reader wants to know."""
    process = subprocess.Popen(
        command,
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    lines = []
    with log.open("a", encoding="utf-8") as file:
        for line in process.stdout:
            file.write(line)
            lines.append(line)
            if said := _in_plain_words(line.strip()):
                print(f"    {said}", flush=True)
    if process.wait():
        raise SetupError(_explain("".join(lines), log))


def _in_plain_words(line: str) -> str:
    words = line.split()
    if words[:1] == ["Downloading"] and line.endswith(")"):
        name = words[1].rpartition("/")[2].partition("-")[0]
        size = line.rpartition("(")[2].rstrip(")")
        # Small ones would only scroll the rest away.
        return f"downloading {name}, {size}" if size.endswith(("MB", "GB")) else ""
    if words[:2] == ["Installing", "collected"]:
        return f"unpacking {len(words) - 3} packages"
    return ""


def _explain(output: str, log: Path) -> str:
    """What went wrong, for someone who does not know pip."""
    tail = "\n".join(output.strip().splitlines()[-6:])
    if "No space left on device" in output or "Errno 28" in output:
        cause = "The disk is full. Make room, then run the same command again: it goes on here."
    elif "hashes do not match" in output.lower() or "do not match the hashes" in output.lower():
        cause = "A download arrived damaged. Run the same command again."
    elif any(
        sign in output
        for sign in (
            "NewConnectionError",
            "ConnectTimeout",
            "ReadTimeout",
            "Temporary failure in name resolution",
            "ProxyError",
            "SSLError",
            "Network is unreachable",
        )
    ):
        cause = (
            "The package index could not be reached. Check the network, and behind a proxy that "
            "pip knows of it (pip config list). Then run the same command again: what is already "
            "downloaded is kept."
        )
    elif "No matching distribution" in output:
        cause = (
            "The package index did not answer, or does not have a package the course needs for "
            f"this system and Python {platform.python_version()}. Check the network first."
        )
    elif "Permission denied" in output:
        cause = "A file could not be written. Was .venv made by another user? Delete it and retry."
    else:
        cause = "pip did not succeed."
    return f"{cause}\n\npip's last words (all of them: {log}):\n{tail}"
