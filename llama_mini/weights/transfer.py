"""Moving tensors from mapped files to a device, at the speed of the bus where there is one."""

import functools
from collections.abc import Iterator

import torch
from torch import Tensor

STAGE_BYTES = 1 << 26


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on `device`. On the CPU it is itself, still lying in its mapped file.

    To a CUDA device it goes in pieces through pinned memory; the copy is queued on the current
    stream, so what is computed from the result there waits for it.
    """
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device)
    staging = _staging(torch.cuda.current_device() if device.index is None else device.index)
    if staging is None:
        return tensor.to(device)
    result = torch.empty(tensor.shape, dtype=tensor.dtype, device=device)
    staging.copy(tensor, result)
    return result


def release() -> None:
    """Give back the pinned memory that `to_device` keeps between tensors."""
    _staging.cache_clear()


class Staging:
    """Two buffers of host memory, of which one is filled while the other is being sent.

    The bus reads pinned memory directly, and only from there can it work while the processor does:
    a plain copy from a mapped file would be staged by the driver, one piece after the other.
    stage_bytes: the size of each buffer, a multiple of 16. pinned: False on machines without CUDA.
    """

    def __init__(self, stage_bytes: int = STAGE_BYTES, pinned: bool = True) -> None:
        self._stages = [_Stage(stage_bytes, pinned) for _ in range(2)]
        self._turn = 0

    def copy(self, source: Tensor, target: Tensor) -> None:
        """Copy a CPU tensor into a contiguous one of the same shape and dtype, on any device."""
        piece_of = zip(*(_pieces(t, len(self._stages[0])) for t in (source, target)), strict=True)
        for piece, place in piece_of:
            self._stages[self._turn].send(piece, place)
            self._turn = 1 - self._turn


class _Stage:
    """One buffer, and the event after which it may be filled again."""

    def __init__(self, size: int, pinned: bool) -> None:
        self._buffer = torch.empty(size, dtype=torch.uint8, pin_memory=pinned)
        self._sent = torch.cuda.Event() if pinned else None

    def __len__(self) -> int:
        return len(self._buffer)

    def send(self, piece: Tensor, place: Tensor) -> None:
        if self._sent is not None:
            self._sent.synchronize()
        staged = self._buffer[: len(piece)]
        staged.copy_(piece)  # on all of torch's threads
        place.copy_(staged, non_blocking=True)
        if self._sent is not None:
            self._sent.record(torch.cuda.current_stream(place.device))


def _pieces(tensor: Tensor, size: int) -> Iterator[Tensor]:
    """The bytes of a tensor, as views of at most `size` of them."""
    yield from tensor.contiguous().reshape(-1).view(torch.uint8).split(size)


@functools.lru_cache(maxsize=1)
def _staging(device_index: int) -> Staging | None:
    """The buffers for one device; None where the system grants no pinned memory."""
    try:
        with torch.cuda.device(device_index):
            return Staging()
    except RuntimeError:
        return None
