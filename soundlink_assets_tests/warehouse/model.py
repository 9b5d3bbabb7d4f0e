"""What the warehouse promises, in plain Python: rows, history, delivery log, every past state."""

from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

CampaignDay = tuple[str, date]
"""Requested campaign and day."""

Content = dict[str, tuple[int, datetime]]
"""Streams and export time by country: what a delivery has of a campaign-day."""

TOLERANCE = timedelta(minutes=10)


@dataclass(frozen=True)
class DeliveredDay:
    """One campaign-day of a delivery; `exported_at` is the newest of the whole delivery."""

    content: Content
    exported_at: datetime | None
    fetched_at: datetime

    @property
    def age(self) -> datetime | None:
        return max((exported for _, exported in self.content.values()), default=self.exported_at)


@dataclass(frozen=True)
class Row:
    """One version of a row. `was_mixed`: it has been in a day whose rows had several stamps."""

    streams: int
    exported_at: datetime
    ingested_at: datetime
    run_id: str
    was_mixed: bool = False


State = set[tuple[str, date, str, int, datetime]]


@dataclass
class Model:
    """The state after a series of writes."""

    rows: dict[CampaignDay, dict[str, Row]] = field(default_factory=dict)
    log: dict[CampaignDay, DeliveredDay] = field(default_factory=dict)
    ended_entries: int = 0
    superseded: list[tuple[CampaignDay, str, Row, datetime]] = field(default_factory=list)
    states: list[tuple[datetime, State]] = field(default_factory=list)

    def write(
        self, delivery: dict[CampaignDay, DeliveredDay], now: datetime, at: datetime, run_id: str
    ) -> int:
        """Take a delivery that is stored at `at`; how many campaign-days change."""
        latest = max([now, *(new.fetched_at for new in delivery.values())]) + TOLERANCE
        changed = sum(self._take(day, new, latest, at, run_id) for day, new in delivery.items())
        if changed:
            self.states.append((at, self.state()))
        return changed

    def _take(
        self, day: CampaignDay, new: DeliveredDay, latest: datetime, at: datetime, run_id: str
    ) -> bool:
        wins, held = self._wins(day, new, latest), self.rows.get(day, {})
        after = {}
        for country in {*held, *new.content}:
            ours, theirs = held.get(country), new.content.get(country)
            if theirs and (_is_newer(theirs[1], ours, latest, wins=wins) if ours else wins):
                after[country] = Row(*theirs, at, run_id)
            elif ours and (theirs or not wins):
                after[country] = ours
        if not wins and after == held:
            return False
        self._replace(day, after, at)
        self.ended_entries += day in self.log
        self.log[day] = new if wins else self.log[day]
        return True

    def _replace(self, day: CampaignDay, after: dict[str, Row], at: datetime) -> None:
        held = self.rows.get(day, {})
        mixed = len({row.exported_at for row in after.values()}) > 1
        for country, row in after.items():
            ours = held.get(country, row)
            fixed = mixed or ours.was_mixed
            if ours.streams == row.streams and (ours.exported_at == row.exported_at or not fixed):
                row = replace(ours, exported_at=row.exported_at)  # noqa: PLW2901
            after[country] = replace(row, was_mixed=row.was_mixed or mixed)
        for country, ours in held.items():
            if country not in after or after[country].ingested_at != ours.ingested_at:
                self.superseded.append((day, country, ours, at))
        self.rows[day] = after

    def _wins(self, day: CampaignDay, new: DeliveredDay, latest: datetime) -> bool:
        held = self.log.get(day)
        if held is None:
            return True
        stamps = [row.exported_at for row in self.rows[day].values()]
        if max([held.fetched_at, *stamps]) > latest:
            return True
        age = max(stamps, default=held.exported_at)
        if new.age and age and new.age != age:
            return new.age > age
        return new.fetched_at >= held.fetched_at

    def state(self) -> State:
        return {
            (*day, country, row.streams, row.exported_at)
            for day, rows in self.rows.items()
            for country, row in rows.items()
        }


def _is_newer(theirs: datetime, ours: Row, latest: datetime, *, wins: bool) -> bool:
    if ours.exported_at > latest:
        return True
    return wins if theirs == ours.exported_at else theirs > ours.exported_at
