"""What forcing an order into a plan would displace: found by solving, beside the night.

Acts as pb_job in the scheduler's process: no person may read a night's problem, and a web
process never loads OR-Tools. A short transaction reads, the solver runs with no connection
held, and another one keeps the answer.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from platform_booking.catalog.models import Resource
from platform_booking.db import db, transaction
from platform_booking.errors import NightFailed, NotFound
from platform_booking.orders.models import Order
from platform_booking.orders.park import Grid
from platform_booking.planning import nightly
from platform_booking.planning.counting import placed_by
from platform_booking.planning.models import Forcing, PlacementRow, Plan, PlanProblem
from solver.check import broken_rules
from solver.greedy import by_job
from solver.problem import Job, Placement, Problem
from solver.value import value_of

SECONDS = 10.0
"""How long the search may take; the answer is then the best that was found."""


@dataclass(frozen=True, slots=True)
class Row:
    """What a plan's placements say of one step on one resource."""

    order_id: int
    step_id: int
    part: int
    resource: str
    starts_at: datetime
    ends_at: datetime
    recipe_id: int | None
    occurrence_id: int | None


@dataclass(frozen=True, slots=True)
class _Question:
    """All that the search needs, so that it needs no connection."""

    plan_id: int
    order_id: int
    platform_ids: list[int]
    grid: Grid
    content: PlanProblem
    rows: tuple[Row, ...]


def answer(plan_id: int, order_id: int, *, now: datetime) -> str:
    """Find what forcing an order in would displace, and keep it; return it in a word.

    An order that the plan places late is asked to be in time.

    Raises
    ------
    NotFound
        If the plan or its problem is not kept, or the order is not part of it.
    NightFailed
        If the checker refuses what was found.
    """
    question = _read(plan_id, order_id)
    db.session.remove()  # no connection is held while it searches
    found = _found(question)
    with transaction() as session:
        session.execute(
            postgresql.insert(Forcing)
            .values(plan_id=plan_id, order_id=order_id, **found, answered_at=now)
            .on_conflict_do_update(
                index_elements=["plan_id", "order_id"], set_={**found, "answered_at": now}
            )
        )
    return "found" if found["starts_at"] else "none"


def standing(problem: Problem, rows: Iterable[Row], grid: Grid) -> tuple[Placement, ...]:
    """Return a plan as the solver knew it, from the rows that were made of it.

    An order of which anything cannot be told is left out whole.
    """
    jobs = problem.job_by_id()
    uses: dict[tuple[int, int, int], list[Row]] = defaultdict(list)
    for row in rows:
        uses[row.order_id, row.step_id, row.part].append(row)
    found: dict[str, list[Placement]] = defaultdict(list)
    for held in uses.values():
        job = jobs.get(str(held[0].order_id))
        placement = job and _placement(job, held, grid)
        if placement:
            found[placement.job].append(placement)
    return tuple(
        sorted(
            (
                p
                for name, whole in found.items()
                if _is_whole(jobs[name], whole)
                for p in whole
            ),
            key=lambda p: (p.job, p.step),
        )
    )


def _is_whole(job: Job, placements: list[Placement]) -> bool:
    return {p.step for p in placements} == set(range(len(job.steps)))


def _placement(job: Job, held: Sequence[Row], grid: Grid) -> Placement | None:
    """Return one step's placement from what it holds."""
    step_id, part = held[0].step_id, held[0].part
    names = {str(step_id), f"{step_id}/{part}"}  # the latter where a lot needs several runs
    resources = sorted(row.resource for row in held)
    for k, step in enumerate(job.steps):
        if step.id not in names:
            continue
        for n, a in enumerate(step.alternatives):
            if sorted([a.resource, *(u.resource for u in a.also)]) != resources:
                continue
            main = next(row for row in held if row.resource == a.resource)
            if a.recipe != _text(main.recipe_id):
                continue
            return Placement(
                job=job.id,
                step=k,
                alternative=n,
                start=grid.floor(main.starts_at),
                end=grid.ceil(main.ends_at),
                occurrence=_text(main.occurrence_id),
            )
    return None


def _text(row_id: int | None) -> str | None:
    """Return a row's id as the solver knows it."""
    return None if row_id is None else str(row_id)


def _read(plan_id: int, order_id: int) -> _Question:
    with transaction() as session:
        plan, content = session.get(Plan, plan_id), session.get(PlanProblem, plan_id)
        order = session.get(Order, order_id)
        if plan is None or content is None or order is None:
            raise NotFound
        rows = session.execute(
            sa.select(
                PlacementRow.order_id,
                PlacementRow.step_id,
                PlacementRow.part,
                Resource.code,
                PlacementRow.starts_at,
                PlacementRow.ends_at,
                PlacementRow.recipe_id,
                PlacementRow.occurrence_id,
            )
            .join(Resource, Resource.id == PlacementRow.resource_id)
            .where(placed_by(plan_id))
            .order_by(PlacementRow.id)
        ).all()
        return _Question(
            plan_id=plan_id,
            order_id=order_id,
            platform_ids=list(order.platform_ids),
            grid=Grid(plan.origin_at, plan.slot_minutes),
            content=content,
            rows=tuple(Row(*row) for row in rows),
        )


def _found(question: _Question) -> dict[str, Any]:
    """Return the answer's columns."""
    # OR-Tools takes a second to load and has no place in a web worker.
    from solver.force import forced  # noqa: PLC0415

    problem = nightly.problem_of(question.content)
    plan, grid = standing(problem, question.rows, question.grid), question.grid
    job = problem.job_by_id().get(str(question.order_id))
    if job is None:
        raise NotFound
    before = by_job(plan)
    if job.id in before:
        job = replace(job, deadline=job.due)
    columns: dict[str, Any] = {
        "platform_ids": question.platform_ids,
        "starts_at": None,
        "ends_at": None,
        "displaced": [],
        "moved": [],
        "cost": 0,
    }
    found = forced(problem, plan, job, seconds=SECONDS)
    if found is None:
        return columns
    if broken := list(broken_rules(problem, found.plan)):
        raise NightFailed(f"the checker refuses what was found: {broken[0]}"[:500])
    after = by_job(found.plan)
    return columns | {
        "starts_at": grid.at(min(p.start for p in found.placements)),
        "ends_at": grid.at(max(p.end for p in found.placements)),
        "displaced": sorted(int(name) for name in found.displaced),
        "moved": [
            [int(name), _later(before, after, name) * grid.minutes]
            for name in sorted(found.moved, key=int)
        ],
        "cost": value_of(problem, plan) - value_of(problem, found.plan),
    }


def _later(
    before: Mapping[str, tuple[Placement, ...]],
    after: Mapping[str, tuple[Placement, ...]],
    name: str,
) -> int:
    """Return by how many slots a job would end later; below 0: earlier."""
    return max(p.end for p in after[name]) - max(p.end for p in before[name])
