"""An independent judge of committed bookings: a sweep over their starts and ends.

It shares nothing with the guard of the schema and knows nothing of the service: rows are
read as the database's superuser, and what each kind of resource may hold is said here anew.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import psycopg

_ROWS = """
SELECT b.id, r.code, r.kind, r.capacity, b.starts_at, b.ends_at, b.quantity,
       b.recipe_id, c.capacity, b.occurrence_id, o.capacity, o.starts_at, o.ends_at
  FROM booking b JOIN resource r ON r.id = b.resource_id
  LEFT JOIN recipe c ON c.id = b.recipe_id AND c.resource_id = r.id
  LEFT JOIN occurrence o ON o.id = b.occurrence_id AND o.resource_id = r.id
 WHERE b.status = ANY ('{offered,requested,confirmed,in_use}')
"""


@dataclass(frozen=True)
class Held:
    """One booking in force, with what its resource allows."""

    id: int
    resource: str
    kind: str
    room: int
    starts_at: datetime
    ends_at: datetime
    quantity: int
    recipe: int | None
    recipe_room: int | None
    occurrence: int | None
    occurrence_room: int | None
    run_starts_at: datetime | None
    run_ends_at: datetime | None


def committed(url: str) -> list[Held]:
    """Read every booking in force."""
    with psycopg.connect(url.replace("+psycopg", "", 1)) as connection:
        return [Held(*row) for row in connection.execute(_ROWS)]


def faults(held: list[Held]) -> Iterator[str]:
    """Yield a sentence for every place where a resource holds more than it may."""
    by_resource: dict[str, list[Held]] = defaultdict(list)
    for one in held:
        by_resource[one.resource].append(one)
    for resource, found in sorted(by_resource.items()):
        yield from _faults_of(resource, found)


def _faults_of(resource: str, held: list[Held]) -> Iterator[str]:
    arrivals: dict[datetime, list[Held]] = defaultdict(list)
    departures: dict[datetime, list[Held]] = defaultdict(list)
    for one in held:
        arrivals[one.starts_at].append(one)
        departures[one.ends_at].append(one)
    there: dict[int, Held] = {}
    for moment in sorted({*arrivals, *departures}):
        for one in departures[moment]:  # who leaves makes room for who comes
            there.pop(one.id, None)
        for one in arrivals[moment]:
            there[one.id] = one
        if arrivals[moment] and there:
            fault = _too_much(list(there.values()))
            if fault:
                yield f"{resource} at {moment.isoformat()}: {fault}"


def _too_much(there: list[Held]) -> str:
    kind, total = there[0].kind, sum(one.quantity for one in there)
    if kind == "unary":
        return f"{len(there)} at once" if len(there) > 1 else ""
    if kind == "pooled":
        room = there[0].room
        return f"{total} of {room}" if total > room else ""
    if kind == "batch":
        runs = {(one.recipe, one.starts_at, one.ends_at) for one in there}
        if len(runs) > 1 or there[0].recipe_room is None:
            return f"{len(runs)} runs at once"
        return f"{total} of {there[0].recipe_room}" if total > there[0].recipe_room else ""
    taken: dict[int | None, int] = defaultdict(int)
    for one in there:
        taken[one.occurrence] += one.quantity
        if (one.run_starts_at, one.run_ends_at) != (one.starts_at, one.ends_at):
            return "beside its dated run"
        assert one.occurrence_room is not None
        if taken[one.occurrence] > one.occurrence_room:
            return f"{taken[one.occurrence]} of {one.occurrence_room}"
    return ""
