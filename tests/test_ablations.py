"""The ablations: each variant differs where it says, and the committed results are complete."""

import dataclasses
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from llama_mini import ModelConfig, Transformer

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import ablations
from ablation_variants import VARIANTS, build

CONFIG = ModelConfig(dim=48, n_layers=2, n_heads=4, vocab_size=50, max_seq_len=16, multiple_of=8)
TOKENS = torch.randint(50, (2, 12), generator=torch.Generator().manual_seed(0))


def parameters(variant: str) -> int:
    return sum(p.numel() for p in build(variant, CONFIG, 0).parameters())


def test_llama_is_the_package_s_own_model():
    variant = build("LLaMA", CONFIG, 3)
    torch.manual_seed(3)
    assert torch.equal(variant(TOKENS), Transformer(CONFIG)(TOKENS))


def test_variants_have_the_parameters_they_should():
    norms = 2 * CONFIG.n_layers + 1
    assert parameters("LayerNorm") - parameters("LLaMA") == norms * CONFIG.dim  # the biases
    assert parameters("learned positions") - parameters("LLaMA") == 16 * CONFIG.dim
    assert parameters("GELU MLP") == parameters("LLaMA")
    assert parameters("LLaMA") - parameters("post-norm") == CONFIG.dim  # the last norm


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_variant_sees_the_future_and_each_learns_in_every_parameter(variant):
    model, changed = build(variant, CONFIG, 0), TOKENS.clone()
    changed[:, 8] = (changed[:, 8] + 1) % 50
    logits = model(TOKENS)
    assert torch.equal(logits[:, :8], model(changed)[:, :8])
    assert not torch.allclose(logits[:, 8:], model(changed)[:, 8:])
    logits.sum().backward()
    unused = [name for name, p in model.named_parameters() if p.grad is None]
    assert unused == []


def test_without_rotation_and_positions_the_order_of_the_past_is_lost():
    model = build("learned positions", CONFIG, 0)
    shuffled = TOKENS[:, [3, 0, 2, 1, *range(4, 12)]]
    assert not torch.allclose(model(TOKENS)[:, -1], model(shuffled)[:, -1], atol=1e-6)
    nn.init.zeros_(model.tok_embeddings.positions.weight)
    # One block: deeper ones know an order from the mask, which lets early tokens see less.
    model.layers = model.layers[:1]
    torch.testing.assert_close(model(TOKENS)[:, -1], model(shuffled)[:, -1])


def test_an_unknown_variant_is_explained():
    with pytest.raises(ValueError, match="no variant 'ReLU'; there are LLaMA"):
        build("ReLU", CONFIG, 0)


class Counting:
    """Tokens 0 to 49 again and again."""

    vocab_size, digest = 50, "counting"

    def __len__(self) -> int:
        return 2_000

    def read(self, start: int, count: int) -> np.ndarray:
        return (np.arange(start, start + count) % 50).astype(np.uint16)


def test_a_run_learns_and_repeats_itself_exactly():
    settings = dataclasses.replace(
        ablations.SETTINGS, dim=32, n_layers=1, steps=40, warmup_steps=4, seq_len=16, lr=1e-2
    )
    torch.set_num_threads(1)
    first, again = (ablations.train("LLaMA", 0, Counting(), Counting(), settings) for _ in range(2))
    assert first == again
    assert first["validation_loss"] < 0.5 * math.log(50)


def test_differences_are_paired_by_seed():
    losses = {"LLaMA": {0: 1.0, 1: 2.0, 2: 3.0}, "other": {0: 1.1, 1: 2.2, 2: 3.3, 7: 9.0}}
    records = [
        {"variant": variant, "seed": seed, "validation_loss": loss}
        for variant, by_seed in losses.items()
        for seed, loss in by_seed.items()
    ]
    differences, mean, half_width = ablations.paired_differences(records)["other"]
    assert differences == pytest.approx([0.1, 0.2, 0.3])
    assert mean == pytest.approx(0.2)
    # Student's t for two degrees of freedom at 97.5 %: 4.303; the standard error is 0.1/√3.
    assert half_width == pytest.approx(4.303 * 0.1 / math.sqrt(3))


def test_one_seed_alone_has_no_interval():
    records = [
        {"variant": variant, "seed": 0, "validation_loss": 1.0} for variant in ("LLaMA", "other")
    ]
    assert ablations.paired_differences(records)["other"][2] == math.inf


def test_the_committed_results_have_five_seeds_of_every_variant():
    records = ablations.read_results()
    runs = [(record["variant"], record["seed"]) for record in records]
    assert sorted(runs) == sorted((v, s) for v in VARIANTS for s in ablations.SEEDS)
    assert len({record["data"] for record in records}) == 1
    assert all({"machine", "versions", "date"} <= record.keys() for record in records)
