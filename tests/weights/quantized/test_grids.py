"""Grids of any width, against the taught functions and the theory of rounding."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llama_mini.weights import quantization
from llama_mini.weights.quantized.grids import bits_per_weight, relative_error, round_trip


def weight(rows=16, columns=256, seed=0):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def test_eight_symmetric_bits_are_int8_and_four_asymmetric_ones_int4():
    int8 = quantization.dequantize_int8(*quantization.quantize_int8(weight()))
    assert torch.equal(round_trip(weight(), 8), int8)
    int4 = quantization.dequantize_int4(*quantization.quantize_int4(weight(), 64))
    assert torch.equal(round_trip(weight(), 4, 64, asymmetric=True), int4)


@given(st.integers(2, 8), st.sampled_from([None, 2, 16, 32]), st.booleans())
@settings(deadline=None, max_examples=40)
def test_a_group_has_no_more_values_than_codes_and_none_is_off_by_more_than_half_a_step(
    bits, group_size, asymmetric
):
    before = weight(4, 32, seed=bits)
    after = round_trip(before, bits, group_size, asymmetric)
    levels = 2**bits - (0 if asymmetric else 1)
    size = group_size or 32
    for old, new in zip(before.view(-1, size), after.view(-1, size), strict=True):
        assert len(new.unique()) <= levels
        span = old.max() - old.min() if asymmetric else 2 * old.abs().max()
        assert (new - old).abs().max() <= span / (levels - 1) / 2 * (1 + 1e-5)


@pytest.mark.parametrize("bits", [4, 6, 8])
def test_uniform_weights_have_the_error_of_the_theory(bits):
    uniform = torch.rand(64, 4096, generator=torch.Generator().manual_seed(0)) * 2 - 1
    step = 2 / (2**bits - 2)
    error = (round_trip(uniform, bits) - uniform).pow(2).mean().sqrt().item()
    assert error == pytest.approx(step / math.sqrt(12), rel=0.02)
    size = uniform.pow(2).mean().sqrt().item()
    assert relative_error(uniform, round_trip(uniform, bits)) == pytest.approx(error / size)


def test_the_bits_of_llama_cpps_formats():
    assert bits_per_weight(4, 32) == 4.5
    assert bits_per_weight(4, 32, asymmetric=True) == 5.0
    assert bits_per_weight(8, 32) == 8.5
    assert bits_per_weight(4, 128, asymmetric=True) == 4.25


@pytest.mark.parametrize(("bits", "group_size"), [(1, None), (4, 48)])
def test_grids_that_cannot_be_are_refused(bits, group_size):
    with pytest.raises(ValueError, match="2 bits at least"):
        round_trip(weight(), bits, group_size)
