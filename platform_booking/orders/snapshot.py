"""Orders and bookings as the solver reads them: whole slots, frozen, nobody's name.

Durations round up, so nothing is refused for its length. Ids given to the solver are the
rows' own, as text.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking.bookings.models import Booking
from platform_booking.catalog.models import Recipe
from platform_booking.orders.models import Order, Step
from platform_booking.orders.offer import fitting_run
from platform_booking.orders.park import Park
from solver import problem as p

_BESIDE = (p.Kind.UNARY, p.Kind.POOLED)  # what can be held beside another resource

VALUE_SCALE = 100
FIRST_RIGHT = 4
"""A displaced order weighs so many times its value: it is placed again first."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one step of a solver's job stands for."""

    step_id: int
    number: int  # which run of the step, where a lot needs several
    quantity: int


@dataclass(frozen=True, slots=True)
class Asked:
    """An order as the solver sees it, and the way back."""

    job: p.Job
    order_id: int
    organisation_id: int
    version: int  # of the order, as it was read
    parts: tuple[Part, ...]  # by step of the job


def load_stays(
    session: Session, park: Park, *, joinable_from: int, without: Iterable[int] = ()
) -> list[p.Stay]:
    """Return the bookings in force, as stays that a plan must accept.

    Loads may join a batch run that begins at or after slot `joinable_from`. `without` are
    ids of bookings that the plan may move.
    """
    moving = list(without)
    found = session.execute(
        sa.select(
            Booking.resource_id,
            Booking.starts_at,
            Booking.ends_at,
            Booking.quantity,
            Booking.recipe_id,
            Booking.occurrence_id,
            Booking.family,
        )
        .where(
            Booking.active,
            Booking.ends_at > park.grid.origin_at,
            Booking.starts_at < park.grid.at(park.calendar_end),
            Booking.id.not_in(moving),
        )
        .order_by(Booking.id)
    )
    return list(_stays(found, park, joinable_from=joinable_from))


def load_taken(
    session: Session, park: Park, *, joinable_from: int, recipes: Iterable[int]
) -> list[p.Stay]:
    """Return what everybody has booked, as far as a member may know it.

    Row-level security hides the bookings of others; `busy` tells that a resource is taken.
    Of batch runs it tells the recipe where it is one of `recipes`, so that a load may join.
    """
    found = session.execute(
        sa.text(
            "SELECT resource_id, starts_at, ends_at, quantity, recipe_id, occurrence_id,"
            " NULL::text AS family FROM busy(:which, :from_at, :to_at, :recipes)"
        ),
        {
            "which": list(park.resources),
            "from_at": park.grid.origin_at,
            "to_at": park.grid.at(park.calendar_end),
            "recipes": sorted(recipes),
        },
    )
    return list(_stays(found, park, joinable_from=joinable_from))


def _stays(found: Iterable[Any], park: Park, *, joinable_from: int) -> Iterable[p.Stay]:
    grid = park.grid
    dated = {o.id for o in park.occurrences}
    for row in found:
        resource = park.resources.get(row.resource_id)
        if resource is None:
            continue
        if resource.kind is p.Kind.EVENT and str(row.occurrence_id) not in dated:
            continue  # closed: nobody can join it any more
        start, end = grid.floor(row.starts_at), grid.ceil(row.ends_at)
        on_grid = grid.at(start) == row.starts_at and grid.at(end) == row.ends_at
        batch = resource.kind is p.Kind.BATCH
        yield p.Stay(
            resource=resource.id,
            start=start,
            end=min(end, park.calendar_end),
            quantity=row.quantity,
            recipe=str(row.recipe_id) if batch and row.recipe_id else None,
            occurrence=str(row.occurrence_id) if row.occurrence_id else None,
            family=row.family,
            joinable=batch and on_grid and start >= joinable_from,
        )


def asked_of(order: Order, park: Park, *, rank: int, first_right: bool = False) -> Asked:
    """Return an order as a job. Its steps and lags must be loaded already."""
    steps: list[p.Step] = []
    parts: list[Part] = []
    of_position: dict[int, range] = {}
    for row in order.steps:
        made = list(_steps_of(row, order, park))
        of_position[row.position] = range(len(steps), len(steps) + len(made))
        steps += [step for step, _ in made]
        parts += [part for _, part in made]
    grid = park.grid
    lags: list[p.Lag] = []
    for lag in sorted(order.lags, key=lambda lag: (lag.before, lag.after)):
        least = grid.length(lag.least_min)
        # A limit rounds down: a slot too long would break it.
        most = None if lag.most_min is None else lag.most_min // grid.minutes
        for after in of_position[lag.after]:
            if most is not None and most < least:  # no whole slot keeps it
                steps[after] = replace(steps[after], windows=())
                continue
            lags += [p.Lag(b, after, least, most) for b in of_position[lag.before]]
    weight = park.weights.get(order.priority_class, 1)
    minutes = sum(s.duration_min for s in order.steps)
    value = work_value(minutes, weight) * (FIRST_RIGHT if first_right else 1)
    deadline = grid.floor(order.deadline_at)
    due = None if order.due_at is None else min(grid.ceil(order.due_at), deadline)
    return Asked(
        job=p.Job(
            id=str(order.id),
            organisation=str(order.organisation_id),
            value=value,
            steps=tuple(steps),
            lags=tuple(lags),
            submitted=rank,
            priority=weight * (FIRST_RIGHT if first_right else 1),
            release=grid.ceil(order.earliest_at),
            due=due,
            # Half of the value is lost by the deadline.
            late_cost=0 if due is None else value // (2 * max(1, deadline - due)),
            deadline=min(deadline, park.calendar_end),
        ),
        order_id=order.id,
        organisation_id=order.organisation_id,
        version=order.version,
        parts=tuple(parts),
    )


def work_value(minutes: int, weight: int) -> int:
    """Return what placing an order of so much work is worth, in hundredths of a point.

    The weight of its priority class times (2 + hours of work to the power 0.75), the hours
    of one order counted to 100: long work is worth more, but less than in proportion.
    Source: DECISIONS 15.
    """
    hours = min(100.0, minutes / 60)
    points: float = 2 + hours**0.75
    return weight * round(VALUE_SCALE * points)


def _steps_of(row: Step, order: Order, park: Park) -> Iterable[tuple[p.Step, Part]]:
    windows = _windows(row, order, park)
    most = max(
        (_room(row, resource_id, park) for resource_id in row.resource_ids), default=0
    )
    batch = any(
        park.resources[r].kind is p.Kind.BATCH
        for r in row.resource_ids
        if r in park.resources
    )
    loads = _split(row.quantity, most) if batch and most else [row.quantity]
    for number, quantity in enumerate(loads):
        alternatives = tuple(_alternatives(row, quantity, park))
        name = str(row.id) if len(loads) == 1 else f"{row.id}/{number}"
        yield (
            p.Step(id=name, alternatives=alternatives, windows=windows),
            Part(step_id=row.id, number=number, quantity=quantity),
        )


def _windows(row: Step, order: Order, park: Park) -> tuple[p.Interval, ...]:
    """Return a step's windows on the grid: in order, apart, within the calendar."""
    grid = park.grid
    asked = [
        (datetime.fromisoformat(opens), datetime.fromisoformat(closes))
        for opens, closes in row.windows
    ] or [(order.earliest_at, order.deadline_at)]
    found: list[p.Interval] = []
    for opens_at, closes_at in sorted(asked):
        start, end = grid.ceil(opens_at), min(grid.floor(closes_at), park.calendar_end)
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        elif start < end:
            found.append((start, end))
    return tuple(found)


def _split(quantity: int, most: int) -> list[int]:
    """Split a load that is larger than a run into runs as even as can be."""
    runs = -(-quantity // most)
    return [quantity // runs + (n < quantity % runs) for n in range(runs)]


def _room(row: Step, resource_id: int, park: Park) -> int:
    resource = park.resources.get(resource_id)
    if resource is None:
        return 0
    if resource.kind is p.Kind.BATCH:
        recipe = fitting_recipe(row, park.recipes.get(resource_id, ()))
        return recipe.capacity if recipe else 0
    return 0


def _alternatives(row: Step, quantity: int, park: Park) -> Iterable[p.Alternative]:
    also = tuple(
        p.Use(park.resources[resource_id].id, amount)
        for resource_id, amount in row.co_uses
        if (held := park.resources.get(resource_id)) and held.kind in _BESIDE
    )
    if len(also) < len(row.co_uses):
        return  # something that must be held beside it is out of service, or cannot be
    for resource_id in row.resource_ids:
        resource = park.resources.get(resource_id)
        if resource is None:
            continue
        duration, recipe = park.grid.length(row.duration_min), None
        if resource.kind is p.Kind.BATCH:
            recipe = fitting_recipe(row, park.recipes.get(resource_id, ()))
            if recipe is None or quantity > recipe.capacity:
                continue
            duration = park.grid.length(recipe.duration_min)
        elif resource.kind is p.Kind.POOLED and quantity > resource.capacity:
            continue
        yield p.Alternative(
            resource=resource.id,
            duration=duration,
            quantity=1 if resource.kind is p.Kind.UNARY else quantity,
            recipe=str(recipe.id) if recipe else None,
            family=row.family if resource.kind is p.Kind.UNARY else None,
            stay=park.stay_rules[resource_id],
            also=also,
        )


def fitting_recipe(row: Step, recipes: Iterable[Recipe]) -> Recipe | None:
    """Return the recipe that a load runs in: its own length, else the next longer."""
    return fitting_run(
        recipes,
        capability_id=row.capability_id,
        wafer_mm=row.wafer_mm,
        class_rank=row.class_rank,
        duration_min=row.duration_min,
    )
