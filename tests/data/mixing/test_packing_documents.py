"""Documents end to end, and the mask that keeps them apart."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llama_mini.data.mixing import packing

documents_of_ids = st.lists(st.lists(st.integers(0, 99_999), max_size=9), max_size=9)


def test_documents_stand_between_bos_and_eos_and_starts_point_at_bos():
    tokens, starts = packing.pack_documents([[10, 11], [], [70_000]], bos=1, eos=2)
    assert tokens.tolist() == [1, 10, 11, 2, 1, 2, 1, 70_000, 2]
    assert starts.tolist() == [0, 4, 6]


@given(documents_of_ids)
def test_what_was_packed_can_be_cut_apart_again(documents):
    tokens, starts = packing.pack_documents(iter(documents), bos=100_001, eos=100_002)
    assert tokens.dtype == starts.dtype == np.int64
    assert tokens.shape == (sum(map(len, documents)) + 2 * len(documents),)
    pieces = [piece.tolist() for piece in np.split(tokens, starts)[1:]]
    assert pieces == [[100_001, *ids, 100_002] for ids in documents]


@given(st.data(), st.integers(1, 24))
def test_the_mask_is_what_its_definition_says_of_every_pair(data, seq):
    starts = data.draw(st.lists(st.integers(0, seq - 1), max_size=6))
    mask = packing.document_mask(starts, seq)
    assert mask.shape == (seq, seq) and mask.dtype == bool
    for query in range(seq):
        # The document of a position begins at the last start at or before it.
        begin = max((start for start in starts if start <= query), default=0)
        for key in range(seq):
            assert mask[query, key] == (begin <= key <= query)


def test_a_window_without_starts_is_one_document_and_its_own_start_changes_nothing():
    causal = torch.ones(5, 5).tril().bool().numpy()
    for starts in ([], [0], np.array([], dtype=np.int64)):
        np.testing.assert_array_equal(packing.document_mask(starts, 5), causal)
    assert packing.document_mask([], 0).shape == (0, 0)


def test_attention_under_the_mask_is_attention_to_each_document_alone():
    generator = torch.Generator().manual_seed(0)
    q, k, v = torch.randn(3, 1, 2, 9, 8, generator=generator, dtype=torch.float64)
    attend = torch.nn.functional.scaled_dot_product_attention
    mask = torch.from_numpy(packing.document_mask([4, 5], 9))
    together = attend(q, k, v, attn_mask=mask)
    for begin, end in [(0, 4), (4, 5), (5, 9)]:
        alone = attend(*(x[..., begin:end, :] for x in (q, k, v)), is_causal=True)
        torch.testing.assert_close(together[..., begin:end, :], alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("starts", [[-1], [8], [2, 100]])
def test_a_start_outside_the_window_is_refused(starts):
    with pytest.raises(ValueError, match="inside a window of 8 tokens"):
        packing.document_mask(starts, 8)
