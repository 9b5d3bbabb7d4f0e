"""What faults do to the body of a response before it is put together.

An edit takes a body and the options of a fault, and returns the changed body, or None if that body
cannot show it: a broken identity needs an export with that column and a delivery with rows.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, NonNegativeFloat

from soundlink_assets.schema import Export
from soundlink_assets.schema.rules import Identity, SumIdentity
from soundlink_assets.schema.tables import Kind
from soundlink_assets.schema.window import Window

JsonObject = dict[str, Any]
Kinds = tuple[Literal["export", "list", "object"], ...]
EXPORT: Kinds = ("export",)
EXPORT_OR_LIST: Kinds = ("export", "list")


class Options(BaseModel):
    """What can be said about a fault when it is planned; each fault's meaning names its own."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    seconds: NonNegativeFloat = 1.0
    hours: float = 48.0
    by: float = 1.0
    field: str | None = None
    value: Any = None
    location: str = "https://elsewhere.invalid/v1/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a route is about to send, as JSON texts.

    `lines` are the rows of an export, the items of a list, or one object; `count` is what
    X-Row-Count (None: not sent) or `totalCount` will say. `content` is the whole body, once it is
    no longer the lines one by one. `older` gives the lines of an export built hours before.
    """

    kind: Literal["export", "list", "object"]
    lines: list[bytes]
    count: int | None
    id_field: str
    export: Export | None = None
    window: Window | None = None
    older: Callable[[float], list[bytes]] = lambda _hours: []
    content: bytes | None = None
    is_envelope: bool = False

    @property
    def middle(self) -> int:
        """The index of a line in the middle, not the last one unless it is the only one."""
        return (len(self.lines) - 1) // 2


Edit = Callable[[Body, Options], Body | None]


@dataclass(frozen=True, slots=True)
class Literally:
    """A value that is written as this text, whether it is JSON or not."""

    text: str


REMOVED = object()
"""The value of a field that is taken away."""


def joined(lines: Iterable[bytes]) -> bytes:
    """The lines as the provider writes them."""
    return b"".join(line + b"\n" for line in lines)


def rewritten(write: Callable[[list[bytes]], bytes], least: int = 1) -> Edit:
    """The lines in another form, against X-Row-Count if some are missing; needs `least` lines."""

    def edit(body: Body, _options: Options) -> Body | None:
        if body.kind != "export" or len(body.lines) < least:
            return None
        return replace(body, content=write(body.lines))

    return edit


def chosen(choose: Callable[[Body, Options], list[bytes]], kinds: Kinds = EXPORT) -> Edit:
    """Other lines; the count agrees."""

    def edit(body: Body, options: Options) -> Body | None:
        if body.kind not in kinds or not body.lines:
            return None
        lines = choose(body, options)
        return replace(body, lines=lines, count=(body.count or 0) + len(lines) - len(body.lines))

    return edit


def one_line(change: Callable[[bytes], bytes]) -> Edit:
    """The bytes of a line in the middle that is not the last."""

    def edit(body: Body, _options: Options) -> Body | None:
        if body.kind != "export" or len(body.lines) <= body.middle + 1:
            return None
        lines = list(body.lines)
        lines[body.middle] = change(lines[body.middle])
        return replace(body, lines=lines)

    return edit


def set_field(
    value: Any = None,
    field: str | Callable[[Body], str | None] = "",
    rows: Literal["middle", "all", "every second", "again"] = "middle",
    kinds: Kinds = EXPORT,
) -> Edit:
    """A field has another value: in the middle row, in others, or in a copy of the middle row.

    `value` may be a function of the old value, the body and the options; the option `value` comes
    before a constant one. Without `field`, and in any case with the option `field`, that one is
    meant, else the first count that every row has.
    """

    def edit(body: Body, options: Options) -> Body | None:
        meant = field(body) if callable(field) else field or _first_count(body)
        name = options.field or meant
        if name is None or body.kind not in kinds or not body.lines:
            return None
        if not callable(value) and options.value is not None and value is not REMOVED:
            given = options.value
        else:
            given = value

        def changed(line: bytes) -> bytes:
            row = json.loads(line)
            row[name] = given(row.get(name), body, options) if callable(given) else given
            return dumped(row)

        lines, middle = list(body.lines), body.middle
        if rows == "again":
            lines.insert(middle + 1, changed(lines[middle]))
            return replace(body, lines=lines, count=len(lines))
        step = {"all": 1, "every second": 2}.get(rows)
        if step == 2 and len(lines) < step:  # noqa: PLR2004 - nothing to mix
            return None
        if step is None and name not in json.loads(lines[middle]):
            return None
        for index in [middle] if step is None else range(0, len(lines), step):
            lines[index] = changed(lines[index])
        return replace(body, lines=lines)

    return edit


def broken(rule: Identity) -> Edit:
    """One row breaks an identity: the first whose published value is neither 0 nor null."""
    column = rule.total if isinstance(rule, SumIdentity) else rule.ratio

    def edit(body: Body, options: Options) -> Body | None:
        names = {rule.name for rule in body.export.identities} if body.export else set()
        if rule.name not in names or not body.lines:
            return None
        rows = [json.loads(line) for line in body.lines]
        index = next((index for index, row in enumerate(rows) if row[column]), 0)
        rows[index][column] = increased(rows[index][column], body, options)
        lines = list(body.lines)
        lines[index] = dumped(rows[index])
        return replace(body, lines=lines)

    return edit


def increased(old: float | None, _body: Body, options: Options) -> float:
    """The value off by the option `by`; whole numbers stay whole."""
    value = round((old or 0) + options.by, 4)
    return int(value) if value == int(value) else value


def name_field(body: Body) -> str:
    """The field of a display name, in rows and in listed objects."""
    if body.export is not None:
        return body.export.scope.name_column
    return "artistName" if b'"artistName"' in body.lines[0] else "name"


def dumped(row: JsonObject) -> bytes:
    """A row as JSON text, with what is written literally."""
    kept = {name: value for name, value in row.items() if value is not REMOVED}
    text = json.dumps(kept, ensure_ascii=False, separators=(",", ":"), default=_marked)
    for value in kept.values():
        if isinstance(value, Literally):
            text = text.replace(json.dumps(_marked(value)), value.text)
    return text.encode()


def _marked(value: Literally) -> str:
    return f"\x00{value.text}"


def _first_count(body: Body) -> str | None:
    columns = body.export.rows.columns if body.export else ()
    counts = (column.name for column in columns if column.kind is Kind.COUNT and column.required)
    return next(counts, None)
