"""The command line: `llama-mini` or `python -m llama_mini`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="llama-mini",
    help="LLaMA from the first token to the full weights. Every command has its own --help.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="The data the course trains on.", no_args_is_help=True)
app.add_typer(data_app, name="data")


@app.command()
def doctor() -> None:
    """Look at this machine and say what the course needs that is not there."""
    from llama_mini import doctor as examination

    report = examination.examine()
    typer.echo(report)
    raise typer.Exit(0 if report.ready else 1)


@app.command()
def train(
    config: Annotated[str | None, typer.Option(help="Which model: mini, nano, 7B …")] = None,
    minutes: Annotated[float | None, typer.Option(help="Time to train for (default 6).")] = None,
    steps: Annotated[int | None, typer.Option(help="Updates, instead of minutes.")] = None,
    run: Annotated[str | None, typer.Option(help="The run's name (default: CONFIG-N).")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue --run, or the newest.")
    ] = False,
    data: Annotated[Path | None, typer.Option(help="A built mix (default: the usual one).")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Sequences in an update.")] = None,
    seq_len: Annotated[int | None, typer.Option(help="Tokens in a sequence.")] = None,
    lr: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    warmup_steps: Annotated[int | None, typer.Option(help="Updates until the peak.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the weights and the batches.")] = None,
    precision: Annotated[str | None, typer.Option(help="auto, fp32 or bf16.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads.")] = None,
    overlay: Annotated[bool, typer.Option(help="Run on your passed components.")] = True,
) -> None:
    """Train a model on the mix, with your own code where you have passed the exercises."""
    options = {name: value for name, value in locals().items() if value is not None}
    settings = {k: v for k, v in options.items() if k not in ("resume", "overlay")}
    with _explained():
        _use_overlay(overlay)
        from llama_mini.training import Trainer, TrainSettings, summarize
        from llama_mini.training.progress import train_with_bar

        if steps is not None and minutes is not None:
            raise ValueError("Say --steps or --minutes, not both: one fixes the other.")
        trainer = (
            Trainer.resume(settings.pop("run", None), **settings)
            if resume
            else Trainer(TrainSettings(**settings))
        )
        name = trainer.run.name
        typer.echo(f"Run {name} in {trainer.run.folder}")
        try:
            train_with_bar(trainer)
            summary = summarize(trainer)
        except KeyboardInterrupt:
            typer.echo(
                f"\nStopped after {trainer.step} updates; they are saved. "
                f"Continue with: llama-mini train --resume --run {name}"
            )
            raise typer.Exit(130) from None
        typer.echo(f'\n{summary}\n\nNext: llama-mini generate --run {name} "Once upon a time"')


@app.command()
def generate(
    prompt: Annotated[str, typer.Argument(help="What the text begins with.")] = "",
    run: Annotated[str | None, typer.Option(help="A run's name (default: the newest).")] = None,
    max_new_tokens: Annotated[int, typer.Option(min=0)] = 100,
    temperature: Annotated[float, typer.Option(min=0, help="0 always takes the likeliest.")] = 0.8,
    top_p: Annotated[float, typer.Option(help="Draw from this share of probability.")] = 0.95,
    top_k: Annotated[int | None, typer.Option(min=1, help="Draw from so many tokens.")] = None,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda or mps.")] = "cpu",
    overlay: Annotated[bool, typer.Option(help="Run on your passed components.")] = True,
) -> None:
    """Let a trained run continue a text, and print it as it comes."""
    with _explained():
        _use_overlay(overlay)
        from llama_mini.training import runs
        from llama_mini.training.sample import stream_text
        from llama_mini.weights import load

        model, tokenizer = load(runs.find(run).folder, device=device)
        pieces = stream_text(
            model, tokenizer, prompt, max_new_tokens, temperature, top_p, top_k, seed
        )
        for piece in pieces:
            typer.echo(piece, nl=False)
            sys.stdout.flush()
        typer.echo()


@data_app.command("build")
def build_data(
    out: Annotated[Path | None, typer.Option(help="Folder (default: the usual one).")] = None,
    seed: Annotated[int, typer.Option(help="Of the split, the sampling and the order.")] = 0,
    tokens: Annotated[int | None, typer.Option(min=1, help="Of the training split.")] = None,
    vocab_size: Annotated[int, typer.Option(min=260, help="Tokens in the vocabulary.")] = 4096,
) -> None:
    """Fetch, clean, sample and pack the data mix. Goes on where an earlier run stopped."""
    with _explained():
        try:
            from llama_mini.data import build
        except ModuleNotFoundError as error:
            raise ValueError(
                f"The package {error.name} is missing. Install what the data mix needs: "
                'pip install "llama-mini[data]", or run `make lab`.'
            ) from error
        report = build.build_mix(
            out, seed=seed, vocab_size=vocab_size, total_tokens=tokens or build.TOTAL_TOKENS
        )
        typer.echo(f"{report}\n\n{report.folder}")
        if report.seconds:
            stages = ", ".join(f"{name} {time:.0f} s" for name, time in report.seconds.items())
            typer.echo(f"Built: {stages}.")
        else:
            typer.echo("It was built already, and every byte of it is as it was written.")
        typer.echo("\nNext: llama-mini data show, or llama-mini train --config mini")


@data_app.command("show")
def show_data(
    documents: Annotated[int, typer.Option(min=0, help="How many to print.")] = 3,
    source: Annotated[str | None, typer.Option(help="Of this source alone: books, c4 …")] = None,
    split: Annotated[str, typer.Option(help="train or validation.")] = "train",
    seed: Annotated[int, typer.Option(help="Of the choice.")] = 0,
    data: Annotated[Path | None, typer.Option(help="A built mix (default: the usual one).")] = None,
    characters: Annotated[int, typer.Option(min=1, help="At most so many of each.")] = 2000,
) -> None:
    """Print the table of a built mix, and some random documents of it to read."""
    with _explained():
        from llama_mini.data.show import random_documents
        from llama_mini.data.table import format_table, mix_table

        typer.echo(format_table(mix_table(data)))
        for kind, text in random_documents(documents, source, split, seed, data):
            shown = text[:characters] + (" …" if len(text) > characters else "")
            typer.echo(f"\n--- {kind}, {len(text):,} characters ---\n{shown}")


@app.command()
def progress(
    exercise: Annotated[str | None, typer.Argument(help="An exercise or a lesson.")] = None,
) -> None:
    """Show which exercises are solved, and what is left."""
    from llama_mini.course.records import progress_table

    narrowed = int(exercise) if exercise and exercise.isdecimal() else exercise
    typer.echo(progress_table(narrowed).plain())


def main() -> None:
    """Run the command line."""
    app()


def _use_overlay(wanted: bool) -> None:
    """Let the learner's passed components in before any model is built; say whose code runs."""
    from llama_mini import slots

    if wanted:
        from llama_mini.course import overlay

        for note in overlay.apply().notes:
            typer.echo(note, err=True)
    typer.echo(f"Running on {slots.describe()}.", err=True)


@contextmanager
def _explained() -> Iterator[None]:
    """Turn the errors that speak to the user into one message and exit code 1, without a trace."""
    from llama_mini.data.files import DataError

    try:
        yield
    except (DataError, OSError, ValueError, KeyError, FloatingPointError) as error:
        # str() of a KeyError would put its message in quotes, that of an OSError a number before.
        message = error.args[0] if isinstance(error, KeyError) and error.args else error
        if isinstance(error, OSError) and error.strerror:
            message = error.strerror + (f": {error.filename}" if error.filename else "")
        typer.echo(f"Error: {message}", err=True)
        raise typer.Exit(1) from None


if __name__ == "__main__":
    main()
