"""The typer application that the subcommands register with, and how errors are shown."""

import typer

app = typer.Typer(
    name="soundlink-assets",
    help="A data platform for Soundlink campaign exports, built on Dagster.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


class UserError(typer.Exit):
    """Ends the command with exit code 1 after one clear message on standard error."""

    def __init__(self, message: str) -> None:
        super().__init__(code=1)
        typer.secho(message, fg=typer.colors.RED, err=True)


@app.callback()
def _load_environment_file() -> None:
    """A data platform for Soundlink campaign exports, built on Dagster."""
    from dotenv import load_dotenv

    load_dotenv(".env", override=False)
