"""What the command line says when something goes wrong, and above all where."""

import pytest
from typer.testing import CliRunner

from llama_mini import slots
from llama_mini.cli import app
from llama_mini.course import EXERCISES, overlay

QUICK = [
    "--config",
    "nano",
    "--steps",
    "1",
    "--batch-size",
    "2",
    "--seq-len",
    "8",
    "--threads",
    "1",
]

BROKEN = """\
import torch


def _check(x):
    if x.ndim == 3:
        raise {error}("b")


def silu(x):
    _check(x)
    return x * torch.sigmoid(x)
"""


@pytest.fixture
def mix(tmp_path):
    from llama_mini.data.shards import write_shards
    from llama_mini.tokenizer.sentencepiece import train_tokenizer

    text = "the old ship crossed the bridge and a small dog followed every letter of the teacher"
    tokenizer = train_tokenizer([text] * 20, tmp_path / "tokenizer.model", vocab_size=290)
    documents = [("stories", tokenizer.encode(text, bos=False))] * 20
    write_shards(tmp_path / "mix", {"train": documents, "validation": documents}, tokenizer.path)
    return tmp_path / "mix"


@pytest.fixture(autouse=True)
def _slots_given_back():
    yield
    slots.restore_all()


def train(mix, *options):
    return CliRunner().invoke(app, ["train", *QUICK, "--data", str(mix), *options])


@pytest.mark.parametrize("error", ["ValueError", "TypeError", "ZeroDivisionError"])
def test_an_error_in_a_learners_layer_names_the_slot_the_file_and_the_line(mix, error):
    saved = overlay.save(EXERCISES["silu"], BROKEN.format(error=error))
    result = train(mix)
    assert result.exit_code == 1 and "Traceback" not in result.output
    message = result.stderr.partition("Error: ")[2]
    line = saved.read_text().splitlines().index(f'        raise {error}("b")') + 1
    assert f"feedforward.silu, which is yours, ended in {error}: b" in message
    assert f"{saved}, line {line}: raise {error}" in message
    assert "--no-overlay" in message


def test_an_error_deeper_in_the_package_names_the_learners_line_it_came_through(mix):
    source = "import torch\n\n\ndef silu(x):\n    return torch.cat([x, x[..., :1]]) * x\n"
    saved = overlay.save(EXERCISES["silu"], source)
    message = train(mix).stderr.partition("Error: ")[2]
    assert "feedforward.silu, which is yours, ended in RuntimeError: Sizes of tensors" in message
    assert f"{saved}, line " in message and "return torch.cat" in message


def test_without_the_overlay_the_same_command_runs(mix):
    overlay.save(EXERCISES["silu"], BROKEN.format(error="ValueError"))
    result = train(mix, "--no-overlay")
    assert result.exit_code == 0, result.output


def test_an_error_that_met_no_learners_code_is_said_without_naming_any(mix):
    overlay.save(EXERCISES["silu"], BROKEN.format(error="ValueError"))
    result = train(mix, "--lr", "0")
    assert result.stderr.strip().splitlines()[-1] == "Error: lr must be above 0; got 0.0."
