"""What the provider lists in a scope: the asset, and what is to be thought of a list that shrank.

The list decides whom exports are asked for, so it is not simply believed: one that lost most of
what is known is kept out, and what is missing from it is asked for by its id all the same. Fetching
itself is in `exports`.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from soundlink_assets.assets.catalog import (
    KINDS,
    OWNERS,
    asset_key,
    asset_metadata,
    known_beta_features,
)
from soundlink_assets.assets.findings import ERROR, WARN
from soundlink_assets.assets.resource import CLOCK_TOLERANCE, SoundlinkApi
from soundlink_assets.assets.verdicts import (
    Verdict,
    check_spec,
    failing,
    not_judged,
    passing,
    result_of,
)
from soundlink_assets.schema import CAMPAIGN, Export, Scope
from soundlink_assets.schema.analytics import IS_SETTLED
from soundlink_assets.schema.exports import INGESTED_AT, RUN_ID
from soundlink_assets.schema.window import Window, consecutive, final_at_latest

if TYPE_CHECKING:
    import polars as pl

    from soundlink_assets.provider import SoundlinkError
    from soundlink_assets.warehouse import Reader, Warehouse

GROUP = "soundlink"
TAGS = {"provider": "soundlink"}
CREATED_AT = "created_at"

INCOMPLETE_DAYS = "incomplete_days"
"""Metadata of the list: by export name, the days that lack something listed, as `first..last`."""

DOUBTED_SINCE = "doubted_since"
"""Metadata of the list: since when it has been too short to be believed."""

REFUSED_AT = "refused_at"
"""Metadata of the list, and of the days of its exports: when the key did not open the scope."""

ASK_AGAIN_AFTER = timedelta(days=1)
"""A scope that the key did not open is asked for again after so long."""

CLOCK_OFFSET = "clock_offset_seconds"
"""Metadata of the list: the provider's clock minus this machine's."""

MAX_LOST = 0.5
"""A list that lost more than this share of what is known is not believed,"""

BELIEVED_AFTER = timedelta(days=10)
"""unless it has stayed so for this long, in which every open day has become final."""

LEFT_RECENTLY = timedelta(days=10)
"""What left the list is asked for while it has campaign-days within so many days of a window."""

NAMED = 5
"""Ids that a sentence names."""


@dataclass(frozen=True, slots=True, eq=False)
class Listing:
    """What is listed now, and what the warehouse knew before (`known`, without rows at first).

    `is_chosen`: the settings name the ids, so that nothing can be missing. `doubted_since` is when
    a list that lacked too much was first seen, if it has stayed so. `refused_at` is when the key
    did not open the scope: then what was known is taken for listed, and nobody is asked for.
    """

    scope: Scope
    listed: "pl.DataFrame"
    known: "pl.DataFrame"
    is_chosen: bool
    now: datetime
    doubted_since: datetime | None = None
    refused_at: datetime | None = None

    @property
    def refusal(self) -> str | None:
        """What to say if the key did not open the scope."""
        if self.refused_at is None:
            return None
        return (
            f"the key does not open {self.scope.plural}, for which it needs the scope "
            f"{self.scope.list_permission} (asked at {self.refused_at:%Y-%m-%d %H:%M} UTC, and "
            "again a day later)"
        )

    @property
    def ids(self) -> list[str]:
        """The ids that are listed now."""
        return self.listed[self.scope.id_column].to_list()

    @property
    def lost(self) -> list[str]:
        """The ids that were listed before and no longer are."""
        if self.is_chosen:
            return []
        return sorted(set(self.known[self.scope.id_column]) - set(self.ids))

    @property
    def is_doubtful(self) -> bool:
        """Whether so much is missing that the list, not the organisation, may have changed."""
        if len(self.lost) <= MAX_LOST * self.known.height:
            return False
        return self.now - (self.doubted_since or self.now) < BELIEVED_AFTER

    def to_ask(self, log: "pl.DataFrame", export: Export, window: Window) -> list[str]:
        """The ids to ask for: all that are listed but those created after the window ends.

        What is no longer listed is asked for by its id too: while it has an open campaign-day in
        the window, and for newer days while these may still become final. `log` is the delivery
        log from `LEFT_RECENTLY` before the window on.
        """
        import polars as pl

        if self.refused_at is not None:
            return []
        created_on = pl.col(CREATED_AT).dt.date()
        listed = self.listed.filter(created_on.is_null() | (created_on <= window.last))
        asked = listed[self.scope.id_column].to_list()
        return [*asked, *sorted(self.left(log, export, window))]

    def left(self, log: "pl.DataFrame", export: Export, window: Window | None = None) -> set[str]:
        """What is no longer listed and has an open campaign-day (in the window).

        With a window whose days may still become final, all that has a campaign-day in the log.
        """
        import polars as pl

        from soundlink_assets.metrics.final import final_campaign_days

        if self.is_chosen:
            return set()
        requested = self.scope.requested_column
        states = final_campaign_days(log, export).filter(~pl.col(requested).is_in(self.ids))
        if window is None:
            states = states.filter(~pl.col(IS_SETTLED))
        elif self.now >= final_at_latest(window.last):
            in_window = pl.col(export.day).is_between(window.first, window.last)
            states = states.filter(in_window, ~pl.col(IS_SETTLED))
        return set(states[requested])

    def incomplete_days(self, log: "pl.DataFrame", export: Export) -> "pl.DataFrame":
        """The campaign-days that should be there: the requested id and the day.

        Of days that are stored for anyone, those of what is listed and existed on that day.
        """
        import polars as pl

        requested, day = self.scope.requested_column, export.day
        listed = self.listed.select(
            pl.col(self.scope.id_column).alias(requested), pl.col(CREATED_AT).dt.date()
        )
        return (
            listed.join(log.select(day).unique(), how="cross")
            .filter(pl.col(CREATED_AT).is_null() | (pl.col(day) >= pl.col(CREATED_AT)))
            .join(log, on=(requested, day), how="anti")
            .select(requested, day)
        )


def read_listing(
    api: SoundlinkApi, scope: Scope, reader: "Reader", instance: dg.DagsterInstance
) -> Listing:
    """List the scope, and look up what is known of it. Raises the provider's errors.

    What claims to be created in the future has an unknown day of creation: it is asked for.
    """
    import polars as pl

    event = instance.get_latest_materialization_event(asset_key(scope.listing))
    last = event.asset_materialization if event else None
    known = reader.load(scope.listing)
    refused_at = _moment(last, REFUSED_AT)
    if refused_at is not None and api.now() - refused_at >= ASK_AGAIN_AFTER:
        refused_at = None
    listed = api.listed(scope) if refused_at is None else None
    now, created_at = api.now(), pl.col(CREATED_AT)
    shown = known.select(*scope.source_fields) if listed is None else listed
    return Listing(
        scope,
        shown.with_columns(pl.when(created_at <= now).then(created_at)),
        known,
        is_chosen=scope == CAMPAIGN and bool(api.settings.campaign_ids),
        now=now,
        doubted_since=_moment(last, DOUBTED_SINCE),
        refused_at=(refused_at or now) if listed is None else None,
    )


def _moment(last: dg.AssetMaterialization | None, name: str) -> datetime | None:
    value = last.metadata.get(name) if last else None
    if isinstance(value, dg.TimestampMetadataValue):
        return datetime.fromtimestamp(value.value, UTC)
    return None


def listing_asset(
    scope: Scope, exports: Sequence[Export], warehouse: "Warehouse", look_back_days: int
) -> dg.AssetsDefinition:
    """The asset of what is listed in a scope; `exports` are those that are asked for by it.

    Days that lack something listed are open again for the sensor, if they are no older than
    `look_back_days`.
    """
    checks = listing_checks(scope)
    table = scope.listing

    @dg.asset(
        key=asset_key(table),
        description=table.description,
        group_name=GROUP,
        owners=OWNERS,
        tags=TAGS,
        kinds=KINDS,
        metadata=asset_metadata(table),
        check_specs=list(checks.values()),
    )
    def listing(
        context: dg.AssetExecutionContext, soundlink_api: dg.ResourceParam[SoundlinkApi]
    ) -> Iterator[Any]:
        from soundlink_assets.provider import SoundlinkError

        try:
            with warehouse.reader(f"reading {scope.plural}") as reader:
                of = read_listing(soundlink_api, scope, reader, context.instance)
                logs = {export: reader.delivery_log(export) for export in exports}
        except SoundlinkError as error:
            reason = not_judged(f"nothing was listed: {error.message.rstrip('.')}")
            for spec in checks.values():
                yield result_of(spec, reason)
            raise failure(error) from error
        if of.refusal:
            yield _stored(of, context, {REFUSED_AT: dg.MetadataValue.timestamp(of.refused_at)})
            context.log.info("Skipped: %s.", of.refusal)
            for spec in checks.values():
                yield result_of(spec, not_judged(of.refusal))
            return
        missing = {export: of.incomplete_days(log, export) for export, log in logs.items()}
        if of.listed.is_empty() and not scope.is_optional:
            context.log.warning("The organisation of this key has no %s yet.", scope.plural)
        yield _stored(of, context, _metadata(of, missing, soundlink_api, look_back_days))
        verdicts = {
            "row_loss": _judge_loss(of, sorted(set().union(*map(of.left, logs.values(), logs)))),
            "every_day_loaded": _judge_days(of, missing),
            "clock": _judge_clock(soundlink_api.clock_offset),
        }
        for name, verdict in verdicts.items():
            yield result_of(checks[name], verdict)

    return listing


def failure(error: "SoundlinkError") -> dg.Failure:
    """What ends the run when the provider refuses: its code, its request id, what to do."""
    known = {"status": error.status, "code": error.code, "request_id": error.request_id}
    return dg.Failure(
        str(error),
        metadata={name: value for name, value in known.items() if value is not None},
        allow_retries=False,
    )


def _stored(
    of: Listing, context: dg.AssetExecutionContext, metadata: Mapping[str, Any]
) -> dg.Output["pl.DataFrame"]:
    with known_beta_features():
        return dg.Output(
            _to_store(of, context.run.run_id), data_version=_data_version(of), metadata=metadata
        )


def _to_store(of: Listing, run_id: str) -> "pl.DataFrame":
    """The list as it is now; as it was before, if it is not to be believed or was refused."""
    import polars as pl

    if of.is_doubtful or of.refusal:
        return of.known
    stamped = of.listed.with_columns(
        pl.lit(of.now).cast(pl.Datetime("us", "UTC")).alias(INGESTED_AT),
        pl.lit(run_id).alias(RUN_ID),
    )
    return stamped.select(of.scope.listing.column_names)


def _data_version(of: Listing) -> dg.DataVersion:
    """The same as long as the same is listed, so that what came of it does not count as stale."""
    believed = of.known if of.is_doubtful else of.listed
    content = believed.select(*of.scope.source_fields).sort(of.scope.id_column).write_ndjson()
    return dg.DataVersion(hashlib.sha256(content.encode()).hexdigest()[:16])


def _metadata(
    of: Listing,
    missing: Mapping[Export, "pl.DataFrame"],
    api: SoundlinkApi,
    look_back_days: int,
) -> dict[str, Any]:
    oldest = of.now.date() - timedelta(days=look_back_days)
    incomplete = {
        export.name: [
            f"{window.first}..{window.last}"
            for window in consecutive(day for day in _days(frame, export) if day >= oldest)
        ]
        for export, frame in missing.items()
    }
    offset = api.clock_offset
    since = dg.MetadataValue.timestamp(of.doubted_since or of.now)
    return {
        **({DOUBTED_SINCE: since} if of.is_doubtful else {}),
        **({INCOMPLETE_DAYS: incomplete} if any(incomplete.values()) else {}),
        **({CLOCK_OFFSET: offset.total_seconds()} if offset is not None else {}),
        "listed": of.listed.height,
        "no_longer_listed": len(of.lost),
    }


def _days(missing: "pl.DataFrame", export: Export) -> list[date]:
    return missing[export.day].unique().sort().to_list()


# ---- checks ----


def listing_checks(scope: Scope) -> dict[str, dg.AssetCheckSpec]:
    """The checks of what is listed, by name; the asset reports them itself."""
    asset, what = asset_key(scope.listing), scope.plural
    descriptions = {
        "row_loss": f"No {scope.name} has left the list. What left it is asked for by its id until "
        f"its days are final. A list that lost more than {MAX_LOST:.0%} of its {what} is not "
        f"believed (an error): the stored list is kept, and no day becomes final by it, until it "
        f"has stayed so for {BELIEVED_AFTER.days} days.",
        "every_day_loaded": f"Every day that is stored holds all {what} that existed then. A "
        f"{scope.name} that was listed late lacks days; recent ones are fetched again by "
        "themselves, older ones with the command that the verdict names.",
        "clock": "This machine's clock and the provider's agree to "
        f"{CLOCK_TOLERANCE.seconds // 60} minutes. Which days have closed and which are final is "
        "decided by the provider's.",
    }
    return {
        name: check_spec(asset, name, description) for name, description in descriptions.items()
    }


def _judge_loss(of: Listing, left: Sequence[str]) -> Verdict:
    """`left` is what left the list, also in an earlier run, and has days that are not final."""
    what = of.scope.plural
    if of.is_chosen:
        return not_judged(f"the settings name the {what}")
    counts = {"rows": of.listed.height, "rows_before": of.known.height, "rows_lost": len(of.lost)}
    missing = sorted({*of.lost, *left})
    if not missing:
        return passing(f"{of.listed.height:,} {what} are listed.", **counts)
    said = f"{len(missing)} {what} are no longer listed: {_named(missing)}."
    if of.is_doubtful:
        return failing(
            ERROR,
            f"{said} Of {of.known.height}, that is too much to believe: the stored list is kept, "
            "all are asked for by their ids, and no day becomes final.",
            **counts,
        )
    return failing(
        WARN, f"{said} They are asked for by their ids until their days are final.", **counts
    )


def _judge_days(of: Listing, missing: Mapping[Export, "pl.DataFrame"]) -> Verdict:
    incomplete = {export: frame for export, frame in missing.items() if not frame.is_empty()}
    if not incomplete:
        return passing(f"Every stored day holds all {of.scope.plural}.", missing=0)
    said = []
    for export, frame in incomplete.items():
        ids = sorted(frame[of.scope.requested_column].unique())
        commands = [
            f"soundlink-assets backfill {window.first} {window.last} --select "
            f"{asset_key(export.table).to_user_string()}"
            for window in consecutive(_days(frame, export))
        ]
        said.append(
            f"{export.name} lacks days of {_named(ids)}. To fetch them: {'; '.join(commands)}"
        )
    return failing(WARN, f"{'. '.join(said)}.", missing=sum(map(len, incomplete.values())))


def _judge_clock(offset: timedelta | None) -> Verdict:
    if offset is None:
        return not_judged("the provider's clock is not known")
    seconds = round(offset.total_seconds())
    if abs(offset) <= CLOCK_TOLERANCE:
        return passing("The clocks agree.", offset_seconds=seconds)
    off = "behind" if offset > timedelta(0) else "ahead of"
    return failing(
        WARN,
        f"This machine's clock is {abs(timedelta(seconds=seconds))} {off} the provider's. Set it: "
        "until then schedule and sensor come at the wrong time.",
        offset_seconds=seconds,
    )


def _named(ids: Sequence[str]) -> str:
    more = len(ids) - NAMED
    return f"{', '.join(ids[:NAMED])}{f' and {more} more' if more > 0 else ''}"
