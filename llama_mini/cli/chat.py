"""`llama-mini chat`."""

import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Annotated

import typer

from llama_mini.cli.common import explained, use_overlay

if TYPE_CHECKING:
    from llama_mini.text.chat import Chat


def chat(
    path: Annotated[str, typer.Argument(help="smollm2, a folder or a file.")] = "smollm2",
    system: Annotated[str | None, typer.Option(help="What the model is told first.")] = None,
    temperature: Annotated[float, typer.Option(min=0, help="0 always takes the likeliest.")] = 0.2,
    top_p: Annotated[float, typer.Option(help="Draw from this share of probability.")] = 0.9,
    top_k: Annotated[int | None, typer.Option(min=1, help="Draw from so many tokens.")] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Of one answer.")] = 512,
    context: Annotated[int, typer.Option(min=1, help="Tokens of a whole conversation.")] = 4096,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda or mps.")] = "cpu",
    precision: Annotated[str | None, typer.Option(help="fp32, bf16, int8 …")] = None,
    overlay: Annotated[bool, typer.Option(help="Run on your passed components.")] = True,
) -> None:
    """Talk with a model. Ctrl-C stops an answer; an empty line or Ctrl-D leaves."""
    with explained():
        use_overlay(overlay)
        import torch

        from llama_mini import load
        from llama_mini.text.chat import Chat

        model, tokenizer = load(path, device, precision)
        context = min(context, model.config.max_seq_len)
        conversation = Chat(model, tokenizer, system, context)
        generator = torch.Generator(device).manual_seed(seed)
        for question in _questions():
            # In order, what Chat.answer takes after the question.
            how = (max_new_tokens, temperature, top_p, top_k, generator)
            try:
                _show(conversation, conversation.answer(question, *how))
            except ValueError as error:
                _say(str(error))
                continue
            if conversation.answered == max_new_tokens:
                _say(f"Cut after {max_new_tokens} tokens; --max-new-tokens allows more.")
            if not conversation.room:
                _say(f"The conversation fills its {context} tokens. Start a new one to go on.")


def _questions() -> Iterator[str]:
    """What is typed, line by line, until an empty line or the end of the input."""
    at_terminal = sys.stdin.isatty()
    if at_terminal:
        with suppress(ImportError):
            import readline  # noqa: F401, makes the arrow keys work in input()
        _say("Ctrl-C stops an answer; an empty line leaves.")
    while True:
        try:
            line = input("\n> " if at_terminal else "").strip()
        except (EOFError, KeyboardInterrupt):
            if at_terminal:
                _say("")  # what comes next begins on a line of its own
            return
        if not line:
            return
        # Bytes that are no UTF-8 arrive as lone surrogates, which no tokenizer knows.
        yield line.encode("utf-8", "replace").decode("utf-8")


def _show(conversation: "Chat", pieces: Iterator[str]) -> None:
    """Print an answer as it comes, and how fast it came."""
    started = time.perf_counter()
    first = None
    stopped = False
    with closing(pieces):
        try:
            for piece in pieces:
                first = first or time.perf_counter()
                typer.echo(piece, nl=False)
                sys.stdout.flush()
        except KeyboardInterrupt:
            stopped = True
    typer.echo()
    ended = time.perf_counter()
    if stopped:
        _say("Stopped.")
    count = conversation.answered
    if first is not None and count > 1:
        rate = (count - 1) / (ended - first)
        _say(f"{count} tokens, the first after {first - started:.1f} s, then {rate:.1f} a second")


def _say(sentence: str) -> None:
    """Something that is not part of the answer, so it goes to stderr."""
    typer.echo(sentence, err=True)
