"""AdamW in pieces does what AdamW does, with a part of its moments in each process."""

import copy

import pytest
import torch
from training.scale.simulated import on_every_rank

from llama_mini.config import ModelConfig
from llama_mini.model import Transformer
from llama_mini.training.recipe.optimizer import adamw
from llama_mini.training.recipe.update import Step
from llama_mini.training.scale.processes import Ranks
from llama_mini.training.scale.sharded_adamw import ShardedAdamW

# 29 does not divide by the number of processes: pieces are padded.
CONFIG = ModelConfig(dim=12, n_layers=2, n_heads=2, vocab_size=29, max_seq_len=8, hidden_dim=10)


def windows(n_updates):
    tokens = torch.randint(29, (n_updates, 12, 9), generator=torch.Generator().manual_seed(5))
    return tokens[..., :-1], tokens[..., 1:]


def train(model, ranks, n_updates=6, optimizer=None, skip=0):
    """Updates with this rank's share of the windows; the optimizer, and what the step returned."""
    optimizer = optimizer or ShardedAdamW(adamw(model, 1e-2), ranks)
    step = Step(model, optimizer, 0.1, model, ranks)
    found = []
    for inputs, targets in list(zip(*windows(n_updates), strict=True))[skip:]:
        share = [part.chunk(ranks.world_size)[ranks.rank] for part in (inputs, targets)]
        found.append(step([tuple(share)], 1e-2))
    return optimizer, found


@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
def test_any_number_of_processes_makes_the_updates_of_one(world_size):
    model = Transformer(CONFIG)
    models = [copy.deepcopy(model) for _ in range(world_size)]
    together = on_every_rank(world_size, lambda ranks: train(models[ranks.rank], ranks)[1])
    _, alone = train(model, Ranks(), optimizer=adamw(model, 1e-2))
    assert all(found == together[0] for found in together)
    for (loss, norm), (expected_loss, expected_norm) in zip(together[0], alone, strict=True):
        assert loss == pytest.approx(expected_loss, rel=1e-5)
        assert norm == pytest.approx(expected_norm, rel=1e-4)
        assert norm > 0.1  # so every update was clipped
    for name, weight in model.state_dict().items():
        for other in models:
            # Six updates of about 1e-2; rounding moves one by far less than a thousandth.
            assert (other.state_dict()[name] - weight).abs().max() < 1e-5, name
            assert torch.equal(other.state_dict()[name], models[0].state_dict()[name])


def test_a_process_keeps_its_share_of_the_moments():
    model = Transformer(CONFIG)
    models = [copy.deepcopy(model) for _ in range(4)]

    def work(ranks):
        optimizer, _ = train(models[ranks.rank], ranks, n_updates=1)
        held = [t for state in optimizer._adamw.state.values() for t in state.values() if t.ndim]
        return sum(t.numel() for t in held)

    whole = 2 * sum(p.numel() for p in model.parameters())
    padding = 2 * 4 * len(list(model.parameters()))
    for held in on_every_rank(4, work):
        assert whole / 4 <= held <= (whole + padding) / 4


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1), (2, 4)])
def test_a_state_is_that_of_the_whole_and_goes_onto_another_number_of_processes(before, after):
    model = Transformer(CONFIG)
    straight = copy.deepcopy(model)
    train(straight, Ranks(), optimizer=adamw(straight, 1e-2))

    models = [copy.deepcopy(model) for _ in range(before)]
    states = on_every_rank(
        before, lambda ranks: train(models[ranks.rank], ranks, 3)[0].state_dict()
    )
    for index, parameter in enumerate(adamw(model, 1e-2).param_groups[0]["params"]):
        assert states[0]["state"][index]["exp_avg"].shape == parameter.shape
    weights = models[0].state_dict()
    models = [copy.deepcopy(model) for _ in range(after)]

    def resume(ranks):
        mine = models[ranks.rank]
        optimizer = ShardedAdamW(adamw(mine, 1e-2), ranks)
        mine.load_state_dict(weights)
        optimizer.load_state_dict(copy.deepcopy(states[0]))
        train(mine, ranks, 6, optimizer, skip=3)

    on_every_rank(after, resume)
    for name, weight in straight.state_dict().items():
        assert (models[0].state_dict()[name] - weight).abs().max() < 1e-5, name


def test_its_state_is_the_one_that_torchs_adamw_saves_and_takes():
    model, other = (Transformer(CONFIG) for _ in range(2))
    other.load_state_dict(model.state_dict())
    sharded, _ = train(model, Ranks(), 2)
    whole, _ = train(other, Ranks(), 2, optimizer=adamw(other, 1e-2))
    saved, expected = sharded.state_dict(), whole.state_dict()
    assert saved["param_groups"] == expected["param_groups"]
    for index, moments in expected["state"].items():
        for name, value in moments.items():
            assert torch.allclose(saved["state"][index][name], value, rtol=1e-4, atol=1e-9), name
    whole.load_state_dict(saved)
