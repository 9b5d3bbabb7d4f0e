"""`soundlink-assets export`: tables as files, for programs that read neither DuckDB nor a lake."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from soundlink_assets.cli.app import UserError, app, read_settings


class FileFormat(StrEnum):
    """What kind of file is written."""

    PARQUET = "parquet"
    CSV = "csv"


@app.command()
def export(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TABLE", help="Such as analytics.country_scorecard. All by default."
        ),
    ] = None,
    to: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the files go.")] = Path(
        "export"
    ),
    file_format: Annotated[
        FileFormat, typer.Option("--format", help="Kind of file.")
    ] = FileFormat.PARQUET,
    from_day: Annotated[
        str | None, typer.Option(metavar="DAY", help="First day, YYYY-MM-DD, of tables by day.")
    ] = None,
    to_day: Annotated[
        str | None, typer.Option(metavar="DAY", help="Last day, included, of tables by day.")
    ] = None,
) -> None:
    """Write tables as Parquet or CSV files, one for each, all as of one moment.

    Sends no request, needs no key and delays no run. A file is replaced at once: who reads the
    folder sees the old file or the new one. Tables without days are written whole.

    Examples: `soundlink-assets export`, `soundlink-assets export analytics.country_scorecard
    --format csv --to /srv/shared`
    """
    from datetime import date

    from soundlink_assets.definitions import tables_of
    from soundlink_assets.reading import Tables
    from soundlink_assets.warehouse import open_for_reading

    warehouse = open_for_reading(read_settings().warehouse)
    try:
        first = date.fromisoformat(from_day or "0001-01-01")
        last = date.fromisoformat(to_day or "9999-12-31")
    except ValueError as error:
        raise UserError(f"A day is not a day: {error}.", "Write it as 2026-01-31.") from None
    days = {table.qualified_name: table.day_column for table in tables_of()}
    with warehouse.reader("the export") as reader:
        tables = Tables(reader, warehouse.name)
        for name in names or tables.names():
            tables.require(name)
        to.mkdir(parents=True, exist_ok=True)
        for name in names or tables.names():
            frame = tables.frame(name)
            if (day := days.get(name)) is not None:
                frame = frame.filter(frame[day].is_between(first, last))
            file = to / f"{name}.{file_format}"
            half = to / f".{file.name}.part"
            if file_format is FileFormat.CSV:
                frame.write_csv(half)
            else:
                frame.write_parquet(half)
            half.replace(file)
            typer.echo(f"{file}: {frame.height:,} rows")
