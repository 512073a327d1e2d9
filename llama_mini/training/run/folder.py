"""The folder of a run: what is in it, and how to find one."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llama_mini import files, paths
from llama_mini.training.run import checkpoint
from llama_mini.training.run.checkpoint import Checkpoint


@dataclass(frozen=True)
class Run:
    """A folder under `paths.runs_dir()`. Where it exists, it is complete: it can be resumed."""

    folder: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def settings_file(self) -> Path:
        """The recipe, as JSON."""
        return self.folder / "settings.json"

    @property
    def params_file(self) -> Path:
        """The model's config, as JSON."""
        return self.folder / "params.json"

    @property
    def metrics_file(self) -> Path:
        """One line of JSON for each update."""
        return self.folder / "metrics.jsonl"

    @property
    def tokenizer_file(self) -> Path:
        """A copy of the mix's tokenizer, so that the run can be moved on its own."""
        return self.folder / "tokenizer.model"

    @property
    def summary_file(self) -> Path:
        """The result, as JSON; there once the run is finished."""
        return self.folder / "summary.json"

    @property
    def last(self) -> Path:
        """The newest checkpoint."""
        return self.folder / "last.pt"

    @property
    def best(self) -> Path:
        """The checkpoint with the lowest quick validation loss."""
        return self.folder / "best.pt"

    def settings(self) -> dict[str, Any]:
        """The recipe as plain values."""
        return json.loads(self.settings_file.read_text(encoding="utf-8"))

    def params(self) -> dict[str, Any]:
        """The model's config as plain values."""
        return json.loads(self.params_file.read_text(encoding="utf-8"))


def is_run(folder: Path) -> bool:
    """Whether a folder is a run of ours."""
    run = Run(folder)
    return run.params_file.is_file() and (run.last.is_file() or run.best.is_file())


def _written_at(run: Run) -> int:
    return max(path.stat().st_mtime_ns for path in (run.last, run.best) if path.is_file())


def all_runs() -> list[Run]:
    """The runs of this workspace, the one that was written to last first."""
    folder = paths.runs_dir()
    if not folder.is_dir():
        return []
    runs = [Run(f) for f in folder.iterdir() if not f.name.startswith(".") and is_run(f)]
    return sorted(runs, key=lambda run: (_written_at(run), run.name), reverse=True)


def find(name: str | None = None) -> Run:
    """The run of that name, or the newest. Raises FileNotFoundError and says which there are."""
    runs = all_runs()
    if name is None and runs:
        return runs[0]
    if name is None:
        raise FileNotFoundError(
            f"There is no run in {paths.runs_dir()} yet. Train one: llama-mini train --config mini"
        )
    for run in runs:
        if run.name == name:
            return run
    there_are = ", ".join(run.name for run in runs) or "none"
    raise FileNotFoundError(f"There is no run {name!r} in {paths.runs_dir()}; runs: {there_are}.")


def free_name(config: str) -> str:
    """`mini-1`, or the first number that is not taken."""
    number = 1
    while (paths.runs_dir() / f"{config}-{number}").exists():
        number += 1
    return f"{config}-{number}"


def create(name: str, first: Checkpoint, tokenizer_file: Path) -> Run:
    """Make a run's folder with everything in it at once, its first checkpoint included.

    One is made at a time, so of two processes that want the same name one gets it. Raises
    FileExistsError if the name is taken, and OSError if the disk has no room for the run.
    """
    run = Run(paths.runs_dir() / name)
    with files.lock(paths.runs_dir()):
        # Whoever is still building one would hold the lock.
        for unborn in paths.runs_dir().glob(".*.partial"):
            shutil.rmtree(unborn, ignore_errors=True)
        if run.folder.exists():
            raise FileExistsError(
                f"The run {name!r} exists ({run.folder}). Continue it with --resume --run {name}, "
                "or choose another --run name."
            )
        _build(run, first, tokenizer_file)
    return run


def _build(run: Run, first: Checkpoint, tokenizer_file: Path) -> None:
    # Built under a name that nothing trusts, then renamed: a kill leaves no half a run.
    partial = Run(run.folder.with_name(f".{run.name}.partial"))
    partial.folder.mkdir(parents=True)
    try:
        _require_room(partial.folder, first)
        files.write_json(partial.settings_file, first.settings)
        files.write_json(partial.params_file, first.params)
        shutil.copyfile(tokenizer_file, partial.tokenizer_file)
        checkpoint.save(partial.last, first)
        os.replace(partial.folder, run.folder)
    except BaseException:
        shutil.rmtree(partial.folder, ignore_errors=True)
        raise


def _require_room(folder: Path, first: Checkpoint) -> None:
    """Refuse early: a run holds a last checkpoint, a best one, and one being written."""
    weights = sum(t.numel() * t.element_size() for t in first.model.values())
    needed = 3 * 3 * weights  # AdamW keeps two more numbers for every weight
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(
            f"A run of this size needs {needed / 1e6:,.0f} MB in {folder.parent}, and "
            f"{free / 1e6:,.0f} MB are free. Free some space, or set LLAMA_MINI_HOME to a folder "
            "on a larger disk."
        )
