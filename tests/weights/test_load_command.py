"""`llama-mini load`, as a user types it."""

import re

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from llama_mini import ModelConfig, Transformer, load, slots
from llama_mini.cli import app
from llama_mini.generation import generate
from llama_mini.tokenizer.sentencepiece import train_tokenizer
from llama_mini.weights import filling, meta, stored
from llama_mini.weights.formats.meta.writer import write_meta
from llama_mini.weights.loading import find_device, read

TEXT = ["the river crossed the old bridge", "my neighbour painted a small garden, then another"]
CONFIG = ModelConfig(
    dim=32, n_layers=2, n_heads=4, vocab_size=290, multiple_of=16, max_seq_len=64, norm_eps=1e-5
)


@pytest.fixture
def folder(tmp_path):
    tokenizer = train_tokenizer(TEXT, tmp_path / "made.model", vocab_size=290)
    model = Transformer(CONFIG)
    weights = model.state_dict().items()
    return write_meta(tmp_path / "size", CONFIG, weights, 2, torch.float32, tokenizer.path)


def command(*arguments):
    return CliRunner().invoke(app, ["load", *map(str, arguments)])


def test_it_says_what_was_loaded_on_whose_code_and_that_it_is_unchecked(folder):
    done = command(folder)
    assert done.exit_code == 0, done.output
    n_parameters = sum(p.numel() for p in Transformer(CONFIG).parameters())
    for said in (
        "reference code",
        "2 shards in Meta's layout",
        f"{n_parameters:,} parameters, float32: dim 32, 2 layers, 4 heads, 290 tokens",
        "norm_eps 1e-05",
        "/s) to cpu",
        "Unchecked: verify=True (--verify)",
    ):
        assert said in done.output, said


def test_verify_says_what_was_compared(folder):
    done = command(folder, "--verify")
    assert "3 files agree with checklist.chk." in done.output
    assert "nchecked" not in done.output


def test_a_prompt_is_continued_as_generate_would(folder):
    done = command(folder, "--prompt", "the river", "--max-new-tokens", 6)
    assert done.exit_code == 0, done.output
    model, tokenizer = load(folder)
    prompt = torch.tensor([tokenizer.encode("the river")])
    ids = generate(model, prompt, 6)[0].tolist()
    if tokenizer.eos_id in ids:
        ids = ids[: ids.index(tokenizer.eos_id)]
    assert done.stdout.endswith(tokenizer.decode(ids) + "\n")


def test_a_prompt_without_a_tokenizer_is_refused_before_anything_is_loaded(folder, monkeypatch):
    (folder / "tokenizer.model").unlink()
    monkeypatch.setattr(filling, "place", None)  # would fail if it came so far
    done = command(folder, "--prompt", "the river")
    assert done.exit_code == 1
    assert "A prompt needs a tokenizer" in done.stderr and "Traceback" not in done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--device", "abacus"], "no device 'abacus'.*it has cpu"),
        (["--precision", "fp8"], "precision must be fp32, bf16, fp16"),
        (["--verify"], "has no checklist.chk to verify"),
    ],
)
def test_a_mistake_is_one_line(folder, arguments, said):
    (folder / "checklist.chk").unlink()
    done = command(folder, *arguments)
    assert done.exit_code == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("Error: ") and re.search(said, last), last


def test_an_interruption_is_one_line(folder, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(filling, "place", interrupted)
    done = command(folder)
    assert done.exit_code == 130
    assert "Stopped; nothing was changed." in done.stderr and "Traceback" not in done.output


def test_devices_that_are_not_there_are_refused_with_those_that_are():
    assert find_device("cpu") == torch.device("cpu")
    for name in ("abacus", "vulkan", "cuda:999" if not torch.cuda.is_available() else "xpu"):
        with pytest.raises(ValueError, match="it has cpu"):
            find_device(name)


def test_a_loaded_model_is_in_eval_mode_and_can_be_trained(folder):
    model, tokenizer = load(folder)
    assert not model.training
    tokens = torch.tensor([tokenizer.encode("the old bridge")])
    model(tokens).sum().backward()
    assert all(p.grad is not None and p.is_leaf for p in model.parameters())


def test_the_report_counts_the_bytes_of_every_tensor(folder):
    loaded = read(folder)
    assert loaded.bytes_read == sum(p.nbytes for p in loaded.model.parameters())
    assert loaded.seconds > 0 and loaded.config == CONFIG


# A learner's code


class Buffered(nn.Module):
    """An RMSNorm that computes something in __init__ and keeps it as a buffer."""

    def __init__(self, dim, eps=1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.register_buffer("eps", torch.tensor(eps))

    def forward(self, x):
        return x * self.weight


class Renamed(Buffered):
    """An RMSNorm whose weight goes by another name."""

    def __init__(self, dim, eps=1e-6):
        nn.Module.__init__(self)
        self.gain = nn.Parameter(torch.ones(dim))


@pytest.mark.parametrize(
    ("slot", "code", "said"),
    [
        (
            "llama_mini.norm:RMSNorm",
            Buffered,
            "your code in norm.RMSNorm.*keeps layers.0.attention_norm.eps.* as a buffer",
        ),
        (
            "llama_mini.norm:RMSNorm",
            Renamed,
            "your code in norm.RMSNorm.*missing: .*attention_norm.gain.*not known: .*norm.weight",
        ),
        (
            "llama_mini.weights.meta:shard_axis",
            lambda name: None if "norm" in name else 0,
            r"make \(580, 16\) \(with your code in weights.meta.shard_axis",
        ),
    ],
)
def test_where_a_learners_code_does_not_fit_it_is_said_whose_it_is(folder, slot, code, said):
    slots.fill(slot, code)
    try:
        with pytest.raises(ValueError, match=said):
            load(folder)
    finally:
        slots.restore_all()


def test_the_learners_merging_runs_in_the_loader(folder):
    calls = []

    def merge_shards(name, shards):
        calls.append(name)
        return slots.reference("llama_mini.weights.meta:merge_shards")(name, shards)

    expected = load(folder)[0].state_dict()
    del expected["norm.weight"]  # only to hold no whole model: slots ask for that
    slots.fill("llama_mini.weights.meta:merge_shards", merge_shards)
    try:
        model, _ = load(folder)
        assert all(torch.equal(model.state_dict()[k], v) for k, v in expected.items())
        del model
    finally:
        slots.restore_all()
    assert set(calls) == {name for name, _ in Transformer(CONFIG).named_parameters()}
    # The largest come while there is room for a second copy of them.
    assert set(calls[:3]) == {"tok_embeddings.weight", "norm.weight", "output.weight"}
    assert meta.merge_shards is not merge_shards


def test_a_format_without_checksums_says_so(folder):
    class Bare(stored.StoredWeights):
        what = "a bare format"

        def tensor(self, name, device):
            raise NotImplementedError

        def tokenizer(self):
            return None

    with pytest.raises(ValueError, match="a bare format carries no checksums"):
        Bare().verify()
