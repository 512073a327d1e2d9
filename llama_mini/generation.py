"""Decoding: from logits to the next token, and on to a text."""

from collections.abc import Iterator

import torch
from torch import Tensor

from llama_mini import model as architecture
from llama_mini.cache import KVCache


def apply_temperature(logits: Tensor, temperature: float) -> Tensor:
    """Logits to probabilities: softmax(logits / temperature), over the last axis.

    logits (..., vocab) → probabilities (..., vocab) float32, computed in float32 whatever the dtype
    of the logits. Below 1 the likely grow likelier, above 1 the odds even out. At temperature 0 the
    largest logit has probability 1, the first of them on a tie. Raises ValueError below 0.
    """
    if not temperature >= 0:
        raise ValueError(f"temperature must be 0 (greedy) or more; got {temperature}.")
    if temperature == 0:
        return torch.zeros_like(logits, dtype=torch.float32).scatter(
            -1, logits.argmax(-1, keepdim=True), 1.0
        )
    return torch.softmax(logits.float() / temperature, dim=-1)


def top_k(probabilities: Tensor, k: int) -> Tensor:
    """Keep the k likeliest tokens of each row and renormalise; exactly k, also among equals.

    probabilities (..., vocab) → the same shape, each token in its place and 0 where it was dropped;
    a k beyond vocab keeps everything. Source: Fan et al. 2018, arXiv 1805.04833. Raises
    ValueError if k is below 1.
    """
    if k < 1:
        raise ValueError(f"top_k must keep at least 1 token; got {k}.")
    values, indices = probabilities.topk(min(k, probabilities.shape[-1]), dim=-1)
    kept = torch.zeros_like(probabilities).scatter(-1, indices, values)
    return kept / kept.sum(dim=-1, keepdim=True)


def top_p(probabilities: Tensor, p: float) -> Tensor:
    """Keep each row's likeliest tokens whose probabilities add up to p, and renormalise.

    probabilities (..., vocab) → the same shape, each token in its place and 0 where it was dropped:
    dropped are those before which more than p has been collected. So the token that crosses p
    stays, and one at least is always left. Source: nucleus sampling, Holtzman et al. 2019, arXiv
    1904.09751. Raises ValueError unless 0 < p ≤ 1.
    """
    if not 0 < p <= 1:
        raise ValueError(f"top_p must be above 0 and at most 1; got {p}.")
    values, indices = probabilities.sort(dim=-1, descending=True, stable=True)
    # Rounding can carry the sum past 1, which must not cost p = 1 its rarest tokens.
    mass_before = (values.cumsum(dim=-1) - values).clamp(max=1.0)
    kept = torch.zeros_like(probabilities).scatter(
        -1, indices, values.masked_fill(mass_before > p, 0.0)
    )
    return kept / kept.sum(dim=-1, keepdim=True)


@torch.no_grad()
def stream(
    model: architecture.Transformer,
    tokens: Tensor,
    max_new_tokens: int,
    temperature: float = 0.0,
    top_p: float = 1.0,
    top_k: int | None = None,
    generator: torch.Generator | None = None,
) -> Iterator[Tensor]:
    """Continue each prompt, and yield each new column of tokens (batch,) as soon as it is chosen.

    tokens (batch, seq). The prompt goes through the model once, then one token at a time does; keys
    and values of all positions before are in a `KVCache` of the model's device and dtype. `sample`
    chooses; temperature 0 is greedy. The cache raises ValueError if the result would be longer than
    the model's max_seq_len.
    """
    batch, seq = tokens.shape
    dtype = model.tok_embeddings.weight.dtype
    cache = KVCache(model.config, batch, seq + max_new_tokens, device=tokens.device, dtype=dtype)
    for _ in range(max_new_tokens):
        logits = model(tokens, cache=cache)[:, -1]  # (batch, vocab)
        chosen = sample(logits, temperature, top_p, top_k, generator)
        yield chosen
        tokens = chosen[:, None]


def generate(
    model: architecture.Transformer,
    tokens: Tensor,
    max_new_tokens: int,
    temperature: float = 0.0,
    top_p: float = 1.0,
    top_k: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Continue each prompt by max_new_tokens tokens, computing every position once.

    tokens (batch, seq) → (batch, seq + max_new_tokens), the prompt first. All prompts are of one
    length; temperature 0 is greedy; nothing stops early at an end-of-sequence token.
    Raises ValueError if the result would be longer than the model's max_seq_len.
    """
    _demand_room(model, tokens, max_new_tokens)
    columns = stream(model, tokens, max_new_tokens, temperature, top_p, top_k, generator)
    return torch.cat([tokens, *(column[:, None] for column in columns)], dim=1)


def next_token_probabilities(
    logits: Tensor, temperature: float, p: float = 1.0, k: int | None = None
) -> Tensor:
    """What the next token is drawn from: temperature first, then top-k, then top-p.

    logits (..., vocab) → probabilities (..., vocab) float32. Without k nothing is cut to k tokens,
    and p = 1 cuts nothing. Raises ValueError for the values that the three steps refuse.
    """
    probabilities = apply_temperature(logits, temperature)
    if k is not None:
        probabilities = top_k(probabilities, k)
    return probabilities if p == 1 else top_p(probabilities, p)


def sample(
    logits: Tensor,
    temperature: float,
    p: float = 1.0,
    k: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw one token from each row of logits (batch, vocab) → (batch,) int64.

    Drawn from `next_token_probabilities`. Greedy draws nothing, so it needs no generator.
    """
    if temperature == 0:
        return logits.argmax(dim=-1)
    probabilities = next_token_probabilities(logits, temperature, p, k)
    return torch.multinomial(probabilities, 1, generator=generator).squeeze(-1)


def _demand_room(model: architecture.Transformer, tokens: Tensor, max_new_tokens: int) -> None:
    if tokens.ndim != 2 or tokens.shape[1] == 0:
        raise ValueError(
            f"The prompt must be (batch, seq) with seq at least 1; got {tuple(tokens.shape)}."
        )
    room = model.config.max_seq_len - tokens.shape[1]
    if not 0 <= max_new_tokens <= room:
        raise ValueError(
            f"max_new_tokens must be from 0 to {max(room, 0)}: the prompt has {tokens.shape[1]} "
            f"tokens and the model max_seq_len {model.config.max_seq_len}; got {max_new_tokens}."
        )
