"""From rows to what the solver reads: whole slots, frozen, nobody's name.

The grid is park-wide (DECISIONS 1); durations round up, so nothing is refused for
its length. Ids given to the solver are the rows' own, as text; resources go by their codes.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from platform_booking.bookings.models import Booking
from platform_booking.catalog.hours import Span, attended_hours, opening_hours, spans
from platform_booking.catalog.models import (
    Calendar,
    ChangeoverTime,
    Occurrence,
    Outage,
    Platform,
    Recipe,
    Resource,
    ResourceKind,
    Site,
    StayRule,
    Travel,
)
from platform_booking.orders.models import Order, Step
from platform_booking.orders.offer import fitting_run
from solver import problem as p

SLOT_MINUTES = 5
BEYOND = timedelta(days=60)
"""How far past the horizon calendars reach: a stress of 1,000 hours is placed whole."""

_BESIDE = (p.Kind.UNARY, p.Kind.POOLED)  # what can be held beside another resource

VALUE_SCALE = 100
FIRST_RIGHT = 4
"""A displaced order weighs so many times its value: it is placed again first."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Slots of `minutes` from `origin_at`, which lies on a whole slot."""

    origin_at: datetime
    minutes: int = SLOT_MINUTES

    def floor(self, moment: datetime) -> int:
        """Return the slot in which an instant lies."""
        return (moment - self.origin_at) // timedelta(minutes=self.minutes)

    def ceil(self, moment: datetime) -> int:
        """Return the first slot that begins at an instant or after it."""
        return -((self.origin_at - moment) // timedelta(minutes=self.minutes))

    def length(self, minutes: int) -> int:
        """Return the slots that so many minutes take, rounded up."""
        return -(-minutes // self.minutes)

    def at(self, slot: int) -> datetime:
        """Return the instant at which a slot begins."""
        return self.origin_at + timedelta(minutes=self.minutes * slot)


def origin_of(now: datetime, zone: ZoneInfo) -> datetime:
    """Return the local midnight that begins the day of `now`: slot 0 of a grid."""
    local = now.astimezone(zone)
    return local.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)


@dataclass(frozen=True)
class Park:
    """The catalogue on a grid, from `grid.origin_at` to `calendar_end`."""

    grid: Grid
    calendar_end: int  # slots
    resources: Mapping[int, p.Resource]  # by row id
    stay_rules: Mapping[int, p.StayRule]  # by row id of the resource
    recipes: Mapping[int, Sequence[Recipe]]  # by row id of the resource
    occurrences: tuple[p.Occurrence, ...]
    travel: tuple[tuple[int, ...], ...]
    weights: Mapping[str, int]  # of priority classes

    @cached_property
    def ids(self) -> dict[str, int]:
        """Row ids of resources by code."""
        return {r.id: row_id for row_id, r in self.resources.items()}

    def problem(
        self,
        *,
        horizon: int,
        earliest: int,
        jobs: Iterable[p.Job],
        stays: Iterable[p.Stay],
    ) -> p.Problem:
        """Put a problem together."""
        return p.Problem(
            horizon=horizon,
            calendar_end=self.calendar_end,
            resources=tuple(r for _, r in sorted(self.resources.items())),
            jobs=tuple(jobs),
            recipes=tuple(
                p.Recipe(
                    id=str(recipe.id),
                    resource=self.resources[resource_id].id,
                    capacity=recipe.capacity,
                    min_load=recipe.min_load,
                    family=recipe.family,
                )
                for resource_id, found in sorted(self.recipes.items())
                for recipe in found
            ),
            occurrences=self.occurrences,
            stays=tuple(stays),
            travel=self.travel,
            earliest=earliest,
        )


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


def load_park(
    session: Session,
    *,
    grid: Grid,
    calendar_end: int,
    now: datetime,
    zone: ZoneInfo,
    weights: Mapping[str, int],
    only: Sequence[int] | None = None,
) -> Park:
    """Read the catalogue onto a grid, in a constant number of statements.

    `only` limits it to some resources, by row id.
    """
    wanted = sa.select(Resource).where(Resource.active).order_by(Resource.id)
    if only is not None:
        wanted = wanted.where(Resource.id.in_(only))
    rows = session.scalars(
        wanted.options(selectinload(Resource.calendar).selectinload(Calendar.exceptions))
    ).all()
    known = {r.id for r in rows}
    end_at = grid.at(calendar_end)
    sites = {
        s.id: n for n, s in enumerate(session.scalars(sa.select(Site).order_by(Site.id)))
    }
    site_of = dict(session.execute(sa.select(Platform.id, Platform.site_id)).all())
    platform_codes = dict(session.execute(sa.select(Platform.id, Platform.code)).all())
    outages = _outages(session, known, grid=grid, end_at=end_at)
    changes = _changeovers(session, known, grid)
    opening: dict[tuple[int, bool], tuple[p.Interval, ...]] = {}
    resources, rules = {}, {}
    for row in rows:
        ends = row.stay_rule is StayRule.ENDS
        key = (row.calendar_id, ends)
        if key not in opening:
            hours = attended_hours(row.calendar) if ends else opening_hours(row.calendar)
            opening[key] = _slots(
                spans(hours, from_at=grid.origin_at, to_at=end_at, zone=zone), grid
            )
        resources[row.id] = p.Resource(
            id=row.code,
            kind=p.Kind(row.kind.value),
            capacity=row.capacity,
            open=opening[key],
            outages=outages[row.id],
            site=sites[site_of[row.platform_id]],
            platform=platform_codes[row.platform_id],
            changeovers=changes[row.id],
        )
        rules[row.id] = p.StayRule(row.stay_rule.value)
    recipes: dict[int, list[Recipe]] = defaultdict(list)
    for recipe in session.scalars(
        sa.select(Recipe)
        .where(Recipe.active, Recipe.resource_id.in_(known))
        .order_by(Recipe.id)
    ):
        recipes[recipe.resource_id].append(recipe)
    return Park(
        grid=grid,
        calendar_end=calendar_end,
        resources=resources,
        stay_rules=rules,
        recipes=recipes,
        occurrences=_occurrences(session, resources, grid=grid, now=now, end_at=end_at),
        travel=_travel(session, sites, grid),
        weights=weights,
    )


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
    value = order_value(order, weight) * (FIRST_RIGHT if first_right else 1)
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


def order_value(order: Order, weight: int) -> int:
    """Return what placing an order is worth, in hundredths of a point.

    The weight of its priority class times (2 + hours of work to the power 0.75), the hours
    of one order counted to 100: long work is worth more, but less than in proportion.
    Source: DECISIONS 15.
    """
    hours = min(100.0, sum(s.duration_min for s in order.steps) / 60)
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


def _slots(stretches: Iterable[Span], grid: Grid) -> tuple[p.Interval, ...]:
    """Return open stretches on the grid; a slot that is open in part is closed."""
    found = ((grid.ceil(start), grid.floor(end)) for start, end in stretches)
    return tuple((a, b) for a, b in found if a < b)


def _outages(
    session: Session, known: set[int], *, grid: Grid, end_at: datetime
) -> dict[int, tuple[p.Interval, ...]]:
    found: dict[int, list[p.Interval]] = defaultdict(list)
    rows = session.execute(
        sa.select(Outage.resource_id, Outage.starts_at, Outage.ends_at)
        .where(Outage.ends_at > grid.origin_at, Outage.starts_at < end_at)
        .order_by(Outage.starts_at)
    )
    last = grid.floor(end_at)
    for resource_id, starts_at, ends_at in rows:
        if resource_id not in known:
            continue
        lo, hi = max(0, grid.floor(starts_at)), min(last, grid.ceil(ends_at))
        before = found[resource_id]
        if before and lo <= before[-1][1]:
            before[-1] = (before[-1][0], max(before[-1][1], hi))
        else:
            before.append((lo, hi))
    return defaultdict(tuple, {k: tuple(v) for k, v in found.items()})


def _changeovers(
    session: Session, known: set[int], grid: Grid
) -> dict[int, tuple[p.Changeover, ...]]:
    found: dict[int, list[p.Changeover]] = defaultdict(list)
    for row in session.scalars(
        sa.select(ChangeoverTime).order_by(
            ChangeoverTime.resource_id, ChangeoverTime.before, ChangeoverTime.after
        )
    ):
        if row.resource_id in known:
            found[row.resource_id].append(
                p.Changeover(row.before, row.after, grid.length(row.minutes))
            )
    return defaultdict(tuple, {k: tuple(v) for k, v in found.items()})


def _occurrences(
    session: Session,
    resources: Mapping[int, p.Resource],
    *,
    grid: Grid,
    now: datetime,
    end_at: datetime,
) -> tuple[p.Occurrence, ...]:
    rows = session.scalars(
        sa.select(Occurrence)
        .where(Occurrence.ends_at > grid.origin_at, Occurrence.starts_at < end_at)
        .where(sa.or_(Occurrence.closes_at.is_(None), Occurrence.closes_at > now))
        .order_by(Occurrence.id)
    )
    return tuple(
        p.Occurrence(
            id=str(row.id),
            resource=resources[row.resource_id].id,
            start=grid.floor(row.starts_at),
            end=grid.ceil(row.ends_at),
            capacity=row.capacity,
        )
        for row in rows
        if row.resource_id in resources
        and resources[row.resource_id].kind is p.Kind(ResourceKind.EVENT.value)
        and grid.ceil(row.ends_at) <= grid.floor(end_at)
    )


def _travel(
    session: Session, sites: Mapping[int, int], grid: Grid
) -> tuple[tuple[int, ...], ...]:
    table = [[0] * len(sites) for _ in sites]
    for row in session.scalars(sa.select(Travel)):
        table[sites[row.from_site_id]][sites[row.to_site_id]] = grid.length(row.minutes)
    return tuple(tuple(line) for line in table) or ((0,),)
