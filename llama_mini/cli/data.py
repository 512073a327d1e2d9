"""`llama-mini data build` and `llama-mini data show`."""

from pathlib import Path
from typing import Annotated

import typer

from llama_mini.cli.common import explained, use_overlay

app = typer.Typer(help="The data the course trains on.", no_args_is_help=True)


@app.command("build")
def build_data(
    out: Annotated[Path | None, typer.Option(help="Folder (default: the usual one).")] = None,
    seed: Annotated[int, typer.Option(help="Of the split, the sampling and the order.")] = 0,
    tokens: Annotated[int | None, typer.Option(min=1, help="Of the training split.")] = None,
    vocab_size: Annotated[int, typer.Option(min=260, help="Tokens in the vocabulary.")] = 4096,
    overlay: Annotated[bool, typer.Option(help="Run on your passed components.")] = True,
) -> None:
    """Fetch, clean, sample and pack the data mix, with your own code where you passed exercises.

    Goes on where an earlier run stopped. What your code made lies in your workspace.
    """
    with explained():
        use_overlay(overlay)
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
        typer.echo(f"{report}\n{report.folder}")
        if report.seconds:
            stages = ", ".join(f"{name} {time:.0f} s" for name, time in report.seconds.items())
            typer.echo(f"Built: {stages}.")
        else:
            typer.echo("It was built already, and every byte of it is as it was written.")
        typer.echo("\nNext: llama-mini data show, or llama-mini train --config mini")


@app.command("show")
def show_data(
    documents: Annotated[int, typer.Option(min=0, help="How many to print.")] = 3,
    source: Annotated[str | None, typer.Option(help="Of this source alone: books, c4 …")] = None,
    split: Annotated[str, typer.Option(help="train or validation.")] = "train",
    seed: Annotated[int, typer.Option(help="Of the choice.")] = 0,
    data: Annotated[Path | None, typer.Option(help="A built mix (default: the usual one).")] = None,
    characters: Annotated[int, typer.Option(min=1, help="At most so many of each.")] = 2000,
    overlay: Annotated[
        bool, typer.Option(help="Look at the mix of your passed components.")
    ] = True,
) -> None:
    """Print the table of a built mix, what was left out and why, and some documents to read."""
    with explained():
        use_overlay(overlay)
        from llama_mini.data.shards import default_folder, read_index
        from llama_mini.data.show import random_documents
        from llama_mini.data.table import (
            differences,
            format_accounts,
            format_table,
            mix_table,
            whose_code,
        )

        folder = data or default_folder()
        about = read_index(folder)["about"]
        typer.echo(format_table(mix_table(folder)))
        if accounts := about.get("stages"):
            typer.echo(f"\n{format_accounts(accounts)}")
        typer.echo(f"\n{folder}\nMade by {whose_code(about)}.")
        if changed := differences(about):
            typer.echo(
                f"Since then {'; '.join(changed)}. Run `llama-mini data build` for a mix of "
                "today's code."
            )
        for kind, text in random_documents(documents, source, split, seed, folder):
            shown = text[:characters] + (" …" if len(text) > characters else "")
            typer.echo(f"\n--- {kind}, {len(text):,} characters ---\n{shown}")
