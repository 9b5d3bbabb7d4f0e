"""What an export request ended in, as callers see it."""

from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from soundlink_assets.provider.errors import SoundlinkError
from soundlink_assets.schema.exports import Export
from soundlink_assets.schema.window import Window


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Delivery:
    """One complete and valid delivery: one campaign, one window of at most 90 days.

    `frame` has the contract's columns in its order, typed. `fetched_at` (UTC) is when the request
    that was answered was sent. `line_count` counts delivered rows before `merged_duplicates` were
    merged. `extra_fields` are keys that the contract does not name; they are not in the frame.
    `row_count_header_seen` is False if the provider did not state a row count, so that a body cut
    between two lines could not be told; a delivery without rows always has one. `attempts` counts
    requests, `seconds` runs from the first of them to the verified frame, waits included, `bytes`
    is the length of the decoded body.
    """

    export: Export = field(repr=False)
    campaign_id: str
    window: Window
    frame: pl.DataFrame = field(repr=False)
    fetched_at: datetime
    line_count: int
    merged_duplicates: int
    extra_fields: tuple[str, ...]
    row_count_header_seen: bool
    attempts: int
    seconds: float
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FailedDelivery:
    """A delivery that did not come, for a reason that does not concern the other campaigns."""

    export: Export = field(repr=False)
    campaign_id: str
    window: Window
    error: SoundlinkError
