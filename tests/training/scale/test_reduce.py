"""Gradients and their norm over processes are those of one process that saw everything."""

import copy
import json
import math
from pathlib import Path

import pytest
import torch
from processes import torchrun
from torch import nn
from training.scale.simulated import on_every_rank

from llama_mini.config import ModelConfig
from llama_mini.model import Transformer
from llama_mini.training.recipe import loss
from llama_mini.training.scale import reduce

CONFIG = ModelConfig(dim=16, n_layers=2, n_heads=2, vocab_size=40, max_seq_len=12, multiple_of=8)
EPS = torch.finfo(torch.float32).eps


def backward(model, tokens):
    loss.next_token_loss(model(tokens[:, :-1]), tokens[:, 1:]).backward()


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_the_mean_over_ranks_is_the_gradient_of_the_whole_batch(world_size):
    model, tokens = Transformer(CONFIG), torch.randint(40, (8, 12))
    models = [copy.deepcopy(model) for _ in range(world_size)]

    def work(ranks):
        backward(models[ranks.rank], tokens.chunk(world_size)[ranks.rank])
        reduce.average_gradients(models[ranks.rank].parameters(), ranks.all_reduce, world_size)

    on_every_rank(world_size, work)
    backward(model, tokens)
    for name, parameter in model.named_parameters():
        largest = parameter.grad.abs().max()
        for other in models:
            found = other.get_parameter(name).grad
            assert (found - parameter.grad).abs().max() <= 100 * EPS * largest, name
            assert torch.equal(found, models[0].get_parameter(name).grad)


def test_a_parameter_that_one_rank_did_not_reach_takes_part_with_zeros():
    def work(ranks):
        used, frozen = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2), requires_grad=False)
        if ranks.rank == 0:
            (3 * used).sum().backward()
        reduce.average_gradients([used, frozen], ranks.all_reduce, 2)
        return used.grad.tolist(), frozen.grad

    assert on_every_rank(2, work) == [([1.5, 1.5], None)] * 2


def test_the_gradient_stays_the_same_tensor():
    parameter = nn.Parameter(torch.zeros(3))
    parameter.grad = before = torch.tensor([1.0, 2.0, 3.0])
    reduce.average_gradients([parameter], lambda tensor: tensor.mul_(4), 4)
    assert parameter.grad is before
    assert before.tolist() == [1.0, 2.0, 3.0]


def norms(pieces):
    """What two ranks find, each with one piece."""
    return on_every_rank(
        2, lambda ranks: reduce.global_norm([pieces[ranks.rank]], ranks.all_reduce)
    )


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_the_norm_of_pieces_is_torchs_norm_of_the_whole(world_size):
    gradient = [torch.randn(7, 5), torch.randn(11), torch.randn(2, 3, 4)]

    def work(ranks):
        pieces = [tensor.flatten().tensor_split(world_size)[ranks.rank] for tensor in gradient]
        return reduce.global_norm(pieces, ranks.all_reduce)

    found = on_every_rank(world_size, work)
    expected = torch.nn.utils.get_total_norm(gradient).item()
    assert len(set(found)) == 1
    assert found[0] == pytest.approx(expected, rel=10 * EPS)


def test_a_rank_with_an_empty_piece_still_takes_part():
    pieces = [torch.tensor([3.0, 4.0]), torch.empty(0)]
    assert norms(pieces) == [5.0, 5.0]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_one_bad_number_anywhere_is_seen_everywhere(bad):
    pieces = [torch.ones(3), torch.tensor([1.0, bad])]
    assert not any(map(math.isfinite, norms(pieces)))


def test_half_precision_is_squared_in_float32():
    assert reduce.global_norm([torch.full((4,), 3e4, dtype=torch.float16)], lambda t: t) == 6e4


def test_no_piece_and_no_process_are_refused():
    with pytest.raises(ValueError, match="no piece"):
        reduce.global_norm([], lambda tensor: tensor)
    with pytest.raises(ValueError, match="1 of them at least"):
        reduce.average_gradients([], lambda tensor: tensor, 0)


def test_two_processes_that_talk_through_gloo_find_the_same(tmp_path):
    torchrun(2, str(Path(__file__).parent / "two_processes.py"), str(tmp_path), folder=tmp_path)
    ranks = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)]
    # Rank r holds the gradients r + 1 and 10 (r + 1): their mean is 1.5 and 15.
    assert [rank["mean"] for rank in ranks] == [[1.5, 15.0]] * 2
    assert [rank["norm"] for rank in ranks] == [5.0] * 2
    assert [rank["whole"] for rank in ranks] == [[[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]] * 2
