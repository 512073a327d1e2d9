"""RMSNorm's half-precision cases count every bit: none may hang on the last one of float32."""

import pytest
import torch

from llama_mini.course import EXERCISES

HALVES = [case for case in EXERCISES["rms_norm"].cases if case.dtype is not None]


@pytest.mark.parametrize("case", HALVES, ids=lambda case: case.name)
def test_no_normalized_value_lies_near_a_rounding_boundary(case):
    x = case.given.positional[0]
    wide = x.double()
    exact = wide / (wide.square().mean(-1, keepdim=True) + 1e-6).sqrt()
    rounded = exact.to(x.dtype)
    up = torch.nextafter(rounded, torch.full_like(rounded, float("inf"))).double()
    down = torch.nextafter(rounded, torch.full_like(rounded, float("-inf"))).double()
    boundaries = torch.stack([(rounded.double() + up) / 2, (rounded.double() + down) / 2])
    distance = (boundaries - exact).abs().amin(0) / exact.abs()
    # The mean, the root and the product round four times at the most in float32.
    assert distance.min() > 4 * torch.finfo(torch.float32).eps
