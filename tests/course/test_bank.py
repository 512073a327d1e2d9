"""What a diagnosis costs, counted: which known mistakes run, and in which cases."""

import collections
import dataclasses

import pytest
import torch

from llama_mini import slots
from llama_mini.course import EXERCISES, check_answer
from llama_mini.course.judge.bank import Writing, bank
from llama_mini.course.judge.exercise import Case, WrongAnswer, args
from llama_mini.course.judge.grading import grade, symbol_from
from llama_mini.course.learner.report import report_on


@pytest.fixture
def runs(monkeypatch):
    """How often known mistakes ran, by case."""
    counted = collections.Counter()
    observe = Writing._observe

    def counting(self, case):
        counted[case.name] += 1
        return observe(self, case)

    monkeypatch.setattr(Writing, "_observe", counting)
    return counted


def judged(exercise, answer):
    return report_on(exercise, grade(exercise, answer), slots.reference(exercise.symbol))


def silu_with(*wrong_answers, cases=None):
    silu = EXERCISES["silu"]
    return dataclasses.replace(
        silu, wrong_answers=wrong_answers, cases=silu.cases if cases is None else cases
    )


@pytest.mark.parametrize("name", EXERCISES)
def test_a_correct_answer_and_a_stub_run_no_known_mistake(name, runs):
    exercise = EXERCISES[name]
    for alternative in exercise.alternatives[:1]:
        judged(exercise, symbol_from(alternative.code, exercise, alternative.name))

    def stub(*given, **named):
        raise NotImplementedError

    assert judged(exercise, stub).state == "not attempted"
    assert not runs


@pytest.mark.parametrize("name", EXERCISES)
def test_one_case_rules_nearly_all_mistakes_out_of_a_diagnosis(name, runs):
    exercise = EXERCISES[name]
    wrong = next(wrong for wrong in exercise.wrong_answers if not wrong.values_vary)
    assert judged(exercise, symbol_from(wrong.code, exercise, "theirs")).diagnosis == wrong.name
    # One case for all, the rest for the mistake itself and the few that share its results there.
    writings = len(bank(exercise))
    assert runs.total() <= writings + max(5, writings // 2) + len(exercise.cases)
    assert sum(count > 1 + writings // 2 for count in runs.values()) <= 1


@pytest.mark.parametrize("name", ["transformer", "rms_norm", "bpe_encode", "merge_shards"])
def test_a_mistake_that_nobody_knows_ends_the_search_halfway(name, runs):
    exercise = EXERCISES[name]
    wrong = [symbol_from(w.code, exercise, w.name) for w in exercise.wrong_answers[:2]]
    turns = iter(range(10_000))
    report = judged(exercise, lambda *a, **k: wrong[next(turns) % 2](*a, **k))
    assert report.state == "not yet"
    # Half of the wrong results must be those of one mistake, or nothing is said of it.
    most = [count for count in runs.values() if 2 * count > len(bank(exercise))]
    assert len(most) <= len(exercise.cases) // 2 + 1


def test_a_mistake_is_run_once_in_a_case_however_often_it_is_asked_for(runs):
    exercise = EXERCISES["silu"]
    (first, *_) = bank(exercise)
    assert first[1] is first[1]
    assert runs == {exercise.cases[1].name: 1}
    assert len(list(first)) == len(exercise.cases)


def test_what_mistakes_did_while_torch_was_another_is_not_remembered(monkeypatch):
    assert check_answer("silu", lambda x: torch.sigmoid(x)).diagnosis == "the sigmoid alone"
    with monkeypatch.context() as patched:
        patched.setattr(torch, "sigmoid", lambda x: x)
        assert check_answer("silu", lambda x: x * 3).state == "not yet"
    assert check_answer("silu", lambda x: torch.sigmoid(x)).diagnosis == "the sigmoid alone"


def test_what_a_mistake_does_in_a_case_does_not_depend_on_the_cases_before(runs):
    exercise = silu_with(
        WrongAnswer(
            "remembers",
            "It counts its calls.",
            "calls = []\n\ndef silu(x):\n    calls.append(x)\n    return x * len(calls)\n",
        )
    )
    forwards, backwards = bank(exercise)[0], Writing(exercise, *bank_code(exercise))
    order = range(len(exercise.cases))
    assert [forwards[i] for i in order] == [backwards[i] for i in reversed(order)][::-1]


def bank_code(exercise):
    return exercise.wrong_answers[0], exercise.wrong_answers[0].code


def test_a_known_mistake_that_does_not_end_is_given_up_once_and_the_others_are_named(runs):
    sigmoid = next(w for w in EXERCISES["silu"].wrong_answers if w.name == "the sigmoid alone")
    exercise = silu_with(
        WrongAnswer("endless", "It never ends.", "def silu(x):\n    while True:\n        x + 0\n"),
        dataclasses.replace(sigmoid, also=()),
        cases=tuple(
            Case(f"{n} values", given=args(torch.linspace(-1, 1, n)), seconds=1) for n in (3, 4, 5)
        ),
    )
    assert judged(exercise, lambda x: torch.sigmoid(x)).diagnosis == sigmoid.name
    assert runs.total() == 1 + len(exercise.cases)
    runs.clear()
    endless = bank(exercise)[0]
    assert [seen["the result"].timed_out for seen in endless] == [True, True, True]
    assert runs.total() == 1


def test_known_mistakes_neither_print_nor_warn_nor_draw_the_learners_random_numbers(
    capsys, recwarn
):
    noisy = "import warnings\n\ndef silu(x):\n    warnings.warn('noise')\n    print('noise')\n"
    exercise = silu_with(WrongAnswer("noisy", "It is loud.", noisy + "    return torch.rand(3)\n"))
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    assert judged(exercise, lambda x: x * 3).diagnosis is None
    assert torch.equal(torch.rand(4), expected)
    assert "noise" not in "".join(capsys.readouterr())
    assert not [w for w in recwarn if "noise" in str(w.message)]
