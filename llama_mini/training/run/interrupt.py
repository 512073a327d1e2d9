"""Ctrl-C between two updates, never in the middle of one."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held_back() -> Iterator[None]:
    """Let the block finish when the user presses Ctrl-C (or stops the kernel), then raise.

    An update changes weights, then the optimizer, then the count; half of one would be a state
    that no training passes through. Outside the main thread nothing has to be done: signals do
    not arrive there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed = False

    def note(signum: int, frame: object) -> None:
        nonlocal pressed
        pressed = True

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        # None means that the handler was not installed from Python; the default is the nearest.
        signal.signal(signal.SIGINT, before if before is not None else signal.default_int_handler)
    if pressed:
        raise KeyboardInterrupt
