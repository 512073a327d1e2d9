"""What this process holds: the memory that is its own, apart from files that are mapped."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import torch

_STATUS = Path("/proc/self/status")
_INTERVAL = 0.005  # seconds


def anonymous_bytes() -> int | None:
    """Bytes in memory that belong to no file (Linux's RssAnon); None on other systems.

    Pages of a mapped file are not counted: the system can drop them at any time, and read them
    again.
    """
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    found = [line for line in lines if line.startswith("RssAnon:")]
    return int(found[0].split()[1]) * 1024 if found else None


@contextmanager
def without_collections() -> Iterator[None]:
    """Leave out Python's garbage collection: what is built inside lives on, and a collection would
    walk through all of torch to find that out. It takes longer than to map a small model."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class PeakMemory:
    """Watches, inside a `with` block, the most memory above what was there at its start.

    host_bytes: anonymous memory of this process, looked at every 5 ms; None where the system does
    not say. device_bytes: what torch held on the CUDA device; None for other devices.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stop = threading.Event()
        self.host_bytes: int | None = None
        self.device_bytes: int | None = None

    def __enter__(self) -> "PeakMemory":
        if self._device.type == "cuda":
            torch.zeros(1, device=self._device)  # CUDA's own start is not the block's
            torch.cuda.reset_peak_memory_stats(self._device)
        self._before = anonymous_bytes()
        if self._before is not None:
            self.host_bytes = 0
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._before is not None:
            self._thread.join()
            self._look()
        if self._device.type == "cuda":
            self.device_bytes = torch.cuda.max_memory_allocated(self._device)

    def _watch(self) -> None:
        while not self._stop.wait(_INTERVAL):
            self._look()

    def _look(self) -> None:
        self.host_bytes = max(self.host_bytes or 0, (anonymous_bytes() or 0) - self._before)
