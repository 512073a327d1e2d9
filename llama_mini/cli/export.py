"""`llama-mini export`."""

from pathlib import Path
from typing import Annotated

import typer

from llama_mini.cli.common import explained, loading_every_format, use_overlay


def export(
    path: Annotated[Path, typer.Argument(help="Weights in any layout that can be loaded.")],
    out: Annotated[Path, typer.Argument(help="The folder to write; it must not exist.")],
    layout: Annotated[
        str, typer.Option("--format", help="hf (for transformers) or meta (as released).")
    ] = "hf",
    precision: Annotated[
        str | None, typer.Option(help="fp32, bf16 or fp16 (default: as stored).")
    ] = None,
    shards: Annotated[int | None, typer.Option(min=1, help="How many files of weights.")] = None,
    overlay: Annotated[bool, typer.Option(help="Run on your passed components.")] = True,
) -> None:
    """Write weights in Hugging Face's layout or in Meta's, one tensor at a time.

    OUT appears when all of it is written: stop it at any moment, and nothing
    half-written is left under its name.
    """
    with explained():
        use_overlay(overlay)
        from llama_mini.weights.conversion import convert

        checkpoint = loading_every_format().open_checkpoint(path)
        try:
            convert(checkpoint, out, layout, precision, shards)
        except KeyboardInterrupt:
            typer.echo(f"\nStopped; there is no {out}.", err=True)
            raise typer.Exit(130) from None
        n_bytes = sum(file.stat().st_size for file in out.iterdir())
        typer.echo(f"{checkpoint.what[:1].upper()}{checkpoint.what[1:]}, written to {out}:")
        for file in sorted(out.iterdir()):
            typer.echo(f"  {file.name}  {file.stat().st_size:,} bytes")
        typer.echo(f"{n_bytes / 1e9:.2f} GB. Next: llama-mini load {out}")
