"""The command line: `llama-mini` or `python -m llama_mini`. Each file here holds some commands."""

from typing import Annotated

import typer

from llama_mini.cli import chat, data, export, loading, plan, training

app = typer.Typer(
    name="llama-mini",
    help="LLaMA from the first token to the full weights. Every command has its own --help.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def doctor() -> None:
    """Look at this machine and say what the course needs that is not there."""
    from llama_mini import doctor as examination

    report = examination.examine()
    typer.echo(report)
    raise typer.Exit(0 if report.ready else 1)


app.command()(training.train)
app.command()(training.generate)
app.command()(loading.load)
app.command()(chat.chat)
app.command()(export.export)
app.command()(plan.plan)
app.add_typer(data.app, name="data")


@app.command()
def progress(
    exercise: Annotated[str | None, typer.Argument(help="An exercise or a lesson.")] = None,
) -> None:
    """Show which exercises are solved, and what is left."""
    from llama_mini.course.learner.records import progress_table

    narrowed = int(exercise) if exercise and exercise.isdecimal() else exercise
    typer.echo(progress_table(narrowed).plain())


def main() -> None:
    """Run the command line."""
    app()
