"""QuantizedLinear: one product, however it is computed, and one copy of the codes."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from llama_mini.weights import quantization
from llama_mini.weights.quantized.linear import (
    Int4Linear,
    QuantizedLinear,
    group_size_for,
    quantized_bytes,
)

KINDS = ("int8", "int4")
BF16 = torch.bfloat16


def normal(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def by_hand(weight, kind, group_size=128):
    """The weight after one trip through the taught functions."""
    if kind == "int8":
        return quantization.dequantize_int8(*quantization.quantize_int8(weight))
    return quantization.dequantize_int4(*quantization.quantize_int4(weight, group_size))


def demand_product(out, x, weight, dtype):
    """out must be x @ weight.T up to the rounding of a dtype.

    A product of n terms is rounded relative to the sum of their sizes, scales and zeros by at most
    as much again; a few units of that is the bound.
    """
    exact = x.double() @ weight.double().T
    size = x.double().abs() @ weight.double().abs().T
    assert out.dtype == dtype
    assert ((out.double() - exact).abs() <= 4 * torch.finfo(dtype).eps * size).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, BF16, torch.float16])
@pytest.mark.parametrize("shape", [(96,), (1, 96), (2, 3, 96), (40, 96), (0, 96)])
def test_the_layer_multiplies_with_what_the_taught_functions_give(kind, dtype, shape):
    weight = normal(48, 96)
    layer = QuantizedLinear.from_weight(weight, kind, dtype=dtype)
    x = normal(*shape, seed=1, dtype=dtype)
    out = layer(x)
    assert out.shape == (*shape[:-1], 48)
    demand_product(out, x, by_hand(weight, kind, 32), dtype)


@pytest.mark.parametrize("kind", KINDS)
def test_in_float32_the_weight_is_that_of_the_taught_functions(kind):
    weight = normal(6, 256)
    layer = QuantizedLinear.from_weight(weight, kind)
    torch.testing.assert_close(layer.weight, by_hand(weight, kind), rtol=0, atol=1e-6)
    assert (layer.in_features, layer.out_features) == (256, 6)
    assert layer.group_size == {"int8": 256, "int4": 128}[kind]


@given(st.integers(1, 5), st.sampled_from([2, 6, 32, 64, 80]), st.integers(1, 3))
@settings(deadline=None, max_examples=40)
def test_kernel_and_expanded_weight_agree_for_every_shape(out, unit, times):
    for kind in KINDS:
        weight = normal(16 * out, unit * times)
        layer = QuantizedLinear.from_weight(weight, kind, dtype=BF16)
        x = normal(3, unit * times, seed=1, dtype=BF16)
        with torch.no_grad():
            demand_product(layer(x), x, layer.weight, BF16)


def test_the_kernels_are_used_where_they_fit(monkeypatch):
    from llama_mini.weights.quantized import kernels

    called = []
    for name in ("int8_product", "int4_product"):
        real = getattr(kernels, name)
        monkeypatch.setattr(
            kernels, name, lambda *a, real=real, name=name: called.append(name) or real(*a)
        )
    for kind in KINDS:
        layer = QuantizedLinear.from_weight(normal(32, 64), kind, dtype=BF16)
        layer(normal(1, 64, dtype=BF16))
        layer(normal(1, 64))  # float32 is not for them
        odd = QuantizedLinear.from_weight(normal(7, 24), kind, dtype=BF16)
        odd(normal(1, 24, dtype=BF16))  # seven rows, groups of eight
    assert called.count("int4_product") == 2  # the product, and the way back for float32
    assert called.count("int8_product") == 1


def test_there_is_one_copy_of_the_codes_before_and_after_a_product():
    layer = QuantizedLinear.from_weight(normal(64, 256), "int4", dtype=BF16)
    codes = layer.codes
    size = sum(buffer.nbytes for buffer in layer.buffers())
    layer(normal(1, 256, dtype=BF16))
    assert layer.packed_codes is None
    assert sum(buffer.nbytes for buffer in layer.buffers()) == size
    assert torch.equal(layer.codes, codes)
    assert layer.ordered_codes is None


@pytest.mark.parametrize(("rows", "columns"), [(16, 32), (80, 576), (48, 1536)])
def test_codes_come_back_from_the_kernels_order(rows, columns):
    layer = QuantizedLinear.from_weight(normal(rows, columns), "int4", dtype=BF16)
    before, zero = layer.codes, layer.zero
    layer.use_kernel_order()
    assert torch.equal(layer.codes, before)
    again = Int4Linear(quantization.pack_int4(before), layer.scale.float(), zero, BF16)
    torch.testing.assert_close(again.weight, layer.weight, rtol=0.01, atol=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_the_state_is_the_same_before_and_after_a_product_and_can_be_loaded(kind):
    layer = QuantizedLinear.from_weight(normal(32, 64), kind, dtype=BF16)
    before = copy.deepcopy(layer.state_dict())
    layer(normal(1, 64, dtype=BF16))
    after = layer.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    other = QuantizedLinear.from_weight(normal(32, 64, seed=9), kind, dtype=BF16)
    other(normal(1, 64, dtype=BF16))
    other.load_state_dict(after)
    assert torch.equal(other.weight, layer.weight)


@pytest.mark.parametrize("kind", KINDS)
def test_a_moved_layer_keeps_its_codes(kind):
    layer = QuantizedLinear.from_weight(normal(32, 64), kind, dtype=BF16)
    x = normal(1, 64, dtype=BF16)
    out, codes = layer(x), layer.codes.clone()
    layer(x)
    layer.float()
    assert torch.equal(layer.codes, codes)
    torch.testing.assert_close(layer(x.float()).bfloat16(), out, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, BF16])
def test_gradients_pass_through_to_the_input(kind, dtype):
    layer = QuantizedLinear.from_weight(normal(16, 32), kind, dtype=dtype)
    x = normal(2, 32, dtype=dtype).requires_grad_()
    layer(x).sum().backward()
    torch.testing.assert_close(x.grad, layer.weight.sum(0).expand(2, 32), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_a_large_weight_is_quantised_as_a_whole_one(kind, monkeypatch):
    from llama_mini.weights.quantized import linear as quantized_linear

    whole = QuantizedLinear.from_weight(normal(50, 64), kind)
    monkeypatch.setattr(quantized_linear, "WEIGHTS_AT_ONCE", 64 * 7)
    parts = QuantizedLinear.from_weight(normal(50, 64), kind)
    assert torch.equal(parts.codes, whole.codes)
    assert torch.equal(parts.scale, whole.scale)


def test_a_learners_functions_make_the_codes(monkeypatch):
    monkeypatch.setattr(
        quantization,
        "quantize_int8",
        lambda w: (torch.ones_like(w, dtype=torch.int8), torch.full((len(w), 1), 0.5)),
    )
    layer = QuantizedLinear.from_weight(normal(4, 8), "int8")
    assert torch.equal(layer.weight, torch.full((4, 8), 0.5))


@given(st.integers(1, 5000), st.integers(2, 300))
def test_the_group_size_divides_and_is_the_largest_power_of_two(half_columns, largest):
    columns = 2 * half_columns
    size = group_size_for(columns, largest)
    assert columns % size == 0
    assert size <= largest
    assert math.log2(size).is_integer()
    assert 2 * size > largest or columns % (2 * size)


def test_what_cannot_be_quantised_is_refused():
    with pytest.raises(ValueError, match="int8 or int4; got 'int2'"):
        QuantizedLinear.from_weight(normal(4, 8), "int2")
    with pytest.raises(ValueError, match="even"):
        QuantizedLinear.from_weight(normal(4, 7), "int4")
    with pytest.raises(ValueError, match="infinite or NaN"):
        QuantizedLinear.from_weight(torch.full((4, 8), math.inf), "int4")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(16, 4096), (48, 576), (6, 20)])
def test_the_bytes_foretold_are_the_bytes_taken(kind, shape):
    layer = QuantizedLinear.from_weight(normal(*shape), kind, dtype=BF16)
    taken = sum(buffer.nbytes for buffer in layer.buffers())
    assert quantized_bytes(shape, kind) == taken


def test_int4_in_groups_of_128_takes_a_quarter_of_a_bit_for_scales():
    assert quantized_bytes((1, 4096), "int4") * 8 / 4096 == 4.25
    assert quantized_bytes((1, 4096), "int4", 32) * 8 / 4096 == 5.0


def test_the_layer_says_what_it_is():
    layer = QuantizedLinear.from_weight(normal(4, 64), "int4")
    said = "in_features=64, out_features=4, bits=4, group_size=64"
    assert said in repr(layer)


def test_a_compiled_layer_gives_what_it_gives_uncompiled():
    x = normal(1, 64, dtype=BF16)
    for kind in KINDS:
        layer = QuantizedLinear.from_weight(normal(32, 64), kind, dtype=BF16)
        out = F.linear(x, layer.weight)
        if kind == "int4":
            layer.use_kernel_order()
        graph = torch.compile(layer, backend="eager", fullgraph=True)
        with torch.no_grad():
            torch.testing.assert_close(graph(x), out, rtol=0.02, atol=0.05)
