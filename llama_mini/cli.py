"""The command line: `llama-mini` or `python -m llama_mini`."""

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


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
