"""Hugging Face's layout, both ways, with transformers as the other side."""

import gc
import json
import subprocess
import sys

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from llama_mini import CONFIGS, ModelConfig, Transformer, load, rope, slots
from llama_mini.files import DiskFullError
from llama_mini.tokenizer.sentencepiece import train_tokenizer
from llama_mini.weights import huggingface
from llama_mini.weights.formats.huggingface.config import config_values, parse_config
from llama_mini.weights.formats.huggingface.folder import HuggingFaceFolder
from llama_mini.weights.formats.huggingface.writer import write_huggingface
from llama_mini.weights.formats.meta.writer import write_meta
from llama_mini.weights.loading import open_checkpoint
from llama_mini.weights.shapes import parameter_shapes

CPU = torch.device("cpu")
TEXT = ["the river crossed the old bridge", "my neighbour painted a small garden, then another"]

LLAMA = ModelConfig(dim=64, n_layers=3, n_heads=4, vocab_size=320, norm_eps=1e-5)
GROUPED = ModelConfig(
    dim=48, n_layers=2, n_heads=6, n_kv_heads=2, vocab_size=320, hidden_dim=80, rope_theta=1e5
)
TIED = ModelConfig(
    dim=32, n_layers=2, n_heads=2, vocab_size=320, norm_eps=1e-3, tied_embeddings=True
)
CONFIGS_HERE = {"llama 1": LLAMA, "grouped": GROUPED, "tied": TIED}
every_config = pytest.mark.parametrize("config", CONFIGS_HERE.values(), ids=list(CONFIGS_HERE))


def drawn(config):
    """A model in which every number counts: norms, too, are drawn."""
    model = Transformer(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.2)
    return model


def tokens(config):
    return torch.randint(config.vocab_size, (2, 40))


def difference(ours, theirs):
    """The largest difference of logits, in roundings of the largest logit."""
    rounding = torch.finfo(torch.float32).eps * theirs.abs().max()
    return ((ours - theirs).abs().max() / rounding).item()


# Two orders of the same sums differ by a few roundings in each layer; a wrong row order differs in
# the first digits, which is millions of roundings.
ROUNDINGS, WRONG = 64, 10_000


def export(folder, model, n_shards=None, dtype=torch.float32, tokenizer=None):
    tensors = model.state_dict().items()
    return write_huggingface(folder, model.config, tensors, dtype, n_shards, tokenizer)


@torch.no_grad()
@every_config
@pytest.mark.parametrize("n_shards", [1, 4])
def test_transformers_opens_what_we_write_with_equal_logits(config, n_shards, tmp_path):
    model, text = drawn(config), tokens(config)
    export(tmp_path / "hf", model, n_shards)
    theirs, report = AutoModelForCausalLM.from_pretrained(tmp_path / "hf", output_loading_info=True)
    assert not any(report.values())
    assert len(list((tmp_path / "hf").glob("*.safetensors"))) == n_shards
    assert difference(model(text), theirs(text).logits) < ROUNDINGS


@torch.no_grad()
@pytest.mark.parametrize("shard_size", ["5GB", "60KB"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_key_value_heads": 2, "rope_parameters": {"rope_type": "default", "rope_theta": 1e5}},
        {"tie_word_embeddings": True, "rms_norm_eps": 1e-3},
    ],
    ids=["llama 1", "grouped", "tied"],
)
def test_what_transformers_saves_opens_here_with_equal_logits(options, shard_size, tmp_path):
    shape = {
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "vocab_size": 320,
        "max_position_embeddings": 64,
    }
    theirs = LlamaForCausalLM(LlamaConfig(**shape, **options)).eval()
    for parameter in theirs.parameters():
        parameter.normal_(std=0.2)
    theirs.save_pretrained(tmp_path, max_shard_size=shard_size)
    assert (len(list(tmp_path.glob("*.safetensors"))) > 1) == (shard_size == "60KB")
    model, tokenizer = load(tmp_path)
    text = tokens(model.config)
    assert difference(model(text), theirs(text).logits) < ROUNDINGS
    assert tokenizer is None


@torch.no_grad()
@every_config
def test_a_row_order_that_is_not_converted_gives_other_logits(config, tmp_path, monkeypatch):
    model, text = drawn(config), tokens(config)
    with monkeypatch.context() as patch:
        patch.setattr(rope, "interleaved_to_half", lambda weight, n_heads: weight)
        export(tmp_path / "wrong", model)
    wrong = AutoModelForCausalLM.from_pretrained(tmp_path / "wrong")
    assert difference(model(text), wrong(text).logits) > WRONG

    export(tmp_path / "right", model)
    monkeypatch.setattr(rope, "half_to_interleaved", lambda weight, n_heads: weight)
    assert difference(load(tmp_path / "right")[0](text), model(text)) > WRONG


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@every_config
def test_both_layouts_of_the_same_weights_give_the_same_numbers(config, dtype, tmp_path):
    model, text = drawn(config), tokens(config)
    export(tmp_path / "hf", model, n_shards=2, dtype=dtype)
    write_meta(tmp_path / "meta", config, model.state_dict().items(), 2, dtype)
    ours, _ = load(tmp_path / "hf")
    released, _ = load(tmp_path / "meta")
    assert {parameter.dtype for parameter in ours.parameters()} == {dtype}
    for (name, a), (_, b) in zip(
        ours.named_parameters(), model.to(dtype).named_parameters(), strict=True
    ):
        assert torch.equal(a, b), name
    assert torch.equal(ours(text), released(text))


@every_config
def test_a_round_trip_keeps_every_bit(config, tmp_path):
    theirs = LlamaForCausalLM(LlamaConfig(**config_values(config, torch.bfloat16))).bfloat16()
    theirs.save_pretrained(tmp_path / "theirs", max_shard_size="50KB")
    model, _ = load(tmp_path / "theirs")
    assert model.config == config
    export(tmp_path / "ours", model, n_shards=1, dtype=torch.bfloat16)
    before = {}
    for path in (tmp_path / "theirs").glob("*.safetensors"):
        before |= safetensors.torch.load_file(path)
    after = safetensors.torch.load_file(tmp_path / "ours" / "model.safetensors")
    assert set(after) == set(before)
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_names_are_those_of_transformers():
    config = ModelConfig(dim=16, n_layers=12, n_heads=2, vocab_size=32)
    with torch.device("meta"):
        theirs = LlamaForCausalLM(LlamaConfig(**config_values(config, torch.float32)))
    names = {huggingface.meta_name(name): name for name, _ in theirs.named_parameters()}
    assert set(names) == {name for name, _ in parameter_shapes(config)}
    assert {name: huggingface.huggingface_name(name) for name in names} == names
    shapes = {name: tuple(tensor.shape) for name, tensor in theirs.named_parameters()}
    assert {names[name]: shape for name, shape in parameter_shapes(config)} == shapes


@pytest.mark.parametrize(
    "name",
    [
        "",
        "model.layers.0.self_attn.q_proj.bias",
        "model.layers.0.self_attn.q_proj",
        "model.layers.0.lm_head.weight",
        "model.layers.x.mlp.gate_proj.weight",
        "layers.0.attention.wq.weight",
        "model.layers.0.self_attn.rotary_emb.inv_freq",
        "model.self_attn.q_proj.weight",
        "model.layers.0.self_attn.q_proj.weight\n",
    ],
)
def test_a_name_that_is_no_parameter_is_refused_by_name(name):
    with pytest.raises(ValueError, match="LLaMA has no parameter") as caught:
        huggingface.meta_name(name)
    assert repr(name) in str(caught.value)


def test_a_meta_name_that_is_no_parameter_has_no_other_name():
    for name in ("layers.0.attention.wz.weight", "layers.0.norm.weight", "rope.freqs"):
        with pytest.raises(ValueError, match="no parameter"):
            huggingface.huggingface_name(name)


@pytest.mark.parametrize("size", ["7B", "13B", "30B", "65B"])
def test_the_four_sizes_keep_their_config(size, tmp_path):
    values = config_values(CONFIGS[size], torch.float16)
    assert parse_config(json.dumps(values).encode(), tmp_path) == CONFIGS[size]
    theirs = LlamaConfig(**values)
    assert theirs.rms_norm_eps == CONFIGS[size].norm_eps
    assert theirs.rope_parameters["rope_theta"] == 10_000.0
    assert theirs.intermediate_size in (11008, 13824, 17920, 22016)


def test_a_config_of_2023_is_read_with_the_defaults_of_its_time(tmp_path):
    values = {
        "architectures": ["LLaMAForCausalLM"],
        "hidden_act": "silu",
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "max_sequence_length": 2048,
        "model_type": "llama",
        "num_attention_heads": 32,
        "num_hidden_layers": 32,
        "rms_norm_eps": 1e-06,
        "vocab_size": 32000,
        "rope_scaling": None,
    }
    assert parse_config(json.dumps(values).encode(), tmp_path) == CONFIGS["7B"]


@pytest.mark.parametrize(("part", "n_heads"), [("wq", 6), ("wk", 2)])
def test_query_and_key_rows_are_moved_there_and_back_by_heads_of_their_own(part, n_heads):
    config = ModelConfig(dim=48, n_layers=1, n_heads=6, n_kv_heads=2, vocab_size=8)
    name, weight = f"layers.0.attention.{part}.weight", torch.randn(n_heads * 8, 48)
    theirs = huggingface.to_huggingface(name, weight, config)
    # Of the first head's eight rows: those of even number, then the odd ones.
    assert torch.equal(theirs[:8], weight[[0, 2, 4, 6, 1, 3, 5, 7]])
    assert torch.equal(huggingface.to_meta(name, theirs, config), weight)


def test_all_other_tensors_are_handed_on_as_they_are():
    weight = torch.randn(8, 8)
    for name in (
        "layers.0.attention.wv.weight",
        "output.weight",
        "layers.0.feed_forward.w1.weight",
    ):
        assert huggingface.to_meta(name, weight, GROUPED) is weight
        assert huggingface.to_huggingface(name, weight, GROUPED) is weight


def test_tensors_come_right_in_any_order(tmp_path):
    model = drawn(GROUPED)
    export(tmp_path / "hf", model)
    checkpoint, expected = open_checkpoint(tmp_path / "hf"), model.state_dict()
    for name in [*reversed(names_of(GROUPED)), *names_of(GROUPED), *names_of(GROUPED)[::2]]:
        assert torch.equal(checkpoint.tensor(name, CPU), expected[name])


def test_what_is_not_moved_stays_in_its_file_and_outlives_the_checkpoint(tmp_path):
    model = drawn(GROUPED)
    export(tmp_path / "hf", model)
    checkpoint = open_checkpoint(tmp_path / "hf")
    name = "layers.1.feed_forward.w2.weight"
    first, second = checkpoint.tensor(name, CPU), checkpoint.tensor(name, CPU)
    assert first.data_ptr() == second.data_ptr()
    moved = "layers.1.attention.wk.weight"
    assert checkpoint.tensor(moved, CPU).data_ptr() != checkpoint.tensor(moved, CPU).data_ptr()
    del checkpoint, second
    gc.collect()
    assert torch.equal(first, model.state_dict()[name])


def test_the_conversion_is_the_learners_when_theirs_fills_the_slot(tmp_path):
    export(tmp_path / "hf", drawn(LLAMA))
    asked = []

    def mine(weight, n_heads):
        asked.append((len(weight), n_heads))
        head_dim = len(weight) // n_heads
        halves = weight.view(n_heads, 2, head_dim // 2, -1)
        return halves.transpose(1, 2).reshape(weight.shape)

    gc.collect()
    slots.fill("llama_mini.rope:half_to_interleaved", mine)
    try:
        checkpoint = open_checkpoint(tmp_path / "hf")
        theirs = {name: checkpoint.tensor(name, CPU) for name in names_of(LLAMA)}
    finally:
        slots.restore_all()
    checkpoint = open_checkpoint(tmp_path / "hf")
    assert asked == [(64, 4)] * 6
    assert all(torch.equal(tensor, checkpoint.tensor(n, CPU)) for n, tensor in theirs.items())


def names_of(config):
    return [name for name, _ in parameter_shapes(config)]


def test_a_tokenizer_goes_along_and_comes_back(tmp_path):
    tokenizer = train_tokenizer(TEXT, tmp_path / "tokenizer.model", vocab_size=320)
    export(tmp_path / "hf", drawn(LLAMA), tokenizer=tokenizer)
    _, found = load(tmp_path / "hf")
    assert found.encode("the old garden") == tokenizer.encode("the old garden")
    config = LlamaConfig.from_pretrained(tmp_path / "hf")
    assert (config.bos_token_id, config.eos_token_id) == (tokenizer.bos_id, tokenizer.eos_id)


def test_tokens_that_were_added_to_a_vocabulary_are_counted(tmp_path):
    train_tokenizer(TEXT, tmp_path / "tokenizer.model", vocab_size=319)
    export(tmp_path / "hf", drawn(LLAMA))
    (tmp_path / "tokenizer.model").rename(tmp_path / "hf" / "tokenizer.model")
    with pytest.raises(ValueError, match="has 319 tokens and the model 320"):
        load(tmp_path / "hf")
    (tmp_path / "hf" / "added_tokens.json").write_text('{"[PAD]": 319}')
    assert load(tmp_path / "hf")[1].vocab_size == 319


def test_a_note_says_what_dtypes_are_mixed(tmp_path):
    folder = export(tmp_path / "hf", drawn(TIED))
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    tensors["model.norm.weight"] = tensors["model.norm.weight"].bfloat16()
    safetensors.torch.save_file(tensors, folder / "model.safetensors")
    assert "stored as bfloat16, float32" in HuggingFaceFolder(folder).notes[0]


def test_the_weights_themselves_can_be_named(tmp_path):
    model = drawn(TIED)
    for n_shards, name in ((1, "model.safetensors"), (3, "model.safetensors.index.json")):
        folder = export(tmp_path / str(n_shards), model, n_shards)
        assert torch.equal(load(folder / name)[0].norm.weight, model.norm.weight)


def test_old_files_with_rotary_frequencies_are_read(tmp_path):
    folder = export(tmp_path / "hf", drawn(TIED))
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(8)
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()
    safetensors.torch.save_file(tensors, folder / "model.safetensors")
    assert set(HuggingFaceFolder(folder).entries) == set(names_of(TIED))


def test_a_disk_that_fills_leaves_nothing(tmp_path, monkeypatch):
    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("llama_mini.weights.formats.huggingface.writer.os.fsync", full)
    with pytest.raises(DiskFullError, match="No room left for"):
        export(tmp_path / "hf", drawn(TIED))
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from llama_mini import ModelConfig, Transformer
from llama_mini.weights.formats.huggingface.writer import write_huggingface

model = Transformer(ModelConfig(dim=32, n_layers=2, n_heads=2, vocab_size=64))
def tensors():
    for number, item in enumerate(model.state_dict().items()):
        if number == 9:
            os.kill(os.getpid(), signal.SIGKILL)
        yield item
write_huggingface(Path(sys.argv[1]), model.config, tensors(), torch.float32, 2)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX signal")
def test_a_killed_conversion_leaves_nothing_under_the_name(tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "hf"])
    assert done.returncode == -9
    assert not (tmp_path / "hf").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.pop("norm.weight"), "The model lacks norm.weight"),
        (lambda t: t.update({"output.weight": torch.ones(3, 3)}), r"\(3, 3\)"),
        (lambda t: t.update({"layers.9.attention.wq.weight": torch.ones(3, 3)}), "no tensor"),
        (lambda t: t.update({"norm.weight": torch.full((64,), 1e6)}), "Use bf16"),
    ],
    ids=["missing", "shape", "unknown", "overflow"],
)
def test_tensors_that_do_not_fit_are_refused_and_nothing_is_left(change, said, tmp_path):
    tensors = dict(drawn(LLAMA).state_dict())
    change(tensors)
    with pytest.raises(ValueError, match=said):
        write_huggingface(tmp_path / "hf", LLAMA, tensors.items(), torch.float16)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "hf").mkdir()
    with pytest.raises(FileExistsError, match="exists already"):
        export(tmp_path / "hf", drawn(TIED))


@given(n_shards=st.integers(1, 21))
def test_however_many_files_each_tensor_is_in_one(n_shards):
    from llama_mini.weights.formats.huggingface.writer import _assign

    shapes = {huggingface.huggingface_name(n): shape for n, shape in parameter_shapes(GROUPED)}
    shards = _assign(shapes, 2, n_shards)
    assert [name for members in shards.values() for name in members] == list(shapes)
    assert 1 <= len(shards) <= n_shards


@pytest.mark.parametrize("collecting", [True, False])
def test_garbage_collection_is_afterwards_as_it_was(collecting, tmp_path):
    folder = export(tmp_path / "hf", drawn(TIED))
    (gc.enable if collecting else gc.disable)()
    try:
        load(folder)
        assert gc.isenabled() == collecting
        (folder / "config.json").write_text("{")
        with pytest.raises(ValueError, match="not the JSON"):
            load(folder)
        assert gc.isenabled() == collecting
    finally:
        gc.enable()
