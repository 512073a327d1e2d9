"""A watched call always comes back, and says what happened."""

import random
import sys
import time
import warnings

import pytest
import torch

from llama_mini.course.judge.watch import watched


def test_a_result_comes_back_with_what_was_printed_and_warned_of():
    def call():
        print("hello")
        print("trouble", file=sys.stderr)
        warnings.warn("careful", stacklevel=1)
        return 7

    outcome = watched(call, 5)
    assert (outcome.value, outcome.raised) == (7, None)
    assert outcome.printed == "hello\ntrouble\n"
    assert outcome.warnings == ["UserWarning: careful"]


def endless():
    while True:
        pass


def endless_that_swallows_exceptions():
    while True:
        try:
            sum(range(100))
        except Exception:
            pass


def endless_that_swallows_everything():
    while True:
        try:
            sum(range(100))
        except:  # noqa: E722
            pass


def endless_in_finally():
    try:
        raise ValueError
    finally:
        endless()


def endless_print():
    while True:
        print("x" * 1000)


@pytest.mark.parametrize(
    "call",
    [
        endless,
        endless_that_swallows_exceptions,
        endless_that_swallows_everything,
        endless_in_finally,
        endless_print,
    ],
    ids=lambda call: call.__name__,
)
def test_an_endless_loop_is_stopped(call):
    outcome = watched(call, 0.2, frozenset({__file__}))
    assert outcome.raised.timed_out
    assert outcome.raised.line
    assert len(outcome.printed) < 10_000
    # Nothing of it may arrive later.
    for _ in range(10):
        time.sleep(0.01)


def test_sys_exit_and_a_raised_keyboard_interrupt_are_the_answers_own():
    def leave():
        sys.exit(3)

    def interrupt():
        raise KeyboardInterrupt

    assert watched(leave, 5).raised.type == "SystemExit"
    assert watched(interrupt, 5).raised.type == "KeyboardInterrupt"


def test_a_real_ctrl_c_passes_through():
    def call():
        import signal

        signal.raise_signal(signal.SIGINT)
        time.sleep(5)

    with pytest.raises(KeyboardInterrupt):
        watched(call, 5)


def test_a_stub_is_told_from_a_library_that_lacks_something():
    def stub():
        raise NotImplementedError

    def library():
        torch.empty(2, device="meta").cpu()

    assert watched(stub, 5).raised.is_stub
    raised = watched(library, 5).raised
    assert raised.type == "NotImplementedError"
    assert not raised.is_stub


def test_settings_that_a_call_changes_are_put_back():
    def call():
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        torch.manual_seed(5)
        random.seed(5)

    torch.manual_seed(1)
    random.seed(1)
    expected = (torch.rand(1).item(), random.random())
    torch.manual_seed(1)
    random.seed(1)
    watched(call, 5)
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()
    assert (torch.rand(1).item(), random.random()) == expected


def test_the_learners_own_line_is_found_below_a_librarys():
    def call():
        return torch.ones(2) @ torch.ones(3)

    raised = watched(call, 5, frozenset({__file__})).raised
    assert raised.line == "return torch.ones(2) @ torch.ones(3)"
    assert "size" in raised.message
