"""Hugging Face folders from anywhere: what is wrong with them is said in one sentence."""

import json
import struct
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from llama_mini import ModelConfig, Transformer, load
from llama_mini.tokenizer.sentencepiece import train_tokenizer
from llama_mini.weights.formats.huggingface.config import config_values, parse_config
from llama_mini.weights.formats.huggingface.safetensors_file import SafetensorsFile
from llama_mini.weights.formats.huggingface.writer import write_huggingface

CONFIG = ModelConfig(dim=32, n_layers=2, n_heads=4, vocab_size=290, hidden_dim=48)
INDEX = "model.safetensors.index.json"
FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


@pytest.fixture
def single(tmp_path):
    return write(tmp_path / "single", 1)


@pytest.fixture
def sharded(tmp_path):
    return write(tmp_path / "sharded", 2)


def write(folder, n_shards):
    model = Transformer(CONFIG)
    return write_huggingface(folder, CONFIG, model.state_dict().items(), torch.float32, n_shards)


def edit(path, change):
    """Change a JSON file in place."""
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def refused(folder, error=ValueError):
    """The sentence with which `load` refuses a folder: short, and with something to do."""
    with pytest.raises(error) as caught:
        load(folder)
    return str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("model_type", "mistral", "a model of type 'mistral'; only 'llama'"),
        ("model_type", None, "type None"),
        ("hidden_act", "gelu", "hidden_act 'gelu'; this model computes with 'silu' alone"),
        ("attention_bias", True, "attention_bias True"),
        ("mlp_bias", True, "mlp_bias True"),
        ("quantization_config", {"bits": 4}, "quantization_config"),
        ("rope_scaling", {"type": "linear", "factor": 2.0}, "rotary positions of another kind"),
        ("rope_parameters", {"rope_type": "llama3", "rope_theta": 5e5}, "another kind"),
        ("rope_parameters", {"partial_rotary_factor": 0.5}, "another kind"),
        ("rope_parameters", [1], "must be an object"),
        ("rope_theta", "10000", "rope_theta must be a number above 0; got '10000'"),
        ("rope_theta", -1, "rope_theta must be a number above 0"),
        ("rms_norm_eps", True, "rms_norm_eps must be a number above 0; got True"),
        ("hidden_size", 32.0, r"hidden_size must be a whole number .* got 32\.0"),
        ("hidden_size", 10**30, "hidden_size must be a whole number"),
        ("hidden_size", None, "lacks hidden_size"),
        ("hidden_size", 33, "does not divide into 4 heads"),
        ("hidden_size", 64, "hidden_size 64 / 4 heads is 16"),
        ("head_dim", 16, "heads of 16 dimensions"),
        ("num_key_value_heads", 3, "cannot share 3"),
        ("tie_word_embeddings", "false", "must be true or false; got 'false'"),
        ("num_hidden_layers", 3, "asks for model.layers.2.* which the weights do not have"),
        ("num_hidden_layers", 1 << 24, "asks for model.layers.2.* which the weights do not have"),
        ("num_hidden_layers", 1, "model.layers.1.* which a model of 1 layers does not"),
        ("vocab_size", 291, r"embed_tokens.weight of shape \(291, 32\)"),
        ("intermediate_size", 49, r"gate_proj.weight of shape \(49, 32\)"),
        ("num_key_value_heads", 2, r"k_proj.weight of shape \(16, 32\)"),
        ("tie_word_embeddings", True, "differs from the embeddings"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(key, value, said, single):
    edit(single / "config.json", lambda values: values.update({key: value}))
    with pytest.raises(ValueError, match=said):
        load(single)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<!DOCTYPE html><title>Log in</title>", "is a web page and not"),
        ("{", "is not the JSON it should be"),
        ("[1]", "should hold a JSON object"),
        ("", "is not the JSON it should be"),
        ('{"a": ' + "[" * 9000 + "]" * 9000 + "}", "is not the JSON it should be"),
        ('{"model_type": "llama", "model_type": "llama"}', "comes twice"),
        (" " * (1 << 17), "more than"),
    ],
    ids=["web page", "cut short", "a list", "empty", "deep", "doubled", "huge"],
)
@pytest.mark.parametrize("name", ["config.json", INDEX])
def test_a_json_file_that_is_none_is_refused(name, text, said, sharded):
    if name == INDEX and said == "more than":
        text *= 1 << 8
    (sharded / name).write_text(text)
    message = refused(sharded)
    assert said in message and name in message and "ownload it again" in message


@pytest.mark.parametrize(
    ("name", "n_shards", "said"),
    [
        ("config.json", 1, "config.json is missing, and the weights do not say"),
        ("model.safetensors", 1, f"neither model.safetensors nor {INDEX}"),
        (INDEX, 2, f"has {FIRST} and no {INDEX}"),
        (SECOND, 2, f"no file .*{SECOND}"),
    ],
)
def test_a_missing_file_is_named(name, n_shards, said, tmp_path):
    folder = write(tmp_path / "hf", n_shards)
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=said):
        load(folder)


@pytest.mark.parametrize(
    "name",
    [
        "../sharded/" + FIRST,
        "..",
        "/etc/passwd",
        "C:model.safetensors",
        "sub/model.safetensors",
        "sub\\model.safetensors",
        "model.safetensors\x00",
        ".hidden.safetensors",
        "config.json",
        "",
        None,
        7,
        ["model.safetensors"],
    ],
)
def test_an_index_that_leads_out_of_the_folder_is_refused(name, sharded):
    edit(sharded / INDEX, lambda index: index["weight_map"].update({"model.norm.weight": name}))
    message = refused(sharded)
    assert "not the name of a safetensors file in the folder" in message
    assert repr(name) in message and "Do not trust it" in message


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda i: i.pop("weight_map"), "has no weight_map"),
        (lambda i: i.update(weight_map=[]), "has no weight_map"),
        (lambda i: i.update(weight_map={}), "has no weight_map"),
        (
            lambda i: i["weight_map"].pop("model.norm.weight"),
            f"lacks 'model.norm.weight'; {SECOND} has it, too",
        ),
        (
            lambda i: i["weight_map"].update({"model.norm.weight": FIRST}),
            f"puts 'model.norm.weight' into {FIRST}; {FIRST} does not have it",
        ),
        (
            lambda i: i["weight_map"].update({"model.extra.weight": FIRST}),
            f"puts 'model.extra.weight' into {FIRST}; {FIRST} does not have it",
        ),
    ],
    ids=["no map", "a list", "empty", "unlisted", "elsewhere", "nowhere"],
)
def test_an_index_that_is_not_true_is_refused(change, said, sharded):
    edit(sharded / INDEX, change)
    assert said in refused(sharded)


def test_a_tensor_in_two_shards_is_refused(sharded):
    tensors = safetensors.torch.load_file(sharded / FIRST)
    tensors["model.norm.weight"] = torch.ones(32)
    safetensors.torch.save_file(tensors, sharded / FIRST)
    message = refused(sharded)
    assert f"puts 'model.norm.weight' into {SECOND}; {FIRST} has it, too" in message


def test_two_shards_exchanged_are_refused(sharded):
    (sharded / FIRST).rename(sharded / "x")
    (sharded / SECOND).rename(sharded / FIRST)
    (sharded / "x").rename(sharded / SECOND)
    assert "Do they belong together?" in refused(sharded)


def test_a_bias_is_refused_by_name(single):
    path = single / "model.safetensors"
    tensors = safetensors.torch.load_file(path)
    tensors["model.layers.0.self_attn.q_proj.bias"] = torch.zeros(32)
    safetensors.torch.save_file(tensors, path)
    assert "a tensor 'model.layers.0.self_attn.q_proj.bias', and no part of a LLaMA" in refused(
        single
    )


def test_a_dtype_that_is_not_computed_in_is_refused(single):
    path = single / "model.safetensors"
    tensors = safetensors.torch.load_file(path)
    tensors["model.norm.weight"] = tensors["model.norm.weight"].to(torch.float8_e4m3fn)
    safetensors.torch.save_file(tensors, path)
    assert "stores 'model.norm.weight' as F8_E4M3; F32, F16, BF16 can be read" in refused(single)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["pytorch_model.bin"], "pytorch_model.bin, a pickle, which is not read here"),
        (["pytorch_model-00001-of-00002.bin", "pytorch_model.bin.index.json"], "a pickle"),
        (["adapter_model.safetensors"], "holds an adapter"),
        ([], "has no weights"),
    ],
)
def test_weights_in_another_form_are_refused_with_what_to_do(files, said, single):
    (single / "model.safetensors").unlink()
    for name in files:
        (single / name).write_bytes(b"weights")
    assert said in refused(single, (ValueError, FileNotFoundError))


def test_a_tokenizer_of_another_vocabulary_is_refused(single, tmp_path):
    text = ["the river crossed the old bridge", "my neighbour painted a small garden, too"]
    train_tokenizer(text, single / "tokenizer.model", vocab_size=280)
    assert "has 280 tokens and the model 290" in refused(single)


def test_a_tokenizer_that_is_none_is_refused(single):
    (single / "tokenizer.model").write_bytes(b"<html>")
    assert "is not a SentencePiece model" in refused(single)


# The header of a safetensors file, and lies that it can tell.
TENSOR = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}


def safetensors_bytes(header, data=bytes(24)):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


LIES = {
    "empty": b"",
    "shorter than a length": b"1234567",
    "header longer than the file": struct.pack("<Q", 1 << 20) + b"{}",
    "header of 4 EB": struct.pack("<Q", 1 << 62) + b"{}",
    "not JSON": safetensors_bytes(b"{nonsense}"),
    "a list": safetensors_bytes(b"[1, 2]"),
    "not UTF-8": safetensors_bytes(b'{"\xff": 1}'),
    "deep": safetensors_bytes(b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}"),
    "truncated": safetensors_bytes({"a": TENSOR}, bytes(23)),
    "too long": safetensors_bytes({"a": TENSOR}, bytes(25)),
    "offsets beyond the end": safetensors_bytes({"a": {**TENSOR, "data_offsets": [0, 1 << 40]}}),
    "negative offsets": safetensors_bytes({"a": {**TENSOR, "data_offsets": [-24, 0]}}),
    "inverted offsets": safetensors_bytes({"a": {**TENSOR, "data_offsets": [24, 0]}}),
    "another shape": safetensors_bytes({"a": {**TENSOR, "shape": [3, 3]}}),
    "a shape of 2^64": safetensors_bytes({"a": {**TENSOR, "shape": [1 << 32, 1 << 32]}}),
    "another dtype": safetensors_bytes({"a": {**TENSOR, "dtype": "BF16"}}),
    "an unknown dtype": safetensors_bytes({"a": {**TENSOR, "dtype": "F33"}}),
    "overlapping": safetensors_bytes({"a": TENSOR, "b": TENSOR}),
    "a gap": safetensors_bytes({"a": TENSOR, "b": {**TENSOR, "data_offsets": [32, 56]}}, bytes(56)),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_lies_is_refused(lie, single):
    (single / "model.safetensors").write_bytes(LIES[lie])
    message = refused(single)
    assert "bytes that are no whole safetensors file" in message
    assert "Download it again" in message and "\n" not in message


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\n<!doctype html><html>", "is a web page and not weights"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
    ],
)
def test_what_comes_instead_of_a_download_is_named(data, said, single):
    (single / "model.safetensors").write_bytes(data)
    assert said in refused(single)


@given(data=st.data())
def test_a_header_with_any_byte_changed_is_read_inside_the_file_or_refused(data, tmp_path_factory):
    good = safetensors_bytes({"a": TENSOR})
    place = data.draw(st.integers(0, len(good) - 25))
    changed = bytearray(good)
    changed[place] = data.draw(st.integers(0, 255))
    path = Path(tmp_path_factory.mktemp("fuzz")) / "model.safetensors"
    path.write_bytes(changed)
    try:
        file = SafetensorsFile(path)
        for name in file.names:
            assert file.entry(name).bytes_on_disk == file.view(name).nbytes <= 24
    except ValueError as error:
        assert str(path) in str(error)


@given(
    key=st.sampled_from(sorted(config_values(CONFIG, torch.float32))),
    value=st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["rope_type", "rope_theta", "type"]), inner, max_size=3
            )
        ),
        max_leaves=4,
    ),
)
def test_any_value_in_a_config_gives_a_config_or_a_sentence(key, value):
    values = {**config_values(CONFIG, torch.float32), key: value}
    path = Path("config.json")
    try:
        assert isinstance(parse_config(json.dumps(values).encode(), path), ModelConfig)
    except ValueError as error:
        assert str(path) in str(error)
