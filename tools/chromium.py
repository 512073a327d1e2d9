"""The browser that the browser tests drive: where it is, how to get it. Standard library only."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ELSEWHERE = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Google\Chrome\Application\chrome.exe",
)


def find() -> str | None:
    """The path of Chromium or Chrome: `LLAMA_MINI_CHROMIUM`, else the usual names and places."""
    if chosen := os.environ.get("LLAMA_MINI_CHROMIUM"):
        return shutil.which(chosen)
    found = [path for name in NAMES if (path := shutil.which(name))]
    found += [path for path in ELSEWHERE if Path(path).is_file()]
    return found[0] if found else None


def in_ci() -> bool:
    """Whether a continuous integration service runs this."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def missing() -> str:
    """One sentence for when `find` found nothing: what to run."""
    if shutil.which("apt-get"):
        advice = "install it with: apt-get update && apt-get install -y chromium"
    else:
        advice = "install Chromium or Chrome"
    return f"there is no Chromium; {advice} (or name it in LLAMA_MINI_CHROMIUM)."


def install() -> bool:
    """Install Debian's chromium; whether it is there afterwards. Needs root and apt-get."""
    may = hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get")
    if not may:
        return False
    print("Installing chromium for the browser tests.", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-q"],
        ["apt-get", "install", "-y", "-q", "--no-install-recommends", "chromium"],
    ):
        done = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if done.returncode:
            print(done.stdout[-2000:], flush=True)
    return find() is not None
