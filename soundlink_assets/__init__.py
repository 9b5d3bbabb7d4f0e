"""A data platform for Soundlink campaign exports, built on Dagster.

Where to look:

- `definitions`: wires everything; the code location that Dagster loads.
- `settings`: every environment variable.
- `schema`: what tables and exports are: columns, keys, units, ratios, rules.
- `provider`: the Soundlink API over HTTP.
- `metrics`: derived tables and rules, rows in and rows out.
- `warehouse`: frames to and from DuckDB, as a file or a lake.
- `statements`: distributors' files as one table.
- `assets`: what Dagster sees.
- `report`: the HTML page.
- `explore`: the live page in the browser.
- `sandbox`: a synthetic Soundlink API to run against.
- `reading`: tables for notebooks, pages and scripts.
- `cli`: the `soundlink-assets` command.

In a notebook: `import soundlink_assets as sl`, then `sl.open()` and `sl.client()`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from soundlink_assets.provider import SoundlinkClient
    from soundlink_assets.reading import Tables

__all__ = ["client", "open"]


def open(warehouse: str | None = None) -> "Tables":  # noqa: A001 - read as soundlink_assets.open
    """The tables of a warehouse, read without ever delaying a run.

    `warehouse` is a file or a lake, as in `SOUNDLINK_WAREHOUSE`; by default, what that names in the
    environment or in the file `.env` of this folder. Raises SettingsError or WarehouseError.
    """
    from soundlink_assets.reading import Tables, settings_here
    from soundlink_assets.warehouse import open_for_reading

    settings = settings_here(**({"warehouse": warehouse} if warehouse else {}))
    read = open_for_reading(settings.warehouse)
    return Tables(read, read.name)


def client() -> "SoundlinkClient":
    """A client of the Soundlink API with the settings of the environment, within its budget.

    A context manager, which closes its connections. SettingsError if there is no key.
    """
    from soundlink_assets.provider import SoundlinkClient
    from soundlink_assets.reading import settings_here

    return SoundlinkClient.from_settings(settings_here())
