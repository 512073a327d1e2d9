"""A load that cannot fit is refused before it begins, with the sum and with what would fit."""

import re
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from llama_mini import ModelConfig, Transformer, load
from llama_mini.cli import app
from llama_mini.precisions import PRECISIONS
from llama_mini.weights import refusal
from llama_mini.weights.formats.meta.writer import write_meta
from llama_mini.weights.loading import open_checkpoint
from llama_mini.weights.refusal import DoesNotFitError, demand_fit, loading_bytes

CONFIG = ModelConfig(dim=64, n_layers=2, n_heads=4, vocab_size=512, max_seq_len=32)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Shards → a folder of Meta's with as many."""
    torch.manual_seed(0)
    weights = Transformer(CONFIG).state_dict()
    made = tmp_path_factory.mktemp("weights")
    return {n: write_meta(made / str(n), CONFIG, weights.items(), n) for n in (1, 2)}


def with_free(monkeypatch, amount):
    monkeypatch.setattr(refusal, "free_bytes", lambda device: amount)


def bytes_outside_files(model):
    """What the weights take that does not lie in a mapped file, as the kernel sees it (Linux)."""
    mapped = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        where, *_, name = line.split(maxsplit=5)
        if name.endswith(".pth"):
            mapped.append([int(end, 16) for end in where.split("-")])
    outside = {}
    for tensor in [*model.parameters(), *model.buffers()]:
        start = tensor.data_ptr()
        if not any(low <= start < high for low, high in mapped):
            outside[start] = tensor.nbytes
    return sum(outside.values())


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("n_shards", [1, 2])
@pytest.mark.parametrize("precision", [None, *PRECISIONS])
def test_what_is_planned_is_what_the_loaded_weights_take(folders, n_shards, precision):
    planned, peak = loading_bytes(open_checkpoint(folders[n_shards]), CPU, precision)
    model, _ = load(folders[n_shards], precision=precision)
    assert planned == bytes_outside_files(model)
    largest = CONFIG.vocab_size * CONFIG.dim * 2  # the embeddings, in float16
    assert peak == planned + (largest if planned else 0)


def test_a_single_shard_read_as_it_is_needs_no_memory_of_its_own(folders, monkeypatch):
    with_free(monkeypatch, 0)
    assert loading_bytes(open_checkpoint(folders[1]), CPU, "fp16") == (0, 0)
    model, _ = load(folders[1])
    assert model(torch.tensor([[1, 2]])).shape == (1, 2, 512)


def test_one_byte_decides(folders, monkeypatch):
    _, needed = loading_bytes(open_checkpoint(folders[1]), CPU, "bf16")
    with_free(monkeypatch, needed)
    load(folders[1], precision="bf16")
    with_free(monkeypatch, needed - 1)
    with pytest.raises(DoesNotFitError):
        load(folders[1], precision="bf16")


def test_the_refusal_shows_the_sum_and_what_would_fit(folders, monkeypatch):
    with_free(monkeypatch, 250_000)
    with pytest.raises(ValueError) as caught:
        load(folders[2], precision="fp32")
    message = str(caught.value)
    # Two matrices of 512 × 64, two blocks of 4 · 64² + 3 · 64 · 256 + 2 · 64, a norm of 64.
    kept, way, total = (float(x) for x in re.findall(r"([\d.]+) kB", message)[:3])
    assert kept == pytest.approx(4 * 196_928 / 1e3, abs=0.1)
    assert way == pytest.approx(65.5, abs=0.1)
    assert total == pytest.approx(kept + way, abs=0.1)
    assert "250.0 kB are free" in message
    assert "force=True" in message
    smaller = re.search(r"precision (\w+) \(([\d.]+) kB\)", message)
    assert smaller[1] == "int4"
    assert float(smaller[2]) <= 250.0


def test_nothing_is_read_before_it_is_refused(folders, monkeypatch):
    checkpoint = open_checkpoint(folders[2])
    monkeypatch.setattr(type(checkpoint), "tensor", lambda *_: pytest.fail("a tensor was read"))
    monkeypatch.setattr(type(checkpoint), "verify", lambda *_: pytest.fail("files were read"))
    with_free(monkeypatch, 1000)
    with pytest.raises(DoesNotFitError):
        load(folders[2], verify=True)


def test_who_knows_better_loads_it_anyway(folders, monkeypatch):
    with_free(monkeypatch, 1000)
    load(folders[2], force=True)
    shown = CliRunner().invoke(app, ["load", str(folders[2]), "--no-overlay"])
    assert shown.exit_code == 1
    assert "does not fit on cpu" in shown.output
    shown = CliRunner().invoke(app, ["load", str(folders[2]), "--no-overlay", "--force"])
    assert shown.exit_code == 0, shown.output


def test_where_nobody_knows_what_is_free_nothing_is_refused(folders, monkeypatch):
    with_free(monkeypatch, None)
    demand_fit(open_checkpoint(folders[2]), CPU, "fp32")
