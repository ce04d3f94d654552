"""What a night found becomes a draft: placements, reasons, approvals, the problem itself.

What has changed since the night was read is left out by name; all else stands.
"""

import hashlib
import json
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking import audit
from platform_booking.catalog.models import Platform
from platform_booking.clock import utcnow
from platform_booking.notices.outbox import tell
from platform_booking.orders.models import Order, Step
from platform_booking.orders.snapshot import Asked
from platform_booking.orders.states import OrderState, StepState
from platform_booking.planning import explaining
from platform_booking.planning.components import Use, components
from platform_booking.planning.models import (
    CONTRADICTORY,
    OVERTAKEN,
    Approval,
    LeftOut,
    PlacementRow,
    Plan,
    PlanProblem,
    PublicationPart,
)
from platform_booking.planning.snapshot import Held, Snapshot
from platform_booking.planning.states import OPEN, Change, Overtaken, PlanState
from solver.allocation import Allocation
from solver.formats.json_format import problem_to_data
from solver.greedy import by_job
from solver.problem import Placement, Problem
from solver.value import value_of

NO_COMPONENT = -1  # of what stays where it is: there is nothing to publish
_APPROVAL_HOURS = 10

Chosen = Mapping[str, tuple[Placement, ...]]  # by id of the job


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a night brought."""

    plan_id: int
    public_id: UUID
    asked: int
    placed: int
    value: int
    fcfs_value: int
    fcfs_placed: int
    bound: int | None
    left_out: tuple[tuple[str, str], ...]  # cause and how many, most frequent first
    seconds: float


def keep(
    session: Session,
    plan_id: int,
    snapshot: Snapshot,
    allocation: Allocation,
    yardstick: Sequence[Placement],
    *,
    now: datetime,
) -> Outcome:
    """Write a draft within the caller's transaction, in place of every older one."""
    plan = session.get_one(Plan, plan_id)
    overtaken = _overtaken(session, snapshot)
    chosen = {
        job: placements
        for job, placements in by_job(allocation.placements).items()
        if snapshot.asked[job].order_id not in overtaken
    }
    _figures(plan, snapshot, allocation, yardstick, placed=len(chosen))
    _supersede(session, plan, now=now)
    rows = _rows(plan, snapshot, chosen)
    session.add_all(rows)
    parts: dict[int, set[int]] = defaultdict(set)
    for row in rows:
        if row.change is not Change.KEPT:
            parts[row.component].add(row.platform_id)
    session.add_all(
        PublicationPart(plan_id=plan.id, component=number, platform_ids=sorted(needed))
        for number, needed in sorted(parts.items())
    )
    platforms = sorted(set().union(*parts.values()))
    session.add_all(Approval(plan_id=plan.id, platform_id=p) for p in platforms)
    plan.approve_until = now + _approval_time(session, platforms)
    _place_steps(session, snapshot, chosen)
    left_out = _leave_out(session, plan, snapshot, allocation, overtaken, now=now)
    session.add(_problem_row(plan, snapshot.problem))
    audit.record(
        session,
        act="plan.draft",
        subject=f"plan {plan.public_id}",
        detail={"placed": plan.placed, "asked": plan.asked, "value": plan.value},
    )
    return Outcome(
        plan_id=plan.id,
        public_id=plan.public_id,
        asked=plan.asked,
        placed=plan.placed,
        value=plan.value,
        fcfs_value=plan.fcfs_value,
        fcfs_placed=plan.fcfs_placed,
        bound=plan.bound,
        left_out=tuple((cause, str(n)) for cause, n in left_out.most_common()),
        seconds=plan.seconds,
    )


def _figures(
    plan: Plan,
    snapshot: Snapshot,
    allocation: Allocation,
    yardstick: Sequence[Placement],
    *,
    placed: int,
) -> None:
    plan.origin_at = snapshot.park.grid.origin_at
    plan.slot_minutes = snapshot.park.grid.minutes
    plan.waves, plan.seconds = allocation.waves, round(allocation.seconds, 3)
    plan.value, plan.bound = allocation.value, allocation.bound
    plan.fcfs_value = value_of(snapshot.problem, yardstick)
    plan.fcfs_placed = len(by_job(yardstick))
    plan.asked = len(snapshot.asked)
    plan.placed = placed
    plan.finished_at = utcnow()
    plan.state = PlanState.DRAFT


def _overtaken(session: Session, snapshot: Snapshot) -> dict[int, Overtaken]:
    """Return the orders that are no longer what the night has read.

    They are locked till the commit, so that nobody amends what is being placed.
    """
    seen = {one.order_id: one for one in snapshot.asked.values()}
    found: dict[int, Overtaken] = {}
    ids = sorted(seen)
    states: dict[int, set[StepState]] = {order_id: set() for order_id in ids}
    rows = session.execute(
        sa.select(Order.id, Order.version, Order.state)
        .where(Order.id.in_(ids))
        .order_by(Order.id)
        .with_for_update(read=True)
    ).all()
    for order_id, step_state in session.execute(
        sa.select(Step.order_id, Step.state).where(
            Step.order_id.in_(ids), Step.position >= 0
        )
    ):
        states[order_id].add(step_state)
    for order_id, version, state in rows:
        wanted = _BOOKED if seen[order_id].job.previous else _FREE
        if state is not OrderState.SUBMITTED:
            found[order_id] = Overtaken.WITHDRAWN
        elif version != seen[order_id].version:
            found[order_id] = Overtaken.AMENDED
        elif not states[order_id] <= wanted:
            found[order_id] = Overtaken.BOOKED
    return found


_FREE = {StepState.WAITING, StepState.PLACED}
_BOOKED = {StepState.BOOKED}


def _supersede(session: Session, plan: Plan, *, now: datetime) -> None:
    """Set older drafts aside; their orders wait again, unless this plan has them."""
    older = session.scalars(
        sa.select(Plan)
        .where(Plan.state.in_(OPEN), Plan.id != plan.id)
        .order_by(Plan.id)
        .with_for_update()
    ).all()
    for other in older:
        if other.state is PlanState.DRAFT:
            other.state = PlanState.SUPERSEDED
        else:
            # What is approved has been published; the rest is in this plan's hands.
            other.state = PlanState.PUBLISHED
            other.published_at = now
        session.execute(
            sa.update(PublicationPart)
            .where(PublicationPart.plan_id == other.id)
            .where(PublicationPart.published_at.is_(None), PublicationPart.withheld == "")
            .values(withheld="superseded")
        )
    session.execute(
        sa.update(Step)
        .where(Step.state == StepState.PLACED)
        .values(state=StepState.WAITING)
    )


def _rows(plan: Plan, snapshot: Snapshot, chosen: Chosen) -> list[PlacementRow]:
    rows: list[PlacementRow] = []
    left: list[Use] = []
    for job_id, placements in sorted(chosen.items(), key=lambda c: int(c[0])):
        job = snapshot.asked[job_id].job
        moved = bool(job.previous) and set(placements) != set(job.previous)
        for placement in placements:
            made, gaps = _rows_of(plan, snapshot, job_id, placement, moved=moved)
            rows += made
            left += gaps
    numbers = components(
        [
            Use(r.order_id, r.resource_id, r.starts_at, r.ends_at, r.recipe_id)
            for r in rows
            if r.change is not Change.KEPT
        ],
        left,
    )
    for row in rows:
        row.component = numbers.get(row.order_id, NO_COMPONENT)
    return rows


def _rows_of(
    plan: Plan, snapshot: Snapshot, job_id: str, placement: Placement, *, moved: bool
) -> tuple[list[PlacementRow], list[Use]]:
    """Return a row for the main resource and one for each that is held beside it.

    Beside them, the places that are left when the order moves.
    """
    asked, park = snapshot.asked[job_id], snapshot.park
    part = asked.parts[placement.step]
    alternative = asked.job.steps[placement.step].alternatives[placement.alternative]
    uses = [
        (alternative.resource, alternative.quantity, alternative.recipe),
        *((use.resource, use.quantity, None) for use in alternative.also),
    ]
    before = _before(snapshot, asked, placement.step, [park.ids[u[0]] for u in uses])
    change = Change.MOVED if moved else Change.KEPT if asked.job.previous else Change.NEW
    rows, left = [], []
    for (code, quantity, recipe), held in zip(uses, before, strict=True):
        if held is not None and moved:
            left.append(Use(asked.order_id, held.resource_id, held.starts_at, held.ends_at))
        rows.append(
            PlacementRow(
                plan_id=plan.id,
                order_id=asked.order_id,
                order_version=asked.version,
                step_id=part.step_id,
                part=part.number,
                organisation_id=asked.organisation_id,
                platform_id=snapshot.platform_of[code],
                resource_id=park.ids[code],
                starts_at=park.grid.at(placement.start),
                ends_at=park.grid.at(placement.end),
                quantity=quantity,
                recipe_id=int(recipe) if recipe else None,
                occurrence_id=int(placement.occurrence) if placement.occurrence else None,
                family=alternative.family,
                change=change,
                previous_booking_id=held.booking_id if held else None,
                previous_version=held.version if held else None,
                booking_id=held.booking_id if held and not moved else None,
            )
        )
    return rows, left


def _before(
    snapshot: Snapshot, asked: Asked, step: int, resource_ids: Sequence[int]
) -> list[Held | None]:
    """Return the booking that goes to each resource: the one there, else any other."""
    if not asked.job.previous:
        return [None] * len(resource_ids)
    part = asked.parts[step]
    free = [h for h in snapshot.held[part.step_id] if h.part == part.number]
    found: dict[int, Held] = {}
    for resource_id in resource_ids:
        there = next((h for h in free if h.resource_id == resource_id), None)
        if there is not None:
            found[resource_id] = there
            free.remove(there)
    return [found.get(r) or (free.pop(0) if free else None) for r in resource_ids]


def _place_steps(session: Session, snapshot: Snapshot, chosen: Chosen) -> None:
    orders = [snapshot.asked[job].order_id for job in chosen]
    session.execute(
        sa.update(Step)
        .where(Step.order_id.in_(orders), Step.position >= 0)
        .where(Step.state == StepState.WAITING)
        .values(state=StepState.PLACED)
    )


def _leave_out(
    session: Session,
    plan: Plan,
    snapshot: Snapshot,
    allocation: Allocation,
    overtaken: Mapping[int, Overtaken],
    *,
    now: datetime,
) -> Counter[str]:
    """Write down who is left out, and tell those who wait; count the causes."""
    why = _why(snapshot, allocation, overtaken)
    booked = {one.order_id for one in snapshot.asked.values() if one.job.previous}
    orders = session.execute(
        sa.select(Order.id, Order.public_id, Order.organisation_id, Order.platform_ids)
        .where(Order.id.in_(why))
        .order_by(Order.id)
    )
    for order_id, public_id, organisation_id, platform_ids in orders:
        found = why[order_id]
        session.add(
            LeftOut(
                plan_id=plan.id,
                order_id=order_id,
                organisation_id=organisation_id,
                platform_ids=platform_ids,
                cause=found.cause,
                detail=found.detail,
                ways_out=found.ways_out,
            )
        )
        if order_id in booked or found.cause == OVERTAKEN:
            continue  # its bookings stand; or it is its own people who changed it
        tell(
            session,
            kind="order.left_out",
            payload={"order": str(public_id), "cause": found.cause},
            now=now,
            organisation_id=organisation_id,
        )
    return Counter(found.cause for found in why.values())


@dataclass(frozen=True, slots=True)
class _Why:
    """Why an order has no place, ready for JSON."""

    cause: str
    detail: dict[str, Any]
    ways_out: list[dict[str, Any]]


def _why(
    snapshot: Snapshot, allocation: Allocation, overtaken: Mapping[int, Overtaken]
) -> dict[int, _Why]:
    """Return the causes by row id of the order."""
    found = {
        snapshot.asked[reason.job].order_id: _Why(
            reason.cause.value,
            explaining.detail(reason, snapshot),
            explaining.ways_out(reason, snapshot),
        )
        for reason in allocation.reasons
    }
    for job in snapshot.impossible:
        found[snapshot.asked[job].order_id] = _Why(CONTRADICTORY, {}, [])
    for order_id, how in overtaken.items():
        found[order_id] = _Why(OVERTAKEN, {"why": how.value}, [])
    return found


def _approval_time(session: Session, platforms: Iterable[int]) -> timedelta:
    hours = session.scalar(
        sa.select(sa.func.max(Platform.approval_hours)).where(Platform.id.in_(platforms))
    )
    return timedelta(hours=hours or _APPROVAL_HOURS)


def _problem_row(plan: Plan, problem: Problem) -> PlanProblem:
    text = json.dumps(problem_to_data(problem), separators=(",", ":"))
    return PlanProblem(
        plan_id=plan.id,
        content=zlib.compress(text.encode()),
        problem_hash=hashlib.sha256(text.encode()).hexdigest(),
    )
