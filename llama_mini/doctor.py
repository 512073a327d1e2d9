"""Is this machine ready for the course? Every answer says what to do if it is not."""

import html
import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from llama_mini import paths

MARKS = {"ok": "✓", "note": "·", "problem": "✗"}
COURSE_PACKAGES = ("jupyterlab", "torch", "einops", "matplotlib", "ipywidgets", "sentencepiece")
BUILD_BYTES = 1_500_000_000  # what `llama-mini data build` downloads and writes, with room to spare


@dataclass(frozen=True)
class Finding:
    """One thing looked at: its state ("ok", "note", "problem"), what was seen, what to do."""

    subject: str
    state: str
    seen: str
    advice: str = ""


class Report(tuple[Finding, ...]):
    """All findings; a notebook draws them as a table, a terminal prints them."""

    @property
    def ready(self) -> bool:
        """True if nothing stands in the way of the course."""
        return all(finding.state != "problem" for finding in self)

    @property
    def verdict(self) -> str:
        """The whole in a sentence."""
        if self.ready:
            return "Ready: nothing stands in your way."
        wrong = [finding.subject for finding in self if finding.state == "problem"]
        return f"Not ready yet: mend {', '.join(wrong)} first."

    def __str__(self) -> str:
        width = max(len(finding.subject) for finding in self)
        lines = []
        for finding in self:
            lines.append(f"{MARKS[finding.state]} {finding.subject:<{width}}  {finding.seen}")
            if finding.advice:
                lines.append(f"  {'':<{width}}  → {finding.advice}")
        return "\n".join([*lines, "", self.verdict])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><td title="{f.state}">{MARKS[f.state]}</td>'
            f'<td style="text-align:left"><b>{html.escape(f.subject)}</b></td>'
            f'<td style="text-align:left">{html.escape(f.seen)}'
            + (f"<br>→ {html.escape(f.advice)}" if f.advice else "")
            + "</td></tr>"
            for f in self
        )
        return f"<table>{rows}</table><p><b>{html.escape(self.verdict)}</b></p>"


def examine() -> Report:
    """Look at Python, the packages, the processor, the folders and the data."""
    return Report([_python(), *_packages(), _processor(), _workspace(), _disk(), _data()])


def _python() -> Finding:
    seen = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Finding("Python", "ok", f"{seen}, {sys.prefix}")
    advice = "Use Python 3.11, 3.12 or 3.13: remove .venv and run `make lab` with one of these."
    return Finding("Python", "problem", seen, advice)


def _packages() -> list[Finding]:
    found, missing = [], []
    for name in COURSE_PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    findings = [Finding("packages", "ok", ", ".join(found))] if found else []
    if missing:
        advice = "Run `make lab` again; if you start Jupyter yourself, start it from .venv."
        findings.append(Finding("missing", "problem", ", ".join(missing), advice))
    return findings


def _processor() -> Finding:
    import torch

    seen = f"{os.cpu_count()} cores, torch uses {torch.get_num_threads()} threads"
    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory / 2**30
        return Finding(
            "processor", "ok", f"{seen}; {torch.cuda.get_device_name()}, {memory:.0f} GiB"
        )
    if torch.backends.mps.is_available():
        return Finding("processor", "ok", f"{seen}; Apple GPU (mps)")
    return Finding("processor", "ok", f"{seen}; no GPU, and none is needed")


def _workspace() -> Finding:
    home = paths.workspace()
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        advice = "Set LLAMA_MINI_HOME to a folder you may write to, then restart the kernel."
        return Finding("your folder", "problem", f"{home}: {error.strerror}", advice)
    return Finding("your folder", "ok", str(home))


def _disk() -> Finding:
    cache = paths.cache_dir()
    existing = next(folder for folder in [cache, *cache.parents] if folder.exists())
    free = shutil.disk_usage(existing).free
    seen = f"{free / 1e9:.1f} GB free in {_short(cache)}"
    if free >= BUILD_BYTES or (paths.mix_dir() / "index.json").is_file():
        return Finding("disk", "ok", seen)
    advice = "Make room, or set LLAMA_MINI_CACHE to a folder on a larger disk."
    return Finding("disk", "problem", f"{seen}; {BUILD_BYTES / 1e9:.1f} GB needed", advice)


def _data() -> Finding:
    if (paths.mix_dir() / "index.json").is_file():
        return Finding("data", "ok", f"built, in {_short(paths.mix_dir())}")
    advice = "Only the capstone needs it: run `llama-mini data build` when you get there."
    return Finding("data", "note", "not built yet", advice)


def _short(path: Path) -> str:
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
