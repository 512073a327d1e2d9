"""Training in float16: the same gradients where it holds them, and no update where it does not."""

import copy
import math

import pytest
import torch

from llama_mini.config import ModelConfig
from llama_mini.model import Transformer
from llama_mini.training import Trainer
from llama_mini.training.recipe.optimizer import adamw
from llama_mini.training.recipe.update import NotFiniteError, Step
from llama_mini.training.run.checkpoint import load
from llama_mini.training.run.forward import Forward
from llama_mini.training.run.metrics import read_metrics
from llama_mini.training.scale.loss_scale import LossScale

CONFIG = ModelConfig(dim=32, n_layers=2, n_heads=2, vocab_size=60, max_seq_len=16, multiple_of=8)


def batch():
    tokens = torch.randint(60, (4, 17))
    return [(tokens[:, :-1], tokens[:, 1:])]


def step(model, loss_scale, dtype=torch.float16):
    return Step(model, adamw(model, 1e-3), 1.0, Forward(model, dtype), loss_scale=loss_scale)


def test_a_power_of_two_changes_nothing_where_float32_holds_it_all():
    plain = Transformer(CONFIG)
    scaled = copy.deepcopy(plain)
    pieces = batch()
    for _ in range(3):
        found = step(plain, None, torch.float32)(pieces, 1e-3)
        assert step(scaled, LossScale(2.0**10), torch.float32)(pieces, 1e-3) == found
    for name, weight in plain.state_dict().items():
        assert torch.equal(weight, scaled.state_dict()[name]), name


def test_scaling_is_what_torchs_scaler_does_to_the_loss():
    model, pieces = Transformer(CONFIG), batch()
    other = copy.deepcopy(model)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**12)
    theirs = torch.optim.AdamW(
        adamw(other, 1e-3).param_groups, lr=1e-3, betas=(0.9, 0.95), fused=True
    )
    loss_scale = LossScale(2.0**12)
    mine = step(model, loss_scale)
    (inputs, targets), dtype = pieces[0], torch.float16
    for _ in range(5):
        mine(pieces, 1e-3)
        with torch.autocast("cpu", dtype):
            logits = other(inputs)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        scaler.scale(loss).backward()
        scaler.unscale_(theirs)
        torch.nn.utils.clip_grad_norm_(other.parameters(), 1.0)
        scaler.step(theirs)
        scaler.update()
        theirs.zero_grad()
    for name, weight in model.state_dict().items():
        # A few products that float16 rounds otherwise; each update moves a weight by about 1e-3.
        assert (weight - other.state_dict()[name]).abs().max() < 1e-5, name


def test_without_a_scale_small_gradients_are_lost_and_with_one_they_are_not():
    model, pieces = Transformer(CONFIG), batch()

    def gradients(loss_scale, shrink, dtype):
        # A loss of which a tiny share is meant, as where a batch is large.
        copied = copy.deepcopy(model)
        forward = Forward(copied, dtype)
        if loss_scale is not None:
            forward = loss_scale.on(forward)
        logits = forward(pieces[0][0])
        (logits.logsumexp(-1).mean() * shrink).backward()
        if loss_scale is not None:
            loss_scale.divide(copied.parameters())
        return copied.layers[0].feed_forward.w1.weight.grad / shrink

    exact = gradients(None, 1.0, torch.float32)
    lost = gradients(None, 1e-4, torch.float16)
    kept = gradients(LossScale(), 1e-4, torch.float16)
    assert (lost - exact).norm() > 0.5 * exact.norm()
    assert (kept - exact).norm() < 0.02 * exact.norm()


def test_an_overflow_skips_the_update_and_halves_the_scale():
    model, pieces = Transformer(CONFIG), batch()
    before = copy.deepcopy(model.state_dict())
    loss_scale = LossScale(2.0**30, good_steps=7)
    one = step(model, loss_scale)
    loss, norm = one(pieces, 1e-3)
    assert math.isfinite(loss) and not math.isfinite(norm)
    assert loss_scale == LossScale(2.0**29, good_steps=0)
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    assert not one.adamw.state  # AdamW did not count it
    while not math.isfinite(one(pieces, 1e-3)[1]):
        pass
    assert loss_scale.good_steps == 1
    assert any(not torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_what_no_scale_can_help_is_said():
    model, pieces = Transformer(CONFIG), batch()
    with torch.no_grad():
        model.output.weight[3, 3] = float("nan")
    with pytest.raises(NotFiniteError, match="loss is nan"):
        step(model, LossScale())(pieces, 1e-3)

    model = Transformer(CONFIG)
    model.tok_embeddings.weight.register_hook(lambda gradient: gradient * float("inf"))
    one = step(model, LossScale(8.0))
    for _ in range(4):  # at 8, 4, 2 and 1
        one(pieces, 1e-3)
    with pytest.raises(NotFiniteError, match="gradient's norm is"):
        one(pieces, 1e-3)


def test_a_run_in_float16_learns_as_one_in_float32(settings):
    runs = [Trainer(settings(run=name, steps=20, precision=name)) for name in ("fp32", "fp16")]
    losses = []
    for trainer in runs:
        losses.append([update.loss for update in trainer.steps()])
        assert all(weight.dtype == torch.float32 for weight in trainer.model.parameters())
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.01)


def test_a_resumed_run_goes_on_with_its_scale(settings):
    def losses(trainer):
        for _ in trainer.steps():
            pass
        return [(m["loss"], m["grad_norm"]) for m in read_metrics(trainer.run.metrics_file)]

    straight = losses(Trainer(settings(run="straight", precision="fp16")))
    stopped = Trainer(settings(run="stopped", precision="fp16"))
    for update in stopped.steps():
        if update.step == 5:
            break
    saved = load(stopped.run.last).loss_scale
    assert saved["good_steps"] > 0
    resumed = Trainer.resume("stopped")
    assert resumed._step.loss_scale == LossScale(**saved)
    assert losses(resumed) == straight
