"""A run made before checkpoints had versions: it loads, goes on, and ends where it would have."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from llama_mini import load, slots
from llama_mini.training import Trainer, summarize
from llama_mini.training.run import checkpoint, folder
from llama_mini.training.run.metrics import read_metrics

KEPT = Path(__file__).parent.parent / "before_versions"
EXPECTED = json.loads((KEPT / "expected.json").read_text())
# Another processor sums in another order. A loss is a sum over 320 exponentials and 32 targets, and
# four updates come after what was kept: roundings of that many terms, at worst.
CLOSE = {"rel": 320 * torch.finfo(torch.float32).eps}


@pytest.fixture
def old(runs_folder):
    """A copy of it in this test's workspace."""
    shutil.copytree(KEPT / "run", runs_folder / "old")
    return folder.Run(runs_folder / "old")


def test_it_goes_on_to_the_losses_that_it_would_have_had(old):
    trainer = Trainer.resume("old", data=KEPT / "mix")
    assert (trainer.step, trainer.total_steps) == (6, 10)
    for _ in trainer.steps():
        pass
    made = read_metrics(old.metrics_file)
    assert [line["step"] for line in made] == list(range(1, 11))
    for line, expected in zip(made, EXPECTED["losses"], strict=True):
        for name in ("loss", "grad_norm", "lr", "validation_loss"):
            if expected[name] is None:
                assert line[name] is None
            else:
                assert line[name] == pytest.approx(expected[name], **CLOSE), (line["step"], name)
    assert trainer.validation_loss() == pytest.approx(EXPECTED["validation_loss"], **CLOSE)
    assert summarize(trainer).code == "reference code in every slot"
    saved = checkpoint.load(old.last)
    assert (saved.step, saved.code, saved.code_changes) == (10, {}, [])


def test_it_is_loaded_as_every_run_is(old):
    model, tokenizer = load(old.folder)
    best = torch.load(old.best, weights_only=True)
    assert best["format"] == 1
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, best["model"][name])
    assert tokenizer.vocab_size == model.config.vocab_size == 320


def test_its_mix_says_that_nobody_knows_whose_code_made_it(old):
    assert "unknown code" in Trainer.resume("old", data=KEPT / "mix").whose_mix()


SILU = "llama_mini.feedforward:silu"


def rewrite(path, **changes):
    values = torch.load(path, weights_only=True) | changes
    torch.save(values, path)


def test_names_are_compared_where_an_old_run_kept_no_more(old):
    rewrite(old.last, learner_slots=[SILU])
    with pytest.raises(ValueError, match=r"feedforward\.silu was yours and is the reference now"):
        Trainer.resume("old", data=KEPT / "mix")
    slots.fill(SILU, torch.nn.functional.silu, source="mine")
    try:
        trainer = Trainer.resume("old", data=KEPT / "mix")
        next(trainer.steps())
        assert trainer.code == {SILU: slots.fingerprint()[SILU]}
        assert trainer.code_changes == []
        del trainer
    finally:
        slots.restore_all()


def test_a_file_of_a_later_version_is_refused_in_a_sentence(old):
    rewrite(old.last, format=checkpoint.VERSION + 1, something_new=1)
    with pytest.raises(ValueError, match=r"written by a later llama_mini .* Update llama_mini"):
        Trainer.resume("old", data=KEPT / "mix")


@pytest.mark.parametrize("version", [0, None, "two"])
def test_a_version_that_never_was_is_refused(old, version):
    rewrite(old.last, format=version)
    with pytest.raises(ValueError, match="not a checkpoint of this version or one before"):
        checkpoint.load(old.last)
