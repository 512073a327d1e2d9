"""The devices that a plan can be made for: some that people have, and this machine."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from llama_mini.machine.free_memory import free_bytes

GB = 1e9
# What one direction of a PCI Express slot of 16 lanes carries, by generation (PCI-SIG).
PCIE3, PCIE4, PCIE5 = 15.75 * GB, 31.5 * GB, 63.0 * GB


@dataclass(frozen=True)
class Device:
    """Where a model is to run.

    memory_bytes: what there is room for; None where nobody knows. bytes_per_second: how fast it
    reads its own memory, None if unknown. host_bytes_per_second: how fast weights come to it from
    the host; None if it is the host. kind: "cuda" or "cpu".
    """

    name: str
    memory_bytes: float | None
    bytes_per_second: float | None = None
    host_bytes_per_second: float | None = None
    kind: str = "cuda"


# Memory and bandwidth as their makers' data sheets print them, in decimal GB. A GPU sold with 80 GB
# really has close to 80 GiB, 7 % more; that margin is left to the driver, to CUDA's context and to
# the gaps between allocations.
DEVICES: Mapping[str, Device] = {
    "H200": Device("H200 141 GB", 141 * GB, 4.8e12, PCIE5),
    "H100": Device("H100 SXM 80 GB", 80 * GB, 3.35e12, PCIE5),
    "A100": Device("A100 SXM 80 GB", 80 * GB, 2.039e12, PCIE4),
    "A100-40": Device("A100 40 GB", 40 * GB, 1.555e12, PCIE4),
    "V100-32": Device("V100 32 GB", 32 * GB, 0.9e12, PCIE3),
    "V100": Device("V100 16 GB", 16 * GB, 0.9e12, PCIE3),
    "RTX 4090": Device("RTX 4090 24 GB", 24 * GB, 1.008e12, PCIE4),
    "RTX 3090": Device("RTX 3090 24 GB", 24 * GB, 0.936e12, PCIE4),
    # Two channels of DDR4-3200, 8 bytes wide: 2 · 8 · 3.2e9 bytes a second.
    "laptop": Device("laptop 16 GB", 16 * GB, 51.2e9, kind="cpu"),
}


def find(name: str) -> Device:
    """The device of this name: of the table, "cpu" or "cuda" for this machine's, or "24GB".

    Case, spaces and hyphens are no matter, and "4090" is enough. A size alone has no bandwidth.
    Raises ValueError for any other name, and for a device that this machine does not have.
    """
    if name.partition(":")[0] in ("cpu", "cuda", "mps"):
        return this_machine(name)
    if size := re.fullmatch(r"(\d+(?:\.\d+)?) ?(GB|GiB)", name, re.IGNORECASE):
        unit = 2**30 if size[2].lower() == "gib" else GB
        return Device(f"a device with {size[1]} {size[2]}", float(size[1]) * unit)
    wanted = _plain(name)
    for known, device in DEVICES.items():
        if wanted in (_plain(known), _plain(known).removeprefix("rtx"), _plain(device.name)):
            return device
    raise ValueError(
        f"There is no device {name!r} in the table. It has {', '.join(DEVICES)}; `cpu` and `cuda` "
        "are this machine's own, and a size such as 24GB stands for any device that has it."
    )


def kinds_here() -> tuple[str, ...]:
    """The kinds of device that this machine has and this build of torch can use; "cpu" first."""
    others = (kind for kind in ("cuda", "mps") if getattr(torch, kind).is_available())
    return ("cpu", *others)


def this_machine(device: str = "cpu", *, measure: bool = False) -> Device:
    """A device of this machine with the memory that is free now, and if asked, its bandwidth.

    device: "cpu", "cuda", "cuda:1" or "mps". Raises ValueError if there is none such.
    """
    kind = device.partition(":")[0]
    if kind not in kinds_here():
        raise ValueError(f"This machine, or this build of torch, has no {device}.")
    what = torch.cuda.get_device_name(device) if kind == "cuda" else kind.upper()
    return Device(
        f"this machine's {what}",
        free_bytes(device),
        measured_bandwidth(device) if measure else None,
        measured_bandwidth("cpu", to=device) if measure and kind == "cuda" else None,
        kind,
    )


def measured_bandwidth(device: str, *, to: str | None = None, seconds: float = 1.0) -> float:
    """Bytes per second that `device` reads of its memory, or with `to`, that it sends there.

    Decoding reads weights to multiply them with one vector, so that is what is timed, on a matrix
    that no cache holds; sending is timed from pinned memory. The best of as many rounds as fit into
    the time, since whatever else the machine does can only slow it down.
    """
    room = min(free_bytes(where) or 2**30 for where in (device, to or device))
    # A GPU is through with a small matrix before its clock has told anything.
    largest = 32_768 if to is None and torch.device(device).type == "cuda" else 8192
    side = min(largest, int((room / 16) ** 0.5))
    matrix = torch.ones(side, side, device=device)
    vector = torch.ones(side, device=device)
    if to is not None:
        matrix, target = matrix.pin_memory(), torch.empty(side, side, device=to)

    def once() -> None:
        if to is None:
            matrix @ vector
        else:
            target.copy_(matrix, non_blocking=True)
        if "cuda" in (torch.device(device).type, torch.device(to or device).type):
            torch.cuda.synchronize()

    once()  # the first one brings the pages in
    best, end = float("inf"), time.perf_counter() + seconds
    while best == float("inf") or time.perf_counter() < end:
        start = time.perf_counter()
        once()
        best = min(best, time.perf_counter() - start)
    return matrix.nbytes / best


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).lower()
