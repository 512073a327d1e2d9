"""The benchmark of quantization measures what it says, and its committed results are complete."""

import math
import sys
from pathlib import Path

import pytest
import torch

from llama_mini import ModelConfig, Transformer

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import quantization as benchmark

RECORDS = benchmark.read_results()
MODELS = sorted({record["model"] for record in RECORDS})


def of(model, kind):
    return [r for r in RECORDS if (r["model"], r["kind"]) == (model, kind)]


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Transformer(ModelConfig(dim=64, n_layers=1, n_heads=2, vocab_size=32)).eval()


def test_the_errors_are_those_of_gaussian_weights(model):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    overall = benchmark.errors(model)["overall"]
    for bits in (5, 6, 7, 8):
        assert overall[f"int{bits} absmax row"] < 0.6 * overall[f"int{bits - 1} absmax row"]
    # A group of 64 normal numbers spans about 4.7 standard deviations, in 15 steps.
    assert overall["int4 min-max 64"] == pytest.approx(4.7 / 15 / math.sqrt(12), rel=0.1)


def test_the_head_that_is_tied_to_the_embeddings_is_not_a_projection():
    config = ModelConfig(dim=16, n_layers=1, n_heads=2, vocab_size=32, tied_embeddings=True)
    names = [name for name, _ in benchmark.projections(Transformer(config))]
    assert len(names) == 7
    assert all(name.startswith("layers.0.") for name in names)


def test_scores_are_the_cross_entropy_of_each_token(model):
    tokens = torch.randint(32, (20,), generator=torch.Generator().manual_seed(0))
    found = benchmark.scores(model, [tokens, tokens[:5]])
    with torch.no_grad():
        logits = model(tokens[None, :-1])[0]
    expected = torch.nn.functional.cross_entropy(logits, tokens[1:], reduction="none")
    torch.testing.assert_close(found.float(), torch.cat([expected, expected[:4]]))


def test_smollm2_and_a_model_of_the_course_were_measured():
    assert MODELS == ["SmolLM2-135M", "mini"]


@pytest.mark.parametrize("name", MODELS)
def test_the_results_of_a_model_are_complete(name):
    assert len(of(name, "error")) == 1
    schemes = [record["scheme"] for record in of(name, "perplexity")]
    assert schemes == [
        "fp32",
        "bf16",
        "load int8",
        "load int4",
        *(scheme.name for scheme in benchmark.FOR_PERPLEXITY),
    ]
    for record in of(name, "perplexity"):
        assert {"machine", "versions", "date", "standard_error"} <= record.keys()
        assert record["perplexity"] == pytest.approx(math.exp(record["nats"]), rel=1e-3)


@pytest.mark.parametrize("name", MODELS)
def test_the_measured_error_follows_the_peak_as_the_lesson_says(name):
    (record,) = of(name, "error")
    for matrix in record["by tensor"].values():
        foretold = matrix["median peak"] / 127 / math.sqrt(12)
        assert matrix["int8 absmax row"] == pytest.approx(foretold, rel=0.5)
