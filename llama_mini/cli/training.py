"""`llama-mini train` and `llama-mini generate`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from llama_mini.cli.common import explained, loading_every_format, use_overlay


def train(
    config: Annotated[str | None, typer.Option(help="Which model: mini, nano, 7B …")] = None,
    minutes: Annotated[float | None, typer.Option(help="Time to train for (default 6).")] = None,
    steps: Annotated[int | None, typer.Option(help="Updates, instead of minutes.")] = None,
    run: Annotated[str | None, typer.Option(help="The run's name (default: CONFIG-N).")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue --run, or the newest.")
    ] = False,
    with_todays_code: Annotated[
        bool,
        typer.Option("--with-todays-code", help="Resume although other code trained it so far."),
    ] = False,
    data: Annotated[Path | None, typer.Option(help="A built mix (default: the usual one).")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Sequences in an update.")] = None,
    seq_len: Annotated[int | None, typer.Option(help="Tokens in a sequence.")] = None,
    lr: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    warmup_steps: Annotated[int | None, typer.Option(help="Updates until the peak.")] = None,
    micro_batches: Annotated[
        int | None, typer.Option(help="Pieces of an update, for less memory (default 1).")
    ] = None,
    document_mask: Annotated[
        bool | None,
        typer.Option(
            "--document-mask/--no-document-mask",
            help="Keep documents in a sequence from seeing each other (default: they may).",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of the weights and the batches.")] = None,
    precision: Annotated[str | None, typer.Option(help="auto, fp32, bf16 or fp16.")] = None,
    shard_optimizer: Annotated[
        bool | None,
        typer.Option(
            "--shard-optimizer/--no-shard-optimizer",
            help="Under torchrun: only a piece of AdamW's moments in each process.",
        ),
    ] = None,
    peak_tflops: Annotated[
        float | None, typer.Option(help="What the device could do, to report the share of it.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads.")] = None,
    overlay: Annotated[bool, typer.Option(help="Run on your passed components.")] = True,
) -> None:
    """Train a model on the mix, with your own code where you have passed the exercises.

    In several processes at once: torchrun --nproc-per-node 2 -m -- llama_mini train …
    """
    options = {name: value for name, value in locals().items() if value is not None}
    settings = {
        k: v for k, v in options.items() if k not in ("resume", "overlay", "with_todays_code")
    }
    with explained():
        use_overlay(overlay)
        from llama_mini.training import Trainer, TrainSettings, summarize
        from llama_mini.training.run.progress import train_with_bar
        from llama_mini.training.run.resolve import device_named
        from llama_mini.training.scale.processes import started

        if steps is not None and minutes is not None:
            raise ValueError("Say --steps or --minutes, not both: one fixes the other.")
        with started(device_named(device or "auto")) as ranks:
            trainer = (
                Trainer.resume(
                    settings.pop("run", None),
                    with_todays_code=with_todays_code,
                    ranks=ranks,
                    **settings,
                )
                if resume
                else Trainer(TrainSettings(**settings), ranks)
            )
            name = trainer.run.name
            say = typer.echo if ranks.is_first else _nothing
            say(f"Run {name} in {trainer.run.folder}")
            say(f"The mix was made on {trainer.whose_mix()}.")
            if trainer.step:
                say(f"The model was made so far on {trainer.whose_code()}.")
            try:
                train_with_bar(trainer)
                summary = summarize(trainer) if ranks.is_first else None
            except KeyboardInterrupt:
                saved = trainer.saved_step
                kept = "they" if saved == trainer.step else f"the first {saved}"
                say(
                    f"\nStopped after {trainer.step} updates; {kept} are saved. "
                    f"Continue with: llama-mini train --resume --run {name}"
                )
                raise typer.Exit(130) from None
            say(f'\n{summary}\n\nNext: llama-mini generate --run {name} "Once upon a time"')


def _nothing(text: str) -> None:
    """What the other processes say, where the first one speaks for all."""


def generate(
    prompt: Annotated[str, typer.Argument(help="What the text begins with.")] = "",
    run: Annotated[str | None, typer.Option(help="A run's name (default: the newest).")] = None,
    max_new_tokens: Annotated[int, typer.Option(min=0)] = 100,
    temperature: Annotated[float, typer.Option(min=0, help="0 always takes the likeliest.")] = 0.8,
    top_p: Annotated[float, typer.Option(help="Draw from this share of probability.")] = 0.95,
    top_k: Annotated[int | None, typer.Option(min=1, help="Draw from so many tokens.")] = None,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda or mps.")] = "cpu",
    compiled: Annotated[
        bool, typer.Option("--compile", help="Compile for a minute, then decode faster.")
    ] = False,
    overlay: Annotated[bool, typer.Option(help="Run on your passed components.")] = True,
) -> None:
    """Let a trained run continue a text, and print it as it comes."""
    with explained():
        use_overlay(overlay)
        from llama_mini.text.sample import stream_text
        from llama_mini.training.run import folder

        loaded = loading_every_format().read(folder.find(run).folder, device)
        typer.echo(f"{loaded.what[:1].upper()}{loaded.what[1:]}.", err=True)
        pieces = stream_text(
            loaded.model,
            loaded.tokenizer,
            prompt,
            max_new_tokens,
            temperature,
            top_p,
            top_k,
            seed,
            compiled,
        )
        for piece in pieces:
            typer.echo(piece, nl=False)
            sys.stdout.flush()
        typer.echo()
