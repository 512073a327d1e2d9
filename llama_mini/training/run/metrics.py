"""One line of JSON for each update, appended as it happens, and one for what is worth knowing."""

import json
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from llama_mini import files


@dataclass(frozen=True)
class Update:
    """What one update did.

    step: updates done so far. total_steps: in all, or None while the pace is being measured.
    loss: nats per token of this batch, before the update. grad_norm: before clipping.
    tokens: read so far. seconds: spent so far. validation_loss: nats per token on a fixed sample of
    the validation split, where this update was followed by such a look, else None.
    """

    step: int
    total_steps: int | None
    loss: float
    lr: float
    grad_norm: float
    tokens: int
    tokens_per_second: float
    seconds: float
    validation_loss: float | None

    @property
    def seconds_left(self) -> float | None:
        """A forecast from the run's own average pace."""
        if self.total_steps is None:
            return None
        return self.seconds / self.step * (self.total_steps - self.step)


class MetricsLog:
    """Appends to `metrics.jsonl`; after a crash, forgets what the checkpoint does not know.

    path: the file. after_step: keep the lines up to this update and the events before it, and drop
    the rest, a half-written last line included, because a resumed run writes them again.
    """

    def __init__(self, path: Path, after_step: int) -> None:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        lines = text.splitlines(keepends=True)
        kept = "".join(line for line in lines if _is_known(_read(line), after_step))
        if kept != text:
            files.write_text(path, kept)
        self._file = path.open("a", encoding="utf-8", newline="\n")

    def write(self, values: dict[str, Any]) -> None:
        """Append one line, at once on its way to the disk."""
        self._file.write(json.dumps(values) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> "MetricsLog":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """What the updates did, oldest first; half-written lines and events are left out."""
    return [values for values in _whole_lines(path) if "event" not in values]


def read_events(path: Path) -> list[dict[str, Any]]:
    """What happened between updates, oldest first: `event` says what, `step` after which update."""
    return [values for values in _whole_lines(path) if "event" in values]


def _whole_lines(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [values for values in map(_read, lines) if values is not None]


def _read(line: str) -> dict[str, Any] | None:
    """The values of a line about an update or event, or None if it is not whole."""
    if not line.endswith("\n"):
        return None
    try:
        values = json.loads(line)
        int(values["step"])
    except (ValueError, KeyError, TypeError):
        return None
    return values


def _is_known(values: dict[str, Any] | None, step: int) -> bool:
    """Whether the checkpoint of `step` came after this line."""
    if values is None:
        return False
    # An event belongs to the update that follows it.
    return int(values["step"]) + ("event" in values) <= step
