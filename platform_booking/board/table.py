"""The board's window as plain lines, for screen readers and without scripts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from platform_booking.board import occupancy
from platform_booking.board.feed import Scene
from platform_booking.board.queries import Line, Placed, Stay, Stop
from platform_booking.catalog.models import ResourceKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing on one resource."""

    line: Line
    starts_at: datetime
    ends_at: datetime
    what: str  # "booking" | "busy" | "run" | "level" | "occurrence" | "outage" | "draft"
    stay: Stay | None = None
    placed: Placed | None = None
    stop: Stop | None = None
    used: int = 0
    capacity: int = 0


def entries(scene: Scene, stays: Sequence[Stay], placed: Sequence[Placed]) -> list[Entry]:
    """Return everything in the window: by resource as on the board, then by time."""
    held = occupancy.by_resource(stays)
    found: list[Entry] = []
    for line in scene.lines:
        there = held.get(line.id, [])
        here = [
            *_stops(line, scene.stops, there),
            *_stays(line, there, scene),
            *_placed(line, placed),
        ]
        found += sorted(here, key=lambda e: (e.starts_at, e.ends_at, e.what))
    return found


def _stops(line: Line, stops: Sequence[Stop], there: Sequence[Stay]) -> Iterator[Entry]:
    for stop in stops:
        if stop.resource_id == line.id:
            yield Entry(
                line=line,
                starts_at=stop.starts_at,
                ends_at=stop.ends_at,
                what=stop.what,
                stop=stop,
                used=occupancy.taken(there, stop)[0],
                capacity=stop.capacity,
            )


def _stays(line: Line, there: Sequence[Stay], scene: Scene) -> Iterator[Entry]:
    for stay in there:
        seen = stay.public_id is not None
        if seen or line.kind is ResourceKind.UNARY:
            yield Entry(
                line=line,
                starts_at=stay.starts_at,
                ends_at=stay.ends_at,
                what="booking" if seen else "busy",
                stay=stay,
                used=stay.quantity,
                capacity=line.capacity,
            )
    if line.kind is ResourceKind.BATCH:
        for run in occupancy.runs(there, capacity=line.capacity):
            yield Entry(
                line=line,
                starts_at=run.starts_at,
                ends_at=run.ends_at,
                what="run",
                used=run.load,
                capacity=run.capacity,
            )
    if line.kind is ResourceKind.POOLED:
        curve = occupancy.levels(
            there, from_at=scene.asked.from_at, to_at=scene.asked.to_at
        )
        for level, after in pairwise(curve):
            if level.total:
                yield Entry(
                    line=line,
                    starts_at=level.at,
                    ends_at=after.at,
                    what="level",
                    used=level.total,
                    capacity=line.capacity,
                )


def _placed(line: Line, placed: Sequence[Placed]) -> Iterator[Entry]:
    for p in placed:
        if p.resource_id == line.id:
            yield Entry(
                line=line,
                starts_at=p.starts_at,
                ends_at=p.ends_at,
                what="draft",
                placed=p,
                used=p.quantity,
                capacity=line.capacity,
            )
