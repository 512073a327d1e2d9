"""`llama-mini plan`, as a reader types it."""

import pytest
import torch
from typer.testing import CliRunner

from llama_mini import CONFIGS, ModelConfig, Transformer
from llama_mini.cli import app
from llama_mini.weights.formats.meta.writer import write_meta


def run(*arguments):
    return CliRunner().invoke(app, ["plan", *arguments, "--no-overlay"])


def test_the_question_of_the_lesson_is_answered():
    shown = run(*"65B --device H100 --precision int4 --context 2048 --batch 1".split())
    assert shown.exit_code == 0, shown.output
    assert "It fits on H100 SXM 80 GB" in shown.output
    for part in ("weights", "KV cache", "activations", "together", "disk", "loading", "decoding"):
        assert f"\n{part} " in shown.output


def test_training_is_planned_with_all_its_parts():
    shown = run("7B", "--device", "H100", "--training", "--context", "512")
    assert shown.exit_code == 0, shown.output
    for part in ("gradients", "optimizer", "share weights, gradients and optimizer"):
        assert part in shown.output


def test_alone_it_says_what_fits_where():
    shown = run()
    assert shown.exit_code == 0, shown.output
    assert "here" in shown.output
    assert "65B  int4" in shown.output


def test_a_folder_is_planned_from_its_headers(tmp_path, monkeypatch):
    config = ModelConfig(dim=32, n_layers=1, n_heads=2, vocab_size=64)
    weights = Transformer(config).state_dict()
    folder = write_meta(tmp_path / "micro", config, weights.items(), 2)
    monkeypatch.setattr(torch, "cat", lambda *_: pytest.fail("a tensor was merged"))
    shown = run(str(folder), "--device", "24GB")
    assert shown.exit_code == 0, shown.output
    assert "in fp16, decoding 1 sequence of 2,048 positions" in shown.output
    assert f"{sum(p.numel() for p in weights.values()):,} parameters of 16 bits" in shown.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["66B"], "66B is neither a known model (7B"),
        (["7B", "--device", "Cray"], "no device 'Cray'"),
        (["7B", "--device", "H100", "--context", "4096"], "context must be from 1 to 2,048"),
        (["30B", "--device", "H100", "--devices", "8"], "52 query heads do not divide"),
        (
            ["7B", "--device", "H100", "--training", "--precision", "int4"],
            "planned in fp32, bf16, fp16",
        ),
        (["7B", "--device", "H100", "--training", "--devices", "2"], "planned for one device"),
    ],
)
def test_what_cannot_be_planned_is_said_in_a_sentence(arguments, words):
    shown = run(*arguments)
    assert shown.exit_code == 1
    assert words in shown.output


def test_the_sizes_answer_to_both_names():
    assert (
        run("33B", "--device", "H100").output.splitlines()[-1]
        == (run("30B", "--device", "H100").output.splitlines()[-1])
    )
    assert CONFIGS["33B"] is CONFIGS["30B"]
