"""How full a resource is over time. Pure."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from platform_booking.board.queries import Stay, Stop


@dataclass(frozen=True, slots=True)
class Level:
    """From `at` until the next level this much is in use, and this much of it is seen."""

    at: datetime
    total: int
    seen: int


@dataclass(frozen=True, slots=True)
class Run:
    """Loads that start and end together on one resource."""

    starts_at: datetime
    ends_at: datetime
    load: int
    seen: int  # of it, what the viewer may see in full
    capacity: int  # of the recipe where the viewer knows it, else of the resource


def levels(stays: Iterable[Stay], *, from_at: datetime, to_at: datetime) -> list[Level]:
    """Return how much of a pool is in use within `[from_at, to_at)`, step by step.

    Begins with the first change at or after `from_at`; what is in use before is nothing.
    Two levels that follow one another differ.
    """
    changes: dict[datetime, list[int]] = defaultdict(lambda: [0, 0])
    for stay in stays:
        begins, ends = max(stay.starts_at, from_at), min(stay.ends_at, to_at)
        if ends <= begins:
            continue
        seen = stay.quantity if stay.public_id else 0
        for at, sign in ((begins, 1), (ends, -1)):
            changes[at][0] += sign * stay.quantity
            changes[at][1] += sign * seen
    found: list[Level] = []
    total = seen = 0
    for at in sorted(changes):
        total, seen = total + changes[at][0], seen + changes[at][1]
        if not found or (found[-1].total, found[-1].seen) != (total, seen):
            found.append(Level(at, total, seen))
    return found


def runs(stays: Iterable[Stay], *, capacity: int) -> list[Run]:
    """Return the runs of a batch resource, in the order of their starts."""
    together: dict[tuple[datetime, datetime], list[Stay]] = defaultdict(list)
    for stay in stays:
        together[stay.starts_at, stay.ends_at].append(stay)
    return [
        Run(
            starts_at=starts_at,
            ends_at=ends_at,
            load=sum(s.quantity for s in loads),
            seen=sum(s.quantity for s in loads if s.public_id),
            capacity=next(
                (s.recipe_capacity for s in loads if s.recipe_capacity), capacity
            ),
        )
        for (starts_at, ends_at), loads in sorted(together.items())
    ]


def taken(stays: Iterable[Stay], stop: Stop) -> tuple[int, int]:
    """Return how much of an occurrence is taken, and how much of that is seen.

    An event resource is booked for just the time of an occurrence: the guard sees to it.
    """
    on_it = [s for s in stays if (s.starts_at, s.ends_at) == (stop.starts_at, stop.ends_at)]
    return (
        sum(s.quantity for s in on_it),
        sum(s.quantity for s in on_it if s.public_id),
    )


def by_resource(stays: Iterable[Stay]) -> dict[int, list[Stay]]:
    """Return stays by the resource that they hold."""
    found: dict[int, list[Stay]] = defaultdict(list)
    for stay in stays:
        found[stay.resource_id].append(stay)
    return found
