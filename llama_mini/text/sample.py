"""From a prompt to text, piece by piece, as a reader sees it."""

import functools
import itertools
from collections.abc import Iterator
from typing import Protocol

import torch

from llama_mini import generation
from llama_mini import model as architecture
from llama_mini.text.pieces import text_pieces


class TextTokenizer(Protocol):
    """What `llama_mini.tokenizer.sentencepiece.Tokenizer` offers."""

    eos_id: int

    def encode(self, text: str, bos: bool = True, eos: bool = False) -> list[int]: ...

    def decode(self, ids: list[int]) -> str: ...


def stream_text(
    model: architecture.Transformer,
    tokenizer: TextTokenizer,
    prompt: str,
    max_new_tokens: int = 100,
    temperature: float = 0.8,
    top_p: float = 0.95,
    top_k: int | None = None,
    seed: int = 0,
    compiled: bool = False,
) -> Iterator[str]:
    """The prompt, then its continuation in pieces as they are drawn; joined, they are the text.

    It ends at max_new_tokens, at the end-of-text token, or where the model's context is full.
    The same seed gives the same text on the same machine. compiled: through a `CompiledDecoder`,
    which begins with a minute of compiling. Raises ValueError if the prompt alone fills the
    context.
    """
    ids = tokenizer.encode(prompt, bos=True, eos=False)
    room = model.config.max_seq_len - len(ids)
    if room < 1:
        raise ValueError(
            f"The prompt has {len(ids)} tokens and the model sees {model.config.max_seq_len}. "
            "Shorten the prompt."
        )
    device = model.tok_embeddings.weight.device
    generator = torch.Generator(device).manual_seed(seed)
    limit = min(max_new_tokens, room)
    if compiled:
        from llama_mini.compiled import CompiledDecoder  # here, for it imports torch's compiler

        stream = CompiledDecoder(model, len(ids) + limit).stream
    else:
        stream = functools.partial(generation.stream, model)
    columns = stream(
        torch.tensor([ids], device=device), limit, temperature, top_p, top_k, generator
    )
    yield tokenizer.decode(ids)
    drawn = itertools.takewhile(lambda token: token != tokenizer.eos_id, map(int, columns))
    yield from text_pieces(tokenizer, drawn, before=ids)
