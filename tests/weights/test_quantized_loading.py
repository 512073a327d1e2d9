"""`load(precision="int8" | "int4")`: every format, any code, and never the whole in 16 bits."""

import os
import subprocess
import sys

import micro_gguf
import pytest
import torch
from torch import nn

from llama_mini import feedforward, load, slots
from llama_mini.config import ModelConfig
from llama_mini.course import EXERCISES
from llama_mini.course.judge.grading import symbol_from
from llama_mini.model import Transformer
from llama_mini.weights import quantization
from llama_mini.weights.formats.huggingface.writer import write_huggingface
from llama_mini.weights.formats.meta.writer import write_meta
from llama_mini.weights.quantized.linear import QuantizedLinear, group_size_for
from llama_mini.weights.shapes import parameter_shapes

CONFIG = ModelConfig(dim=64, n_layers=2, n_heads=4, n_kv_heads=2, vocab_size=96, hidden_dim=96)
TOKENS = torch.tensor([[1, 5, 9, 80, 3]])


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Transformer(CONFIG).eval()


def written(model, path, layout):
    if layout == "huggingface":
        return write_huggingface(path, model.config, model.state_dict().items(), torch.float32)
    if layout == "gguf":
        return micro_gguf.write(path, model)
    shards = int(layout.removeprefix("meta "))
    return write_meta(path, model.config, model.state_dict().items(), shards, torch.float32)


def rounded(weight, kind):
    if kind == "int8":
        return quantization.dequantize_int8(*quantization.quantize_int8(weight))
    size = group_size_for(weight.shape[1])
    return quantization.dequantize_int4(*quantization.quantize_int4(weight, size))


@pytest.mark.parametrize("kind", ["int8", "int4"])
@pytest.mark.parametrize("layout", ["meta 1", "meta 2", "huggingface", "gguf"])
@torch.no_grad()
def test_the_loaded_model_computes_with_the_rounded_weights(model, tmp_path, kind, layout):
    loaded, _ = load(written(model, tmp_path / "weights", layout), precision=kind)
    for name, weight in model.named_parameters():
        if weight.ndim == 2 and "tok_embeddings" not in name:
            weight.copy_(rounded(weight, kind))
            layer = loaded.get_submodule(name.removesuffix(".weight"))
            assert isinstance(layer, QuantizedLinear)
            # Scales and zeros in bfloat16: a 256th of the largest weight, at most.
            assert (layer.weight - weight).abs().max() <= weight.abs().max() / 128
    assert {p.dtype for p in loaded.parameters()} == {torch.bfloat16}
    assert len(list(loaded.parameters())) == 2 * CONFIG.n_layers + 2  # the norms and embeddings
    expected, logits = model(TOKENS), loaded(TOKENS)
    assert (logits - expected).norm() < 0.02 * expected.norm()  # bfloat16 through two blocks


@torch.no_grad()
def test_layers_that_read_the_weight_themselves_work_too(model, tmp_path, monkeypatch):
    folder = written(model, tmp_path / "weights", "meta 1")
    expected, _ = load(folder, precision="int4")

    class TheirFeedForward(nn.Module):
        def __init__(self, dim, hidden):
            super().__init__()
            self.w1 = nn.Linear(dim, hidden, bias=False)
            self.w2 = nn.Linear(hidden, dim, bias=False)
            self.w3 = nn.Linear(dim, hidden, bias=False)

        def forward(self, x):
            gate, up = x @ self.w1.weight.T, x @ self.w3.weight.T
            return (feedforward.silu(gate) * up) @ self.w2.weight.T

    monkeypatch.setattr(feedforward, "FeedForward", TheirFeedForward)
    theirs, _ = load(folder, precision="int4")
    assert isinstance(theirs.layers[0].feed_forward, TheirFeedForward)
    out = theirs(TOKENS)
    assert (out - expected(TOKENS)).norm() < 0.02 * out.norm()


USED = ("quantize_int8", "dequantize_int8")
USED_IN_INT4 = ("quantize_int4", "dequantize_int4", "pack_int4", "unpack_int4")


@pytest.mark.parametrize(("kind", "used"), [("int8", USED), ("int4", USED_IN_INT4)])
@torch.no_grad()
def test_a_correct_answer_of_the_casebooks_quantises_alike(tmp_path, kind, used):
    torch.manual_seed(0)
    folder = written(Transformer(CONFIG).eval(), tmp_path / "weights", "meta 1")
    loaded, _ = load(folder, precision=kind)
    expected = loaded(TOKENS), loaded.layers[0].feed_forward.w1.weight
    del loaded  # slots change only while no model is alive
    try:
        for name in used:
            exercise = EXERCISES[name]
            code = exercise.alternatives[0].code
            slots.fill(exercise.symbol, symbol_from(code, exercise, "answer"))
        theirs, _ = load(folder, precision=kind)
        found = theirs(TOKENS), theirs.layers[0].feed_forward.w1.weight
        torch.testing.assert_close(found, expected, rtol=0.02, atol=0.02)
    finally:
        theirs = None
        slots.restore_all()


@torch.no_grad()
def test_tied_embeddings_stay_whole_and_tied(tmp_path):
    config = ModelConfig(dim=32, n_layers=1, n_heads=2, vocab_size=64, tied_embeddings=True)
    torch.manual_seed(0)
    model = Transformer(config)
    path = write_huggingface(tmp_path / "hf", config, model.state_dict().items(), torch.float32)
    loaded, _ = load(path, precision="int4")
    assert loaded.output.weight is loaded.tok_embeddings.weight
    assert torch.equal(loaded.output.weight, model.tok_embeddings.weight.bfloat16())
    assert isinstance(loaded.layers[0].attention.wq, QuantizedLinear)


MEASURED = """
import sys, torch
from llama_mini import load
from llama_mini.weights.memory import PeakMemory

torch.set_num_threads(1)
torch.randn(64, 64) @ torch.randn(64, 64)
with PeakMemory(torch.device("cpu")) as peak:
    model, _ = load(sys.argv[1], precision=sys.argv[2])
held = {id(t): t.nbytes for t in [*model.parameters(), *model.buffers()]}
print(peak.host_bytes, sum(held.values()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says RssAnon")
def test_the_model_is_never_held_in_16_bits(tmp_path):
    config = ModelConfig(dim=1024, n_layers=8, n_heads=8, vocab_size=512)
    generator = torch.Generator().manual_seed(0)
    drawn = {
        shape: torch.randn(shape, generator=generator).mul_(0.02).half()
        for shape in {tuple(shape) for _, shape in parameter_shapes(config)}
    }
    tensors = ((name, drawn[tuple(shape)]) for name, shape in parameter_shapes(config))
    folder = write_meta(tmp_path / "weights", config, tensors, n_shards=2)
    in_16_bits = sum(2 * torch.Size(shape).numel() for _, shape in parameter_shapes(config))
    command = [sys.executable, "-c", MEASURED, str(folder), "int4"]
    # Without it, glibc keeps blocks of this size for later; those of a large model it gives back.
    env = {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(2**20)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    peak, held = map(int, done.stdout.split())
    assert held < 0.3 * in_16_bits
    # What is kept, and for a moment the largest weight in 16 bits and a few times in float32.
    largest = max(2 * torch.Size(shape).numel() for _, shape in parameter_shapes(config))
    assert peak < held + 14 * largest < 0.7 * in_16_bits


def test_a_model_that_processes_share_is_not_quantised(tmp_path):
    with pytest.raises(ValueError, match="not quantised; got precision 'int4' with a mesh"):
        load(tmp_path, precision="int4", mesh=object())
