"""Whatever a learner writes for the recipe is what `llama-mini train` runs."""

import ast
import functools
import importlib
import pkgutil
from pathlib import Path

import pytest
import torch

from llama_mini import slots
from llama_mini.training import Trainer, recipe, scale, summarize, train
from llama_mini.training.run.code import HOMES, MASKS, MEASURES

LEAVES = [
    "llama_mini.training.recipe.loss:next_token_loss",
    "llama_mini.training.recipe.optimizer:adamw_update",
    "llama_mini.training.recipe.optimizer:parameter_groups",
    "llama_mini.training.recipe.schedule:learning_rate",
    "llama_mini.training.recipe.clipping:clip_gradients",
    "llama_mini.training.recipe.batches:window_starts",
    "llama_mini.training.recipe.step:accumulate",
]
AT_SCALE = {  # and the settings of a run that needs them
    "llama_mini.training.scale.ranks:windows_of_rank": {},
    "llama_mini.training.scale.reduce:average_gradients": {},
    "llama_mini.training.scale.reduce:global_norm": {"shard_optimizer": True},
    "llama_mini.training.scale.shard:shard": {"shard_optimizer": True},
    "llama_mini.training.scale.shard:unshard": {"shard_optimizer": True},
    "llama_mini.training.scale.precision:update_loss_scale": {"precision": "fp16"},
}
MEASURING = [
    "llama_mini.training.scale.flops:flops_per_token",
    "llama_mini.training.scale.flops:mfu",
    "llama_mini.evaluation.held_out:bits_per_byte",
]
MASK = f"{MASKS}:document_mask"


@pytest.fixture(autouse=True)
def _given_back():
    yield
    slots.restore_all()


def fill_with_spy(slot):
    """The reference, and a list that grows with every call."""
    calls, reference = [], slots.reference(slot)

    @functools.wraps(reference)
    def spy(*arguments, **named):
        calls.append(slot)
        return reference(*arguments, **named)

    slots.fill(slot, spy, source=f"a spy on {slot}")
    return calls


@pytest.mark.parametrize("slot", [*LEAVES, MASK])
def test_a_training_calls_the_leaf_through_its_home(slot, settings):
    calls = fill_with_spy(slot)
    trainer = train(settings(steps=2, micro_batches=2, document_mask=slot == MASK))
    assert calls, f"{slot} was not called"
    assert trainer.code == {slot: slots.fingerprint()[slot]}


@pytest.mark.parametrize("slot", AT_SCALE)
def test_a_training_at_scale_calls_the_leaf_through_its_home(slot, settings):
    calls = fill_with_spy(slot)
    trainer = train(settings(steps=2, **AT_SCALE[slot]))
    assert calls, f"{slot} was not called"
    assert trainer.code == {slot: slots.fingerprint()[slot]}


@pytest.mark.parametrize("slot", MEASURING)
def test_a_summary_calls_the_leaf_through_its_home_and_says_whose_it_was(slot, settings):
    trainer = train(settings(steps=2, peak_tflops=1.0))
    calls = fill_with_spy(slot)
    summary = summarize(trainer)
    assert calls, f"{slot} was not called"
    assert summary.code == "reference code in every slot"
    assert slots.short_name(slot) in summary.measured_code
    assert f"Measured on your code in {slots.short_name(slot)}" in str(summary)


def test_a_training_on_spies_in_every_slot_ends_where_the_reference_does(settings):
    straight = train(settings(run="reference"))
    calls = [fill_with_spy(slot) for slot in LEAVES]
    spied = train(settings(run="spied"))
    assert all(calls)
    eps = torch.finfo(torch.float32).eps
    for name, weight in straight.model.state_dict().items():
        # Ten updates of torch's fused kernel and of the leaf differ by the order of roundings; an
        # element whose gradient is near AdamW's eps feels them most, and moves by lr at most.
        other = spied.model.state_dict()[name]
        torch.testing.assert_close(other, weight, rtol=1e3 * eps, atol=1e3 * eps, msg=name)


def test_a_leaf_filled_in_the_middle_is_the_next_update_s(settings):
    trainer = Trainer(settings())
    steps = trainer.steps()
    next(steps)
    calls = fill_with_spy("llama_mini.training.recipe.optimizer:adamw_update")
    next(steps)
    assert len(calls) == len(list(trainer.model.parameters()))


@pytest.mark.parametrize("room", [recipe, scale], ids=["recipe", "scale"])
def test_every_public_function_is_listed_here_or_plumbing(room):
    plumbing = {"adamw", "set_learning_rate", "warmup_length", "is_finite", "started", "known_peak"}
    for info in pkgutil.iter_modules(room.__path__, f"{room.__name__}."):
        tree = ast.parse(Path(importlib.import_module(info.name).__file__).read_text())
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                slot = f"{info.name}:{node.name}"
                listed = slot in (*LEAVES, *AT_SCALE, *MEASURING)
                assert listed or node.name in plumbing, node.name


def test_what_a_run_remembers_covers_every_leaf():
    for leaves, homes in ((LEAVES, HOMES), (AT_SCALE, HOMES), (MEASURING, MEASURES)):
        assert all(any(slots.is_within(slot, home) for home in homes) for slot in leaves)
    assert slots.is_within(MASK, MASKS)
