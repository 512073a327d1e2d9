"""A run that was stopped, by whatever means, goes on as if it had not been."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import pytest
import torch

from llama_mini.training import Trainer
from llama_mini.training.run.checkpoint import load
from llama_mini.training.run.metrics import read_metrics


def finish(trainer):
    for _ in trainer.steps():
        pass
    return trainer


def losses(trainer):
    return [
        (m["step"], m["loss"], m["grad_norm"], m["lr"], m["validation_loss"])
        for m in read_metrics(trainer.run.metrics_file)
    ]


def assert_same_state(one, other):
    for name, weight in one.model.state_dict().items():
        assert torch.equal(weight, other.model.state_dict()[name]), name
    moments = (t.optimizer.state_dict()["state"] for t in (one, other))
    for (index, mine), (_, theirs) in zip(*(sorted(m.items()) for m in moments), strict=True):
        assert all(torch.equal(mine[key], theirs[key]) for key in mine), index


@pytest.mark.parametrize("stop_after", [1, 5, 9])
def test_ten_updates_are_the_same_with_a_stop_and_without(settings, stop_after):
    straight = finish(Trainer(settings(run="straight")))

    stopped = Trainer(settings(run="stopped"))
    for update in stopped.steps():
        if update.step == stop_after:
            break
    del stopped
    torch.manual_seed(999)  # what a new process would not share
    resumed = finish(Trainer.resume("stopped"))

    assert resumed.step == straight.step == 10
    assert losses(resumed) == losses(straight)
    assert_same_state(resumed, straight)
    best = load(straight.run.best), load(resumed.run.best)
    assert best[0].step == best[1].step and best[0].best_loss == best[1].best_loss


def test_random_numbers_go_on_where_they_stopped(settings):
    stopped = Trainer(settings(run="stopped"))
    for update in stopped.steps():
        torch.rand(3)  # as dropout would draw
        if update.step == 4:
            break
    expected = torch.rand(3)
    torch.manual_seed(999)
    Trainer.resume("stopped")
    assert torch.equal(torch.rand(3), expected)


def test_a_line_that_the_checkpoint_does_not_know_is_written_again(settings):
    straight = finish(Trainer(settings(run="straight")))
    stopped = Trainer(settings(run="stopped"))
    for update in stopped.steps():
        if update.step == 5:
            break
    with stopped.run.metrics_file.open("a") as file:
        file.write('{"step": 6, "loss": 0.0}\n{"step": 7, "lo')  # a kill in the middle of a line
    assert losses(finish(Trainer.resume("stopped"))) == losses(straight)


def test_an_error_in_the_users_loop_leaves_a_checkpoint_of_the_last_update(settings):
    trainer = Trainer(settings(run="mine"))
    with pytest.raises(ZeroDivisionError):
        for update in trainer.steps():
            if update.step == 4:
                1 / 0  # noqa: B018
    assert load(trainer.run.last).step == 4


def test_an_interrupt_waits_for_the_update_to_be_whole(settings):
    straight = finish(Trainer(settings(run="straight")))
    trainer = Trainer(settings(run="interrupted"))
    whole = trainer.optimizer.step

    def press_ctrl_c():
        if trainer.step == 3:
            signal.raise_signal(signal.SIGINT)
        whole()

    trainer.optimizer.step = press_ctrl_c
    with pytest.raises(KeyboardInterrupt):
        finish(trainer)
    assert load(trainer.run.last).step == 4
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert_same_state(finish(Trainer.resume("interrupted")), straight)


TRAIN = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    import torch
    torch.set_num_threads(1)
    from llama_mini.training import Trainer, TrainSettings
    data, resume = Path(sys.argv[1]), sys.argv[2] == "resume"
    trainer = Trainer.resume("run") if resume else Trainer(TrainSettings(
        config="nano", run="run", data=data, steps=40, batch_size=2, seq_len=16,
        evaluations=40, quick_windows=2, threads=1, precision="fp32"))
    print("ready", flush=True)
    for update in trainer.steps():
        print(update.step, flush=True)
    """
)


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is Unix's")
def test_a_kill_at_any_moment_leaves_a_run_that_ends_as_if_never_killed(mix, settings, runs_folder):
    same = settings(steps=40, evaluations=40, quick_windows=2, run="straight")
    straight = finish(Trainer(same))
    rng = random.Random(0)
    done = False
    for attempt in range(5):
        mode = "resume" if (runs_folder / "run").exists() else "new"
        process = subprocess.Popen(
            [sys.executable, "-c", TRAIN, str(mix), mode], stdout=subprocess.PIPE, text=True
        )
        if attempt < 4:
            assert process.stdout.readline() == "ready\n"
            for _ in range(rng.randint(0, 6)):  # some updates, each followed by a checkpoint …
                process.stdout.readline()
            time.sleep(rng.random() * 0.02)  # … then somewhere inside the next
            process.kill()
            process.wait()
            process.stdout.close()
            assert load(runs_folder / "run" / "last.pt").step >= 0
        else:
            process.communicate()
            done = process.returncode == 0
    assert done
    resumed = Trainer.resume("run")
    assert resumed.finished
    assert losses(resumed) == losses(straight)
    assert_same_state(resumed, straight)


SAVE = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    import torch
    from llama_mini.training.run.checkpoint import load, save
    saved = load(Path(sys.argv[1]))
    saved.model["padding"] = torch.zeros(4_000_000)  # so that most of the time is spent writing
    print("ready", flush=True)
    while True:
        saved.step += 1
        save(Path(sys.argv[1]), saved)
    """
)


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is Unix's")
def test_a_kill_while_a_checkpoint_is_written_leaves_a_readable_one(settings):
    path = Trainer(settings(run="mine")).run.last
    rng = random.Random(1)
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", SAVE, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.05 + 0.1 * rng.random())
        process.kill()
        process.wait()
        process.stdout.close()
        assert load(path).params["dim"] == 64


def test_other_settings_are_refused_by_name(settings):
    trainer = Trainer(settings(run="mine"))
    with pytest.raises(ValueError, match=r"lr 0\.003 \(now 0\.01\), batch_size 2 \(now 4\)"):
        Trainer.resume("mine", lr=0.01, batch_size=4)
    assert Trainer.resume("mine", lr=trainer.settings.lr, precision="auto").step == 0


def test_other_data_is_refused(settings, other_mix):
    Trainer(settings(run="mine"))
    with pytest.raises(ValueError, match="trained on the mix"):
        Trainer.resume("mine", data=other_mix)


def test_a_copy_of_the_same_data_is_accepted(settings, mix, tmp_path):
    import shutil

    Trainer(settings(run="mine"))
    moved = shutil.copytree(mix, tmp_path / "moved")
    assert finish(Trainer.resume("mine", data=moved)).step == 10
