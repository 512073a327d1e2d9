"""Gradients of one large batch from pieces, against the large batch itself."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from llama_mini.training.recipe.loss import next_token_loss
from llama_mini.training.recipe.step import accumulate

VOCAB, DIM = 11, 7
EPS = torch.finfo(torch.float64).eps


class Tiny(torch.nn.Module):
    """A model of two matrices in float64, so that only a wrong formula differs visibly."""

    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Parameter(torch.randn(VOCAB, DIM, dtype=torch.float64))
        self.head = torch.nn.Parameter(torch.randn(DIM, VOCAB, dtype=torch.float64))

    def forward(self, tokens):
        return self.embed[tokens].tanh() @ self.head


def tokens_of(n):
    return torch.randint(VOCAB, (n,))


def by_hand(model, pairs):
    """−log p of every target that counts, by the definition of the softmax, over all pieces."""
    surprises = []
    for inputs, targets in pairs:
        p = model(inputs).exp() / model(inputs).exp().sum(-1, keepdim=True)
        for row, wanted in zip(p.flatten(0, 1), targets.flatten().tolist(), strict=True):
            if wanted != -100:
                surprises.append(-row[wanted].log())
    return torch.stack(surprises).mean()


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 5)), min_size=1, max_size=4))
def test_unequal_pieces_give_the_loss_and_gradient_of_the_mean_over_tokens(shapes):
    torch.manual_seed(0)
    model = Tiny()
    pairs = [
        (tokens_of(rows * seq).view(rows, seq), tokens_of(rows * seq).view(rows, seq))
        for rows, seq in shapes
    ]
    expected = by_hand(model, pairs)
    wanted = torch.autograd.grad(expected, list(model.parameters()))
    loss = accumulate(model, pairs)
    assert loss.shape == () and not loss.requires_grad
    torch.testing.assert_close(loss, expected.detach(), rtol=1e3 * EPS, atol=0)
    for parameter, gradient in zip(model.parameters(), wanted, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e3 * EPS, atol=1e3 * EPS)


def test_a_mean_of_means_would_be_another_gradient():
    model = Tiny()
    pairs = [(tokens_of(n)[None], tokens_of(n)[None]) for n in (1, 9)]
    accumulate(model, pairs)
    means = torch.stack([next_token_loss(model(x), y) for x, y in pairs]).mean()
    wrong = torch.autograd.grad(means, model.head)[0]
    assert (model.head.grad - wrong).abs().max() > 0.01


def test_targets_that_nobody_predicts_weigh_nothing():
    model = Tiny()
    few = torch.full((1, 6), -100)
    few[0, 2] = 3
    none = torch.full((1, 4), -100)
    pairs = [
        (tokens_of(6)[None], few),
        (tokens_of(4)[None], none),
        (tokens_of(5)[None], tokens_of(5)[None]),
    ]
    expected = by_hand(model, pairs)
    wanted = torch.autograd.grad(expected, model.head)[0]
    loss = accumulate(model, pairs)
    torch.testing.assert_close(loss, expected.detach(), rtol=1e3 * EPS, atol=0)
    torch.testing.assert_close(model.head.grad, wanted, rtol=1e3 * EPS, atol=1e3 * EPS)


def test_one_piece_is_one_backward_pass_to_the_bit_and_gradients_add_up():
    torch.manual_seed(0)
    head = torch.randn(DIM, VOCAB, requires_grad=True)
    x, y = torch.randn(2, 3, DIM), tokens_of(6).view(2, 3)
    loss = F.cross_entropy((x @ head).flatten(0, 1), y.flatten())
    (wanted,) = torch.autograd.grad(loss, head)
    assert accumulate(lambda inputs: inputs @ head, [(x, y)]) == loss
    assert torch.equal(head.grad, wanted)
    accumulate(lambda inputs: inputs @ head, [(x, y)])
    assert torch.equal(head.grad, wanted + wanted)


def test_activations_of_a_piece_are_freed_before_the_next():
    alive = []
    head = torch.randn(DIM, VOCAB, requires_grad=True)

    class Watched(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            alive.append(len(alive) - sum(freed))
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            freed.append(1)
            return gradient

    freed = []
    pairs = [(torch.randn(1, 2, DIM), tokens_of(2)[None]) for _ in range(3)]
    accumulate(lambda inputs: Watched.apply(inputs @ head), pairs)
    assert alive == [0, 0, 0]  # each piece goes back before the next goes forward


def test_nothing_to_predict_is_refused():
    nobody = torch.full((1, 3), -100)
    for pairs in ([], [(tokens_of(3)[None], nobody)]):
        with pytest.raises(ValueError, match="one target at least"):
            accumulate(Tiny(), pairs)


@settings(deadline=None)
@given(st.integers(1, 3), st.integers(1, 6), st.integers(2, 9))
def test_the_loss_is_torchs_cross_entropy(batch, seq, vocab):
    torch.manual_seed(batch + 10 * seq)
    logits, targets = torch.randn(batch, seq, vocab), torch.randint(vocab, (batch, seq))
    expected = F.cross_entropy(logits.transpose(1, 2), targets)
    torch.testing.assert_close(next_token_loss(logits, targets), expected)
