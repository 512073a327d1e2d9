"""The likelihood of a text. Perplexity is the exponential of its mean, in nats per token."""

from typing import Protocol

import torch
from torch import Tensor

from llama_mini import model as architecture
from llama_mini.cache import KVCache

# A chunk's logits are (chunk, vocab) float32: 50 MB for a vocabulary of 49,152.
_CHUNK = 256


class Encoder(Protocol):
    """What scoring needs of a tokenizer."""

    def encode(self, text: str, bos: bool = True, eos: bool = False) -> list[int]: ...


def nats_per_token(
    model: architecture.Transformer, tokenizer: Encoder, text: str, context: int | None = None
) -> float:
    """Mean surprise of `text`: −log p(token | those before it), over all its tokens but the first.

    The first token is the tokenizer's beginning of text, where it has one. Longer texts are cut
    into windows of `context` tokens, max_seq_len if None. Perplexity is exp of the result; a model
    that knows nothing has log(vocab). Raises ValueError if the text has fewer than 2 tokens.
    """
    device = model.tok_embeddings.weight.device
    tokens = torch.tensor(tokenizer.encode(text, bos=True, eos=False), device=device)
    return -token_log_likelihoods(model, tokens, context).double().mean().item()


@torch.no_grad()
def token_log_likelihoods(
    model: architecture.Transformer, tokens: Tensor, context: int | None = None
) -> Tensor:
    """log p(token | those before it in its window), in nats, for each token but the first.

    tokens (seq,) int64 → (seq − 1,) float32. Windows of `context` inputs lie side by side, and each
    token is predicted once; max_seq_len if None. A window goes through the model in chunks with a
    KV cache, so memory does not grow with its length. Raises ValueError if there are fewer than 2
    tokens, or context is not from 1 to max_seq_len.
    """
    limit = model.config.max_seq_len
    context = limit if context is None else context
    if tokens.ndim != 1 or len(tokens) < 2:
        raise ValueError(
            "Predicting a next token takes a text of 2 tokens at least, in one row; "
            f"got tokens of shape {tuple(tokens.shape)}."
        )
    if not 1 <= context <= limit:
        raise ValueError(
            f"context must be from 1 to the model's max_seq_len of {limit}; got {context}."
        )
    found = [
        _window(model, tokens[start : start + context + 1])
        for start in range(0, len(tokens) - 1, context)
    ]
    return torch.cat(found)


def _window(model: architecture.Transformer, tokens: Tensor) -> Tensor:
    inputs, targets = tokens[:-1], tokens[1:]
    dtype = model.tok_embeddings.weight.dtype
    cache = KVCache(model.config, 1, len(inputs), device=tokens.device, dtype=dtype)
    found = []
    for chunk, chosen in zip(inputs.split(_CHUNK), targets.split(_CHUNK), strict=True):
        logits = model(chunk[None], cache=cache)[0]  # (chunk, vocab)
        of_targets = logits.gather(-1, chosen[:, None])[:, 0]
        found.append(of_targets - logits.logsumexp(dim=-1))
    return torch.cat(found)
