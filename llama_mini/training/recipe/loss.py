"""The one number that pre-training lowers."""

import torch.nn.functional as F
from torch import Tensor


def next_token_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """The mean surprise at the next token: −log p(target), in nats per token.

    logits (batch, seq, vocab), targets (batch, seq) int64, position t's target being token t + 1
    → a scalar. A model that knows nothing scores log(vocab).
    """
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())
