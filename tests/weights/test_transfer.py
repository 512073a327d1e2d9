"""Copies through two buffers: every byte arrives, whatever the sizes. (A GPU is not needed.)"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llama_mini.weights.transfer import Staging, release, to_device


@given(
    shape=st.lists(st.integers(0, 40), max_size=3),
    stage_bytes=st.sampled_from([16, 48, 1024, 1 << 16]),
    dtype=st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.int8]),
    transposed=st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_what_arrives_is_what_was_sent(shape, stage_bytes, dtype, transposed):
    staging = Staging(stage_bytes, pinned=False)
    for _ in range(3):  # the buffers are used again, and must not remember
        source = (torch.randn(shape) * 50).to(dtype)
        source = source.T if transposed and source.ndim == 2 else source
        target = torch.empty(source.shape, dtype=dtype)
        staging.copy(source, target)
        assert torch.equal(target, source)


def test_tensors_of_different_sizes_are_not_sent():
    staging = Staging(16, pinned=False)
    with pytest.raises((ValueError, RuntimeError)):
        staging.copy(torch.ones(20), torch.empty(8))


def test_on_the_cpu_nothing_is_copied():
    tensor = torch.randn(3)
    assert to_device(tensor, torch.device("cpu")) is tensor
    assert to_device(tensor, torch.device("meta")).is_meta


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gets_every_byte():
    device = torch.device("cuda")
    tensors = [torch.randn(n) for n in (1, 1000, (1 << 26) + 3, 1 << 20, 7)]
    sent = [to_device(tensor, device) for tensor in tensors]
    release()
    assert all(torch.equal(there.cpu(), here) for there, here in zip(sent, tensors, strict=True))
