"""Tensor parallelism: two and four real processes against one, on the CPU through gloo."""

import json

import pytest
import torch
from processes import TESTS, torchrun
from typer.testing import CliRunner

from llama_mini import parallel
from llama_mini.cli import app
from llama_mini.config import CONFIGS, ModelConfig
from llama_mini.model import Transformer
from llama_mini.tokenizer.sentencepiece import train_tokenizer
from llama_mini.weights.formats.meta.folder import MetaFolder
from llama_mini.weights.formats.meta.writer import write_meta

# The widest sums of the models in split_over_processes.py, and how many there are in a row.
WIDTH, SUMS = 128, 8


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_compute_together_what_one_computes_alone(processes, tmp_path):
    script = str(TESTS / "split_over_processes.py")
    torchrun(processes, script, str(tmp_path), folder=tmp_path)
    results = json.loads((tmp_path / "results.json").read_text())
    # Two processes also run every correct way to write a layer that the casebooks know.
    assert len(results) >= (15 if processes == 2 else 1)
    refused = {name: results.pop(name) for name, v in list(results.items()) if isinstance(v, str)}
    # This one reads rows of a weight of which each process has some columns.
    assert refused.keys() <= {"transformer: layers appended, embedding by index"}
    assert all("must call its parts" in sentence for sentence in refused.values())
    for name, found in results.items():
        # A sum of n terms in another order moves by n · eps of the terms' size at most.
        allowed = SUMS * WIDTH * torch.finfo(torch.float32).eps * found["largest_logit"]
        assert found["difference"] <= allowed, name
        assert found["cached_heads"] == (1 if "grouped" in name else 4 // processes), name
    for name in results.keys() & {"llama1", "grouped and tied"}:
        found = results[name]
        assert found["greedy_equal"] and found["drawn_equal"] and found["equal_on_every_rank"]
        assert found["share_of_the_matrices"] == 1 / processes


@pytest.fixture(scope="module")
def weights():
    torch.manual_seed(0)
    config = ModelConfig(dim=48, n_layers=2, n_heads=12, vocab_size=48, multiple_of=12)
    return config, dict(Transformer(config).state_dict())


@pytest.mark.parametrize("n_shards", [1, 2, 3, 4])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 6])
def test_any_number_of_shards_goes_onto_any_number_of_processes(tmp_path, weights, n_shards, count):
    config, tensors = weights
    folder = write_meta(
        tmp_path / "m", config, tensors.items(), n_shards=n_shards, dtype=torch.float32
    )
    checkpoint = MetaFolder(folder)
    for name, axis in (("layers.1.attention.wq.weight", 0), ("layers.0.feed_forward.w2.weight", 1)):
        for index, expected in enumerate(tensors[name].chunk(count, dim=axis)):
            part = checkpoint.part(name, torch.device("cpu"), axis, index, count)
            assert torch.equal(part, expected)
            assert part.is_contiguous()


@pytest.mark.parametrize(
    ("config", "processes", "said"),
    [
        (CONFIGS["30B"], 8, "52 query heads do not divide over 8 processes. .* 1, 2, 4, 13, 26"),
        (
            ModelConfig(dim=64, n_layers=1, n_heads=8, n_kv_heads=2),
            4,
            "2 key/value heads do not divide over 4 processes",
        ),
    ],
)
def test_heads_that_do_not_divide_are_refused(config, processes, said):
    with pytest.raises(ValueError, match=said):
        parallel.demand_even(config, processes)


def test_a_mesh_without_torchrun_is_refused(monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    with pytest.raises(ValueError, match="torchrun --nproc-per-node"), parallel.processes():
        pass


def test_the_command_continues_a_text_over_two_processes_as_over_one(tmp_path):
    torch.manual_seed(0)
    text = ["the river crossed the old bridge", "my neighbour painted a small garden"]
    tokenizer = train_tokenizer(text, tmp_path / "tokenizer.model", vocab_size=290)
    config = ModelConfig(dim=32, n_layers=2, n_heads=4, n_kv_heads=2, vocab_size=290)
    tensors = Transformer(config).state_dict().items()
    folder = write_meta(tmp_path / "m", config, tensors, tokenizer_file=tokenizer.path)
    command = ["load", str(folder), "--precision", "fp32", "--prompt", "the river", "--no-overlay"]
    alone = CliRunner().invoke(app, command)
    together = torchrun(2, "-m", "llama_mini", *command, folder=tmp_path)
    assert "to cpu, in 2 processes" in together
    assert together.splitlines()[-1] == alone.stdout.splitlines()[-1]
    assert together.splitlines()[-1].startswith("the river")
