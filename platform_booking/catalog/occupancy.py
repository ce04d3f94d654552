"""How much of its open time a resource is occupied. Pure.

Open time is opening hours without outages. A stay that goes on through closed hours counts
only for the open part of it, so that a share never exceeds 1. A batch run occupies its
resource whole, however many loads share it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from platform_booking.catalog.hours import Span
from platform_booking.catalog.models import ResourceKind


@dataclass(frozen=True, slots=True)
class Taken:
    """Somebody's stay: when, and how much of the capacity. Not whose."""

    starts_at: datetime
    ends_at: datetime
    quantity: int
    occurrence_id: int | None = None  # row id of the dated run that it is part of


@dataclass(frozen=True, slots=True)
class Level:
    """A stretch in which a constant share of the capacity is taken, above 0 up to 1."""

    starts_at: datetime
    ends_at: datetime
    share: float


@dataclass(frozen=True, slots=True)
class Occupancy:
    """What there is to know of a resource between two instants; all stretches sorted."""

    open: tuple[Span, ...]  # without outages
    down: tuple[Span, ...]  # outages
    levels: tuple[Level, ...]  # also outside opening hours

    @property
    def open_min(self) -> float:
        """Return the minutes in which it could be used."""
        return minutes(self.open)

    @property
    def busy_min(self) -> float:
        """Return the open minutes that are taken, weighed by the share of the capacity."""
        return sum(
            level.share * (min(closes, level.ends_at) - max(opens, level.starts_at))
            / timedelta(minutes=1)
            for opens, closes, level in _meetings(self.open, self.levels)
        )  # fmt: skip

    @property
    def share(self) -> float | None:
        """Return the busy share of the open time; None if it is never open."""
        return share(self.busy_min, self.open_min)

    def free(self) -> Iterator[Span]:
        """Yield the open stretches in which something is left of the capacity."""
        full = [(v.starts_at, v.ends_at) for v in self.levels if v.share >= 1]
        yield from without(self.open, full)

    def within(self, from_at: datetime, to_at: datetime) -> "Occupancy":
        """Return the part of it between two instants."""
        return Occupancy(
            open=tuple(cut(self.open, from_at, to_at)),
            down=tuple(cut(self.down, from_at, to_at)),
            levels=tuple(
                Level(max(v.starts_at, from_at), min(v.ends_at, to_at), v.share)
                for v in self.levels
                if v.starts_at < to_at and from_at < v.ends_at
            ),
        )


def occupancy(
    *,
    kind: ResourceKind,
    capacity: int,
    opening: Sequence[Span],
    outages: Iterable[Span],
    taken: Iterable[Taken],
    from_at: datetime,
    to_at: datetime,
) -> Occupancy:
    """Put hours, outages and stays of one resource together."""
    down = merged(cut(outages, from_at, to_at))
    return Occupancy(
        open=tuple(without(cut(opening, from_at, to_at), down)),
        down=tuple(down),
        levels=tuple(_levels(kind, capacity, taken)),
    ).within(from_at, to_at)


def share(busy_min: float, open_min: float) -> float | None:
    """Return busy over open; None if there is no open time."""
    return busy_min / open_min if open_min else None


def days(from_at: datetime, to_at: datetime, zone: ZoneInfo) -> list[tuple[date, Span]]:
    """Return the local days that `[from_at, to_at)` touches, each with its span."""
    day = from_at.astimezone(zone).date()
    found = []
    while (begins := datetime.combine(day, time(), zone)) < to_at:
        day += timedelta(days=1)
        found.append((begins.date(), (begins, datetime.combine(day, time(), zone))))
    return found


def minutes(stretches: Iterable[Span]) -> float:
    """Return how long stretches are together."""
    return sum((b - a).total_seconds() for a, b in stretches) / 60


def cut(stretches: Iterable[Span], from_at: datetime, to_at: datetime) -> list[Span]:
    """Return the parts of stretches between two instants, sorted."""
    return sorted(
        (max(a, from_at), min(b, to_at)) for a, b in stretches if a < to_at and from_at < b
    )


def merged(stretches: Iterable[Span]) -> list[Span]:
    """Return stretches sorted, those that touch or overlap as one."""
    found: list[Span] = []
    for start, end in sorted(stretches):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def without(stretches: Iterable[Span], holes: Iterable[Span]) -> Iterator[Span]:
    """Yield what is left of sorted stretches."""
    gone = merged(holes)
    for start, end in stretches:
        begins = start
        for a, b in gone:
            if b <= begins or a >= end:
                continue
            if begins < a:
                yield begins, a
            begins = b
        if begins < end:
            yield begins, end


def _levels(kind: ResourceKind, capacity: int, taken: Iterable[Taken]) -> Iterator[Level]:
    if kind is not ResourceKind.POOLED:
        for start, end in merged((t.starts_at, t.ends_at) for t in taken):
            yield Level(start, end, 1.0)
        return
    change: dict[datetime, int] = {}
    for stay in taken:
        change[stay.starts_at] = change.get(stay.starts_at, 0) + stay.quantity
        change[stay.ends_at] = change.get(stay.ends_at, 0) - stay.quantity
    held = 0
    for start, end in pairwise(sorted(change)):
        held += change[start]
        if held:
            yield Level(start, end, min(1.0, held / capacity))


def _meetings(
    stretches: Sequence[Span], levels: Sequence[Level]
) -> Iterator[tuple[datetime, datetime, Level]]:
    """Yield each open stretch with each level that overlaps it; both are sorted."""
    first = 0
    for opens, closes in stretches:
        while first < len(levels) and levels[first].ends_at <= opens:
            first += 1
        for level in levels[first:]:
            if level.starts_at >= closes:
                break
            yield opens, closes, level
