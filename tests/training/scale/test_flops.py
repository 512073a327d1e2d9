"""The operations of training are those that torch counts in our own Transformer."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from llama_mini.config import CONFIGS, ModelConfig
from llama_mini.model import Transformer, parameter_count
from llama_mini.training.recipe import loss
from llama_mini.training.scale import flops

SHAPES = {
    "llama": ModelConfig(dim=32, n_layers=3, n_heads=4, vocab_size=71, max_seq_len=40),
    "grouped heads": ModelConfig(
        dim=48, n_layers=2, n_heads=6, n_kv_heads=2, vocab_size=90, max_seq_len=40
    ),
    "tied embeddings": ModelConfig(
        dim=32, n_layers=1, n_heads=2, vocab_size=64, max_seq_len=40, tied_embeddings=True
    ),
    "its own width": ModelConfig(
        dim=24, n_layers=2, n_heads=2, n_kv_heads=1, vocab_size=50, max_seq_len=40, hidden_dim=40
    ),
}


@pytest.mark.parametrize("seq_len", [2, 17, 40])
@pytest.mark.parametrize("name", SHAPES)
def test_one_token_takes_what_torch_counts_forward_and_backward(name, seq_len):
    config, batch = SHAPES[name], 3
    model = Transformer(config)
    tokens = torch.randint(config.vocab_size, (batch, seq_len + 1))
    with FlopCounterMode(display=False) as counter:
        loss.next_token_loss(model(tokens[:, :-1]), tokens[:, 1:]).backward()
    counted = counter.get_total_flops()
    assert flops.flops_per_token(config, seq_len) * batch * seq_len == counted


def test_without_embeddings_and_attention_it_is_the_law_of_six_n():
    config = CONFIGS["7B"]
    not_in_matrices = config.vocab_size * config.dim + config.dim * (2 * config.n_layers + 1)
    scores = 12 * config.n_layers * config.dim * 2048
    assert flops.flops_per_token(config, 2048) - scores == 6 * (
        parameter_count(config) - not_in_matrices
    )


# LLaMA paper, §2.4 and Table 15: tokens a second of one A100, and 6 N of them over 312e12.
@pytest.mark.parametrize(
    ("size", "tokens_per_second", "percent"),
    [("7B", 3370, 44), ("13B", 2055, 51), ("30B", 733, 46), ("65B", 380, 48)],
)
def test_llamas_own_training_used_about_half_of_its_gpus(size, tokens_per_second, percent):
    six_n = 6 * parameter_count(CONFIGS[size])
    one = flops.mfu(tokens_per_second, six_n, 312e12)
    assert round(100 * one) == percent
    assert flops.mfu(2048 * tokens_per_second, six_n, 312e12, n_devices=2048) == pytest.approx(one)


def test_counting_attention_the_largest_model_came_to_half_of_the_peak():
    share = flops.mfu(380, flops.flops_per_token(CONFIGS["65B"], 2048), 312e12)
    # 12 · 80 · 8192 · 2048 of scores beside 6 · 65 · 10⁹: 4 % more than by 6 N.
    assert share / flops.mfu(380, 6 * parameter_count(CONFIGS["65B"]), 312e12) == pytest.approx(
        1.037, abs=0.002
    )


@pytest.mark.parametrize(
    "numbers", [(-1, 1, 1, 1), (1, 0, 1, 1), (1, 1, 0, 1), (1, 1, 1, 0), (1, 1, -1, 1)]
)
def test_a_share_of_nothing_is_refused(numbers):
    with pytest.raises(ValueError, match="above 0"):
        flops.mfu(*numbers)


def test_a_sequence_of_no_tokens_is_refused():
    with pytest.raises(ValueError, match="1 token at least"):
        flops.flops_per_token(CONFIGS["nano"], 0)
