"""The board's window as compact arrays, and the tag by which a browser asks for news.

Times are whole minutes since `from`, which is itself in minutes since 1970; starts are
rounded down, ends up. Texts that occur often are told once, in `words`, and referred to by
their place there. Rows are referred to by their place in `rows`.

============  ==================================================================
rows          resource id, place of its calendar in `closed`
closed        per calendar: closed from, until, from, until …
outages       row, start, end, kind, reason
occurrences   row, id, start, end, capacity, taken, seen, code, registration closes
bookings      row, id, start, end, quantity, state, ours, title, step, project,
              organisation, recipe, order id: what the viewer may see in full
busy          row, start, end: the rest, on resources that take one job at a time
runs          row, start, end, load, capacity, seen: of batch resources
levels        row, at, total, seen, at, total, seen …: of pools
draft         plan, night, placements: row, start, end, quantity, change, title, step,
              organisation, recipe, order id, booking that it moves
============  ==================================================================
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from platform_booking.board import occupancy
from platform_booking.board.queries import Draft, Line, Placed, Stay, Stop
from platform_booking.board.rules import Asked
from platform_booking.catalog.hours import opening_hours, spans
from platform_booking.catalog.models import Calendar, ResourceKind

_MINUTE = timedelta(minutes=1)
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """As whom the board is drawn."""

    member_id: int
    organisation_id: int | None
    platform_ids: tuple[int, ...]
    park: bool
    chinese: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What stands whoever books: the resources, their hours, their outages."""

    asked: Asked
    lines: Sequence[Line]
    calendars: Sequence[Calendar]
    stops: Sequence[Stop]
    draft: Draft | None
    names: str  # changes with every name that the viewer may read


def tag(scene: Scene, viewer: Viewer) -> str:
    """Return what changes whenever the answer may: no booking needs to be read for it.

    Every write to a booking raises its resource's `guard_seq`; the rest is told in full.
    """
    known = (
        astuple(viewer),
        astuple(scene.asked),
        [astuple(line) for line in scene.lines],
        [
            (c.id, c.weekly, c.keeps_holidays, [(e.on_date, e.hours) for e in c.exceptions])
            for c in scene.calendars
        ],
        [astuple(stop) for stop in scene.stops],
        scene.draft and astuple(scene.draft),
        scene.names,
    )
    return hashlib.sha256(repr(known).encode()).hexdigest()[:32]


def closed(
    calendar: Calendar, *, from_at: datetime, to_at: datetime, zone: ZoneInfo
) -> list[tuple[datetime, datetime]]:
    """Return when a calendar is closed within `[from_at, to_at)`."""
    found, since = [], from_at
    for opens, closes in spans(
        opening_hours(calendar), from_at=from_at, to_at=to_at, zone=zone
    ):
        if opens > since:
            found.append((since, opens))
        since = closes
    if since < to_at:
        found.append((since, to_at))
    return found


class _Words:
    """Texts, each told once. Place 0 is no text."""

    def __init__(self) -> None:
        self.told: list[str] = [""]
        self._places = {"": 0}

    def place(self, text: str | None) -> int:
        """Return the place of a text."""
        key = text or ""
        if key not in self._places:
            self._places[key] = len(self.told)
            self.told.append(key)
        return self._places[key]


class _Packing:
    """Turns what was read into arrays: minutes for instants, places for ids and texts."""

    def __init__(self, scene: Scene, viewer: Viewer) -> None:
        self.from_at, self.to_at = scene.asked.from_at, scene.asked.to_at
        self.rows = {line.id: place for place, line in enumerate(scene.lines)}
        self.words = _Words()
        self._viewer = viewer

    def start(self, moment: datetime) -> int:
        return (moment - self.from_at) // _MINUTE

    def pair(self, starts_at: datetime, ends_at: datetime) -> tuple[int, int]:
        return self.start(starts_at), -((self.from_at - ends_at) // _MINUTE)

    def organisation(self, of: Stay | Placed) -> int:
        first, second = of.organisation_en, of.organisation_zh
        if self._viewer.chinese:
            first, second = second, first
        return self.words.place(first or second)

    def outage(self, stop: Stop) -> Row:
        row = self.rows[stop.resource_id]
        return (row, *self.pair(stop.starts_at, stop.ends_at), stop.kind, stop.text)

    def occurrence(self, stop: Stop, taken: tuple[int, int]) -> Row:
        return (
            self.rows[stop.resource_id],
            stop.public_id,
            *self.pair(stop.starts_at, stop.ends_at),
            stop.capacity,
            *taken,
            stop.text,
            None if stop.closes_at is None else self.start(stop.closes_at),
        )

    def booking(self, stay: Stay) -> Row:
        place = self.words.place
        return (
            self.rows[stay.resource_id],
            stay.public_id,
            *self.pair(stay.starts_at, stay.ends_at),
            stay.quantity,
            stay.state,
            int(stay.organisation_id == self._viewer.organisation_id),
            place(stay.title),
            place(stay.step),
            place(stay.project),
            self.organisation(stay),
            place(stay.recipe),
            stay.order_id,
        )

    def placement(self, placed: Placed) -> Row:
        place = self.words.place
        return (
            self.rows[placed.resource_id],
            *self.pair(placed.starts_at, placed.ends_at),
            placed.quantity,
            placed.change,
            place(placed.title),
            place(placed.step),
            self.organisation(placed),
            place(placed.recipe),
            placed.order_id,
            placed.booking_id,
        )

    def busy(self, line: Line, there: Sequence[Stay]) -> list[Row]:
        return [
            (self.rows[line.id], *self.pair(stay.starts_at, stay.ends_at))
            for stay in there
            if stay.public_id is None
        ]

    def runs(self, line: Line, there: Sequence[Stay]) -> list[Row]:
        return [
            (
                self.rows[line.id],
                *self.pair(run.starts_at, run.ends_at),
                run.load,
                run.capacity,
                run.seen,
            )
            for run in occupancy.runs(there, capacity=line.capacity)
        ]

    def levels(self, line: Line, there: Sequence[Stay]) -> list[Row]:
        curve = occupancy.levels(there, from_at=self.from_at, to_at=self.to_at)
        flat = [n for s in curve for n in (self.start(s.at), s.total, s.seen)]
        return [(self.rows[line.id], *flat)] if flat else []


def assemble(
    scene: Scene,
    stays: Sequence[Stay],
    placed: Sequence[Placed],
    *,
    viewer: Viewer,
    zone: ZoneInfo,
) -> dict[str, Any]:
    """Return the window, ready for JSON."""
    pack = _Packing(scene, viewer)
    held = occupancy.by_resource(stays)
    places = {calendar.id: place for place, calendar in enumerate(scene.calendars)}

    def of_kind(kind: ResourceKind, packed: Callable[..., list[Row]]) -> list[Row]:
        return [
            row
            for line in scene.lines
            if line.kind is kind and line.id in held
            for row in packed(line, held[line.id])
        ]

    answer: dict[str, Any] = {
        "from": int(pack.from_at.timestamp() // 60),
        "to": pack.pair(pack.to_at, pack.to_at)[1],
        "rows": [(line.public_id, places[line.calendar_id]) for line in scene.lines],
        "closed": [
            [
                minute
                for span in closed(c, from_at=pack.from_at, to_at=pack.to_at, zone=zone)
                for minute in pack.pair(*span)
            ]
            for c in scene.calendars
        ],
        "outages": [pack.outage(stop) for stop in scene.stops if stop.what == "outage"],
        "occurrences": [
            pack.occurrence(stop, occupancy.taken(held.get(stop.resource_id, ()), stop))
            for stop in scene.stops
            if stop.what == "occurrence"
        ],
        "bookings": [pack.booking(stay) for stay in stays if stay.public_id],
        "busy": of_kind(ResourceKind.UNARY, pack.busy),
        "runs": of_kind(ResourceKind.BATCH, pack.runs),
        "levels": of_kind(ResourceKind.POOLED, pack.levels),
    }
    if scene.draft is not None:
        answer["draft"] = {
            "plan": scene.draft.public_id,
            "night": scene.draft.night,
            "placements": [pack.placement(p) for p in placed],
        }
    answer["words"] = pack.words.told
    return answer
