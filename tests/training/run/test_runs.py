"""Runs, checkpoints and the trainer's promises about both."""

import errno
import json
import math
import os

import pytest
import torch

from llama_mini.files import atomic_write
from llama_mini.precisions import choose, has_fast_bfloat16
from llama_mini.training import Trainer, TrainSettings, summarize, train
from llama_mini.training.run import folder
from llama_mini.training.run.checkpoint import load
from llama_mini.training.run.metrics import read_metrics


def test_training_learns_more_than_pairs(settings):
    losses = []
    trainer = train(
        settings(steps=150, batch_size=8, seq_len=32), on_update=lambda u: losses.append(u.loss)
    )
    summary = summarize(trainer)
    assert losses[0] == pytest.approx(math.log(320), rel=0.02)
    assert summary.validation_loss < summary.bigram_loss
    assert summary.validation_tokens == len(trainer.validation_tokens) - 1
    assert summary.sample.startswith("The people of the city")
    assert json.loads(trainer.run.summary_file.read_text())["bigram_loss"] == summary.bigram_loss
    assert "reference code in every slot" in str(summary)


def test_a_run_holds_what_it_was_told_and_what_happened(settings):
    trainer = train(settings(run="told"))
    assert trainer.run.settings()["lr"] == 3e-3
    assert trainer.run.params()["vocab_size"] == 320
    lines = read_metrics(trainer.run.metrics_file)
    assert [line["step"] for line in lines] == list(range(1, 11))
    looked = [line["step"] for line in lines if line["validation_loss"] is not None]
    assert looked == [1, 5, 10]
    # 10 updates have 1 of warm-up; the last is at a tenth of the peak.
    assert lines[0]["lr"] == 3e-3 and lines[-1]["lr"] == pytest.approx(3e-4)
    leftovers = [f for f in trainer.run.folder.parent.rglob("*") if f.name.startswith(".")]
    assert leftovers == []


def test_the_gradient_is_clipped_to_the_norm_asked_for(settings):
    trainer = Trainer(settings(clip_norm=0.01))
    step = trainer.optimizer.step
    norms = []

    def measure():
        gradients = [p.grad for p in trainer.model.parameters()]
        norms.append(torch.cat([g.flatten() for g in gradients]).norm().item())
        step()

    trainer.optimizer.step = measure
    before = [update.grad_norm for update in trainer.steps()]
    assert min(before) > 0.01
    assert norms == pytest.approx([0.01] * 10, rel=1e-3)


def test_minutes_become_a_number_of_updates_that_ends_at_the_final_rate(settings):
    trainer = Trainer(settings(steps=None, minutes=0.02))
    updates = list(trainer.steps())
    assert updates[0].total_steps is None
    assert updates[-1].step == updates[-1].total_steps == trainer.total_steps
    assert updates[-1].lr == pytest.approx(3e-4)
    assert load(trainer.run.last).total_steps == trainer.total_steps


def test_a_loss_that_is_no_number_stops_the_run_before_it_spoils_the_weights(settings):
    trainer = Trainer(settings())
    steps = trainer.steps()
    next(steps)
    with torch.no_grad():
        trainer.model.output.weight[0, 0] = float("nan")
    before = trainer.model.layers[0].attention.wq.weight.clone()
    with pytest.raises(FloatingPointError, match="lower --lr"):
        next(steps)
    assert torch.equal(before, trainer.model.layers[0].attention.wq.weight)


def test_names_count_up_and_a_taken_name_is_refused(settings):
    assert [Trainer(settings()).run.name for _ in range(2)] == ["nano-1", "nano-2"]
    with pytest.raises(FileExistsError, match="--resume --run nano-1"):
        Trainer(settings(run="nano-1"))
    assert folder.find().name == "nano-2"
    with pytest.raises(FileNotFoundError, match="runs: nano-2, nano-1"):
        folder.find("nano-7")


def test_what_a_kill_left_of_an_unborn_run_is_neither_trusted_nor_in_the_way(settings, runs_folder):
    unborn = runs_folder / ".mine.partial"
    unborn.mkdir(parents=True)
    (unborn / "params.json").write_text("{}")
    (unborn / "last.pt").write_bytes(b"half")
    assert folder.all_runs() == []
    assert Trainer(settings(run="mine")).run.params()["dim"] == 64
    assert not unborn.exists()


def test_a_disk_too_small_is_said_before_training(settings, runs_folder, monkeypatch):
    import shutil
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")(10**9, 10**9 - 1000, 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(OSError, match="0 MB are free"):
        Trainer(settings(run="mine"))
    assert list(runs_folder.iterdir()) == []


def test_no_mix_no_config_no_such_device_are_said(settings, tmp_path):
    with pytest.raises(FileNotFoundError, match="llama-mini data build"):
        Trainer(settings(data=tmp_path))
    with pytest.raises(KeyError, match="nano"):
        Trainer(settings(config="huge"))
    with pytest.raises(ValueError, match="device must be"):
        Trainer(settings(device="abacus"))
    with pytest.raises(ValueError, match="128 positions"):
        Trainer(settings(seq_len=200))
    assert folder.all_runs() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"lr": -1.0},
        {"batch_size": 2.5},
        {"precision": "fp8"},
        {"run": "../elsewhere"},
        {"weight_decay": 2.0},
        {"seed": -1},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        TrainSettings(**wrong)


def test_settings_survive_json(settings):
    made = settings(run="x")
    assert TrainSettings.from_dict(json.loads(json.dumps(made.to_dict()))) == made
    with pytest.raises(ValueError, match="no setting colour"):
        TrainSettings.from_dict({"colour": "blue"})


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    with atomic_write(path) as file:
        file.write(b"old")
    with pytest.raises(RuntimeError, match="power cut"), atomic_write(path) as file:
        file.write(b"ne")
        raise RuntimeError("power cut")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_full_disk_is_said_and_the_last_checkpoint_stays(settings):
    resource = pytest.importorskip("resource", reason="limits of a process are Unix's")
    import signal

    trainer = Trainer(settings(run="full"))
    steps = trainer.steps()
    next(steps)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        with pytest.raises(OSError, match=r"No room left for last\.pt") as caught:
            trainer.save()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert caught.value.errno == errno.EFBIG
    assert load(trainer.run.last).step == 1
    assert not list(trainer.run.folder.glob(".*"))


def test_a_file_that_is_no_checkpoint_is_named(tmp_path):
    path = tmp_path / "last.pt"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match=r"last\.pt is not a checkpoint"):
        load(path)
    torch.save({"model": {}}, path)
    with pytest.raises(ValueError, match="not a checkpoint of this version"):
        load(path)


def test_auto_precision_is_what_the_device_is_good_at():
    cpu = torch.device("cpu")
    expected = torch.bfloat16 if has_fast_bfloat16(cpu) else torch.float32
    assert choose("auto", cpu) == expected
    assert choose("fp32", cpu) == torch.float32
    assert not has_fast_bfloat16(torch.device("meta"))
    with pytest.raises(ValueError, match="fp8"):
        choose("fp8", cpu)


def test_bfloat16_training_keeps_float32_weights(settings):
    trainer = train(settings(precision="bf16", steps=3))
    assert {p.dtype for p in trainer.model.parameters()} == {torch.float32}
    assert trainer.settings.precision == "bf16"
