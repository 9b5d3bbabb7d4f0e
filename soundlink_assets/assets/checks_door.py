"""Checks at the door: what a delivery must keep before anything of it is stored.

The export assets report them themselves, because only they see what was delivered. What a
delivery may not do is in `contract.parsing`; here stands how that is told, day by day.
"""

from collections.abc import Callable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg

from soundlink_assets.schema.exports import Export
from soundlink_assets.schema.window import Window
from soundlink_assets.assets.catalogue import asset_key
from soundlink_assets.assets.checks_findings import OFFENDERS_SHOWN, over_days, table_of
from soundlink_assets.assets.checks_verdicts import Verdict, Verdicts, check_spec
from soundlink_assets.assets.fetching import Fetched

if TYPE_CHECKING:
    from soundlink_assets.provider import ContractError, FailedDelivery

EVERY_CAMPAIGN_DELIVERED = "every_campaign_delivered"
UNEXPECTED_FIELDS = "unexpected_fields"


def door_specs(
    export: Export, partitions: dg.PartitionsDefinition[str]
) -> dict[str, dg.AssetCheckSpec]:
    """The checks that the asset of the export reports itself, by name."""
    asset = asset_key(export.table)
    contract = _contract_checks(export)
    delivery = {
        EVERY_CAMPAIGN_DELIVERED: "Every campaign that was asked for has been delivered and "
        "stored. The days of a campaign that failed stay as they were: run them again.",
        UNEXPECTED_FIELDS: "The rows have no field that the contract does not know. A new field "
        "of the provider is not stored; nothing else is wrong with the rows.",
    }
    return {
        name: check_spec(asset, name, description, partitions, blocking=name in contract)
        for name, description in (contract | delivery).items()
    }


def _contract_checks(export: Export) -> dict[str, str]:
    refused = "Otherwise the delivery is refused and its campaign's days stay as they were."
    return {
        "schema_version": f"Every row has schema version `{export.schema_version}`. Another "
        "version may mean other figures: then nothing of the export is stored.",
        "required_fields": "Every line is readable and has the fields that the contract requires, "
        "each of its type; otherwise nothing of the export is stored. No count is below its least "
        "value (there are no negative streams); otherwise the delivery is refused and its "
        "campaign's days stay as they were.",
        "primary_key": f"No two different rows share a key ({', '.join(export.rows.key)}). "
        f"{refused}",
        "request_match": "A delivery holds the campaign and the days that were asked for and no "
        f"others. {refused}",
    }


def verdicts_on_delivery(fetched: Fetched, window: Window) -> dict[str, Verdicts]:
    """What each check says of what the campaigns delivered; what failed of it is not stored."""
    refused = _refused_by_check(fetched.failed)
    days = list(window.dates())
    asked = fetched.asked
    verdicts = {
        name: _by_day(days, refused.get(name, []), lambda failed: _on_refused(failed, asked))
        for name in ("schema_version", "required_fields", "primary_key", "request_match")
    }
    return verdicts | {
        EVERY_CAMPAIGN_DELIVERED: _by_day(
            days, fetched.failed, lambda failed: _on_failed(failed, asked)
        ),
        UNEXPECTED_FIELDS: _same_each_day(days, _on_fields(sorted(fetched.unexpected_fields))),
    }


def verdicts_on_nothing(fetched: Fetched, window: Window) -> dict[str, Verdicts]:
    """What is to say when no campaign was delivered: only what failed."""
    return {
        name: verdicts
        for name, verdicts in verdicts_on_delivery(fetched, window).items()
        if not verdicts.run.passed
    }


def verdicts_on_unreadable(error: "ContractError", window: Window) -> dict[str, Verdicts]:
    """What is to say when one body stops the run: which check it fails, on every day."""
    verdict = Verdict(
        passed=False,
        description=f"Nothing of this export was stored. Campaign {error.about.requested_id}: "
        f"{error.message}.",
        metadata=_bodies([error]),
    )
    return {error.violation.check: _same_each_day(list(window.dates()), verdict)}


def _refused_by_check(
    failed: Sequence["FailedDelivery"],
) -> dict[str, list["FailedDelivery"]]:
    from soundlink_assets.provider import ContractError

    refused: dict[str, list[FailedDelivery]] = {}
    for delivery in failed:
        if isinstance(delivery.error, ContractError):
            refused.setdefault(delivery.error.violation.check, []).append(delivery)
    return refused


def _by_day(
    days: Sequence[date],
    failed: Sequence["FailedDelivery"],
    judge: Callable[[Sequence["FailedDelivery"]], Verdict],
) -> Verdicts:
    verdicts = {day: judge([each for each in failed if day in each.window]) for day in days}
    return Verdicts(days=verdicts, run=over_days(judge(failed), verdicts))


def _same_each_day(days: Sequence[date], verdict: Verdict) -> Verdicts:
    verdicts = dict.fromkeys(days, verdict)
    return Verdicts(days=verdicts, run=over_days(verdict, verdicts))


def _on_refused(refused: Sequence["FailedDelivery"], asked: int) -> Verdict:
    from soundlink_assets.provider import ContractError

    counts = {"campaigns": asked, "refused_deliveries": len(refused)}
    if not refused:
        return Verdict(passed=True, description="Every delivery keeps the rule.", metadata=counts)
    errors = [each.error for each in refused if isinstance(each.error, ContractError)]
    return Verdict(
        passed=False,
        description=f"Refused, not stored: {len(refused)} of {asked} campaigns. First: campaign "
        f"{errors[0].about.requested_id}, {errors[0].message}.",
        metadata={**counts, **_bodies(errors)},
    )


def _bodies(errors: Sequence["ContractError"]) -> dict[str, Any]:
    """Where the refused bodies are kept, and what is wrong with each."""
    kept = [error.quarantined for error in errors if error.quarantined is not None]
    shown = [
        {
            "campaign_id": error.about.requested_id,
            "days": str(error.window),
            "line": error.violation.line,
            "field": error.violation.field,
            "problem": error.violation.message,
            "body": str(error.quarantined or "could not be kept"),
        }
        for error in errors[:OFFENDERS_SHOWN]
    ]
    return {
        **({"quarantined_body": dg.MetadataValue.path(kept[0])} if kept else {}),
        "refused": table_of(shown),
    }


def _on_failed(failed: Sequence["FailedDelivery"], asked: int) -> Verdict:
    counts = {"campaigns": asked, "campaigns_failed": len(failed)}
    if not failed:
        said = f"All {asked:,} campaigns were delivered." if asked else "No campaign was asked for."
        return Verdict(passed=True, description=said, metadata=counts)
    shown = [_failure(each) for each in failed[:OFFENDERS_SHOWN]]
    return Verdict(
        passed=False,
        description=f"{len(failed)} of {asked} campaigns failed; their days stay as they were.",
        metadata={**counts, "failed": table_of(shown)},
    )


def _failure(failed: "FailedDelivery") -> dict[str, Any]:
    from soundlink_assets.provider import ContractError

    error = failed.error
    code = error.violation.check if isinstance(error, ContractError) else error.code
    return {
        "campaign_id": failed.requested_id,
        "days": str(failed.window),
        "status": error.status,
        "code": code,
        "request_id": error.request_id,
        "problem": error.message,
    }


def _on_fields(unexpected: Sequence[str]) -> Verdict:
    metadata: dict[str, Any] = {"unexpected_fields": len(unexpected)}
    if not unexpected:
        return Verdict(
            passed=True, description="All fields are of the contract.", metadata=metadata
        )
    return Verdict(
        passed=False,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"Fields that the contract does not know, not stored: {', '.join(unexpected)}.",
        metadata={**metadata, "names": list(unexpected)},
    )
