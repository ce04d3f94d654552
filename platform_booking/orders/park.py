"""The catalogue on the solver's grid: whole slots from an origin, nobody's name.

The grid is park-wide (DECISIONS 1). Resources go by their codes, the rest by row ids as
text.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

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
from solver import problem as p

SLOT_MINUTES = 5
BEYOND = timedelta(days=60)
"""How far past the horizon calendars reach: a stress of 1,000 hours is placed whole."""


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
        .where(Occurrence.called_off_at.is_(None))
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
