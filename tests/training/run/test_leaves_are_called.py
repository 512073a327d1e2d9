"""Whatever a learner writes for the recipe is what `llama-mini train` runs."""

import ast
import functools
import importlib
import pkgutil
from pathlib import Path

import pytest
import torch

from llama_mini import slots
from llama_mini.training import Trainer, recipe, train
from llama_mini.training.run.code import HOMES, MASKS

LEAVES = [
    "llama_mini.training.recipe.loss:next_token_loss",
    "llama_mini.training.recipe.optimizer:adamw_update",
    "llama_mini.training.recipe.optimizer:parameter_groups",
    "llama_mini.training.recipe.schedule:learning_rate",
    "llama_mini.training.recipe.clipping:clip_gradients",
    "llama_mini.training.recipe.batches:window_starts",
    "llama_mini.training.recipe.step:accumulate",
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


def test_every_public_function_of_the_recipe_is_listed_here_or_plumbing():
    plumbing = {"adamw", "set_learning_rate", "warmup_length", "is_finite"}
    for info in pkgutil.iter_modules(recipe.__path__, f"{recipe.__name__}."):
        tree = ast.parse(Path(importlib.import_module(info.name).__file__).read_text())
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                assert f"{info.name}:{node.name}" in LEAVES or node.name in plumbing, node.name


def test_what_a_run_remembers_covers_every_leaf():
    assert all(any(slots.is_within(slot, home) for home in HOMES) for slot in LEAVES)
    assert slots.is_within(MASK, MASKS)
