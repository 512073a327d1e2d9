"""One line of JSON for each update, appended as it happens."""

import json
from pathlib import Path
from types import TracebackType
from typing import Any


class MetricsLog:
    """Appends to `metrics.jsonl`; after a crash, forgets what the checkpoint does not know.

    path: the file. after_step: keep the lines up to this update and drop the rest, a half-written
    last line included, because a resumed run writes them again.
    """

    def __init__(self, path: Path, after_step: int) -> None:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
        kept = [line for line in lines if _step(line) is not None and _step(line) <= after_step]
        if kept != lines:
            path.write_text("".join(kept), encoding="utf-8", newline="\n")
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
    """All whole lines of a metrics file, oldest first."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if _step(line) is not None]


def _step(line: str) -> int | None:
    """The update a line is about, or None if the line is not whole."""
    if not line.endswith("\n"):
        return None
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return None
