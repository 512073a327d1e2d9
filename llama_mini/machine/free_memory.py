"""How much memory a device still has, asked of the operating system and of the driver."""

import ctypes
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import torch


def free_bytes(device: torch.device | str = "cpu") -> int | None:
    """Bytes that this process can still allocate on a device; None where nobody can say.

    Of a CPU: what the operating system calls available, and no more than a container's limit
    leaves; on macOS, which does not say, all the memory there is. Of a CUDA device: what its driver
    calls free and what torch has set aside for itself and not given out. Raises RuntimeError if
    there is no such device.
    """
    device = torch.device(device)
    if device.type == "cuda":
        set_aside = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + set_aside
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    if device.type != "cpu":
        return None
    known = [amount for amount in (_available(), *_left_in_containers()) if amount is not None]
    return min(known, default=None)


def _available() -> int | None:
    if sys.platform == "win32":
        return _available_on_windows()
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _left_in_containers(
    membership: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")
) -> Iterator[int]:
    """What the limit of each control group around this process leaves; Linux alone has them."""
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "memory" not in controllers.split(","):
            continue
        top = root / "memory" if controllers else root
        names = (
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            if controllers
            else ("memory.max", "memory.current", "inactive_file")
        )
        group = top / path.strip("/")
        # Inside a container the path may be that of the host; the limit is then at the top.
        for folder in (group, *group.parents):
            if folder.is_relative_to(top) and (left := _left(folder, *names)) is not None:
                yield left


def _left(folder: Path, limit: str, usage: str, cached: str) -> int | None:
    """Limit minus use; pages of files that nobody needs now are given up when memory is short."""
    try:
        allowed = int((folder / limit).read_text(encoding="ascii"))
        used = int((folder / usage).read_text(encoding="ascii"))
        statistics = (folder / "memory.stat").read_text(encoding="ascii").splitlines()
        cache = next((int(s.split()[1]) for s in statistics if s.startswith(cached + " ")), 0)
    except (OSError, ValueError):  # no such file, or the word "max"
        return None
    return max(0, allowed - used + cache)


def _available_on_windows() -> int | None:
    class Status(ctypes.Structure):
        _fields_ = [
            ("length", ctypes.c_uint32),
            ("load", ctypes.c_uint32),
            *((name, ctypes.c_uint64) for name in ("total", "available", *"abcde")),
        ]

    status = Status(length=ctypes.sizeof(Status))
    if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return None
    return status.available
