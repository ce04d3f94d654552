"""What a night reads: every waiting order, every booking in force, the park on a grid."""

import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from platform_booking.accounts.models import Organisation, OrganisationState
from platform_booking.bookings.models import Booking, Source
from platform_booking.bookings.states import BookingState
from platform_booking.catalog.models import CatalogueLoad, Platform
from platform_booking.orders.models import Order, Step, StepBooking
from platform_booking.orders.park import (
    BEYOND,
    SLOT_MINUTES,
    Grid,
    Park,
    load_park,
    origin_of,
)
from platform_booking.orders.snapshot import Asked, asked_of, load_stays
from platform_booking.orders.states import OrderState, StepState
from platform_booking.planning.shares import shares_of
from solver.aside import set_aside
from solver.faults import faults
from solver.problem import Placement, Problem

MOVE_PENALTY = 10
"""A move costs a tenth of the order's value. Source: DECISIONS 16."""

log = logging.getLogger(__name__)

_FAULTY = re.compile(r"jobs\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Held:
    """A booking that a plan may move."""

    booking_id: int
    version: int
    part: int
    resource_id: int
    starts_at: datetime
    ends_at: datetime
    recipe_id: int | None
    occurrence_id: int | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One reading of the database, ready to be solved without it."""

    problem: Problem
    park: Park
    asked: Mapping[str, Asked]  # by id of the job
    impossible: Set[str]  # of those asked, jobs that contradict themselves; not solved
    held: Mapping[int, Sequence[Held]]  # movable bookings by step id
    platform_of: Mapping[str, int]  # row id of the platform by resource code


def read(session: Session, *, now: datetime, zone: ZoneInfo, fairness: int = 0) -> Snapshot:
    """Read everything that one night needs, in a constant number of statements.

    `fairness` is `Problem.alpha`; at 0 nobody's share is looked up.
    """
    platforms = session.scalars(sa.select(Platform)).all()
    grid = Grid(origin_of(now, zone), SLOT_MINUTES)
    horizon_days = max((p.horizon_days for p in platforms), default=14)
    freeze = timedelta(hours=max((p.freeze_hours for p in platforms), default=24))
    horizon = grid.length(horizon_days * 1440)
    earliest = min(grid.ceil(now + freeze), horizon)
    calendar_end = horizon + grid.length(int(BEYOND.total_seconds() // 60))
    park = load_park(
        session,
        grid=grid,
        calendar_end=calendar_end,
        now=now,
        zone=zone,
        weights=priority_weights(session),
    )
    orders = _open_orders(session, now=now, before=grid.at(horizon))
    held = _movable(session, orders, from_at=grid.at(earliest))
    asked = _asked(orders, park, held)
    frame = park.problem(
        horizon=horizon,
        earliest=earliest,
        jobs=[one.job for one in asked.values()],
        stays=(),
    )
    impossible = _contradicting(frame)
    jobs = [job for job in frame.jobs if job.id not in impossible]
    moving = [
        h.booking_id
        for job in jobs
        if job.previous
        for part in asked[job.id].parts
        for h in held[part.step_id]
    ]
    stays = load_stays(session, park, joinable_from=earliest, without=moving)
    shares = shares_of(session, jobs, weights=park.weights, now=now) if fairness else ()
    problem, wrong = set_aside(
        replace(frame, jobs=tuple(jobs), stays=tuple(stays), shares=shares, alpha=fairness)
    )
    for fault in wrong.values():
        log.warning("a booking is taken for a plain stay, the night goes on: %s", fault)
    return Snapshot(
        problem=problem,
        park=park,
        asked=asked,
        impossible=impossible,
        held=held,
        platform_of=_platforms_of(park, platforms),
    )


def _asked(
    orders: Iterable[Order], park: Park, held: Mapping[int, Sequence[Held]]
) -> dict[str, Asked]:
    """Return what is to be placed, and what is booked and may move, by id of the job."""
    found = {}
    for rank, order in enumerate(orders):
        first_right = any(step.first_right for step in order.steps)
        one = asked_of(order, park, rank=rank, first_right=first_right)
        if _booked(order):
            previous = _previous(one, held, park)
            if previous is None:
                continue  # not movable: its bookings stand as stays
            job = replace(
                one.job,
                mandatory=True,
                previous=previous,
                move_cost=max(1, one.job.value // MOVE_PENALTY),
            )
            one = replace(one, job=job)
        found[one.job.id] = one
    return found


def _contradicting(problem: Problem) -> frozenset[str]:
    """Return the jobs that contradict themselves: they must not cost others the night."""
    found = {_FAULTY.match(fault) for fault in faults(problem)}
    return frozenset(problem.jobs[int(m[1])].id for m in found if m)


def priority_weights(session: Session) -> dict[str, int]:
    """Return what each priority class weighs, from the newest catalogue."""
    extras = session.scalar(
        sa.select(CatalogueLoad.extras).order_by(CatalogueLoad.id.desc()).limit(1)
    )
    return {c["code"]: c["weight"] for c in (extras or {}).get("priority_classes", ())}


def _open_orders(session: Session, *, now: datetime, before: datetime) -> list[Order]:
    """Return what could begin before the horizon ends, the first submitted first."""
    found = session.scalars(
        sa.select(Order)
        .join(Organisation, Organisation.id == Order.organisation_id)
        .where(Organisation.state == OrganisationState.APPROVED)
        .where(Order.state == OrderState.SUBMITTED)
        .where(Order.deadline_at > now, Order.earliest_at < before)
        .where(
            ~sa.exists().where(
                Step.order_id == Order.id,
                Step.state.not_in([StepState.WAITING, StepState.PLACED, StepState.BOOKED]),
            )
        )
        .order_by(Order.submitted_at, Order.id)
        .options(selectinload(Order.steps), selectinload(Order.lags))
    )
    return [order for order in found if all(_opens(s, before) for s in order.steps)]


def _opens(step: Step, before: datetime) -> bool:
    """Tell whether a step may begin within the horizon; if not, its night will come."""
    starts = [datetime.fromisoformat(opens) for opens, _ in step.windows]
    return not starts or min(starts) < before


def _booked(order: Order) -> bool:
    return any(step.state is StepState.BOOKED for step in order.steps)


def _movable(
    session: Session, orders: Iterable[Order], *, from_at: datetime
) -> dict[int, list[Held]]:
    """Return the bookings of orders all of whose bookings a plan may move, by step."""
    booked = [o.id for o in orders if _booked(o)]
    if not booked:
        return {}
    fixed: set[int] = set()
    found: dict[int, list[Held]] = defaultdict(list)
    of_order: dict[int, list[int]] = defaultdict(list)
    rows = session.execute(
        sa.select(Step.order_id, Step.id, StepBooking.part, Booking)
        .join(StepBooking, StepBooking.step_id == Step.id)
        .join(Booking, Booking.id == StepBooking.booking_id)
        .where(Step.order_id.in_(booked), Booking.active)
        .order_by(Booking.id)
    )
    for order_id, step_id, part, booking in rows:
        movable = (
            booking.state is BookingState.CONFIRMED
            and booking.source is Source.PLAN
            and booking.starts_at >= from_at
        )
        if not movable:
            fixed.add(order_id)
        of_order[order_id].append(step_id)
        found[step_id].append(
            Held(
                booking_id=booking.id,
                version=booking.version,
                part=part,
                resource_id=booking.resource_id,
                starts_at=booking.starts_at,
                ends_at=booking.ends_at,
                recipe_id=booking.recipe_id,
                occurrence_id=booking.occurrence_id,
            )
        )
    for order_id in fixed:
        for step_id in of_order[order_id]:
            found.pop(step_id, None)
    return dict(found)


def _previous(
    asked: Asked, held: Mapping[int, Sequence[Held]], park: Park
) -> tuple[Placement, ...] | None:
    """Return where a booked order stands, as placements; None if it cannot be said."""
    placements = []
    for index, part in enumerate(asked.parts):
        mine = [h for h in held.get(part.step_id, ()) if h.part == part.number]
        placement = _standing(asked, index, mine, park)
        if placement is None:
            return None
        placements.append(placement)
    return tuple(placements)


def _standing(
    asked: Asked, index: int, held: Iterable[Held], park: Park
) -> Placement | None:
    for one in held:
        for n, alternative in enumerate(asked.job.steps[index].alternatives):
            same = park.ids[alternative.resource] == one.resource_id
            if same and alternative.recipe == (
                str(one.recipe_id) if one.recipe_id else None
            ):
                return Placement(
                    job=asked.job.id,
                    step=index,
                    alternative=n,
                    start=park.grid.floor(one.starts_at),
                    end=park.grid.ceil(one.ends_at),
                    occurrence=str(one.occurrence_id) if one.occurrence_id else None,
                )
    return None  # a resource that could not serve it any more, or is held beside another


def _platforms_of(park: Park, platforms: Iterable[Platform]) -> dict[str, int]:
    ids = {p.code: p.id for p in platforms}
    return {r.id: ids[r.platform] for r in park.resources.values()}
