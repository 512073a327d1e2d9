"""Compiled decoding: one program for each new token, made of the model's own blocks."""

import operator
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from llama_mini import attention, generation, rope
from llama_mini import model as architecture
from llama_mini.compiled import backend
from llama_mini.compiled.static_cache import StaticCache, StaticLayerCache
from llama_mini.weights.quantized.linear import Int4Linear


class CompiledDecoder:
    """Decodes with one compiled program a token; the first use compiles it, for about a minute.

    The blocks, the norm and the output of the model run as they are written, a learner's as the
    reference's; only what is around them is here: a cache and a mask of constant shape, and a
    position that is a tensor. Weights are shared with the model, in fp32, bf16, fp16, int8 or int4.
    max_seq_len: positions of prompt and answer together; each token's attention reads as many, so
    no more than needed. batch_size: prompts decoded together. Raises ValueError if the model has
    no such positions, OSError on a CPU without a C++ compiler.
    """

    def __init__(
        self,
        model: architecture.Transformer,
        max_seq_len: int | None = None,
        batch_size: int = 1,
    ) -> None:
        self.model = model
        config = model.config
        weight = model.tok_embeddings.weight
        self.cache = StaticCache(
            config,
            batch_size,
            max_seq_len or config.max_seq_len,
            device=weight.device,
            dtype=weight.dtype,
        )
        rotations = rope.rope_table(config.head_dim, self.cache.max_seq_len, config.rope_theta)
        self._rotations = torch.view_as_real(rotations).to(weight.device)
        # The programs read these, always the same tensors, so that a step can be repeated.
        self._tokens = torch.zeros(batch_size, dtype=torch.int64, device=weight.device)
        self._position = torch.zeros(1, dtype=torch.int64, device=weight.device)
        state = (self._tokens, self._position, self._rotations, self.cache.keys, self.cache.values)
        # Choosing the likeliest token inside the program saves writing the logits out.
        self._greedy = backend.CompiledStep(_step(model, greedy=True), *state)
        self._logits = backend.CompiledStep(_step(model, greedy=False), *state)
        self._weights: list[Tensor] = []
        for module in model.modules():
            if isinstance(module, Int4Linear) and weight.dtype is torch.bfloat16:
                module.use_kernel_order()

    def generate(
        self,
        tokens: Tensor,
        max_new_tokens: int,
        temperature: float = 0.0,
        top_p: float = 1.0,
        top_k: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Continue each prompt by max_new_tokens tokens, like `generation.generate`.

        tokens (batch_size, seq) → (batch_size, seq + max_new_tokens), the prompt first.
        Raises ValueError if they do not fit the decoder, or the model was cast since it was made.
        """
        columns = self.stream(tokens, max_new_tokens, temperature, top_p, top_k, generator)
        return torch.cat([tokens, *(column[:, None] for column in columns)], dim=1)

    @torch.no_grad()
    def stream(
        self,
        tokens: Tensor,
        max_new_tokens: int,
        temperature: float = 0.0,
        top_p: float = 1.0,
        top_k: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Iterator[Tensor]:
        """Yield each new column of tokens (batch_size,) as soon as it is chosen."""
        self._demand_fit(tokens, max_new_tokens)
        if max_new_tokens == 0:
            return
        logits = self.prefill(tokens)
        chosen = generation.sample(logits, temperature, top_p, top_k, generator)
        yield chosen
        for _ in range(max_new_tokens - 1):
            if temperature == 0:
                chosen = self._advance(self._greedy, chosen)
            else:
                logits = self.next_logits(chosen)
                chosen = generation.sample(logits, temperature, top_p, top_k, generator)
            yield chosen

    @torch.no_grad()
    def prefill(self, tokens: Tensor) -> Tensor:
        """Begin anew with these prompts (batch_size, seq) → logits of the next token, (…, vocab).

        The blocks run uncompiled here: products of many rows are what they are good at.
        """
        self.cache.length = 0
        self._look_at_weights()
        seq = tokens.shape[1]
        table = torch.view_as_complex(self._rotations[:seq])
        with tokens.device:
            mask = attention.causal_mask(seq, seq).to(tokens.device)
        layers = [self.cache.layer(index) for index in range(len(self.model.layers))]
        logits = _last_logits(self.model, tokens, table, mask, layers)
        self.cache.advance(seq)
        return logits

    @torch.no_grad()
    def next_logits(self, tokens: Tensor) -> Tensor:
        """Add one token to each sequence: (batch_size,) → logits (batch_size, vocab) float32."""
        return self._advance(self._logits, tokens)

    def _advance(self, program: backend.CompiledStep, tokens: Tensor) -> Tensor:
        self._tokens.copy_(tokens)
        self._position.fill_(self.cache.length)
        answer = program().clone()  # the next one may be written to the same memory
        self.cache.advance(1)
        return answer

    def _look_at_weights(self) -> None:
        """Where one was replaced since the last prompt, the programs must look for them anew."""
        weights = [*self.model.parameters(), *self.model.buffers()]
        if len(weights) != len(self._weights) or any(map(operator.is_not, weights, self._weights)):
            self._weights = weights
            self._greedy.forget()
            self._logits.forget()

    def _demand_fit(self, tokens: Tensor, max_new_tokens: int) -> None:
        batch_size = self.cache.keys[0].shape[0]
        if tokens.ndim != 2 or tokens.shape[0] != batch_size or tokens.shape[1] == 0:
            raise ValueError(
                f"This decoder takes prompts of shape ({batch_size}, seq) with seq at least 1; got "
                f"{tuple(tokens.shape)}. For another batch make another CompiledDecoder."
            )
        room = self.cache.max_seq_len - tokens.shape[1]
        if not 0 <= max_new_tokens <= room:
            raise ValueError(
                f"max_new_tokens must be from 0 to {max(room, 0)}: the prompt has "
                f"{tokens.shape[1]} tokens and this decoder a max_seq_len of "
                f"{self.cache.max_seq_len}; got {max_new_tokens}."
            )
        weight, keys = self.model.tok_embeddings.weight, self.cache.keys[0]
        if (weight.dtype, weight.device) != (keys.dtype, keys.device):
            raise ValueError(
                f"The model is now {weight.dtype} on {weight.device}; this decoder was compiled "
                f"for {keys.dtype} on {keys.device}. Make a new CompiledDecoder."
            )


def _step(model: architecture.Transformer, greedy: bool) -> Callable[..., Tensor]:
    """One step: tokens (batch,) at a position (1,) → the likeliest next ones, or their logits."""

    def step(
        tokens: Tensor,
        position: Tensor,
        rotations: Tensor,
        keys: list[Tensor],
        values: list[Tensor],
    ) -> Tensor:
        table = torch.view_as_complex(rotations.index_select(0, position))  # (1, head_dim/2)
        positions = torch.arange(keys[0].shape[1], device=tokens.device)
        mask = (positions <= position)[None, :]  # (1, max_seq_len)
        layers = [
            StaticLayerCache(layer_keys, layer_values, position)
            for layer_keys, layer_values in zip(keys, values, strict=True)
        ]
        logits = _last_logits(model, tokens[:, None], table, mask, layers)
        return logits.argmax(dim=-1) if greedy else logits

    return step


def _last_logits(
    model: architecture.Transformer, tokens: Tensor, table: Tensor, mask: Tensor, caches: list[Any]
) -> Tensor:
    """The model's parts in their order; of its output the last position, (batch, vocab) float32."""
    x = model.tok_embeddings(tokens)  # (batch, seq, dim)
    for layer, cache in zip(model.layers, caches, strict=True):
        x = layer(x, table, mask, cache)
    return model.output(model.norm(x[:, -1:]))[:, 0].float()
