"""What every command does: let the learner's code in, and turn errors into sentences."""

import linecache
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from types import ModuleType
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh

    from llama_mini.slots import Place


def use_overlay(wanted: bool) -> None:
    """Let the learner's passed components in before any model is built; say whose code runs."""
    from llama_mini import slots

    if wanted:
        from llama_mini.course import overlay

        for note in overlay.apply().notes:
            typer.echo(note, err=True)
    typer.echo(f"Running on {slots.describe()}.", err=True)


def loading_every_format() -> ModuleType:
    """`llama_mini.weights.loading`, which knows runs too once training has registered them."""
    from llama_mini.training.run import reader  # noqa: F401, registers
    from llama_mini.weights import loading

    return loading


@contextmanager
def explained() -> Iterator[None]:
    """Turn the errors that speak to the user into one message and exit code 1, without a trace.

    An error of any kind that came through a learner's own code is said with the line it came from.
    """
    from llama_mini import slots
    from llama_mini.pinned.files import CacheError

    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:
        place = slots.place_in_learners_code(error)
        if place is not None:
            message = _in_learners_code(place, error)
        elif isinstance(error, CacheError | OSError | ValueError | KeyError | FloatingPointError):
            message = _message(error)
        else:
            raise
        typer.echo(f"Error: {message}", err=True)
        raise typer.Exit(1) from None


def _message(error: Exception) -> str:
    # str() of a KeyError would put its message in quotes, that of an OSError a number before.
    if isinstance(error, KeyError) and error.args:
        return str(error.args[0])
    if isinstance(error, OSError) and error.strerror:
        return error.strerror + (f": {error.filename}" if error.filename else "")
    return str(error)


def _in_learners_code(place: "Place", error: Exception) -> str:
    from llama_mini import slots

    line = linecache.getline(place.file, place.line).strip()
    shown = f": {line}" if line else ""
    return (
        f"{slots.short_name(place.slot)}, which is yours, ended in {type(error).__name__}: "
        f"{_message(error)}\n  {place.file}, line {place.line}{shown}\n"
        "Correct it in its exercise and check it again, or leave your code out with --no-overlay."
    )


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
