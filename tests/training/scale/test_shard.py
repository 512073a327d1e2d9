"""Pieces of a tensor: equal, flat, and together the tensor again."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llama_mini.training.scale import shard

SHAPES = st.lists(st.integers(0, 5), max_size=3)


@given(shape=SHAPES, world_size=st.integers(1, 9))
def test_pieces_are_numpys_rows_of_the_padded_tensor(shape, world_size):
    tensor = torch.arange(1.0, 1 + math.prod(shape)).view(shape)
    pieces = [shard.shard(tensor, rank, world_size) for rank in range(world_size)]
    padded = np.zeros(-(-tensor.numel() // world_size) * world_size, dtype=np.float32)
    padded[: tensor.numel()] = tensor.numpy().ravel()
    assert np.array_equal(torch.stack(pieces).numpy(), padded.reshape(world_size, -1))
    assert torch.equal(shard.unshard(pieces, tensor.shape), tensor)


def test_a_transposed_tensor_is_cut_in_its_own_order():
    tensor = torch.arange(6.0).view(2, 3).T
    assert shard.shard(tensor, 0, 2).tolist() == [0.0, 3.0, 1.0]
    assert torch.equal(shard.unshard([shard.shard(tensor, r, 2) for r in (0, 1)], (3, 2)), tensor)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.int64])
@pytest.mark.parametrize("world_size", [1, 4])
def test_a_piece_is_a_copy_of_the_same_dtype(dtype, world_size):
    tensor = torch.arange(6).to(dtype)
    piece = shard.shard(tensor, 0, world_size)
    assert piece.dtype == dtype
    piece.fill_(9)
    assert tensor.tolist() == list(range(6))


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="ranks 0 to 1; got 2"):
        shard.shard(torch.ones(3), 2, 2)
    pieces = [shard.shard(torch.ones(7), rank, 3) for rank in range(3)]
    for wrong in (pieces[:2], [*pieces, pieces[0]], [pieces[0], pieces[1], pieces[2][:1]], []):
        with pytest.raises(ValueError, match="Are they all here"):
            shard.unshard(wrong, (7,))
