"""The typer application that the subcommands register with, and how their errors are shown.

What a particular error means to a user belongs in `failures`.
"""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

VERBOSE = "--verbose"
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it: 128 and the number of the signal."""


class UserError(Exception):
    """Ends the command with exit code 1; the message says what is wrong and what to do."""


class CommandGroup(TyperGroup):
    """Ends every failure of a command in one or two lines; `--verbose` shows the stack trace.

    `--verbose` may stand anywhere, because people add it to the end of the command that failed.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take `--verbose` to the front, where it belongs as an option of the whole command."""
        end = args.index("--") if "--" in args else len(args)
        rest = [arg for arg in args[:end] if arg != VERBOSE]
        if len(rest) < end:
            args = [VERBOSE, *rest, *args[end:]]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a failure becomes a message and exit code 1, Ctrl-C exit code 130."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, typer.TyperException):
            raise
        except KeyboardInterrupt:
            typer.secho("Interrupted.", fg=typer.colors.YELLOW, err=True)
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:  # noqa: BLE001 - whatever it is, it is reported and ends the command
            from soundlink_assets.cli.failures import report

            report(error, verbose=bool(ctx.params.get("verbose")))
            raise typer.Exit(1) from None


app = typer.Typer(
    name="soundlink-assets",
    cls=CommandGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it so
    if wanted:
        from importlib.metadata import version

        typer.echo(f"soundlink-assets {version('soundlink-assets')}")
        raise typer.Exit


@app.callback()
def _every_command(
    ctx: typer.Context,
    *,
    verbose: Annotated[
        bool, typer.Option(VERBOSE, help="Show the stack trace of an error.")
    ] = False,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_show_version, is_eager=True
        ),
    ] = False,
) -> None:
    """A data platform for Soundlink campaign exports, built on Dagster.

    Settings are `SOUNDLINK_*` environment variables; a file `.env` in the current folder is read
    too, and the environment comes first. `soundlink-assets init FOLDER` writes one that explains
    them all, `soundlink-assets demo` needs none.
    """
    from dotenv import load_dotenv

    from soundlink_assets.cli.endings import end_as_by_ctrl_c

    end_as_by_ctrl_c()
    ctx.obj = {"verbose": verbose}
    try:
        load_dotenv(".env", override=False)
    except UnicodeDecodeError:
        raise UserError("The file .env is not UTF-8 text: save it as such.") from None
