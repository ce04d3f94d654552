"""The night: read, solve with no connection held, keep the draft.

A short transaction claims the night and makes the plan's row, a second reads the snapshot,
the solver runs without the database, and a last one keeps the draft under the fence. When
any of it fails, the plan says why and what was in force stays in force.
"""

import hashlib
import json
import os
import socket
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking import audit
from platform_booking.catalog.models import Platform
from platform_booking.clock import utcnow
from platform_booking.config import Settings
from platform_booking.db import db, transaction
from platform_booking.errors import IllegalMove, NightFailed
from platform_booking.notices.outbox import tell
from platform_booking.orders.models import Order, Step
from platform_booking.orders.states import OrderState, StepState
from platform_booking.planning import claims, explaining
from platform_booking.planning.components import Use, components
from platform_booking.planning.models import (
    Approval,
    LeftOut,
    Night,
    PlacementRow,
    Plan,
    PlanProblem,
    PublicationPart,
)
from platform_booking.planning.snapshot import Held, Snapshot, read
from platform_booking.planning.states import Change, PlanState
from solver.allocation import Allocation, Reason
from solver.errors import SolverError
from solver.formats.json_format import problem_from_data, problem_to_data
from solver.greedy import by_job, first_come_first_served, list_schedule
from solver.options import Options, Progress
from solver.problem import Placement, Problem
from solver.value import value_of

OPEN = (PlanState.DRAFT, PlanState.PUBLISHING)
Reporter = Callable[[Progress], None]
Solve = Callable[[Problem, Options], Allocation]


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


def run(
    night: date,
    *,
    now: datetime,
    settings: Settings,
    seconds: float | None = None,
    waves: int | None = None,
    seed: int = 1,
    on_progress: Reporter | None = None,
    solve: Solve | None = None,
) -> Outcome:
    """Run the allocation of one night and keep its draft.

    Acts as pb_job. `waves`, when given, makes the plan repeatable; else `seconds`, or the
    settings', choose how many there are.

    Raises
    ------
    NightRunning
        If another runner is at it.
    IllegalMove
        If the night's plan is being published or has been.
    Fenced
        If another runner took the night over meanwhile; nothing of ours was kept.
    NightFailed
        If no plan could be made; the plan's row says so.
    """
    runner = f"{socket.gethostname()}:{os.getpid()}"
    with transaction() as session:
        mine = claims.claim(
            session, night, runner=runner, lease_seconds=settings.lease_seconds
        )
        _refuse_published(session, night)
        plan = _begin(session, mine, now=now, seed=seed)
    plan_id = plan.id
    try:
        with transaction() as session:
            snapshot = read(session, now=now, zone=settings.zone)
        db.session.remove()  # no connection is held while the solver searches
        allocation, yardstick = _solve(
            snapshot.problem,
            mine=mine,
            plan_id=plan_id,
            settings=settings,
            options=Options(
                seed=seed,
                waves=waves,
                seconds=seconds if seconds is not None else float(settings.night_seconds),
                workers=settings.night_workers,
                on_progress=on_progress,
            ),
            solve=solve,
        )
        with transaction() as session:
            claims.hold(session, mine)
            outcome = _keep(session, plan_id, snapshot, allocation, yardstick, now=now)
            claims.release(session, mine)
    except SolverError as fault:
        _fail(plan_id, mine, fault)
        raise NightFailed(f"{type(fault).__name__}: {fault}"[:500]) from fault
    except Exception as fault:
        _fail(plan_id, mine, fault)
        raise
    return outcome


def replay(plan: Plan, content: PlanProblem, *, workers: int) -> tuple[bool, Allocation]:
    """Solve a kept night again; tell whether the same value comes out."""
    from solver.solve import solve  # noqa: PLC0415 - loads OR-Tools

    problem = problem_from_data(json.loads(zlib.decompress(content.content)))
    again = solve(
        problem, Options(seed=plan.seed, waves=plan.waves, workers=workers, explain=0)
    )
    return again.value == plan.value, again


def _refuse_published(session: Session, night: date) -> None:
    taken = session.scalar(
        sa.select(Plan.state).where(
            Plan.night == night,
            Plan.state.in_([PlanState.PUBLISHING, PlanState.PUBLISHED]),
        )
    )
    if taken is not None:
        raise IllegalMove(f"the plan of {night} is {taken} already")


def _begin(session: Session, mine: claims.Claim, *, now: datetime, seed: int) -> Plan:
    """Make the plan's row; what an earlier runner left behind has failed."""
    session.execute(
        sa.update(Plan)
        .where(Plan.night == mine.night, Plan.state == PlanState.RUNNING)
        .values(state=PlanState.FAILED, error="the runner went silent and was taken over")
    )
    plan = Plan(
        night=mine.night,
        state=PlanState.RUNNING,
        fence=mine.fence,
        started_at=now,
        origin_at=now,
        seed=seed,
        progress={},
    )
    session.add(plan)
    session.flush()  # plan.id
    session.execute(
        sa.update(Night).where(Night.night == mine.night).values(plan_id=plan.id)
    )
    return plan


def _solve(
    problem: Problem,
    *,
    mine: claims.Claim,
    plan_id: int,
    settings: Settings,
    options: Options,
    solve: Solve | None,
) -> tuple[Allocation, tuple[Placement, ...]]:
    """Search while the heartbeat keeps the night ours."""
    if solve is None:
        # OR-Tools takes a second to load and has no place in a web worker.
        from solver.solve import solve as solver_solve  # noqa: PLC0415

        solve = solver_solve
    latest: dict[str, Any] = {}
    tell_caller = options.on_progress

    def report(progress: Progress) -> None:
        latest.update(
            phase=progress.phase,
            wave=progress.wave,
            waves=progress.waves,
            value=progress.value,
            bound=progress.bound,
            seconds=round(progress.seconds, 1),
        )
        if tell_caller is not None:
            tell_caller(progress)

    with claims.heartbeat(
        db.engines["job"],
        mine,
        plan_id=plan_id,
        lease_seconds=settings.lease_seconds,
        progress=lambda: dict(latest),
    ) as lost:
        yardstick = list_schedule(problem, first_come_first_served)
        allocation = solve(
            problem, replace(options, on_progress=report, should_stop=lost.is_set)
        )
    return allocation, tuple(yardstick)


def _keep(
    session: Session,
    plan_id: int,
    snapshot: Snapshot,
    allocation: Allocation,
    yardstick: Sequence[Placement],
    *,
    now: datetime,
) -> Outcome:
    plan = session.get_one(Plan, plan_id)
    plan.origin_at = snapshot.park.grid.origin_at
    plan.slot_minutes = snapshot.park.grid.minutes
    plan.waves, plan.seconds = allocation.waves, round(allocation.seconds, 3)
    plan.value, plan.bound = allocation.value, allocation.bound
    plan.fcfs_value = value_of(snapshot.problem, yardstick)
    plan.fcfs_placed = len(by_job(yardstick))
    plan.asked = len(snapshot.problem.jobs)
    changed = _changed_since(session, snapshot)
    chosen = {
        job: placements
        for job, placements in by_job(allocation.placements).items()
        if job not in changed
    }
    plan.placed = len(chosen)
    plan.finished_at = utcnow()
    plan.state = PlanState.DRAFT
    _supersede(session, plan)
    rows = _rows(plan, snapshot, chosen)
    session.add_all(rows)
    session.add_all(
        PublicationPart(plan_id=plan.id, component=c)
        for c in sorted({r.component for r in rows})
    )
    platforms = sorted({r.platform_id for r in rows})
    session.add_all(Approval(plan_id=plan.id, platform_id=p) for p in platforms)
    plan.approve_until = now + _approval_time(session)
    _place_steps(session, snapshot, chosen)
    _leave_out(
        session,
        plan,
        snapshot,
        [reason for reason in allocation.reasons if reason.job not in changed],
        now=now,
    )
    session.add(_problem_row(plan, snapshot.problem))
    audit.record(
        session,
        act="plan.draft",
        subject=f"plan {plan.public_id}",
        detail={"placed": plan.placed, "asked": plan.asked, "value": plan.value},
    )
    causes: dict[str, int] = {}
    for reason in allocation.reasons:
        causes[reason.cause.value] = causes.get(reason.cause.value, 0) + 1
    return Outcome(
        plan_id=plan.id,
        public_id=plan.public_id,
        asked=plan.asked,
        placed=plan.placed,
        value=plan.value,
        fcfs_value=plan.fcfs_value,
        fcfs_placed=plan.fcfs_placed,
        bound=plan.bound,
        left_out=tuple(
            (cause, str(n)) for cause, n in sorted(causes.items(), key=lambda c: -c[1])
        ),
        seconds=plan.seconds,
    )


def _changed_since(session: Session, snapshot: Snapshot) -> set[str]:
    """Return the jobs whose orders were amended or withdrawn while the solver searched.

    What the plan has for them is not what they ask for any more: they are in no draft, and
    the next night reads them anew. The rows are held until the draft is kept.
    """
    asked = {one.order_id: (job, one.version) for job, one in snapshot.asked.items()}
    found = session.execute(
        sa.select(Order.id, Order.version, Order.state)
        .where(Order.id.in_(asked))
        .order_by(Order.id)
        .with_for_update()
    )
    as_read = {
        order_id
        for order_id, version, state in found
        if version == asked[order_id][1] and state is OrderState.SUBMITTED
    }
    return {job for order_id, (job, _) in asked.items() if order_id not in as_read}


def _supersede(session: Session, plan: Plan) -> None:
    """Set older drafts aside; their orders wait again, unless this plan has them."""
    older = session.scalars(
        sa.select(Plan).where(Plan.state.in_(OPEN), Plan.id != plan.id).with_for_update()
    ).all()
    for other in older:
        if other.state is PlanState.DRAFT:
            other.state = PlanState.SUPERSEDED
        else:
            # What is approved has been published; the rest is in this plan's hands.
            other.state = PlanState.PUBLISHED
        session.execute(
            sa.update(PublicationPart)
            .where(
                PublicationPart.plan_id == other.id, PublicationPart.published_at.is_(None)
            )
            .values(withheld="superseded")
        )
    session.execute(
        sa.update(Step)
        .where(Step.state == StepState.PLACED)
        .values(state=StepState.WAITING)
    )


def _rows(
    plan: Plan, snapshot: Snapshot, chosen: dict[str, tuple[Placement, ...]]
) -> list[PlacementRow]:
    rows: list[PlacementRow] = []
    left: list[Use] = []
    for job_id, placements in sorted(chosen.items(), key=lambda c: int(c[0])):
        asked = snapshot.asked[job_id]
        moved = bool(asked.job.previous) and tuple(placements) != asked.job.previous
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
    kept = max(numbers.values(), default=-1) + 1
    for row in rows:
        row.component = numbers.get(row.order_id, kept)
    return [r for r in rows if r.change is not Change.KEPT]


def _rows_of(
    plan: Plan, snapshot: Snapshot, job_id: str, placement: Placement, *, moved: bool
) -> tuple[list[PlacementRow], list[Use]]:
    """Return a row for the main resource and one for each that is held beside it."""
    asked, park = snapshot.asked[job_id], snapshot.park
    part = asked.parts[placement.step]
    alternative = asked.job.steps[placement.step].alternatives[placement.alternative]
    held = {
        h.resource_id: h
        for h in snapshot.held.get(part.step_id, ())
        if h.part == part.number
    }
    uses = [
        (alternative.resource, alternative.quantity, alternative.recipe),
        *((use.resource, use.quantity, None) for use in alternative.also),
    ]
    change = Change.MOVED if moved else Change.KEPT if asked.job.previous else Change.NEW
    spare = [
        h
        for h in held.values()
        if park.resources[h.resource_id].id not in {u[0] for u in uses}
    ]
    rows, left = [], []
    for code, quantity, recipe in uses:
        resource_id = park.ids[code]
        before: Held | None = None
        if asked.job.previous:
            before = held.get(resource_id) or (spare.pop(0) if spare else None)
        if before is not None and moved:
            left.append(
                Use(asked.order_id, before.resource_id, before.starts_at, before.ends_at)
            )
        rows.append(
            PlacementRow(
                plan_id=plan.id,
                order_id=asked.order_id,
                step_id=part.step_id,
                part=part.number,
                organisation_id=asked.organisation_id,
                platform_id=snapshot.platform_of[code],
                resource_id=resource_id,
                starts_at=park.grid.at(placement.start),
                ends_at=park.grid.at(placement.end),
                quantity=quantity,
                recipe_id=int(recipe) if recipe else None,
                occurrence_id=int(placement.occurrence) if placement.occurrence else None,
                family=alternative.family,
                component=0,
                change=change,
                previous_booking_id=before.booking_id if before else None,
                previous_version=before.version if before else None,
            )
        )
    return rows, left


def _place_steps(
    session: Session, snapshot: Snapshot, chosen: dict[str, tuple[Placement, ...]]
) -> None:
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
    reasons: Sequence[Reason],
    *,
    now: datetime,
) -> None:
    orders = {
        row.id: row
        for row in session.execute(
            sa.select(Order.id, Order.public_id, Order.platform_ids).where(
                Order.id.in_([snapshot.asked[r.job].order_id for r in reasons])
            )
        )
    }
    for reason in reasons:
        asked = snapshot.asked[reason.job]
        order = orders[asked.order_id]
        session.add(
            LeftOut(
                plan_id=plan.id,
                order_id=asked.order_id,
                organisation_id=asked.organisation_id,
                platform_ids=order.platform_ids,
                cause=reason.cause.value,
                detail=explaining.detail(reason, snapshot),
                ways_out=explaining.ways_out(reason, snapshot),
            )
        )
        tell(
            session,
            kind="order.left_out",
            payload={"order": str(order.public_id), "cause": reason.cause.value},
            now=now,
            organisation_id=asked.organisation_id,
        )


def _approval_time(session: Session) -> timedelta:
    hours = session.scalar(sa.select(sa.func.max(Platform.approval_hours)))
    return timedelta(hours=hours or 10)


def _problem_row(plan: Plan, problem: Problem) -> PlanProblem:
    text = json.dumps(problem_to_data(problem), separators=(",", ":"))
    return PlanProblem(
        plan_id=plan.id,
        content=zlib.compress(text.encode()),
        problem_hash=hashlib.sha256(text.encode()).hexdigest(),
    )


def _fail(plan_id: int, mine: claims.Claim, fault: Exception) -> None:
    """Say that the plan failed; what is in force stays in force."""
    with transaction() as session:
        session.execute(
            sa.update(Plan)
            .where(Plan.id == plan_id, Plan.state == PlanState.RUNNING)
            .values(
                state=PlanState.FAILED,
                finished_at=utcnow(),
                error=f"{type(fault).__name__}: {fault}"[:500],
            )
        )
        claims.release(session, mine)
