"""The one number that pre-training lowers."""

import torch.nn.functional as F
from torch import Tensor

IGNORED = -100
"""A target that nobody has to predict: torch's own mark for one."""


def next_token_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """The mean surprise at the next token: −log p(target), in nats per token.

    logits (batch, seq, vocab), any real numbers, whose softmax over vocab is p; targets
    (batch, seq) int64, position t's target being token t + 1 → a scalar (), differentiable. Targets
    of −100 are left out of the mean; where all are, it is NaN. A model that knows nothing scores
    log(vocab). Source: Radford et al. 2018 (GPT), equation 1, as a mean and with the sign turned.
    """
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED)
