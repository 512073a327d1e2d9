"""A conversation with a model that was taught to have one."""

from collections.abc import Iterator

import torch

from llama_mini import generation
from llama_mini import model as architecture
from llama_mini.cache import KVCache
from llama_mini.text.chatml import ChatML
from llama_mini.text.pieces import text_pieces
from llama_mini.tokenizer.byte_level import ByteLevelTokenizer


class Chat:
    """Questions and answers in turn, every token computed once: the KV cache stays.

    system: what the model is told before the first question; None for what its template states.
    context: tokens that the whole conversation may take, the model's max_seq_len if None. Raises
    ValueError if the model was not taught to chat.
    """

    def __init__(
        self,
        model: architecture.Transformer,
        tokenizer: ByteLevelTokenizer | None,
        system: str | None = None,
        context: int | None = None,
    ) -> None:
        self._form = ChatML(tokenizer)
        self._model, self._tokenizer = model, tokenizer
        weight = model.tok_embeddings.weight
        self._device = weight.device
        context = model.config.max_seq_len if context is None else context
        self._cache = KVCache(model.config, 1, context, device=weight.device, dtype=weight.dtype)
        # The whole conversation. Its first cache.length tokens were read by the model, so that a
        # turn that was broken off anywhere is taken up by the next.
        self._tokens: list[int] = []
        system = self._form.system if system is None else system
        if system:
            self._tokens += self._form.turn("system", system)
        self.answered = 0

    @property
    def room(self) -> int:
        """Tokens that the conversation can still grow by."""
        return max(0, self._cache.max_seq_len - len(self._tokens))

    def answer(
        self,
        question: str,
        max_new_tokens: int = 512,
        temperature: float = 0.2,
        top_p: float = 0.9,
        top_k: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Iterator[str]:
        """The model's answer, in pieces as they are drawn; `answered` counts its tokens so far.

        It ends where the model ends it, after max_new_tokens, or when the conversation is full.
        Close the iterator to stop an answer; the conversation goes on with what was said. Raises
        ValueError if there is no room for the question and a first token.
        """
        asked = self._form.turn("user", question) + self._form.opening("assistant")
        room = self.room - len(asked)
        if room < 1:
            raise ValueError(
                f"The conversation has {len(self._tokens)} of the {self._cache.max_seq_len} tokens "
                f"that there is room for, and this question takes {len(asked)}. Ask a shorter one, "
                "or start a new conversation."
            )
        how = (temperature, top_p, top_k, generator)
        return self._pieces(asked, min(max_new_tokens, room), how)

    def _pieces(self, asked: list[int], limit: int, how: tuple) -> Iterator[str]:
        self._tokens += asked
        self.answered = 0
        try:
            yield from text_pieces(self._tokenizer, self._draw(limit, how))
        finally:
            self._tokens += self._form.closing()

    @torch.no_grad()
    def _draw(self, limit: int, how: tuple) -> Iterator[int]:
        for _ in range(limit):
            unread = torch.tensor([self._tokens[self._cache.length :]], device=self._device)
            logits = self._model(unread, cache=self._cache)[:, -1]  # (1, vocab)
            token = int(generation.sample(logits, *how))
            if token == self._form.end_id:
                return
            self._tokens.append(token)
            self.answered += 1
            yield token
