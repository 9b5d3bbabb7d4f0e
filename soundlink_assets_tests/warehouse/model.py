"""What the warehouse promises, in plain Python: rows, history, ledger, and every past state."""

from dataclasses import dataclass, field
from datetime import date, datetime

Cell = tuple[str, date]
"""Requested campaign and day."""

Figures = dict[str, int]
"""Streams by country: what a cell holds."""


@dataclass(frozen=True)
class DeliveredCell:
    """One cell of a delivery; `exported_at` is None if it is empty."""

    figures: Figures
    exported_at: datetime | None
    fetched_at: datetime


@dataclass(frozen=True)
class Row:
    campaign: str
    day: date
    country: str
    streams: int
    ingested_at: datetime
    run_id: str


@dataclass
class Model:
    """The state after a series of writes."""

    rows: dict[tuple[str, date, str], Row] = field(default_factory=dict)
    cells: dict[Cell, DeliveredCell] = field(default_factory=dict)
    superseded: list[tuple[Row, datetime]] = field(default_factory=list)
    states: list[tuple[datetime, set[tuple[str, date, str, int]]]] = field(default_factory=list)

    def wins(self, cell: Cell, new: DeliveredCell) -> bool:
        held = self.cells.get(cell)
        if held is None:
            return True
        if new.exported_at and held.exported_at and new.exported_at != held.exported_at:
            return new.exported_at > held.exported_at
        return new.fetched_at >= held.fetched_at

    def write(self, delivery: dict[Cell, DeliveredCell], at: datetime, run_id: str) -> int:
        """Take a delivery; how many of its cells were replaced."""
        winners = {cell: new for cell, new in delivery.items() if self.wins(cell, new)}
        for cell, new in winners.items():
            self._replace(cell, new, at, run_id)
        if winners:
            self.states.append((at, self.figures()))
        return len(winners)

    def _replace(self, cell: Cell, new: DeliveredCell, at: datetime, run_id: str) -> None:
        held = [row for row in self.rows.values() if (row.campaign, row.day) == cell]
        for row in held:
            if new.figures.get(row.country) != row.streams:
                self.superseded.append((row, at))
                del self.rows[*cell, row.country]
        for country, streams in new.figures.items():
            self.rows.setdefault((*cell, country), Row(*cell, country, streams, at, run_id))
        self.cells[cell] = new

    def figures(self) -> set[tuple[str, date, str, int]]:
        return {(row.campaign, row.day, row.country, row.streams) for row in self.rows.values()}
