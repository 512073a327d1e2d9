"""Folders as they arrive in practice: each fault is named in one sentence, with what to do."""

import json
import os
import random
import shutil

import pytest
import torch

from llama_mini import CONFIGS, ModelConfig, Transformer, load
from llama_mini.tokenizer.sentencepiece import train_tokenizer
from llama_mini.weights.formats.meta.checklist import parse_checklist
from llama_mini.weights.formats.meta.params_json import parse_params
from llama_mini.weights.formats.meta.writer import write_meta
from llama_mini.weights.loading import open_checkpoint

CONFIG = ModelConfig(dim=32, n_layers=2, n_heads=4, vocab_size=292, multiple_of=16)
PARAMS = (
    '{"dim": 32, "multiple_of": 16, "n_heads": 4, "n_layers": 2, "norm_eps": 1e-06, '
    '"vocab_size": -1}'
)
PAGE = "<!DOCTYPE html>\n<html><head><title>Log in</title></head></html>"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The same model with one shard and with four; tests copy it."""
    torch.manual_seed(5)
    model, folder = Transformer(CONFIG), tmp_path_factory.mktemp("written")
    for n_shards in (1, 4):
        write_meta(folder / str(n_shards), CONFIG, model.state_dict().items(), n_shards)
    return folder


@pytest.fixture
def four(written, tmp_path):
    return shutil.copytree(written / "4", tmp_path / "size")


@pytest.fixture
def one(written, tmp_path):
    return shutil.copytree(written / "1", tmp_path / "size")


def shard(folder, index):
    return folder / f"consolidated.0{index}.pth"


def refused(folder, said, error=ValueError, **options):
    with pytest.raises(error, match=said) as caught:
        load(folder, **options)
    message = str(caught.value)
    assert "\n" not in message and (str(folder) in message or "consolidated" in message)
    return message


# Shards


@pytest.mark.parametrize("gone", [0, 1, 3])
def test_a_missing_shard_is_named_with_how_many_there_should_be(four, gone):
    shard(four, gone).unlink()
    message = refused(four, rf"missing consolidated.0{gone}.pth", FileNotFoundError)
    assert f"size has 4 shards; found 3 in {four}" in message
    assert message.endswith("Download it again, or check it with md5sum -c checklist.chk.")


def test_without_any_shard_the_first_is_asked_for(four):
    for index in range(4):
        shard(four, index).unlink()
    refused(four, r"has no consolidated.00.pth. Download the shards again", FileNotFoundError)


def test_a_shard_too_many_is_named(four):
    shutil.copy(shard(four, 3), shard(four, 4))
    refused(four, r"has 4 shards; found 5 in .*too many: consolidated.04.pth")


@pytest.mark.parametrize(
    "name",
    [
        "consolidated.00 (1).pth",
        "consolidated.0.pth",
        "consolidated.001.pth",
        "consolidated.00.pth.part",
        "consolidated.00.PTH",
        "consolidated-00.pth",
    ],
)
@pytest.mark.parametrize("keep", [True, False])
def test_a_second_copy_and_a_renamed_shard_are_named(four, name, keep):
    (shutil.copy if keep else shutil.move)(shard(four, 0), four / name)
    message = refused(four, "not named as Meta's shards are")
    assert name in message and "Rename what was renamed" in message


def test_the_same_shard_under_two_names_is_found(four):
    shutil.copy(shard(four, 1), shard(four, 2))
    refused(four, r"consolidated.02.pth holds the same numbers as consolidated.01.pth")


@pytest.mark.parametrize("left", [0.999, 0.5, 0.01])
def test_a_truncated_shard_is_named_with_its_size(four, left):
    path = shard(four, 2)
    size = int(path.stat().st_size * left)
    os.truncate(path, size)
    refused(four, rf"consolidated.02.pth is cut short: it has {size:,} bytes")


def test_an_empty_shard_is_named(four):
    shard(four, 1).write_bytes(b"")
    refused(four, r"consolidated.01.pth \(0 bytes\) is no PyTorch file")


def test_a_web_page_saved_as_a_shard_is_named(four):
    shard(four, 1).write_text(PAGE)
    refused(four, "consolidated.01.pth is a web page.*Log in")


def test_a_shard_of_another_size_is_named(four, tmp_path):
    other = Transformer(ModelConfig(dim=64, n_layers=2, n_heads=4, vocab_size=292, multiple_of=16))
    write_meta(tmp_path / "other", other.config, other.state_dict().items(), 4)
    shutil.copy(shard(tmp_path / "other", 2), shard(four, 2))
    refused(
        four, r"consolidated.02.pth does not belong to consolidated.00.pth: .* torch.float16 \("
    )


def test_shards_of_another_dtype_and_with_fewer_layers_are_named(four):
    for change in (
        lambda tensors: {name: tensor.float() for name, tensor in tensors.items()},
        lambda tensors: {k: v for k, v in tensors.items() if not k.startswith("layers.1")},
    ):
        path = shard(four, 3)
        torch.save(change(torch.load(path, weights_only=True)), path)
        refused(four, r"consolidated.03.pth does not belong to consolidated.00.pth")


def test_swapped_shards_are_found_by_verifying_and_only_so(four, capsys):
    aside = four / "aside"
    shard(four, 1).rename(aside)
    shard(four, 2).rename(shard(four, 1))
    aside.rename(shard(four, 2))
    load(four)
    assert "unchecked" in capsys.readouterr().err
    message = refused(four, "differ from the MD5 in checklist.chk", verify=True)
    assert "consolidated.01.pth, consolidated.02.pth" in message
    assert "exchange their names" in message


def test_one_bit_is_found_by_verifying(four):
    data = bytearray(shard(four, 3).read_bytes())
    data[len(data) // 2] ^= 4
    shard(four, 3).write_bytes(data)
    message = refused(four, r"^consolidated.03.pth in .* differs from the MD5", verify=True)
    assert "Download again" in message


def test_a_shard_in_the_old_format_says_how_to_rewrite_it(one):
    path = shard(one, 0)
    tensors = torch.load(path, weights_only=True)
    torch.save(tensors, path, _use_new_zipfile_serialization=False)
    refused(one, r"PyTorch before 1.6.*torch.save\(torch.load\('consolidated.00.pth'")
    torch.save(torch.load(path, weights_only=True), path)  # what the sentence says
    load(one)


class Trap:
    """Unpickled, it would leave a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


def test_a_pickle_with_code_in_it_is_refused_and_what_it_would_run_is_named(one, tmp_path):
    tensors = torch.load(shard(one, 0), weights_only=True)
    torch.save({**tensors, "norm.weight": Trap(tmp_path / "sprung")}, shard(one, 0))
    refused(one, rf"consolidated.00.pth asks to run {os.mkdir.__module__}.mkdir, .*not opened")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: list(t.values()), "holds a list where a dictionary of tensors"),
        (lambda t: {"model": t, "step": 3}, "under 'model' it has a dict.*training state"),
        (lambda t: {**t, 3: t["norm.weight"]}, "tensors by name; under 3"),
        (lambda t: {k: v.to(torch.int32) for k, v in t.items()}, "weights are floating point"),
        (lambda t: {**t, "lm_head.weight": t["output.weight"]}, "has lm_head.weight, which"),
        (lambda t: {k: v for k, v in t.items() if k != "norm.weight"}, "asks for norm.weight"),
        (lambda t: {f"model.{k}": v for k, v in t.items()}, "vocab_size .-1. to the embeddings"),
        (lambda t: {**t, "tok_embeddings.weight": torch.tensor(1.0).half()}, "to the embeddings"),
        (
            lambda t: {**t, "layers.0.attention.wq.weight": torch.tensor(1.0).half()},
            "asks for layers.0.attention.wq.weight of shape",
        ),
        (
            lambda t: {**t, "norm.weight": torch.ones(1).half().expand(32)},
            "norm.weight claims more numbers than the file has",
        ),
    ],
)
def test_a_file_of_other_things_is_named(one, change, said):
    torch.save(change(torch.load(shard(one, 0), weights_only=True)), shard(one, 0))
    refused(one, said)


# params.json


def test_params_json_of_another_size_is_named(one):
    for key, value, said in (
        ("n_layers", 3, r"asks for layers.2.attention_norm.weight, which consolidated.00.pth does"),
        ("n_layers", 1, r"has layers.1.attention.wk.weight.*model of 1 layers"),
        ("n_layers", 10**7, r"asks for layers.2"),
        ("dim", 16, r"asks for tok_embeddings.weight of shape \(292, 16\)"),
        ("dim", 32 * 4096, r"says dim 131072, which would take 4,096 shards like these"),
        ("dim", 64, r"has 2 shards; found 1"),
        (
            "multiple_of",
            256,
            r"asks for layers.0.feed_forward.w1.weight of shape \(256, 32\); 1 sh",
        ),
        ("vocab_size", 32_000, r"tok_embeddings.weight of shape \(32000, 32\)"),
        ("n_kv_heads", 2, r"asks for layers.0.attention.wk.weight of shape \(16, 32\)"),
    ):
        (one / "params.json").write_text(json.dumps({**json.loads(PARAMS), key: value}))
        with pytest.raises((ValueError, FileNotFoundError), match=said):
            load(one)


def test_params_json_that_is_not_there_is_asked_for(one):
    (one / "params.json").unlink()
    refused(one, "params.json is missing.*Download it too", FileNotFoundError)


@pytest.mark.parametrize("start", ["", "\n\n  ", "\ufeff"])
def test_a_login_page_saved_as_params_json_is_named_as_such(one, start):
    (one / "params.json").write_text(start + PAGE, encoding="utf-8")
    refused(one, "params.json is a web page.*login page.*log in, and download it again")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not the JSON it should be"),
        ("{", "not the JSON it should be"),
        ("[1]", "holds a list"),
        ('"dim"', "holds a str"),
        ("{}", "lacks dim, multiple_of, n_heads, n_layers, norm_eps, vocab_size"),
        (PARAMS.replace('"norm_eps": 1e-06, ', ""), "lacks norm_eps"),
        (PARAMS[:-1] + ', "dim": 64}', "the key 'dim' comes twice"),
        (PARAMS[:-1] + ', "use_scaled_rope": true}', "has use_scaled_rope, which this model does"),
        (PARAMS.replace("32,", '"32",'), "dim must be a whole number.*got '32'"),
        (PARAMS.replace("32,", "32.0,"), "dim must be a whole number.*got 32.0"),
        (PARAMS.replace("32,", "true,"), "dim must be a whole number.*got True"),
        (PARAMS.replace("32,", "null,"), "dim must be a whole number.*got None"),
        (PARAMS.replace("32,", "0,"), "dim must be a whole number"),
        (PARAMS.replace("32,", "1" + "0" * 30 + ","), "dim must be a whole number from 1 to"),
        (PARAMS.replace("32,", "1" * 5000 + ","), "not the JSON|whole number"),
        (PARAMS.replace("-1}", "-2}"), "vocab_size must be a whole number"),
        (PARAMS.replace("1e-06", "0"), "norm_eps must be a number above 0; got 0"),
        (PARAMS.replace("1e-06", "-1e-6"), "norm_eps must be a number above 0"),
        (PARAMS.replace("1e-06", "NaN"), "NaN is no number of JSON's"),
        (PARAMS.replace("1e-06", "1e999"), "too large for a number"),
        (PARAMS.replace("1e-06", '"1e-6"'), "norm_eps must be a number above 0; got '1e-6'"),
        (PARAMS.replace('"n_heads": 4', '"n_heads": 5'), "dim 32 does not divide into 5 heads"),
        ("[" * 100_000, "has more than|not the JSON"),
        ("[" * 60_000, "not the JSON"),
        ("\x00", "not the JSON"),
    ],
)
def test_a_wrong_params_json_is_named(tmp_path, text, said):
    path = tmp_path / "params.json"
    with pytest.raises(ValueError, match=said) as caught:
        parse_params(text.encode("utf-8", "surrogatepass"), path, 292)
    assert str(path) in str(caught.value)


def test_bytes_that_are_no_text_are_named(tmp_path):
    with pytest.raises(ValueError, match="not the JSON it should be"):
        parse_params(b"\xff\xfe{\x00", tmp_path / "params.json", 292)


def test_a_params_json_without_end_is_not_read_to_its_end(one):
    (one / "params.json").write_text(PARAMS + " " * (1 << 17))
    refused(one, "has more than 65,536 bytes, which no params.json has")


def test_eps_comes_from_the_file(one):
    for eps in (1e-5, 0.25):
        (one / "params.json").write_text(PARAMS.replace("1e-06", str(eps)))
        model, _ = load(one)
        assert model.config.norm_eps == model.layers[0].ffn_norm.eps == eps


def test_keys_of_later_models_are_read(tmp_path):
    text = PARAMS[:-1] + ', "n_kv_heads": 2, "ffn_dim_multiplier": 1.3, "rope_theta": 500000.0}'
    config = parse_params(text.encode(), tmp_path / "params.json", 292)
    # Meta's later code: int(1.3 · int(2 · 4 · 32 / 3)) = int(1.3 · 85) = 110, rounded up to 112.
    assert (config.n_kv_heads, config.hidden_dim, config.rope_theta) == (2, 112, 5e5)


# checklist.chk


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("hello\n", "Line 1 of .* is 'hello'"),
        ("d41d8cd98f00b204e9800998ecf8427e  ../../etc/passwd\n", "which is no MD5"),
        ("d41d8cd98f00b204e9800998ecf8427e  ..\n", "which is no MD5"),
        ("d41d8cd98f00b204e9800998ecf8427e  /etc/passwd\n", "which is no MD5"),
        ("d41d8cd98f00b204e9800998ecf8427e  a\\b\n", "which is no MD5"),
        ("d41d8cd98f00b204e9800998ecf8427e a\n", "which is no MD5"),
        ("d41d8cd98f00b204e9800998ecf842  a\n", "which is no MD5"),
        ("d41d8cd98f00b204e9800998ecf8427e  a\n" * 2, "lists a twice"),
    ],
)
def test_a_wrong_checklist_is_named(tmp_path, text, said):
    with pytest.raises(ValueError, match=said):
        parse_checklist(text.encode(), tmp_path / "checklist.chk")


def test_a_checklist_in_binary_mode_and_upper_case_is_read(tmp_path):
    text = b"D41D8CD98F00B204E9800998ECF8427E *a b.pth\r\n"
    sums = parse_checklist(text, tmp_path / "checklist.chk")
    assert sums == {"a b.pth": "d41d8cd98f00b204e9800998ecf8427e"}


def test_verifying_needs_a_checklist_that_lists_the_files(four):
    path = four / "checklist.chk"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:1] + lines[2:]))
    refused(four, "does not list consolidated.01.pth", verify=True)
    path.write_text("".join(lines) + lines[0].replace(".00", ".09"))
    refused(four, "lists consolidated.09.pth, which .* does not have", verify=True)
    path.write_text(PAGE)
    refused(four, "checklist.chk is a web page", verify=True)
    path.unlink()
    refused(four, "has no checklist.chk to verify it against", verify=True)


# The tokenizer, and the rest


def test_a_tokenizer_of_another_vocabulary_is_refused(one):
    text = ["the river crossed the old bridge", "my neighbour painted a small garden"]
    train_tokenizer(text, one / "tokenizer.model", vocab_size=280)
    refused(one, "tokenizer.model has 280 tokens and the model 292: it is another model's")


def test_a_web_page_saved_as_tokenizer_is_refused(one):
    (one / "tokenizer.model").write_text(PAGE)
    refused(one, "tokenizer.model is not a SentencePiece model")


def test_fp16_overflow_is_refused_and_named(tmp_path):
    model = Transformer(CONFIG)
    with torch.no_grad():
        model.layers[1].feed_forward.w2.weight[3, 4] = -1e5
    folder = write_meta(tmp_path / "size", CONFIG, model.state_dict().items(), dtype=torch.float32)
    with pytest.raises(
        ValueError, match=r"layers.1.feed_forward.w2.weight holds 100,000.*Use bf16"
    ):
        load(folder, precision="fp16")
    assert load(folder, precision="bf16")[0].output.weight.dtype == torch.bfloat16


def test_infinities_that_were_stored_are_not_called_an_overflow(tmp_path):
    model = Transformer(CONFIG)
    with torch.no_grad():
        model.norm.weight[0] = float("inf")
    folder = write_meta(tmp_path / "size", CONFIG, model.state_dict().items(), dtype=torch.float32)
    assert load(folder, precision="fp16")[0].norm.weight.isinf().sum() == 1


def test_a_shard_may_be_named_instead_of_its_folder(four):
    assert load(shard(four, 2))[0].config == open_checkpoint(four).config


def test_a_size_that_has_a_name_is_called_by_it(tmp_path):
    model = Transformer(CONFIGS["nano"])
    folder = write_meta(tmp_path / "folder", model.config, model.state_dict().items(), 2)
    shard(folder, 1).unlink()
    refused(
        folder,
        r"^nano has 2 shards; found 1 in .*\(missing consolidated.01.pth\)",
        FileNotFoundError,
    )


def test_whatever_happens_to_a_shard_ends_in_a_sentence_or_a_model(one):
    whole, draw = shard(one, 0).read_bytes(), random.Random(0)
    refusals = 0
    for _ in range(200):
        data = bytearray(whole)
        for _ in range(draw.choice((1, 3, 20))):
            # What says where things lie comes last; half of the changes go there.
            where = draw.randrange(draw.choice((0, len(data) * 7 // 8)), len(data))
            if draw.random() < 0.7:
                data[where] = draw.randrange(256)
            else:
                data[where : where + draw.randrange(1, 9)] = draw.randbytes(draw.randrange(9))
        shard(one, 0).write_bytes(data)
        try:
            checkpoint = open_checkpoint(one)
            for name in checkpoint.entries:
                checkpoint.tensor(name, torch.device("cpu")).sum()
        except (ValueError, FileNotFoundError) as error:
            refusals += 1
            assert "\n" not in str(error)
    assert 20 < refusals < 200
