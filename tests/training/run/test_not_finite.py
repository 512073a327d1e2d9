"""Nothing that is no number is ever written as a checkpoint, and what is said of it is true."""

import math

import pytest
import torch

from llama_mini import norm, slots
from llama_mini.training import Trainer
from llama_mini.training.recipe import optimizer
from llama_mini.training.recipe.update import NotFiniteError, is_finite
from llama_mini.training.run import checkpoint

UPDATE = "llama_mini.training.recipe.optimizer:adamw_update"


class Exploding(torch.autograd.Function):
    """The identity, whose gradient is no number from the third backward pass on."""

    calls, worst = 0, math.inf

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        Exploding.calls += 1
        return gradient * Exploding.worst if Exploding.calls > 2 else gradient


class ExplodingNorm(norm.RMSNorm):
    """RMSNorm with a right answer and a wrong gradient."""

    def forward(self, x):
        return super().forward(Exploding.apply(x) if self.explodes else x)

    explodes = False


@pytest.fixture(autouse=True)
def _given_back():
    yield
    import gc

    gc.collect()
    slots.restore_all()


def weights(model):
    return {name: weight.clone() for name, weight in model.state_dict().items()}


def written(run):
    return [file for file in (run.last, run.best) if file.is_file()]


def assert_all_written_is_finite(run):
    for file in written(run):
        saved = torch.load(file, weights_only=True)
        assert is_finite(saved["model"].values()), file
        for state in saved["optimizer"]["state"].values():
            assert is_finite(state.values()), file
    assert not list(run.folder.glob(".*"))


@pytest.mark.parametrize("worst", [math.inf, math.nan])
def test_a_finite_loss_with_an_infinite_gradient_stops_before_the_weights_change(settings, worst):
    slots.fill("llama_mini.norm:RMSNorm", ExplodingNorm, source="explodes")
    Exploding.calls, Exploding.worst = 0, worst
    trainer = Trainer(settings(run="mine"))
    trainer.model.norm.explodes = True
    steps = trainer.steps()
    next(steps), next(steps)
    before = weights(trainer.model)
    with pytest.raises(FloatingPointError, match=r"gradient's norm is .* in update 3") as caught:
        next(steps)
    assert all(torch.equal(before[name], now) for name, now in trainer.model.state_dict().items())
    assert all(parameter.grad is None for parameter in trainer.model.parameters())

    saved = checkpoint.load(trainer.run.last)
    assert f"{trainer.run.last} holds the weights after update 2" in str(caught.value)
    assert saved.step == 2
    assert all(torch.equal(before[name], kept) for name, kept in saved.model.items())
    assert_all_written_is_finite(trainer.run)


def test_weights_that_an_update_spoils_are_not_written(settings):
    trainer = Trainer(settings(run="mine"))  # looks, and saves, after updates 1 and 5
    steps = trainer.steps()
    for _ in range(6):
        next(steps)

    def overflow(parameter, gradient, m, v, *rest):
        return torch.where(gradient == gradient.max(), math.inf, parameter), m, v

    slots.fill(UPDATE, overflow, source="overflows")
    with pytest.raises(FloatingPointError, match="weights are not all numbers in update 7") as e:
        next(steps)
    saved = checkpoint.load(trainer.run.last)
    assert f"holds the weights after update {saved.step}," in str(e.value)
    assert saved.step == 5
    assert_all_written_is_finite(trainer.run)
    kept = trainer.run.last.read_bytes()
    with pytest.raises(FloatingPointError, match="not all numbers"):
        trainer.save()
    assert trainer.run.last.read_bytes() == kept
    del trainer, steps
    slots.restore_all()
    assert Trainer.resume("mine").step == 5


def test_moments_that_are_no_numbers_are_not_written_either(settings):
    def overflow(parameter, gradient, m, v, *rest):
        return parameter, m, v + math.inf

    slots.fill(UPDATE, overflow, source="overflows")
    trainer = Trainer(settings(run="mine"))
    with pytest.raises(
        FloatingPointError, match=r"moments after update 1 .* weights after update 0"
    ):
        next(trainer.steps())
    assert checkpoint.load(trainer.run.last).step == 0
    assert_all_written_is_finite(trainer.run)


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
def test_a_checkpoint_with_one_bad_number_is_refused_and_the_old_one_stays(settings, bad):
    trainer = Trainer(settings(run="mine"))
    kept = trainer.run.last.read_bytes()
    state = checkpoint.load(trainer.run.last)
    state.model["norm.weight"][-1] = bad
    with pytest.raises(NotFiniteError, match=r"after update 0 are not all numbers.*last\.pt"):
        checkpoint.save(trainer.run.last, state)
    assert trainer.run.last.read_bytes() == kept


def test_integers_and_empty_tensors_are_numbers():
    assert is_finite([]) and is_finite([torch.empty(0), torch.ones(3)])
    assert not is_finite([torch.ones(3), torch.tensor([[1.0, math.nan]])])
    assert is_finite([torch.full((2,), torch.finfo(torch.float32).max)])


def test_a_spoiled_weight_between_updates_is_found_by_the_next(settings):
    trainer = Trainer(settings(run="mine"))
    steps = trainer.steps()
    for _ in range(3):
        next(steps)
    with torch.no_grad():
        trainer.model.output.weight[0, 0] = math.nan
    with pytest.raises(FloatingPointError, match="loss is nan in update 4") as caught:
        next(steps)
    assert checkpoint.load(trainer.run.last).step == 1
    assert "holds the weights after update 1," in str(caught.value)


def test_the_optimizer_of_a_run_is_the_one_that_calls_the_leaf(settings):
    assert isinstance(Trainer(settings()).optimizer, optimizer.AdamW)
