"""Two real processes, started as a learner starts them, train as one does."""

import json
import os
import signal
import time

import pytest
import torch
from processes import start, torchrun

from llama_mini.training import Trainer, summarize
from llama_mini.training.run.checkpoint import load
from llama_mini.training.run.metrics import read_metrics
from llama_mini.training.scale.processes import Ranks, started

# Without the "--", torchrun would take `--run` for a short form of an option of its own.
COMMAND = ["-m", "--", "llama_mini", "train", "--no-overlay", "--device", "cpu"]
RECIPE = [
    "--config",
    "nano",
    "--batch-size",
    "4",
    "--seq-len",
    "16",
    "--precision",
    "fp32",
    "--threads",
    "1",
]


def curve(file):
    return [(m["step"], m["loss"], m["grad_norm"], m["lr"]) for m in read_metrics(file)]


def assert_close(found, expected):
    assert [line[0] for line in found] == [line[0] for line in expected]
    for (_, *mine), (_, *theirs) in zip(found, expected, strict=True):
        # Sums in another order; ten updates carry their rounding, 1e-7 a sum, a little further.
        assert mine == pytest.approx(theirs, rel=1e-4)


@pytest.mark.parametrize("options", [[], ["--shard-optimizer"]], ids=["copied", "sharded"])
def test_two_processes_have_the_losses_of_one(settings, mix, tmp_path, options):
    alone = Trainer(settings(run="one", batch_size=4, evaluations=20, quick_windows=64))
    for _ in alone.steps():
        pass
    said = torchrun(
        2, *COMMAND, "--data", str(mix), "--steps", "10", "--run", "two", *RECIPE, *options,
        folder=tmp_path,
    )  # fmt: skip
    folder = tmp_path / "home" / "runs"
    assert [path.name for path in folder.iterdir()] == ["two"]  # nobody else made one
    assert said.count("Run two in") == 1 and "in 2 processes" in said
    assert_close(curve(folder / "two" / "metrics.jsonl"), curve(alone.run.metrics_file))
    for file in ("last.pt", "best.pt"):
        mine, theirs = load(folder / "two" / file), load(alone.run.folder / file)
        assert mine.step == theirs.step
        for name, weight in theirs.model.items():
            assert (mine.model[name] - weight).abs().max() < 1e-4, name
        for index, moments in theirs.optimizer["state"].items():
            found = mine.optimizer["state"][index]["exp_avg"]
            assert torch.allclose(found, moments["exp_avg"], rtol=1e-2, atol=1e-5)
    summary = json.loads((folder / "two" / "summary.json").read_text())
    expected = summarize(alone)
    assert summary["processes"] == 2 and summary["tokens"] == expected.tokens
    assert summary["bits_per_byte"] == pytest.approx(expected.bits_per_byte, rel=1e-4)


def test_the_first_process_chooses_the_end_for_all(mix, tmp_path):
    torchrun(
        2, *COMMAND, "--data", str(mix), "--minutes", "0.05", *RECIPE, folder=tmp_path
    )  # fmt: skip
    (run,) = (tmp_path / "home" / "runs").iterdir()
    lines = read_metrics(run / "metrics.jsonl")
    saved = load(run / "last.pt")
    assert [line["step"] for line in lines] == list(range(1, saved.total_steps + 1))
    assert saved.step == saved.total_steps


def test_a_run_of_one_process_is_continued_by_two(settings, mix, tmp_path, monkeypatch):
    monkeypatch.setenv("LLAMA_MINI_HOME", str(tmp_path / "home"))
    straight = Trainer(settings(run="straight", batch_size=4))
    for _ in straight.steps():
        pass
    stopped = Trainer(settings(run="stopped", batch_size=4))
    for update in stopped.steps():
        if update.step == 5:
            break
    torchrun(2, *COMMAND, "--resume", "--run", "stopped", folder=tmp_path)
    assert_close(curve(stopped.run.metrics_file), curve(straight.run.metrics_file))


@pytest.mark.skipif(os.name == "nt", reason="groups of processes are Unix's")
@pytest.mark.parametrize("options", [[], ["--shard-optimizer"]], ids=["copied", "sharded"])
def test_ctrl_c_stops_both_and_leaves_a_whole_checkpoint(mix, tmp_path, options):
    process = start(
        2, *COMMAND, "--data", str(mix), "--steps", "2000", "--run", "two", *RECIPE, *options,
        folder=tmp_path,
    )  # fmt: skip
    run = tmp_path / "home" / "runs" / "two"
    while not (run / "metrics.jsonl").exists() or len(curve(run / "metrics.jsonl")) < 103:
        assert process.poll() is None, process.communicate()[1][-3000:]
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate()
    saved, done = load(run / "last.pt").step, len(curve(run / "metrics.jsonl"))
    if options:  # the look after update 100 was the last time that both gave their pieces
        assert saved % 100 == 0 and 100 <= saved <= done
    else:
        assert saved == done


def test_one_process_is_rank_0_of_1():
    with started("cpu") as ranks:
        assert type(ranks) is Ranks and ranks.is_first and ranks.world_size == 1
        tensor = torch.ones(2)
        ranks.all_reduce(tensor)
        assert tensor.tolist() == [1.0, 1.0] and ranks.all_gather(tensor)[0] is tensor
        assert ranks.from_first(3.5) == 3.5


def test_a_batch_that_cannot_be_shared_makes_no_run(settings, runs_folder):
    ranks = Ranks()
    ranks.world_size = 3
    with pytest.raises(ValueError, match="4 sequences does not divide over 3 processes"):
        Trainer(settings(run="mine", batch_size=4), ranks)
    assert not (runs_folder / "mine").exists()
