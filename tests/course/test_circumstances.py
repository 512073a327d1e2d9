"""A right answer is right, and a wrong one named, whatever the notebook has set."""

import contextlib
import os
import random
import sys
import warnings

import numpy as np
import pytest
import torch

from llama_mini import slots
from llama_mini.course import EXERCISES
from llama_mini.course.derive import solution_cell
from llama_mini.course.judge.circumstances import the_same_for_all
from llama_mini.course.judge.grading import expectations, grade, symbol_from
from llama_mini.course.learner.report import report_on


@contextlib.contextmanager
def changed(change, back):
    change()
    try:
        yield
    finally:
        back()


def default_dtype(dtype):
    return lambda: changed(
        lambda: torch.set_default_dtype(dtype), lambda: torch.set_default_dtype(torch.float32)
    )


def threads(count):
    before = torch.get_num_threads()
    return lambda: changed(
        lambda: torch.set_num_threads(count), lambda: torch.set_num_threads(before)
    )


def default_device(device):
    return lambda: changed(
        lambda: torch.set_default_device(device), lambda: torch.set_default_device(None)
    )


SETTINGS = {
    "gradients off for good": lambda: changed(
        lambda: torch.set_grad_enabled(False), lambda: torch.set_grad_enabled(True)
    ),
    "inside no_grad": torch.no_grad,
    "inside inference_mode": torch.inference_mode,
    "inside autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "float64 by default": default_dtype(torch.float64),
    "bfloat16 by default": default_dtype(torch.bfloat16),
    "meta by default": default_device("meta"),
    "inside a meta device": lambda: torch.device("meta"),
    "three threads": threads(3),
    "deterministic algorithms": lambda: changed(
        lambda: torch.use_deterministic_algorithms(True),
        lambda: torch.use_deterministic_algorithms(False),
    ),
    "anomalies detected": torch.autograd.detect_anomaly,
    "numbers printed short": lambda: changed(
        lambda: torch.set_printoptions(precision=1, sci_mode=True, threshold=2),
        lambda: torch.set_printoptions(profile="default"),
    ),
    "warnings as errors": lambda: _warnings_as_errors(),
}


@contextlib.contextmanager
def _warnings_as_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def solution_of(exercise):
    return symbol_from(solution_cell(exercise.symbol), exercise, "the solution")


def judged(exercise, answer):
    return report_on(exercise, grade(exercise, answer), slots.reference(exercise.symbol))


@pytest.fixture(autouse=True)
def _nothing_is_known_yet():
    """What the reference gives is worked out under the settings that are tried."""
    expectations.cache_clear()


@pytest.mark.parametrize("name", list(EXERCISES))
@pytest.mark.parametrize("setting", list(SETTINGS))
@pytest.mark.filterwarnings("ignore:Anomaly Detection")
def test_the_solution_is_correct_under_every_setting(name, setting):
    exercise = EXERCISES[name]
    answer = solution_of(exercise)
    with SETTINGS[setting]():
        report = judged(exercise, answer)
    assert report.state == "correct", report.message


# Settings that can hold at the same time: every other right answer is tried under each group.
TOGETHER = (
    ("gradients off for good", "float64 by default", "inside a meta device", "three threads"),
    ("inside inference_mode", "bfloat16 by default", "inside autocast", "numbers printed short"),
)


@pytest.mark.parametrize("group", TOGETHER, ids=["first", "second"])
@pytest.mark.parametrize("name", list(EXERCISES))
def test_every_other_right_answer_is_correct_under_many_settings_at_once(name, group):
    exercise = EXERCISES[name]
    for alternative in exercise.alternatives:
        with contextlib.ExitStack() as stack:
            for setting in group:
                stack.enter_context(SETTINGS[setting]())
            report = judged(exercise, symbol_from(alternative.code, exercise, alternative.name))
        assert report.state == "correct", (alternative.name, report.message)


def test_one_check_without_gradients_spoils_no_later_one():
    exercise = EXERCISES["rms_norm"]
    answer = solution_of(exercise)
    with torch.no_grad():
        judged(exercise, answer)
    assert judged(exercise, answer).state == "correct"


def test_a_mistake_has_its_name_under_other_settings_too():
    exercise = EXERCISES["rms_norm"]
    wrong = exercise.wrong_answers[0]
    answer = symbol_from(wrong.code, exercise, wrong.name)
    plain = judged(exercise, answer)
    expectations.cache_clear()
    with torch.no_grad(), torch.device("meta"), torch.autocast("cpu", dtype=torch.bfloat16):
        other = judged(exercise, answer)
    assert other.diagnosis == plain.diagnosis == wrong.name
    assert other.message == plain.message


def now():
    return {
        "gradients": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "dtype": torch.get_default_dtype(),
        "device": torch.empty(0).device.type,
        "threads": torch.get_num_threads(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "anomaly": torch.is_anomaly_enabled(),
        "products": torch.get_float32_matmul_precision(),
        "torch prints": repr(torch.tensor(1 / 3, device="cpu")),
        "numpy prints": repr(np.float64(1 / 3) * np.ones(1)),
        "recursion": sys.getrecursionlimit(),
        "folder": os.getcwd(),
        "environment": dict(os.environ),
        "filters": list(warnings.filters),
    }


def spoil_everything(folder):
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    torch.set_num_threads(2)
    torch.set_autocast_enabled("cpu", True)
    torch.use_deterministic_algorithms(True)
    torch.autograd.set_detect_anomaly(True)
    torch.set_float32_matmul_precision("medium")
    torch.set_printoptions(precision=1)
    np.set_printoptions(precision=1)
    sys.setrecursionlimit(5_000)
    os.chdir(folder)
    os.environ["LLAMA_MINI_SPOILED"] = "1"
    warnings.simplefilter("error")


def test_what_an_answer_changes_is_given_back(tmp_path):
    before = now()
    with the_same_for_all():
        spoil_everything(tmp_path)
    assert now() == before


def test_what_a_notebook_has_set_is_given_back_after_a_check(tmp_path):
    exercise = EXERCISES["silu"]
    answer = solution_of(exercise)
    with the_same_for_all():  # gives everything back when this test ends
        spoil_everything(tmp_path)
        with torch.device("meta"):
            before = now()
            judged(exercise, answer)
            assert now() == before
    assert "LLAMA_MINI_SPOILED" not in os.environ


def test_random_numbers_of_the_notebook_go_on_as_if_nothing_had_been_checked():
    exercise = EXERCISES["silu"]
    answer = solution_of(exercise)
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    expected = torch.rand(2).tolist(), np.random.rand(2).tolist(), random.random()
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    judged(exercise, answer)
    assert (torch.rand(2).tolist(), np.random.rand(2).tolist(), random.random()) == expected


def test_an_answer_that_draws_gets_the_same_numbers_in_every_check():
    exercise = EXERCISES["silu"]
    drawing = "import torch\n\n\ndef silu(x):\n    return x * torch.rand(()).item()\n"
    answer = symbol_from(drawing, exercise, "draws")
    first, second = judged(exercise, answer), judged(exercise, answer)
    assert first.message == second.message
