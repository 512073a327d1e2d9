"""A run given minutes, on a clock that only updates and looks move."""

import pytest

from llama_mini.training import Trainer
from llama_mini.training.run import checkpoint, loop
from llama_mini.training.run.validation import Validation

UPDATE, LOOK = 2.0, 20.0
QUICK_TOKENS = 64 * 16


@pytest.fixture
def clock(monkeypatch):
    """An update takes two seconds and a quick look twenty; a whole one is as much longer."""
    now = [0.0]
    monkeypatch.setattr(loop.time, "perf_counter", lambda: now[0])
    update, look = Trainer._update, Validation.model_loss

    def slow_update(trainer, lr):
        now[0] += UPDATE
        return update(trainer, lr)

    def slow_look(validation, *arguments):
        now[0] += LOOK * (validation.n_tokens / QUICK_TOKENS)
        return look(validation, *arguments)

    monkeypatch.setattr(Trainer, "_update", slow_update)
    monkeypatch.setattr(Validation, "model_loss", slow_look)
    return now


def settings_of(settings, **changes):
    return settings(steps=None, minutes=10.0, evaluations=8, quick_windows=64, **changes)


def end_of(trainer, clock, spent=0.0):
    """The seconds a run takes to its very end, its last word included."""
    clock[0] = spent
    for _ in trainer.steps():
        pass
    trainer.validation_loss()
    return clock[0]


def test_evaluations_are_part_of_the_minutes(settings, clock):
    trainer = Trainer(settings_of(settings, run="straight"))
    whole_look = LOOK * trainer.validation.n_tokens / trainer.quick_validation.n_tokens
    assert 8 * LOOK + whole_look > 200  # enough to be missed
    seconds = end_of(trainer, clock)
    assert 0.9 * 600 < seconds <= 600 + LOOK + UPDATE


@pytest.mark.parametrize("stop_after", [1, 4, 12])
def test_a_run_stopped_before_its_pace_is_known_still_ends_in_time(settings, clock, stop_after):
    trainer = Trainer(settings_of(settings, run="stopped"))
    for update in trainer.steps():
        if update.step == stop_after:
            break
    assert trainer.total_steps is None
    spent = clock[0]
    del trainer
    seconds = end_of(Trainer.resume("stopped"), clock, spent)
    assert 0.9 * 600 < seconds <= 600 + LOOK + UPDATE


def test_where_no_look_was_timed_the_next_update_is_followed_by_one(settings, clock):
    trainer = Trainer(settings_of(settings, run="stopped"))
    for update in trainer.steps():
        if update.step == 4:
            break
    saved = checkpoint.load(trainer.run.last)
    assert saved.look_seconds == pytest.approx(LOOK, rel=0.05)
    saved.look_seconds = 0.0  # as an older version left it, or a kill right after the first look
    checkpoint.save(trainer.run.last, saved)
    resumed = Trainer.resume("stopped")
    steps = resumed.steps()
    looks = [next(steps).validation_loss is not None for _ in range(3)]
    assert looks == [True, False, False]
    steps.close()
    seconds = end_of(Trainer.resume("stopped"), clock, clock[0])
    assert 0.9 * 600 < seconds <= 600 + 2 * LOOK + UPDATE
