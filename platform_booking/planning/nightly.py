"""The night: read, solve with no connection held, keep the draft.

A short transaction claims the night and makes the plan's row, a second reads the snapshot,
the solver runs without the database, the checker judges what it made, and a last
transaction keeps the draft under the fence. When any of it fails, the plan says why, and
what was in force stays in force.
"""

import json
import logging
import os
import socket
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from functools import partial

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking.bookings.contention import retrying
from platform_booking.clock import utcnow
from platform_booking.config import Settings
from platform_booking.db import db, transaction
from platform_booking.errors import BookingError, IllegalMove, NightFailed, NightStopped
from platform_booking.notices.outbox import tell_all
from platform_booking.planning import claims, drafting, telling
from platform_booking.planning.apart import SolverDied
from platform_booking.planning.course import Course
from platform_booking.planning.drafting import Outcome
from platform_booking.planning.models import Night, Plan, PlanProblem
from platform_booking.planning.snapshot import read
from platform_booking.planning.states import Failure, PlanState
from solver.allocation import Allocation
from solver.check import broken_rules, missing_mandatory, wrong_figures
from solver.errors import BadProblem
from solver.faults import faults
from solver.formats.json_format import problem_from_data
from solver.greedy import first_come_first_served, list_schedule
from solver.options import Options, Progress
from solver.problem import Placement, Problem

Reporter = Callable[[Progress], None]
Solve = Callable[[Problem, Options], Allocation]

_log = logging.getLogger(__name__)


def _go_on() -> bool:
    return False


def run(
    night: date,
    *,
    now: datetime,
    settings: Settings,
    seconds: float | None = None,
    waves: int | None = None,
    seed: int = 1,
    on_progress: Reporter | None = None,
    should_stop: Callable[[], bool] = _go_on,
    solve: Solve | None = None,
    scheduled_at: datetime | None = None,
) -> Outcome:
    """Run the allocation of one night and keep its draft.

    Acts as pb_job. `waves`, when given, makes the plan repeatable; else `seconds`, or the
    settings', choose how many there are. `scheduled_at` says when the night was due: a plan
    that somebody asked for earlier does not stand in its way, whatever became of it.

    Raises
    ------
    NightRunning
        If another runner is at it.
    IllegalMove
        If the night's plan is being published or has been.
    Fenced
        If another runner took the night over meanwhile; nothing of ours was kept.
    NightStopped
        If `should_stop` said so; nothing was kept, and the night may begin again at once.
    NightFailed
        If no plan could be made; the plan's row says so.
    """
    runner = f"{socket.gethostname()}:{os.getpid()}"
    with transaction() as session:
        mine = claims.claim(
            session, night, runner=runner, lease_seconds=settings.lease_seconds
        )
        _refuse_published(session, night, begun_since=scheduled_at)
        plan_id = _begin(session, mine, now=now, seed=seed).id
    try:
        with transaction() as session:
            snapshot = read(
                session, now=now, zone=settings.zone, fairness=settings.fairness
            )
        db.session.remove()  # neither a connection nor rows are held while it searches
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
                should_stop=should_stop,
            ),
            solve=solve,
        )
        if should_stop():
            raise NightStopped("the service is ending; the night begins again later")
        draft = drafting.prepared(snapshot, allocation, yardstick)
        return retrying(partial(_keep, mine, plan_id, draft, now=now))
    except NightStopped:
        _fail(plan_id, mine, Failure.STOPPED)
        raise
    except BadProblem as fault:
        _log.error("the night of %s contradicts itself: %s", night, fault)
        _fail(plan_id, mine, Failure.BAD_PROBLEM)
        raise NightFailed(f"what was read contradicts itself: {fault}"[:500]) from fault
    except NightFailed:
        _fail(plan_id, mine, Failure.NO_PLAN)
        raise
    except BookingError:
        _fail(plan_id, mine, Failure.UNEXPECTED)
        raise
    except Exception:
        # What the database says may show rows of firms: no word of it is kept.
        _fail(plan_id, mine, Failure.UNEXPECTED)
        raise


def problem_of(content: PlanProblem) -> Problem:
    """Return the problem that a night has kept."""
    return problem_from_data(json.loads(zlib.decompress(content.content)))


def replay(plan: Plan, content: PlanProblem, *, workers: int) -> tuple[bool, Allocation]:
    """Solve a kept night again; tell whether the same value comes out."""
    from solver.solve import solve  # noqa: PLC0415 - loads OR-Tools

    again = solve(
        problem_of(content),
        Options(seed=plan.seed, waves=plan.waves, workers=workers, bound=False, explain=0),
    )
    return again.value == plan.value, again


def _refuse_published(
    session: Session, night: date, *, begun_since: datetime | None
) -> None:
    taken = session.scalar(
        sa.select(Plan.state)
        .where(
            Plan.night == night,
            Plan.state.in_([PlanState.PUBLISHING, PlanState.PUBLISHED]),
            sa.true() if begun_since is None else Plan.started_at >= begun_since,
        )
        .limit(1)
    )
    if taken is not None:
        raise IllegalMove(f"the plan of {night} is {taken} already")


def _begin(session: Session, mine: claims.Claim, *, now: datetime, seed: int) -> Plan:
    """Make the plan's row; what an earlier runner left behind has failed."""
    session.execute(
        sa.update(Plan)
        .where(Plan.night == mine.night, Plan.state == PlanState.RUNNING)
        .values(state=PlanState.FAILED, finished_at=now, error=Failure.SILENT)
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
    """Search while the heartbeat keeps the night ours; judge what is found.

    Raises
    ------
    BadProblem
        If the problem contradicts itself.
    NightFailed
        If the solver fails in any way, or the checker refuses its plan.
    """
    if found := list(faults(problem)):
        raise BadProblem(found)
    if solve is None:
        # OR-Tools takes a second to load and has no place in a web worker.
        from solver.solve import solve as solver_solve  # noqa: PLC0415

        solve = solver_solve
    course = Course(options)
    told_to_stop = options.should_stop or _go_on

    def stop() -> bool:
        return heard.lost.is_set() or told_to_stop()

    with claims.heartbeat(
        db.engines["job"],
        mine,
        plan_id=plan_id,
        lease_seconds=settings.lease_seconds,
        progress=course.told,
    ) as heard:
        watched = replace(
            options,
            on_progress=course.report,
            should_stop=stop,
            enough=heard.enough.is_set,
        )
        try:
            yardstick = list_schedule(problem, first_come_first_served)
            try:
                allocation = solve(problem, watched)
            except SolverDied as death:
                _log.error("%s: %s; once more, with less", mine.night, death)
                allocation = solve(problem, _with_less(watched))
        except Exception as fault:
            _log.exception("the solver failed for %s", mine.night)
            raise NightFailed(f"{type(fault).__name__}: {fault}"[:500]) from fault
    _judge(problem, allocation)
    return allocation, yardstick


def _with_less(options: Options) -> Options:
    """Return how to search after a search died: half as long, one worker, no ways out."""
    return replace(
        options,
        seconds=options.seconds / 2,
        waves=None if options.waves is None else options.waves // 2,
        workers=1,
        explain=0,
    )


def _judge(problem: Problem, allocation: Allocation) -> None:
    """Believe no plan that the independent checker refuses, whoever made it."""
    # A job that must be kept and cannot be is left out with its reason.
    excused = set(missing_mandatory(problem, allocation.placements))
    found = [r for r in broken_rules(problem, allocation.placements) if r not in excused]
    found += wrong_figures(problem, allocation)
    if found:
        _log.error("the checker refuses the plan: %s", "; ".join(found[:20]))
        raise NightFailed(f"the checker refuses the plan: {len(found)} rules are broken")


def _keep(
    mine: claims.Claim, plan_id: int, draft: drafting.Draft, *, now: datetime
) -> Outcome:
    with transaction() as session:
        claims.hold(session, mine)
        outcome = drafting.keep(session, plan_id, draft, now=now)
        claims.answer_finish(session, plan_id, now=now)
        claims.release(session, mine)
        return outcome


def _fail(plan_id: int, mine: claims.Claim, why: Failure) -> None:
    """Say that the plan failed, and raise the alarm; what is in force stays in force."""
    with transaction() as session:
        plan = session.scalars(
            sa.update(Plan)
            .where(Plan.id == plan_id, Plan.state == PlanState.RUNNING)
            .values(state=PlanState.FAILED, finished_at=utcnow(), error=why)
            .returning(Plan)
        ).one_or_none()
        if plan is not None and why is not Failure.STOPPED:  # that one begins again
            tell_all(session, telling.failed(session, plan), now=utcnow())
        claims.answer_finish(session, plan_id, now=utcnow())
        claims.release(session, mine)
