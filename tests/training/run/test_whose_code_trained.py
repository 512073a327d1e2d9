"""A run knows whose code made it, from its first update to its last."""

import json

import pytest
import torch
from typer.testing import CliRunner

from llama_mini import norm, slots
from llama_mini.cli import app
from llama_mini.training import Trainer, summarize
from llama_mini.training.run import checkpoint
from llama_mini.training.run.code import whole_run
from llama_mini.training.run.metrics import read_events, read_metrics

NORM = "llama_mini.norm:RMSNorm"
RATE = "llama_mini.training.recipe.schedule:learning_rate"
FLOPS = "llama_mini.scaling:training_flops"


@pytest.fixture(autouse=True)
def _given_back():
    yield
    import gc

    gc.collect()
    slots.restore_all()


class MyNorm(norm.RMSNorm):
    """The same, by another hand."""


def stop_after(trainer, step):
    for update in trainer.steps():
        if update.step == step:
            break


def finish(trainer):
    for _ in trainer.steps():
        pass
    return trainer


def test_resuming_on_other_code_is_refused_with_what_differs(settings):
    slots.fill(NORM, MyNorm, source="first")
    stop_after(Trainer(settings(run="mine")), 4)
    slots.restore_all()
    with pytest.raises(ValueError, match=r"norm\.RMSNorm was yours and is the reference now") as e:
        Trainer.resume("mine")
    assert "--with-todays-code" in str(e.value)
    slots.fill(NORM, MyNorm, source="second")
    with pytest.raises(ValueError, match=r"norm\.RMSNorm is yours, in another version"):
        Trainer.resume("mine")
    slots.fill(RATE, slots.reference(RATE).__call__, source="mine")
    with pytest.raises(ValueError, match=r"schedule\.learning_rate was the reference and is yours"):
        Trainer.resume("mine")


def test_the_same_code_goes_on_without_a_word(settings):
    slots.fill(NORM, MyNorm, source="first")
    stop_after(Trainer(settings(run="mine")), 4)
    trainer = finish(Trainer.resume("mine"))
    assert trainer.code_changes == [] and read_events(trainer.run.metrics_file) == []
    assert trainer.whose_code() == "your code in norm.RMSNorm; reference code elsewhere"


def test_code_that_no_number_follows_from_may_change(settings):
    stop_after(Trainer(settings(run="mine")), 4)
    slots.fill(FLOPS, lambda n_params, n_tokens: 0, source="mine")
    assert finish(Trainer.resume("mine")).code_changes == []


def test_a_change_that_was_asked_for_is_remembered_by_metrics_checkpoint_and_summary(settings):
    slots.fill(NORM, MyNorm, source="first")
    hashes = slots.fingerprint()
    stop_after(Trainer(settings(run="mine")), 6)
    slots.restore_all()

    trainer = Trainer.resume("mine", with_todays_code=True)
    stop_after(trainer, 8)
    run = trainer.run
    change = {"step": 6, "before": hashes, "after": {}}
    assert read_events(run.metrics_file) == [{"event": "code changed", **change}]
    assert checkpoint.load(run.last).code_changes == [change]

    trainer = finish(Trainer.resume("mine"))  # today's code is the run's by now
    assert [line["step"] for line in read_metrics(run.metrics_file)] == list(range(1, 11))
    assert len(read_events(run.metrics_file)) == 1
    said = (
        "updates 1 to 6 on your code in norm.RMSNorm; reference code elsewhere; "
        "updates 7 to 10 on reference code in every slot"
    )
    assert summarize(trainer).code == said
    assert json.loads(run.summary_file.read_text())["code"] == said


def test_resuming_a_finished_run_on_other_code_does_not_rewrite_whose_it_was(settings):
    slots.fill(NORM, MyNorm, source="first")
    finish(Trainer(settings(run="mine")))
    slots.restore_all()
    trainer = finish(Trainer.resume("mine", with_todays_code=True))
    summary = summarize(trainer)
    assert summary.code == "your code in norm.RMSNorm; reference code elsewhere"
    assert summary.measured_code == "reference code in every slot"
    assert "Measured on reference code" in str(summary)
    assert checkpoint.load(trainer.run.last).code.keys() == {NORM}


def test_a_change_whose_updates_were_lost_is_forgotten(settings):
    stop_after(Trainer(settings(run="mine")), 4)
    slots.fill(NORM, MyNorm, source="first")
    trainer = Trainer.resume("mine", with_todays_code=True)
    kept = trainer.run.last.read_bytes()
    stop_after(trainer, 6)
    trainer.run.last.write_bytes(kept)  # as if killed before these updates were saved
    del trainer
    slots.restore_all()
    trainer = finish(Trainer.resume("mine"))
    assert read_events(trainer.run.metrics_file) == [] and trainer.code_changes == []


def test_a_slot_filled_between_two_updates_is_noted(settings):
    trainer = Trainer(settings(run="mine"))
    steps = trainer.steps()
    next(steps), next(steps)
    slots.fill(RATE, slots.reference(RATE).__call__, source="mine")
    next(steps)
    steps.close()
    assert [event["step"] for event in read_events(trainer.run.metrics_file)] == [2]
    assert trainer.whose_code() == (
        "updates 1 to 2 on reference code in every slot; "
        "updates 3 to 3 on your code in training.recipe.schedule.learning_rate; "
        "reference code elsewhere"
    )


def test_spans_without_an_update_are_not_said():
    changes = [
        {"step": 0, "before": {NORM: "a"}, "after": {}},
        {"step": 5, "before": {}, "after": {NORM: "b"}},
    ]
    assert whole_run({NORM: "b"}, changes, 5) == "reference code in every slot"
    assert whole_run({}, [], 0) == "reference code in every slot"


def test_a_mix_says_whose_code_made_it(settings, tmp_path, mix):
    import shutil

    from llama_mini.data import shards

    trainer = Trainer(settings())
    assert "unknown code" in trainer.whose_mix()
    mine = shutil.copytree(mix, tmp_path / "mine")
    index = json.loads((mine / shards.INDEX_FILE).read_text())
    for code, said in (
        ({}, "reference code in every slot"),
        ({"llama_mini.data.c4:clean_page": "1"}, "your code in data.c4.clean_page; reference"),
    ):
        index["about"]["code"] = code
        (mine / shards.INDEX_FILE).write_text(json.dumps(index))
        trainer = Trainer(settings(data=mine))
        assert trainer.whose_mix().startswith(said)
        assert summarize(trainer).mix_code.startswith(said)


def command(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments), "--no-overlay"])


def test_the_commands_say_whose_code_was_and_whose_is(settings):
    slots.fill(NORM, MyNorm, source="first")
    stop_after(Trainer(settings(run="mine")), 4)
    slots.restore_all()

    refused = command("train", "--resume", "--run", "mine")
    assert refused.exit_code == 1
    assert "norm.RMSNorm was yours and is the reference now" in refused.stderr

    written = command("generate", "the old ship", "--run", "mine", "--max-new-tokens", 2)
    assert written.exit_code == 0, written.output
    assert "Running on reference code in every slot." in written.stderr
    assert "Run 'mine', trained on your code in norm.RMSNorm; reference" in written.stderr

    resumed = command("train", "--resume", "--run", "mine", "--with-todays-code")
    assert resumed.exit_code == 0, resumed.output
    assert "The mix was made on unknown code" in resumed.stdout
    assert "The model was made so far on your code in norm.RMSNorm" in resumed.stdout
    assert "updates 5 to 10 on reference code in every slot" in resumed.stdout


def test_a_trained_model_says_the_code_of_the_checkpoint_it_is(settings):
    from llama_mini.training.run.reader import TrainedWeights

    trainer = finish(Trainer(settings(run="mine")))
    assert TrainedWeights(trainer.run.folder).what == (
        "run 'mine', trained on reference code in every slot"
    )
    assert torch.load(trainer.run.best, weights_only=True)["format"] == checkpoint.VERSION
