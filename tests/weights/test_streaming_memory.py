"""However large the model, the host holds about one tensor of it on the way (Linux: RssAnon)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from llama_mini import ModelConfig
from llama_mini.weights.formats.meta.writer import write_meta
from llama_mini.weights.memory import anonymous_bytes
from llama_mini.weights.shapes import parameter_shapes

CONFIG = ModelConfig(dim=1024, n_layers=10, n_heads=8, vocab_size=4096)
SLACK = 16 << 20  # for what Python and the allocator do meanwhile

pytestmark = pytest.mark.skipif(anonymous_bytes() is None, reason="RssAnon is Linux's")


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large")

    def tensors():
        generator = torch.Generator().manual_seed(0)
        block = torch.randn(1 << 22, generator=generator).half()
        for name, shape in parameter_shapes(CONFIG):
            size = torch.Size(shape).numel()
            yield name, block.repeat(-(-size // len(block)))[:size].view(shape)

    for n_shards in (1, 2):
        write_meta(folder / str(n_shards), CONFIG, tensors(), n_shards)
    script = Path(__file__).with_name("measure_loading.py")
    # Memory that is freed goes back at once, or one measurement would hide in another's.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    done = subprocess.run(
        [sys.executable, script, folder / "1", folder / "2"],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_model_is_large_enough_to_tell(measured):
    assert measured["model"] > 250e6
    assert measured["largest"] + SLACK < measured["model"] / 8
    # The usual way holds the shards and the result: the measurement must see that.
    assert measured["naive"] > 1.5 * measured["model"]


def test_one_shard_as_stored_takes_no_memory_of_its_own(measured):
    assert measured["one shard"] < SLACK


def test_merging_two_shards_takes_the_result_and_no_more(measured):
    assert 0.95 * measured["model"] < measured["two shards"] <= 1.05 * measured["model"]


def test_casting_takes_the_result_and_no_more(measured):
    assert 0.95 * measured["model"] < measured["one shard cast"] <= 1.05 * measured["model"]


def test_on_the_way_to_a_device_the_host_holds_one_tensor(measured):
    # The parts of a tensor and the tensor they make, which on a GPU are the device's: twice it.
    assert measured["staged"] < 2 * measured["largest"] + SLACK
