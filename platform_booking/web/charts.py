"""What the SVG macros of `templates/charts.html` draw: plain numbers, ready to be placed.

A lane is one local day, drawn `WIDTH` wide whatever its length; a column is one value from
0 to 1. Colours and sizes are the stylesheet's affair.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

WIDTH = 1440  # of a lane: one for each minute of an ordinary day
HEIGHT = 100  # of a lane

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Block:
    """A rectangle of a lane, from its left and its bottom."""

    x: float
    width: float
    height: float = HEIGHT

    @property
    def y(self) -> float:
        """Return where its upper edge is."""
        return HEIGHT - self.height


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One day of a resource, for the eye and for the table behind it."""

    label: str
    rest: bool  # a weekend or holiday
    open: tuple[Block, ...]
    down: tuple[Block, ...]
    busy: tuple[Block, ...]
    open_hours: float
    busy_hours: float
    free: str  # stretches in words, "" for none

    @property
    def share(self) -> float | None:
        """Return the busy share of the open time; None if it is closed."""
        return self.busy_hours / self.open_hours if self.open_hours else None


@dataclass(frozen=True, slots=True)
class Column:
    """One value of a chart of columns; None where there is none."""

    label: str  # in full, for the table
    mark: str  # short, below the column
    value: float | None
    rest: bool = False


def blocks(day: Span, stretches: Iterable[Span]) -> tuple[Block, ...]:
    """Place stretches, which lie within the day, on its lane."""
    return tuple(block(day, start, end) for start, end in stretches)


def block(day: Span, start: datetime, end: datetime, share: float = 1) -> Block:
    """Place one stretch on the lane of a day, as high as its share."""
    per_second = WIDTH / (day[1] - day[0]).total_seconds()
    return Block(
        round((start - day[0]).total_seconds() * per_second, 1),
        round((end - start).total_seconds() * per_second, 1),
        round(HEIGHT * share, 1),
    )


def clock_spans(day: Span, stretches: Sequence[Span], zone: ZoneInfo) -> str:
    """Return stretches of a day as `09:00–12:00, 18:00–24:00`."""

    def clock(moment: datetime) -> str:
        ends_day = moment == day[1]
        return "24:00" if ends_day else moment.astimezone(zone).strftime("%H:%M")

    return ", ".join(f"{clock(start)}–{clock(end)}" for start, end in stretches)
