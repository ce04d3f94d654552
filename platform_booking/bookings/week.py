"""A week of one resource, day by day, as a picture: closed, down, taken, free. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from zoneinfo import ZoneInfo

from platform_booking.bookings.picked import Stretch

DAYS = 7
WIDTH = 1440
"""A day's width in the picture: a minute each, whatever the clocks do."""

HEIGHT = 24
_STEP = timedelta(minutes=15)


class Why(StrEnum):
    """Why a stretch cannot be had, or what it is."""

    CLOSED = "closed"
    DOWN = "down"
    TAKEN = "taken"  # some of it
    FULL = "full"
    JOIN = "join"  # a run of the chosen recipe that has room
    PICKED = "picked"  # what the form says now


@dataclass(frozen=True, slots=True)
class Mark:
    """One stretch of a day: a rectangle, and what a reader is told of it."""

    why: Why
    x: int
    width: int
    y: int
    height: int
    starts_at: datetime
    ends_at: datetime
    quantity: int  # taken of the capacity, or left in a run


@dataclass(frozen=True, slots=True)
class Day:
    """One local day."""

    on: date
    starts_at: datetime
    ends_at: datetime
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch with its reason; `share` of the capacity between 0 and 1."""

    why: Why
    starts_at: datetime
    ends_at: datetime
    quantity: int = 0
    share: float = 1.0


def bounds(first: date, zone: ZoneInfo, *, days: int = DAYS) -> Stretch:
    """Return the instants between which local days lie.

    Raises
    ------
    OverflowError
        If they lie beyond the calendar.
    """
    return _midnight(first, zone), _midnight(first + timedelta(days=days), zone)


def gaps(open_: Iterable[Stretch], *, within: Stretch) -> Iterator[Stretch]:
    """Yield what lies between sorted stretches: when a resource is closed."""
    since = within[0]
    for begins, ends in open_:
        if begins > since:
            yield since, begins
        since = max(since, ends)
    if since < within[1]:
        yield since, within[1]


def picture(first: date, spans: Sequence[Span], zone: ZoneInfo) -> tuple[Day, ...]:
    """Return seven days with what happens in each, the most important on top."""
    midnights = [_midnight(first + timedelta(days=n), zone) for n in range(DAYS + 1)]
    return tuple(
        Day(
            on=first + timedelta(days=n),
            starts_at=begins,
            ends_at=ends,
            marks=tuple(_marks(spans, begins, ends)),
        )
        for n, (begins, ends) in enumerate(pairwise(midnights))
    )


def first_free(
    open_: Sequence[Stretch],
    blocked: Iterable[Stretch],
    length: timedelta,
    *,
    not_before: datetime,
) -> datetime | None:
    """Return the first quarter of an hour from which a stay of that length fits."""
    taken = sorted(blocked)
    for opens, closes in open_:
        start = _quarter(max(opens, not_before))
        for begins, ends in taken:
            if ends <= start:
                continue
            if begins >= start + length:
                break
            start = _quarter(ends)
        if start + length <= closes:
            return start
    return None


def _quarter(moment: datetime) -> datetime:
    """Return the next whole quarter of an hour."""
    past = (moment - datetime.min.replace(tzinfo=UTC)) % _STEP
    return moment + (_STEP - past if past else timedelta(0))


def _marks(spans: Iterable[Span], begins: datetime, ends: datetime) -> Iterator[Mark]:
    whole = ends - begins
    for span in spans:
        start, end = max(span.starts_at, begins), min(span.ends_at, ends)
        if end <= start:
            continue
        x = round((start - begins) / whole * WIDTH)
        height = max(4, round(HEIGHT * min(1.0, span.share)))
        yield Mark(
            why=span.why,
            x=x,
            width=max(2, round((end - begins) / whole * WIDTH) - x),
            y=HEIGHT - height,
            height=height,
            starts_at=span.starts_at,
            ends_at=span.ends_at,
            quantity=span.quantity,
        )


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)
