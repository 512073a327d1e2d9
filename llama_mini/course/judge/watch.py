"""Run somebody's code and come back: with its result, or with what went wrong.

A watched call survives exceptions, `sys.exit()`, floods of print and endless Python loops. Only a
real Ctrl-C passes through. Code that hangs inside one native call, or ends the process with
`os._exit`, is beyond what a thread can stop; that needs a process of its own.
"""

import contextlib
import ctypes
import dis
import io
import linecache
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from llama_mini.course.judge.circumstances import the_same_for_all

_LONGEST_OUTPUT = 2_000
_PULSE_S = 0.02


class TimeUpError(BaseException):
    """Raised in code that runs too long. A BaseException: `except Exception` lets it pass."""


@dataclass(frozen=True)
class Raised:
    """An exception, as a learner needs to hear of it.

    type, message: of the exception. line, line_number: where it left the learner's own code;
    function: in which function. missing_name: for a NameError, the name. by_hand: the code has a
    `raise` there itself, as a stub has. timed_out: it was stopped because it ran too long.
    """

    type: str
    message: str
    line: str = ""
    line_number: int = 0
    function: str = ""
    missing_name: str | None = None
    by_hand: bool = False
    timed_out: bool = False

    @property
    def is_stub(self) -> bool:
        """Whether this is the `raise NotImplementedError` an exercise starts with."""
        return self.type == "NotImplementedError" and self.by_hand


@dataclass
class Watched:
    """What came of a watched call: its `value` or what it `raised`, and what it printed."""

    value: Any = None
    raised: Raised | None = None
    printed: str = ""
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0.0


def watched(
    call: Callable[[], Any], seconds: float, files: frozenset[str] = frozenset()
) -> Watched:
    """Run `call()` for at most `seconds`; `files` are those whose lines are the learner's.

    It runs under the settings of `the_same_for_all`, and what it changes of them is put back.
    Raises KeyboardInterrupt for a real Ctrl-C, and nothing else.
    """
    watched = Watched()
    output = _Beginning()
    start = time.perf_counter()
    with the_same_for_all(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            try:
                watched.value = _limited(call, seconds)
            except BaseException as error:
                watched.raised = explain(error, files)
                if watched.raised is None:
                    raise
    watched.seconds = time.perf_counter() - start
    watched.printed = output.text()
    watched.warnings = list(dict.fromkeys(f"{w.category.__name__}: {w.message}" for w in caught))
    return watched


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Drop what is printed: for a second run of code whose first run has printed it already."""
    output = _Beginning()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        yield


def explain(error: BaseException, files: frozenset[str] = frozenset()) -> Raised | None:
    """An exception in words; None for a real Ctrl-C, which is nobody's mistake."""
    by_hand = _raised_by_hand(error.__traceback__)
    if isinstance(error, KeyboardInterrupt) and not by_hand:
        return None
    place = _own_place(error.__traceback__, files)
    return Raised(
        type=type(error).__name__,
        message=_first_lines(error),
        missing_name=getattr(error, "name", None) if isinstance(error, NameError) else None,
        by_hand=by_hand,
        timed_out=isinstance(error, TimeUpError),
        **place,
    )


def _limited(call: Callable[[], Any], seconds: float) -> Any:
    """Let another thread raise TimeUpError in this one, again and again, once the time is up."""
    thread = ctypes.c_ulong(threading.get_ident())
    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
    lock, finished = threading.Lock(), threading.Event()

    def keep_time() -> None:
        pause = seconds
        while not finished.wait(pause):
            # Once is not enough: a bare `except:` inside a loop swallows it and goes on.
            with lock:
                if not finished.is_set():
                    raise_in(thread, ctypes.py_object(TimeUpError))
            pause = _PULSE_S

    def stop_keeping_time() -> None:
        with lock:
            finished.set()
        # An exception still on its way arrives at a jump backwards: here, and not somewhere later.
        for _ in range(100):
            pass

    threading.Thread(target=keep_time, name="time limit", daemon=True).start()
    try:
        return call()
    finally:
        while True:
            try:
                stop_keeping_time()
                break
            except TimeUpError:
                continue


class _Beginning(io.TextIOBase):
    """Keeps the beginning of what is written, so that an endless print fills no memory."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        room = _LONGEST_OUTPUT - self._length
        if room > 0:
            self._parts.append(text[:room])
        self._length += len(text)
        return len(text)

    def text(self) -> str:
        text = "".join(self._parts)
        return (
            text
            if self._length <= _LONGEST_OUTPUT
            else f"{text}… ({self._length:,} characters in all)"
        )


def _raised_by_hand(traceback: TracebackType | None) -> bool:
    if traceback is None:
        return False
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback.tb_frame.f_code.co_code[traceback.tb_lasti] == dis.opmap["RAISE_VARARGS"]


def _own_place(traceback: TracebackType | None, files: frozenset[str]) -> dict[str, Any]:
    place: dict[str, Any] = {}
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if code.co_filename in files:
            line = linecache.getline(code.co_filename, traceback.tb_lineno).strip()
            place = {"line": line, "line_number": traceback.tb_lineno, "function": code.co_qualname}
        traceback = traceback.tb_next
    return place


def _first_lines(error: BaseException) -> str:
    try:
        lines = str(error).strip().splitlines()
    except Exception:
        return "(its message cannot be printed)"
    text = " ".join(line.strip() for line in lines[:3])
    return text if len(text) <= 300 else f"{text[:297]}…"
