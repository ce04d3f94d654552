"""What a night found becomes a draft: placements, reasons, approvals, the problem itself.

What has changed since the night was read is left out by name; all else stands.
"""

import hashlib
import json
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking import audit
from platform_booking.catalog.models import Platform
from platform_booking.clock import utcnow
from platform_booking.notices.outbox import Line, tell_all
from platform_booking.orders.models import Order, Step
from platform_booking.orders.states import OrderState, StepState
from platform_booking.planning import explaining, telling
from platform_booking.planning.models import (
    CONTRADICTORY,
    OVERTAKEN,
    Approval,
    LateOrder,
    LeftOut,
    PlacementRow,
    Plan,
    PlanProblem,
    PublicationPart,
)
from platform_booking.planning.proposal import Proposal, numbered, proposed
from platform_booking.planning.snapshot import Snapshot
from platform_booking.planning.states import OPEN, Change, Overtaken, PlanState
from solver.allocation import Allocation, Late
from solver.explain import late_reasons
from solver.formats.json_format import problem_to_data
from solver.greedy import by_job
from solver.problem import Placement
from solver.value import value_of

_APPROVAL_HOURS = 10
_LATE_SEARCHED = 200  # late orders for which ways out are looked for, the costliest first


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


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan ready to be written: whatever can be done without the database is done."""

    snapshot: Snapshot
    allocation: Allocation
    late: tuple[Late, ...]
    proposal: Proposal
    fcfs_value: int
    fcfs_placed: int
    problem: bytes  # JSON of solver.formats, zlib
    problem_hash: str


def prepared(
    snapshot: Snapshot, allocation: Allocation, yardstick: Sequence[Placement]
) -> Draft:
    """Make a plan ready, so that the transaction that keeps it is short."""
    data = problem_to_data(snapshot.problem)
    text = json.dumps(data, separators=(",", ":")).encode()
    return Draft(
        snapshot=snapshot,
        allocation=allocation,
        late=late_reasons(snapshot.problem, allocation.placements, limit=_LATE_SEARCHED),
        proposal=proposed(snapshot, by_job(allocation.placements)),
        fcfs_value=value_of(snapshot.problem, yardstick),
        fcfs_placed=len(by_job(yardstick)),
        problem=zlib.compress(text),
        problem_hash=hashlib.sha256(text).hexdigest(),
    )


def keep(session: Session, plan_id: int, draft: Draft, *, now: datetime) -> Outcome:
    """Write a draft within the caller's transaction, in place of every older one."""
    plan = session.get_one(Plan, plan_id)
    overtaken = _overtaken(session, draft.snapshot)
    rows = numbered(draft.proposal, without=overtaken)
    placed = sorted({row["order_id"] for row in rows})
    _figures(plan, draft, placed=len(placed))
    _supersede(session, plan, now=now)
    if rows:
        session.execute(
            sa.insert(PlacementRow), [{**row, "plan_id": plan.id} for row in rows]
        )
    parts: dict[int, set[int]] = defaultdict(set)
    for row in rows:
        if row["change"] is not Change.KEPT:
            parts[row["component"]].add(row["platform_id"])
    session.add_all(
        PublicationPart(plan_id=plan.id, component=number, platform_ids=sorted(needed))
        for number, needed in sorted(parts.items())
    )
    platforms = sorted(set().union(*parts.values()))
    session.add_all(Approval(plan_id=plan.id, platform_id=p) for p in platforms)
    plan.approve_until = now + _approval_time(session, platforms)
    tell_all(session, telling.waiting(session, plan, platforms), now=now)
    _place_steps(session, placed)
    left_out = _leave_out(session, plan, draft, overtaken, now=now)
    _say_who_is_late(session, plan, draft, placed=set(placed))
    session.add(
        PlanProblem(
            plan_id=plan.id,
            content=draft.problem,
            problem_hash=draft.problem_hash,
            prices=explaining.prices(draft.allocation.prices, draft.snapshot),
        )
    )
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


def _figures(plan: Plan, draft: Draft, *, placed: int) -> None:
    allocation, grid = draft.allocation, draft.snapshot.park.grid
    plan.origin_at, plan.slot_minutes = grid.origin_at, grid.minutes
    plan.waves, plan.seconds = allocation.waves, round(allocation.seconds, 3)
    plan.value, plan.bound = allocation.value, allocation.bound
    plan.fcfs_value, plan.fcfs_placed = draft.fcfs_value, draft.fcfs_placed
    plan.asked, plan.placed = len(draft.snapshot.asked), placed
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
        .execution_options(synchronize_session=False)
    )


def _place_steps(session: Session, order_ids: Sequence[int]) -> None:
    session.execute(
        sa.update(Step)
        .where(Step.order_id.in_(order_ids), Step.position >= 0)
        .where(Step.state == StepState.WAITING)
        .values(state=StepState.PLACED)
        .execution_options(synchronize_session=False)
    )


def _leave_out(
    session: Session,
    plan: Plan,
    draft: Draft,
    overtaken: Mapping[int, Overtaken],
    *,
    now: datetime,
) -> Counter[str]:
    """Write down who is left out, and tell those who wait; count the causes."""
    snapshot = draft.snapshot
    why = _why(snapshot, draft.allocation, overtaken)
    booked = {one.order_id for one in snapshot.asked.values() if one.job.previous}
    orders = session.execute(
        sa.select(Order.id, Order.public_id, Order.organisation_id, Order.platform_ids)
        .where(Order.id.in_(why))
        .order_by(Order.id)
    ).all()
    notices = []
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
        notices.append(
            Line(
                kind="order.left_out",
                payload={
                    "order": str(public_id),
                    "cause": found.cause,
                    "night": plan.night.isoformat(),
                },
                organisation_id=organisation_id,
            )
        )
    tell_all(session, notices, now=now)
    return Counter(found.cause for found in why.values())


def _say_who_is_late(
    session: Session, plan: Plan, draft: Draft, *, placed: Set[int]
) -> None:
    """Write down whom the plan places after the date wished for, and why not before."""
    snapshot = draft.snapshot
    platforms = dict(
        session.execute(
            sa.select(Order.id, Order.platform_ids).where(Order.id.in_(placed))
        ).all()
    )
    for late in draft.late:
        asked = snapshot.asked[late.reason.job]
        if asked.order_id not in placed:
            continue  # overtaken
        session.add(
            LateOrder(
                plan_id=plan.id,
                order_id=asked.order_id,
                organisation_id=asked.organisation_id,
                platform_ids=platforms[asked.order_id],
                late_min=late.slots * snapshot.park.grid.minutes,
                cause=late.reason.cause.value,
                detail=explaining.detail(late.reason, snapshot),
                ways_out=explaining.ways_out(late.reason, snapshot),
            )
        )


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
