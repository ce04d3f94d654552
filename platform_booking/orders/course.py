"""An order's course as bars on a line of time. Pure; drawn by the page."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from platform_booking.orders.lines import OrderDetail

WIDTH = 1000
_LEAST = 4  # a stay of minutes in a course of weeks is still seen
_MARKS = 15


class Planned(Protocol):
    """A stay that a draft proposes."""

    @property
    def step_id(self) -> int: ...  # noqa: D102
    @property
    def starts_at(self) -> datetime: ...  # noqa: D102
    @property
    def ends_at(self) -> datetime: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Bar:
    """One stay, in thousandths of the line."""

    x: int
    width: int
    planned: bool  # a draft proposes it; else it is booked


@dataclass(frozen=True, slots=True)
class Course:
    """Every stay of an order on one line of time."""

    from_at: datetime
    to_at: datetime
    bars: Mapping[int, Sequence[Bar]]  # by id of the step
    midnights: Sequence[int]


def course_of(
    order: OrderDetail, planned: Iterable[Planned], *, zone: ZoneInfo
) -> Course | None:
    """Lay an order's stays on a line; None when it has none."""
    stays = [
        (step.id, stay.starts_at, stay.ends_at, False)
        for step in order.steps
        for stay in step.bookings
    ]
    stays += [(one.step_id, one.starts_at, one.ends_at, True) for one in planned]
    if not stays:
        return None
    from_at = min(start for _, start, _, _ in stays)
    to_at = max(end for _, _, end, _ in stays)
    whole = to_at - from_at
    bars: dict[int, list[Bar]] = defaultdict(list)
    for step_id, start, end, proposed in stays:
        width = max(_LEAST, round((end - start) / whole * WIDTH))
        x = min(round((start - from_at) / whole * WIDTH), WIDTH - width)
        bars[step_id].append(Bar(x=x, width=width, planned=proposed))
    return Course(
        from_at=from_at,
        to_at=to_at,
        bars=bars,
        midnights=[
            round((midnight - from_at) / whole * WIDTH)
            for midnight in _midnights(from_at, to_at, zone)
        ],
    )


def _midnights(from_at: datetime, to_at: datetime, zone: ZoneInfo) -> list[datetime]:
    """Return the midnights between two instants; every n-th one when there are many."""
    every = max(1, -(-(to_at - from_at).days // _MARKS))
    local = from_at.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    found: list[datetime] = []
    while (local := local + timedelta(days=every)) < to_at:
        found.append(local)
    return found
