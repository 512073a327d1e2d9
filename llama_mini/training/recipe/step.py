"""One update's gradient, in as many pieces as memory asks for."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from llama_mini.training.recipe import loss


def accumulate(
    model: Callable[[Any], Tensor], micro_batches: Sequence[tuple[Any, Tensor]]
) -> Tensor:
    """The gradients of one large batch, from pieces that go through the model one by one.

    model: anything that turns inputs into logits (batch, seq, vocab). micro_batches: pairs of
    inputs and targets (batch, seq) int64, of any sizes. The objective is `loss.next_token_loss`
    over the tokens of all of them together, so a piece weighs as much as it has targets, those of
    −100 not counted, and nothing without any: a mean over the pieces' own means would favour the
    tokens of small pieces. Its gradients are *added* to the `.grad` of whatever the model learns,
    as `backward` does; each piece's activations are freed before the next goes through. → the loss
    (), nats per token, without a graph. Raises ValueError if there is no target in the pieces.
    """
    counts = [int((targets != loss.IGNORED).sum()) for _, targets in micro_batches]
    if not sum(counts):
        raise ValueError(f"An update needs one target at least; got {len(counts)} micro-batches.")
    total = 0.0
    for (inputs, targets), count in zip(micro_batches, counts, strict=True):
        if count:
            part = loss.next_token_loss(model(inputs), targets) * (count / sum(counts))
            part.backward()
            total = total + part.detach()
    return total
