"""`llama-mini export`: from any layout to the two that are written, and never half of one."""

import shutil

import pytest
import torch
from tokenizers.pre_tokenizers import ByteLevel
from typer.testing import CliRunner

from llama_mini import ModelConfig, Transformer, load
from llama_mini.cli import app
from llama_mini.tokenizer.byte_level import from_vocabulary
from llama_mini.tokenizer.sentencepiece import train_tokenizer
from llama_mini.weights import conversion
from llama_mini.weights.conversion import convert
from llama_mini.weights.formats.huggingface.writer import write_huggingface
from llama_mini.weights.loading import open_checkpoint

CONFIG = ModelConfig(dim=32, n_layers=2, n_heads=4, vocab_size=290, norm_eps=1e-5)
TEXT = ["the river crossed the old bridge", "my neighbour painted a small garden, then another"]


@pytest.fixture
def model():
    return Transformer(CONFIG)


@pytest.fixture
def folder(model, tmp_path):
    tokenizer = train_tokenizer(TEXT, tmp_path / "made" / "tokenizer.model", vocab_size=290)
    tensors = model.state_dict().items()
    return write_huggingface(
        tmp_path / "hf", CONFIG, tensors, torch.float32, n_shards=2, tokenizer=tokenizer
    )


def export(*arguments):
    return CliRunner().invoke(app, ["export", *map(str, arguments), "--no-overlay"])


def test_there_and_back_keeps_every_number_and_the_tokenizer(model, folder, tmp_path):
    there = export(folder, tmp_path / "meta", "--format", "meta", "--shards", 2)
    assert there.exit_code == 0, there.output
    assert "consolidated.01.pth" in there.output
    back = export(tmp_path / "meta", tmp_path / "back")
    assert back.exit_code == 0, back.output
    assert "Next: llama-mini load" in back.output
    found, tokenizer = load(tmp_path / "back")
    for (name, ours), (_, theirs) in zip(
        model.named_parameters(), found.named_parameters(), strict=True
    ):
        assert torch.equal(ours, theirs), name
    assert tokenizer.decode(tokenizer.encode("the old garden")) == "the old garden"


@pytest.mark.parametrize("layout", ["hf", "meta"])
@pytest.mark.parametrize(
    ("precision", "dtype"),
    [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)],
)
def test_precision_is_that_of_the_files(layout, precision, dtype, folder, tmp_path):
    done = export(folder, tmp_path / "out", "--format", layout, "--precision", precision)
    assert done.exit_code == 0, done.output
    assert {entry.dtype for entry in open_checkpoint(tmp_path / "out").entries.values()} == {dtype}


@pytest.mark.parametrize("layout", ["hf", "meta"])
def test_what_exists_is_not_overwritten(layout, folder, tmp_path):
    (tmp_path / "out").mkdir()
    done = export(folder, tmp_path / "out", "--format", layout)
    assert done.exit_code == 1
    assert "exists already" in done.output
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--format", "gguf"], "must be hf or meta; got 'gguf'"),
        (["--precision", "int4"], "written in fp32, bf16, fp16"),
        (["--format", "meta", "--shards", 3], "do not divide over 3 shards"),
        (["--shards", 100], "cannot be written into 100 files"),
    ],
)
def test_what_cannot_be_written_is_said(options, said, folder, tmp_path):
    done = export(folder, tmp_path / "out", *options)
    assert done.exit_code == 1
    assert said in done.output
    assert not (tmp_path / "out").exists()


def test_a_number_too_large_for_fp16_is_named_and_nothing_is_left(model, tmp_path):
    with torch.no_grad():
        model.layers[1].attention.wk.weight[3, 5] = 70_000.0
    tensors = model.state_dict().items()
    folder = write_huggingface(tmp_path / "hf", CONFIG, tensors, torch.float32)
    done = export(folder, tmp_path / "out", "--precision", "fp16")
    assert done.exit_code == 1
    assert "layers.1.attention.wk.weight holds 70,000" in done.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hf"]


def test_weights_in_several_dtypes_need_one_named(folder, tmp_path):
    import safetensors.torch

    path = next(folder.glob("*-00002-of-*.safetensors"))
    tensors = safetensors.torch.load_file(path)
    tensors["model.norm.weight"] = tensors["model.norm.weight"].half()
    safetensors.torch.save_file(tensors, path)
    with pytest.raises(ValueError, match=r"stored as float16, float32\. Name one"):
        convert(open_checkpoint(folder), tmp_path / "out", "hf")
    assert convert(open_checkpoint(folder), tmp_path / "out", "hf", "fp32").is_dir()


def test_too_small_a_disk_is_said_before_anything_is_written(folder, tmp_path, monkeypatch):
    usage = type(shutil.disk_usage(tmp_path))(100, 99, 1)
    monkeypatch.setattr(conversion.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ValueError, match=r"needs 0\.0 GB.*smaller precision"):
        convert(open_checkpoint(folder), tmp_path / "out", "hf")
    assert not (tmp_path / "out").exists()


def test_tensors_are_read_one_at_a_time(folder, tmp_path):
    """A tensor is dropped before the next is asked for, whichever layout is written."""
    import weakref

    checkpoint = open_checkpoint(folder)
    read, alive = checkpoint.tensor, []

    def counted(name, device):
        tensor = read(name, device)
        alive.append(weakref.ref(tensor))
        assert sum(ref() is not None for ref in alive) <= 2  # the one before is let go just after
        return tensor

    checkpoint.tensor = counted
    for layout in ("hf", "meta"):
        convert(checkpoint, tmp_path / "out" / layout, layout)
    assert len(alive) == 2 * len(checkpoint.entries)


def test_a_tokenizer_that_metas_layout_cannot_hold_is_said_to_stay_behind(model, tmp_path):
    pieces = [*sorted(ByteLevel.alphabet()), *(f"<|{number}|>" for number in range(34))]
    tokenizer = from_vocabulary(pieces, [], range(256, 290), digits_apart=True)
    theirs = write_huggingface(
        tmp_path / "bytes", CONFIG, model.state_dict().items(), torch.float32, tokenizer=tokenizer
    )
    there = export(theirs, tmp_path / "meta", "--format", "meta")
    assert there.exit_code == 0, there.output
    assert "this model's stays behind" in there.output
    assert not (tmp_path / "meta" / "tokenizer.model").exists()
