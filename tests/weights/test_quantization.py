"""int8 and int4 codes: as close as the grid allows, and what torch's quantizers make of them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llama_mini.weights.quantization import (
    dequantize_int4,
    dequantize_int8,
    int8_linear,
    pack_int4,
    quantize_int4,
    quantize_int8,
    unpack_int4,
)

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
EPS = torch.finfo(torch.float32).eps


@st.composite
def weights(draw, columns_of=1):
    rows = draw(st.integers(1, 6))
    columns = columns_of * draw(st.integers(1, 9))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    weight = torch.randn(rows, columns, generator=generator)
    weight *= 10.0 ** draw(st.integers(-4, 1))
    if draw(st.booleans()):  # an outlier, as real models have
        weight[0, draw(st.integers(0, columns - 1))] *= 100
    if draw(st.booleans()):
        weight[rows - 1] = draw(st.sampled_from([0.0, 0.5, -3.0]))
    return weight.to(draw(st.sampled_from(DTYPES)))


@given(weights())
@settings(deadline=None, max_examples=60)
def test_int8_is_within_half_a_step_of_every_weight(weight):
    before = weight.clone()
    codes, scale = quantize_int8(weight)
    assert (codes.dtype, codes.shape) == (torch.int8, weight.shape)
    assert (scale.dtype, scale.shape) == (torch.float32, (len(weight), 1))
    assert codes.min() >= -127
    back = dequantize_int8(codes, scale)
    # Half a step, and the rounding of the division and of the product.
    bound = scale / 2 + 2 * EPS * weight.float().abs().amax(1, keepdim=True)
    assert ((back - weight.float()).abs() <= bound).all()
    assert torch.equal(weight, before)


@given(weights(columns_of=4), st.sampled_from([2, 4]))
@settings(deadline=None, max_examples=60)
def test_int4_is_within_half_a_step_of_every_weight(weight, group_size):
    before = weight.clone()
    codes, scale, zero = quantize_int4(weight, group_size)
    assert (codes.dtype, codes.shape) == (torch.uint8, weight.shape)
    assert codes.max() <= 15
    for each in (scale, zero):
        assert each.dtype == torch.float32
        assert each.shape == (len(weight), weight.shape[1] // group_size)
    back = dequantize_int4(codes, scale, zero)
    largest = weight.float().abs().unflatten(1, (-1, group_size)).amax(-1)
    bound = (scale / 2 + 4 * EPS * largest).repeat_interleave(group_size, 1)
    assert ((back - weight.float()).abs() <= bound).all()
    assert torch.equal(weight, before)


@given(weights())
@settings(deadline=None, max_examples=40)
def test_what_lies_on_the_int8_grid_comes_back_with_the_same_codes(weight):
    codes, scale = quantize_int8(weight)
    again, scale_again = quantize_int8(dequantize_int8(codes, scale))
    assert torch.equal(again, codes)
    torch.testing.assert_close(scale_again, scale, rtol=2 * EPS, atol=0)


@given(weights(columns_of=8))
@settings(deadline=None, max_examples=40)
def test_what_lies_on_the_int4_grid_comes_back_with_the_same_codes(weight):
    codes, scale, zero = quantize_int4(weight, 8)
    again, *_ = quantize_int4(dequantize_int4(codes, scale, zero), 8)
    assert torch.equal(again, codes)


def test_whole_numbers_that_fit_the_grid_come_back_exactly():
    weight = torch.arange(-127.0, 128.0).view(1, -1)
    codes, scale = quantize_int8(weight)
    assert torch.equal(codes.float(), weight)
    assert torch.equal(scale, torch.ones(1, 1))
    sixteen = torch.stack([torch.arange(16.0) - 3, 2 * torch.arange(16.0).flip(0) + 5])
    codes, scale, zero = quantize_int4(sixteen, 16)
    assert torch.equal(dequantize_int4(codes, scale, zero), sixteen)
    assert zero.tolist() == [[-3.0], [5.0]]
    assert scale.tolist() == [[1.0], [2.0]]


def test_a_weight_halfway_between_two_codes_takes_the_even_one():
    codes, _ = quantize_int8(torch.tensor([[127.0, 0.5, 1.5, 2.5, -0.5, -1.5]]))
    assert codes.tolist() == [[127, 0, 2, 2, 0, -2]]
    codes, *_ = quantize_int4(torch.tensor([[0.0, 15.0, 0.5, 1.5, 2.5, 13.5]]), 6)
    assert codes.tolist() == [[0, 15, 0, 2, 2, 14]]


def test_rows_of_zeros_and_groups_of_one_value_come_back_exactly():
    codes, scale = quantize_int8(torch.zeros(2, 3))
    assert (codes.tolist(), scale.tolist()) == ([[0] * 3] * 2, [[1.0]] * 2)
    weight = torch.tensor([[0.3, 0.3, 0.0, 0.0, -2.0, -2.0]])
    codes, scale, zero = quantize_int4(weight, 2)
    assert scale.tolist() == [[1.0, 1.0, 1.0]]
    assert torch.equal(dequantize_int4(codes, scale, zero), weight)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_that_are_no_numbers_are_refused(bad, dtype):
    weight = torch.ones(3, 8, dtype=dtype)
    weight[1, 5] = bad
    with pytest.raises(ValueError, match="infinite or NaN"):
        quantize_int8(weight)
    with pytest.raises(ValueError, match="infinite or NaN"):
        quantize_int4(weight, 4)


def test_a_group_that_does_not_divide_the_columns_is_refused():
    with pytest.raises(ValueError, match="576 columns do not divide into groups of 128"):
        quantize_int4(torch.ones(2, 576))


@given(weights())
@settings(deadline=None, max_examples=30)
def test_int8_codes_are_those_of_torchs_own_per_channel_quantizer(weight):
    weight = weight.float()
    codes, scale = quantize_int8(weight)
    theirs = torch.fake_quantize_per_channel_affine(
        weight, scale.squeeze(1), torch.zeros(len(weight), dtype=torch.int32), 0, -127, 127
    )
    # torch multiplies by the reciprocal of the scale, so it may choose the other code at a half.
    exact = weight.double() / scale.double()
    clear = (exact - exact.floor() - 0.5).abs() > 1e-4
    torch.testing.assert_close(dequantize_int8(codes, scale)[clear], theirs[clear])


@pytest.mark.parametrize("group_size", [32, 64, 128, 256])
def test_int4_means_what_torchs_int4_matmul_means(group_size):
    torch.manual_seed(0)
    weight, x = torch.randn(64, 512), torch.randn(3, 512)
    codes, scale, zero = quantize_int4(weight, group_size)
    # torch stores the weight that code 8 stands for, where we store that of code 0.
    scale_and_zero = torch.stack([scale, zero + 8 * scale], dim=-1).transpose(0, 1).contiguous()
    packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(codes.int(), 1)
    theirs = torch.ops.aten._weight_int4pack_mm_for_cpu(x, packed, group_size, scale_and_zero)
    torch.testing.assert_close(
        x @ dequantize_int4(codes, scale, zero).T, theirs, rtol=1e-5, atol=512 * EPS * 4
    )


def test_int8_linear_is_torchs_int8_matmul():
    torch.manual_seed(0)
    weight, x = torch.randn(48, 96), torch.randn(5, 96)
    codes, scale = quantize_int8(weight)
    theirs = torch.ops.aten._weight_int8pack_mm(x, codes, scale.squeeze(1))
    torch.testing.assert_close(int8_linear(x, codes, scale), theirs, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(16,), (0, 16), (1, 16), (2, 3, 16)])
def test_int8_linear_multiplies_any_number_of_leading_axes(dtype, shape):
    torch.manual_seed(0)
    codes, scale = quantize_int8(torch.randn(8, 16))
    x = torch.randn(shape).to(dtype)
    out = int8_linear(x, codes, scale)
    assert (out.shape, out.dtype) == ((*shape[:-1], 8), dtype)
    exact = (x.double() @ (codes.double() * scale.double()).T).to(dtype)
    torch.testing.assert_close(out, exact)


def test_int8_linear_does_not_overflow_where_float16_would():
    x = torch.full((1, 1024), 10.0, dtype=torch.float16)
    codes, scale = quantize_int8(torch.full((4, 1024), 0.01))
    assert (x @ codes.half().T).isinf().all()
    assert int8_linear(x, codes, scale).tolist() == [[102.375] * 4]


@given(st.lists(st.integers(0, 15), min_size=0, max_size=40).filter(lambda c: len(c) % 2 == 0))
@settings(deadline=None)
def test_packed_bytes_read_as_hex_digits_from_left_to_right(codes):
    tensor = torch.tensor(codes, dtype=torch.uint8)
    packed = pack_int4(tensor)
    assert bytes(packed.tolist()).hex() == "".join(f"{code:x}" for code in codes)
    assert packed.dtype == torch.uint8
    assert torch.equal(unpack_int4(packed), tensor)


def test_every_byte_unpacks_and_packs_to_itself():
    packed = torch.arange(256, dtype=torch.uint8).view(4, 8, 8)
    assert unpack_int4(packed).shape == (4, 8, 16)
    assert torch.equal(pack_int4(unpack_int4(packed)), packed)


def test_an_odd_number_of_codes_is_refused():
    with pytest.raises(ValueError, match="pairs; got 3"):
        pack_int4(torch.zeros(2, 3, dtype=torch.uint8))
