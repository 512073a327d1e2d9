"""What every command does: let the learner's code in, and turn errors into sentences."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh


def use_overlay(wanted: bool) -> None:
    """Let the learner's passed components in before any model is built; say whose code runs."""
    from llama_mini import slots

    if wanted:
        from llama_mini.course import overlay

        for note in overlay.apply().notes:
            typer.echo(note, err=True)
    typer.echo(f"Running on {slots.describe()}.", err=True)


@contextmanager
def explained() -> Iterator[None]:
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


@contextmanager
def torchrun_mesh(device: str) -> Iterator["DeviceMesh | None"]:
    """The processes of torchrun, of which the first alone prints; None where it started none."""
    if os.environ.get("WORLD_SIZE", "1") == "1":
        yield None
        return
    from llama_mini import parallel

    with ExitStack() as stack:
        mesh = stack.enter_context(parallel.processes(device))
        if mesh.get_rank() != 0:
            nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
            stack.enter_context(redirect_stdout(nowhere))
            stack.enter_context(redirect_stderr(nowhere))
        yield mesh
