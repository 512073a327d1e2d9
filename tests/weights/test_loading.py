"""`load`: what goes out is what went in, and anything strange is refused with its name."""

import subprocess
import sys

import pytest
import torch

from llama_mini import load
from llama_mini.config import ModelConfig
from llama_mini.generation import generate
from llama_mini.model import Transformer
from llama_mini.text.sample import stream_text
from llama_mini.tokenizer.sentencepiece import train_tokenizer
from llama_mini.training.run import checkpoint, folder
from llama_mini.training.run.checkpoint import Checkpoint
from llama_mini.weights import loading

TEXT = ["the river crossed the old bridge", "my neighbour painted a small garden, then another"]


@pytest.fixture
def model():
    return Transformer(ModelConfig(dim=16, n_layers=1, n_heads=2, vocab_size=290, max_seq_len=32))


@pytest.fixture
def run(model, tmp_path, monkeypatch):
    monkeypatch.setenv("LLAMA_MINI_HOME", str(tmp_path / "home"))
    tokenizer = train_tokenizer(TEXT, tmp_path / "tokenizer.model", vocab_size=290)
    return folder.create("mine", as_checkpoint(model), tokenizer.path)


def as_checkpoint(model):
    return Checkpoint(
        model=model.state_dict(),
        optimizer={},
        rng=checkpoint.rng_state(torch.device("cpu")),
        step=0,
        total_steps=1,
        seconds=0.0,
        best_loss=1.0,
        data_digest="0" * 64,
        settings={},
        params=model.config.to_dict(),
    )


def test_a_loaded_run_computes_what_the_trained_model_computes(model, run):
    loaded, tokenizer = load(run.folder)
    tokens = torch.tensor([tokenizer.encode("the old garden")])
    assert torch.equal(loaded(tokens), model(tokens))
    assert tokenizer.decode(tokenizer.encode("the old garden")) == "the old garden"
    assert loaded.config == model.config


def test_the_best_weights_are_preferred_to_the_last(model, run):
    better = Transformer(model.config)
    checkpoint.save(run.best, as_checkpoint(better))
    loaded, _ = load(run.folder)
    assert torch.equal(loaded.output.weight, better.output.weight)


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [
        (None, torch.float32),
        ("fp32", torch.float32),
        ("bf16", torch.bfloat16),
        ("fp16", torch.float16),
    ],
)
def test_precision_is_that_of_the_weights(run, precision, dtype):
    loaded, _ = load(str(run.folder), precision=precision)
    assert {p.dtype for p in loaded.parameters()} == {dtype}
    assert loaded(torch.tensor([[1, 5]])).dtype == torch.float32


def test_an_unknown_precision_is_refused(run):
    with pytest.raises(ValueError, match="fp32, bf16, fp16"):
        load(run.folder, precision="fp8")


def test_nothing_at_the_path_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing at"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([], "the folder is empty"),
        (["notes.txt"], r"holds notes\.txt"),
        (["params.json"], r"holds params\.json"),
        ([f"part-{n}.bin" for n in range(9)], "and 3 more"),
    ],
)
def test_a_folder_of_something_else_is_refused_and_described(tmp_path, files, said):
    for name in files:
        (tmp_path / name).write_text("{}")
    with pytest.raises(ValueError, match=said) as caught:
        load(tmp_path)
    assert "What can be read: a run of llama-mini train" in str(caught.value)


def test_a_file_of_something_else_is_refused(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"12345")
    with pytest.raises(ValueError, match="one file of 5 bytes"):
        load(tmp_path / "model.bin")


def test_a_pickle_that_would_run_code_is_never_run(run, tmp_path):
    import pickle

    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    run.last.write_bytes(pickle.dumps(Trap(), protocol=2))
    with pytest.raises(ValueError, match="not a checkpoint"):
        load(run.folder)
    assert not (tmp_path / "sprung").exists()


def test_weights_of_another_shape_say_whose_code_they_met(model, run):
    other = as_checkpoint(model)
    other.params = {**other.params, "dim": 32}
    checkpoint.save(run.last, other)
    with pytest.raises(ValueError, match="reference code in every slot"):
        load(run.folder)


def test_streamed_text_is_the_text_that_generate_makes(run):
    model, tokenizer = load(run.folder)
    pieces = list(stream_text(model, tokenizer, "the river", 20, temperature=0.8, seed=3))
    prompt = torch.tensor([tokenizer.encode("the river")])
    # top_p as stream_text has it by default.
    ids = generate(model, prompt, 20, 0.8, 0.95, None, torch.Generator().manual_seed(3))[0].tolist()
    if tokenizer.eos_id in ids:
        ids = ids[: ids.index(tokenizer.eos_id)]
    assert "".join(pieces) == tokenizer.decode(ids)
    assert pieces[0] == "the river"


def test_a_text_ends_where_the_context_is_full_and_a_long_prompt_is_refused(run):
    model, tokenizer = load(run.folder)
    "".join(stream_text(model, tokenizer, "the river", max_new_tokens=10_000))
    with pytest.raises(ValueError, match="model sees 32"):
        next(stream_text(model, tokenizer, "the river " * 20))


def test_a_fresh_process_reads_a_run_through_load_and_through_the_command_line(run):
    # Weights do not know training; whoever loads must have been told of runs all the same.
    by_name = "import sys; from llama_mini import load; print(load(sys.argv[1])[0].config.dim)"
    done = in_a_fresh_process("-c", by_name, run.folder)
    assert done.stdout.split() == ["16"], done.stderr
    for arguments in (["load", run.folder], ["plan", run.folder], ["generate", "the river"]):
        done = in_a_fresh_process("-m", "llama_mini", *arguments)
        assert done.returncode == 0, done.stderr
    done = in_a_fresh_process("-m", "llama_mini", "export", run.folder, run.folder / "exported")
    assert done.returncode == 0, done.stderr


def in_a_fresh_process(*arguments):
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_a_registered_reader_knows_is_read_by_it(run, tmp_path):
    kept = list(loading._readers)
    strange = tmp_path / "weights.strange"
    strange.write_bytes(b"strange")
    with pytest.raises(ValueError, match="What can be read") as refused:
        loading.open_checkpoint(strange)
    assert "a strange file" not in str(refused.value)
    try:
        loading.register(
            loading.Reader(
                "a strange file",
                lambda path: path.suffix == ".strange",
                lambda path: loading.open_checkpoint(run.folder),
            )
        )
        assert loading.open_checkpoint(strange).config.dim == 16
    finally:
        loading._readers[:] = kept
