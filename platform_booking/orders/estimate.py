"""The earliest date that today's bookings allow an order: plain Python, within a request.

The night may do better, for it moves what may move, or worse, for others ask as well. The
estimate stands beside nobody's wishes, only beside what is booked.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking.catalog.models import Platform
from platform_booking.orders.models import Order
from platform_booking.orders.park import Grid, load_park, origin_of
from platform_booking.orders.snapshot import asked_of, load_taken
from solver.greedy import insert
from solver.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Estimate:
    """Where an order would stand if it were placed at once."""

    starts_at: datetime
    ends_at: datetime


def earliest(
    session: Session, order: Order, *, now: datetime, zone: ZoneInfo
) -> Estimate | None:
    """Find the earliest place for an order beside everybody's bookings.

    The order need not be in the database. None where it has no place before its deadline;
    the bookings of the freeze, which no plan touches, are respected.
    """
    if not order.steps or order.deadline_at <= now:
        return None
    grid = Grid(origin_of(now, zone))
    calendar_end = grid.ceil(order.deadline_at)
    park = load_park(
        session,
        grid=grid,
        calendar_end=calendar_end,
        now=now,
        zone=zone,
        weights={},
        only=sorted(_resources_of(order)),
    )
    job = asked_of(order, park, rank=0).job
    if not all(step.alternatives for step in job.steps):
        return None  # something went out of service since
    first_slot = min(grid.ceil(now + _freeze(session)), calendar_end)
    stays = load_taken(
        session,
        park,
        joinable_from=first_slot,
        recipes={
            int(alternative.recipe)
            for step in job.steps
            for alternative in step.alternatives
            if alternative.recipe
        },
    )
    problem = park.problem(horizon=calendar_end, earliest=first_slot, jobs=(), stays=stays)
    placements = insert(Timeline(problem), job, thin=True)
    if not placements:
        return None
    return Estimate(
        starts_at=grid.at(min(p.start for p in placements)),
        ends_at=grid.at(max(p.end for p in placements)),
    )


def _resources_of(order: Order) -> set[int]:
    main = {resource_id for step in order.steps for resource_id in step.resource_ids}
    beside = {resource_id for step in order.steps for resource_id, _ in step.co_uses}
    return main | beside


def _freeze(session: Session) -> timedelta:
    """Return how far ahead a plan changes nothing: the longest of all platforms."""
    hours = session.scalar(sa.select(sa.func.max(Platform.freeze_hours)))
    return timedelta(hours=24 if hours is None else hours)
