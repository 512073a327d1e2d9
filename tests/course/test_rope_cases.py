"""The rotation's bfloat16 case counts every bit: none may hang on the last one of float32."""

import torch

from llama_mini.course import EXERCISES


def test_no_rotated_value_lies_near_a_rounding_boundary():
    cases = {case.name: case for case in EXERCISES["apply_rotary_emb"].cases}
    x, table = cases["bfloat16"].given.positional
    pairs = torch.view_as_complex(x.double().unflatten(-1, (-1, 2)).contiguous())
    exact = torch.view_as_real(pairs * table.to(torch.complex128)[:, None])
    rounded = exact.to(x.dtype)
    up = torch.nextafter(rounded, torch.full_like(rounded, float("inf"))).double()
    down = torch.nextafter(rounded, torch.full_like(rounded, float("-inf"))).double()
    boundaries = torch.stack([(rounded.double() + up) / 2, (rounded.double() + down) / 2])
    distance = (boundaries - exact).abs().amin(0)
    # Two products and their sum round three times in float32, each by at most half of eps times the
    # length of the pair; a table made of angles adds a little more.
    assert (distance > 4 * torch.finfo(torch.float32).eps * pairs.abs()[..., None]).all()
