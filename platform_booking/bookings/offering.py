"""What the form of a slot shows beside it: a week of the resource, and a free place."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from platform_booking.bookings import queries, week
from platform_booking.bookings.facts_policy import notice_hours
from platform_booking.bookings.picked import Stretch
from platform_booking.bookings.queries import Taken
from platform_booking.bookings.rules import GRID_MIN
from platform_booking.bookings.week import Day, Span, Why
from platform_booking.catalog.hours import attended_hours, opening_hours, spans
from platform_booking.catalog.models import Recipe, Resource, ResourceKind, StayRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A week of a resource."""

    days: tuple[Day, ...]
    joinable: tuple[Taken, ...]  # runs of the chosen recipe that have room
    suggested: Stretch | None  # the first place of the usual length that is free


def of_week(
    session: Session,
    resource: Resource,
    *,
    first: date,
    picked: tuple[datetime | None, datetime | None],
    recipe_id: UUID | None,
    now: datetime,
    zone: ZoneInfo,
) -> Offer:
    """Read a week of a resource from a local day on."""
    from_at, to_at = within = week.bounds(first, zone)
    hours = (
        attended_hours(resource.calendar)
        if resource.stay_rule is StayRule.ENDS
        else opening_hours(resource.calendar)
    )
    opening = spans(hours, from_at=from_at, to_at=to_at, zone=zone)
    taken = queries.taken(session, resource.id, from_at=from_at, to_at=to_at)
    down = [
        (outage.starts_at, outage.ends_at)
        for outage in queries.outages(session, resource.id, from_at=from_at, to_at=to_at)
    ]
    recipe = next((r for r in resource.recipes if r.public_id == recipe_id), None)
    joinable = (
        ()
        if recipe is None
        else queries.runs_to_join(session, recipe, from_at=max(from_at, now), to_at=to_at)
    )
    return Offer(
        days=week.picture(
            first,
            [
                *_closed(opening, within, resource),
                *(Span(Why.DOWN, *stretch) for stretch in down),
                *_taken(taken, joinable, resource),
                *_picked(*picked),
            ],
            zone,
        ),
        joinable=joinable,
        suggested=_suggested(resource, recipe, opening, taken, down, now=now),
    )


def _closed(
    opening: Sequence[Stretch], within: Stretch, resource: Resource
) -> Iterator[Span]:
    if resource.kind is not ResourceKind.EVENT:  # a dated run keeps no hours
        for stretch in week.gaps(opening, within=within):
            yield Span(Why.CLOSED, *stretch)


def _taken(
    taken: Sequence[Taken], joinable: Sequence[Taken], resource: Resource
) -> Iterator[Span]:
    open_runs = {(run.starts_at, run.ends_at) for run in joinable}
    for run in joinable:
        yield Span(Why.JOIN, run.starts_at, run.ends_at, run.quantity)
    for one in taken:
        if (one.starts_at, one.ends_at) in open_runs:
            continue
        share = one.quantity / resource.capacity
        whole = share >= 1 or resource.kind in {ResourceKind.UNARY, ResourceKind.BATCH}
        yield Span(
            Why.FULL if whole else Why.TAKEN,
            one.starts_at,
            one.ends_at,
            one.quantity,
            1.0 if whole else share,
        )


def _picked(starts_at: datetime | None, ends_at: datetime | None) -> Iterator[Span]:
    if starts_at is not None and ends_at is not None and starts_at < ends_at:
        yield Span(Why.PICKED, starts_at, ends_at)


def _suggested(
    resource: Resource,
    recipe: Recipe | None,
    opening: Sequence[Stretch],
    taken: Sequence[Taken],
    down: Sequence[Stretch],
    *,
    now: datetime,
) -> Stretch | None:
    """Return the first free place where the whole stay lies within opening hours."""
    if resource.kind is ResourceKind.EVENT or resource.stay_rule is not StayRule.INSIDE:
        return None
    usual = recipe.duration_min if recipe else resource.typical_minutes
    length = timedelta(minutes=-(-usual // GRID_MIN) * GRID_MIN)
    room = resource.capacity if resource.kind is ResourceKind.POOLED else 1
    notice = timedelta(hours=notice_hours(resource.policy) or 0)
    start = week.first_free(
        opening,
        [*down, *((t.starts_at, t.ends_at) for t in taken if t.quantity >= room)],
        length,
        not_before=now + notice,
    )
    return None if start is None else (start, start + length)
