"""How much of the catalogue is taken in the time ahead, in three statements.

Of bookings only that a resource is taken is read, through `busy()`, which tells nobody
whose they are.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking.catalog.hours import Span, attended_hours, opening_hours, spans
from platform_booking.catalog.models import (
    Occurrence,
    Outage,
    Resource,
    ResourceKind,
    StayRule,
)
from platform_booking.catalog.occupancy import Occupancy, Taken, cut, occupancy, share

FORTNIGHT = timedelta(days=14)


def fortnight(now: datetime, zone: ZoneInfo) -> Span:
    """Return the fourteen local days from today on: what every load is told of."""
    today = now.astimezone(zone).date()
    begins, ends = (
        datetime.combine(day, time(), zone) for day in (today, today + FORTNIGHT)
    )
    return begins.astimezone(UTC), ends.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Run:
    """A dated run of an event resource that begins in the time looked at."""

    starts_at: datetime
    closes_at: datetime | None
    capacity: int
    taken: int


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a resource has ahead: hours and stays, or dated runs."""

    occupancy: Occupancy | None  # None for event resources
    runs: tuple[Run, ...] = ()
    starts: tuple[Span, ...] | None = None  # when a stay may begin; None: while open

    @property
    def share(self) -> float | None:
        """Return the taken share of what is on offer; None if nothing is."""
        if self.occupancy is not None:
            return self.occupancy.share
        return share(sum(r.taken for r in self.runs), sum(r.capacity for r in self.runs))

    def next_free(self, now: datetime) -> datetime | None:
        """Return when it can next be had, from `now` on; None if not within that time."""
        if self.occupancy is not None:
            free = [(max(a, now), b) for a, b in self.occupancy.free() if b > now]
            if self.starts is not None:
                free = [s for a, b in self.starts for s in cut(free, a, b)]
            return min((a for a, _ in free), default=None)
        return next(
            (
                run.starts_at
                for run in self.runs
                if run.taken < run.capacity
                and run.starts_at > now
                and (run.closes_at is None or run.closes_at > now)
            ),
            None,
        )


def outlooks(
    session: Session,
    rows: Iterable[Resource],
    *,
    from_at: datetime,
    to_at: datetime,
    zone: ZoneInfo,
) -> dict[int, Outlook]:
    """Return what resources have ahead between two instants, by row id.

    Their calendars, with the exceptions, must be loaded already.
    """
    by_id = {row.id: row for row in rows}
    taken = busy(session, by_id, from_at, to_at)
    down = _outages(session, by_id, from_at, to_at)
    runs = _runs(session, by_id, taken, from_at, to_at)
    opening: dict[int, list[Span]] = {}
    attended: dict[int, list[Span]] = {}
    found = {}
    for row in by_id.values():
        if row.kind is ResourceKind.EVENT:
            found[row.id] = Outlook(None, tuple(runs[row.id]))
            continue
        if row.calendar_id not in opening:
            opening[row.calendar_id] = spans(
                opening_hours(row.calendar), from_at=from_at, to_at=to_at, zone=zone
            )
        ends = row.stay_rule is StayRule.ENDS
        if ends and row.calendar_id not in attended:
            attended[row.calendar_id] = spans(
                attended_hours(row.calendar), from_at=from_at, to_at=to_at, zone=zone
            )
        found[row.id] = Outlook(
            starts=tuple(attended[row.calendar_id]) if ends else None,
            occupancy=occupancy(
                kind=row.kind,
                capacity=row.capacity,
                opening=opening[row.calendar_id],
                outages=down[row.id],
                taken=taken[row.id],
                from_at=from_at,
                to_at=to_at,
            ),
        )
    return found


def together(outlooks: Iterable[Outlook]) -> float | None:
    """Return the busy share of the open time of several resources, each counted once.

    Event resources have no open time and play no part.
    """
    known = [o.occupancy for o in outlooks if o.occupancy is not None]
    return share(sum(o.busy_min for o in known), sum(o.open_min for o in known))


def busy(
    session: Session, ids: Iterable[int], from_at: datetime, to_at: datetime
) -> Mapping[int, list[Taken]]:
    """Return everybody's stays on resources that touch `[from_at, to_at)`, by row id."""
    rows = session.execute(
        sa.text(
            "SELECT resource_id, starts_at, ends_at, quantity, occurrence_id"
            " FROM busy(CAST(:ids AS int[]), :from_at, :to_at)"
        ),
        {"ids": sorted(ids), "from_at": from_at, "to_at": to_at},
    )
    found: dict[int, list[Taken]] = defaultdict(list)
    for which, *stay in rows:
        found[which].append(Taken(*stay))
    return found


def _outages(
    session: Session, ids: Iterable[int], from_at: datetime, to_at: datetime
) -> Mapping[int, list[Span]]:
    down: dict[int, list[Span]] = defaultdict(list)
    for which, start, end in session.execute(
        sa.select(Outage.resource_id, Outage.starts_at, Outage.ends_at).where(
            Outage.resource_id.in_(ids), Outage.ends_at > from_at, Outage.starts_at < to_at
        )
    ):
        down[which].append((start, end))
    return down


def _runs(
    session: Session,
    ids: Iterable[int],
    taken: Mapping[int, list[Taken]],
    from_at: datetime,
    to_at: datetime,
) -> Mapping[int, list[Run]]:
    runs: dict[int, list[Run]] = defaultdict(list)
    for run in session.scalars(
        sa.select(Occurrence)
        .where(
            Occurrence.resource_id.in_(ids),
            Occurrence.starts_at >= from_at,
            Occurrence.starts_at < to_at,
        )
        .order_by(Occurrence.starts_at, Occurrence.id)
    ):
        runs[run.resource_id].append(
            Run(
                run.starts_at,
                run.closes_at,
                run.capacity,
                sum(
                    stay.quantity
                    for stay in taken.get(run.resource_id, ())
                    if stay.occurrence_id == run.id
                ),
            )
        )
    return runs
