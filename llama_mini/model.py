"""The Transformer: LLaMA 1 as Meta released it, with Meta's names for every parameter."""

import math

import torch
from torch import Tensor, nn

from llama_mini import attention, feedforward, norm, rope
from llama_mini.cache import KVCache, LayerCache
from llama_mini.config import ModelConfig


class TransformerBlock(nn.Module):
    """Attention, then feed-forward; each reads a normalised copy and adds its answer to the stream.

    forward(x, table, mask=None, cache=None): x (batch, seq, dim) → the same; the other arguments
    are handed to the attention layer as they are. Parts: `attention_norm`, `attention`, `ffn_norm`
    and `feed_forward`; the norms have the config's norm_eps. The hidden width is
    `config.hidden_dim`, or where that is None, what the width rule makes of dim and multiple_of.
    Source: LLaMA paper, §2.2; names are those of Meta's code.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        hidden = feedforward.hidden_width(config)
        self.attention_norm = norm.RMSNorm(config.dim, config.norm_eps)
        self.attention = attention.Attention(config)
        self.ffn_norm = norm.RMSNorm(config.dim, config.norm_eps)
        self.feed_forward = feedforward.FeedForward(config.dim, hidden)

    def forward(
        self, x: Tensor, table: Tensor, mask: Tensor | None = None, cache: LayerCache | None = None
    ) -> Tensor:
        x = x + self.attention(self.attention_norm(x), table, mask, cache)
        return x + self.feed_forward(self.ffn_norm(x))


class Transformer(nn.Module):
    """Tokens in, a score for every possible next token out.

    forward(tokens, cache=None): tokens (batch, seq) integers → logits (batch, seq, vocab) float32.
    With a cache, the tokens continue the positions it holds, in chunks of any size, and their own
    are added to it. Parts: `tok_embeddings`, `layers` (n_layers blocks), `norm`, and `output`, a
    linear layer without bias, whose weight is that of `tok_embeddings` if the config ties them.
    Raises ValueError if tokens has other axes or the positions run past max_seq_len. Source: LLaMA
    paper, §2.2; names are those of Meta's code.
    """

    _table: Tensor | None = None  # the rotations, made at first use
    _mask: Tensor | None = None  # the latest mask, for most calls ask for the same again

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.tok_embeddings = nn.Embedding(config.vocab_size, config.dim)
        self.layers = nn.ModuleList(TransformerBlock(config) for _ in range(config.n_layers))
        self.norm = norm.RMSNorm(config.dim, config.norm_eps)
        self.output = nn.Linear(config.dim, config.vocab_size, bias=False)
        if config.tied_embeddings:
            self.output.weight = self.tok_embeddings.weight
        initialize(self)

    def forward(self, tokens: Tensor, cache: KVCache | None = None) -> Tensor:
        if tokens.ndim != 2 or tokens.shape[1] == 0:
            raise ValueError(
                f"tokens must be (batch, seq) with seq at least 1; got {tuple(tokens.shape)}."
            )
        start = 0 if cache is None else cache.length
        stop = start + tokens.shape[1]
        if stop > self.config.max_seq_len:
            raise ValueError(
                f"Position {stop - 1} is past the model's max_seq_len of {self.config.max_seq_len} "
                f"({start} cached and {tokens.shape[1]} new tokens). Shorten the text."
            )
        table = self._rotations(tokens.device)[start:stop]
        # One query sees every key, so it needs no mask.
        mask = None if stop - start == 1 else self._may_look(stop - start, stop, tokens.device)

        x = self.tok_embeddings(tokens)  # (batch, seq, dim)
        for index, layer in enumerate(self.layers):
            x = layer(x, table, mask, None if cache is None else cache.layer(index))
        if cache is not None:
            cache.advance(stop - start)
        return self.output(self.norm(x)).float()  # (batch, seq, vocab)

    def _rotations(self, device: torch.device) -> Tensor:
        """The rotations of every position, (max_seq_len, head_dim/2), on this device."""
        # Not a buffer: `model.to(torch.bfloat16)` would cast it and drop the imaginary part.
        if self._table is None or self._table.device != device:
            config = self.config
            self._table = rope.rope_table(
                config.head_dim, config.max_seq_len, config.rope_theta
            ).to(device)
        return self._table

    def _may_look(self, n_queries: int, n_keys: int, device: torch.device) -> Tensor:
        """The causal mask (n_queries, n_keys), made on this device rather than brought there."""
        mask = self._mask
        if mask is None or mask.shape != (n_queries, n_keys) or mask.device != device:
            with device:
                self._mask = mask = attention.causal_mask(n_queries, n_keys).to(device)
        return mask


def initialize(model: nn.Module) -> None:
    """Draw new weights: normal with a standard deviation of 0.02, norms at one.

    The two projections of each block that write to the residual stream, `wo` and `w2`, are smaller
    by √(2 · n_layers), so that the stream does not grow with depth. Meta did not publish its
    initialisation; this is GPT-2's (Radford et al. 2019, §2.3).
    """
    for name, parameter in model.named_parameters():
        if parameter.ndim < 2:
            continue
        writes_to_stream = name.endswith(("wo.weight", "w2.weight"))
        scale = math.sqrt(2 * model.config.n_layers) if writes_to_stream else 1.0
        nn.init.normal_(parameter, std=0.02 / scale)


def parameter_count(config: ModelConfig) -> int:
    """How many numbers a Transformer of this shape learns; tied embeddings count once.

    Per block: four attention matrices, three feed-forward matrices, two norms. Around them: the
    embeddings, the output head, and the last norm.
    """
    hidden = feedforward.hidden_width(config)
    kv_width = config.kv_heads * config.head_dim
    block = 2 * config.dim**2 + 2 * config.dim * kv_width + 3 * config.dim * hidden + 2 * config.dim
    embeddings = config.vocab_size * config.dim * (1 if config.tied_embeddings else 2)
    return config.n_layers * block + embeddings + config.dim
