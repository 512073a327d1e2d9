"""What a summary says of speed and loss follows from numbers that can be counted otherwise."""

import json
import math

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from llama_mini.training import summarize, train
from llama_mini.training.recipe import loss
from llama_mini.training.scale import peaks


@pytest.fixture
def trainer(settings):
    return train(settings(steps=3))


def test_bits_per_byte_are_all_bits_over_the_bytes_of_the_documents(trainer):
    summary, split = summarize(trainer), trainer.validation_tokens
    texts = [
        trainer.tokenizer.decode(int(token) for token in split.document(n))
        for n in range(len(split.documents))
    ]
    n_bytes = sum(len(text.encode("utf-8")) for text in texts)
    nats = summary.validation_loss * summary.validation_tokens
    assert summary.bits_per_byte == pytest.approx(nats / math.log(2) / n_bytes, rel=1e-12)
    assert f"{summary.bits_per_byte:.3f} bits/byte" in str(summary)


def test_the_operations_are_those_that_torch_counts_in_an_update(trainer):
    summary = summarize(trainer)
    inputs, targets = trainer.batches.batch(0)
    with FlopCounterMode(display=False) as counter:
        loss.next_token_loss(trainer.model(inputs), targets).backward()
    per_second = counter.get_total_flops() * summary.steps / summary.seconds
    assert summary.flops_per_second == pytest.approx(per_second, rel=1e-12)
    assert "TFLOP/s" in str(summary)


def test_without_a_known_peak_no_share_of_it_is_claimed(trainer):
    summary = summarize(trainer)
    assert summary.mfu is None and "of the peak" not in str(summary)
    assert json.loads(trainer.run.summary_file.read_text())["mfu"] is None


def test_a_peak_that_is_given_is_what_the_share_is_of(settings):
    summary = summarize(train(settings(steps=3, peak_tflops=0.5)))
    assert summary.mfu == pytest.approx(summary.flops_per_second / 0.5e12, rel=1e-12)
    assert f"{summary.mfu:.1%} of the peak" in str(summary)


@pytest.mark.parametrize(
    ("name", "dtype", "peak"),
    [
        ("NVIDIA A100-SXM4-80GB", torch.bfloat16, 312e12),
        ("NVIDIA H100 80GB HBM3", torch.float16, 989e12),
        ("NVIDIA H100 PCIe", torch.bfloat16, None),  # slower, and under another name
        ("NVIDIA A100-SXM4-80GB", torch.float32, None),
    ],
)
def test_a_peak_is_known_by_name_for_16_bit_products_alone(monkeypatch, name, dtype, peak):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
    assert peaks.known_peak(torch.device("cuda"), dtype) == peak
    assert peaks.known_peak(torch.device("cpu"), dtype) is None


@pytest.mark.parametrize("peak", [0, -1.0, math.nan])
def test_a_peak_that_cannot_be_meant_is_refused(settings, peak):
    with pytest.raises(ValueError, match="peak_tflops must be above 0"):
        settings(peak_tflops=np.float64(peak))
