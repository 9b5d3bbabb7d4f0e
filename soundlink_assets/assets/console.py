"""What runs print: the messages of assets, without an entry for each of Dagster's own events."""

from typing import Any

import dagster as dg


@dg.configured(
    dg.colored_console_logger, config_schema={"log_level": dg.Field(str, default_value="INFO")}
)
def console(config: dict[str, Any]) -> dict[str, Any]:
    """Dagster's console logger, from `INFO` on. Its events stay in the run's page in the UI."""
    return {"log_level": config["log_level"], "name": "soundlink_assets"}
