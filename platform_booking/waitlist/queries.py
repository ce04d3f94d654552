"""What is read of the waiting list. Row-level security decides which rows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload, selectinload

from platform_booking.accounts.models import Member, Organisation
from platform_booking.bookings.models import Booking, Waiting
from platform_booking.bookings.states import SPENT, BookingState, WaitingState
from platform_booking.catalog.models import (
    Calendar,
    Platform,
    Recipe,
    Resource,
    ResourceKind,
)
from platform_booking.errors import NotFound
from platform_booking.waitlist.rules import SHARE_DAYS

OPEN = (WaitingState.WAITING, WaitingState.OFFERED)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingLine:
    """An entry and what it names; `offer` is what is offered, or was accepted."""

    entry: Waiting
    resource: Resource
    platform: Platform
    organisation: Organisation
    member: Member | None = None
    recipe: Recipe | None = None
    offer: Booking | None = None
    parts: tuple["WaitingLine", ...] = ()  # what is waited for together with it


def lines(
    session: Session,
    *,
    organisation_id: int | None = None,
    platform_ids: Sequence[int] | None = None,
    resource_id: UUID | None = None,
    states: Sequence[WaitingState] = OPEN,
    in_order: bool = False,
    now: datetime | None = None,
    limit: int,
    offset: int = 0,
) -> tuple[list[WaitingLine], int]:
    """Return a page of entries that the asker may see, and how many there are.

    `in_order` sorts each resource's as they will be asked; otherwise what is waited for
    together is one line with its parts.
    """
    which: list[sa.ColumnElement[bool]] = [Waiting.state.in_(states)]
    if not in_order:
        first = sa.orm.aliased(Waiting)
        which.append(
            ~sa.exists().where(first.group_id == Waiting.group_id, first.id < Waiting.id)
        )
    if organisation_id is not None:
        which.append(Waiting.organisation_id == organisation_id)
    if platform_ids is not None:
        which.append(Waiting.platform_id.in_(platform_ids))
    if resource_id is not None:
        which.append(Resource.public_id == resource_id)
    counted = (
        sa.select(sa.func.count(Waiting.id))
        .join(Resource, Resource.id == Waiting.resource_id)
        .where(*which)
    )
    order: tuple[sa.ColumnElement[Any], ...] = (
        sa.case((Waiting.state == WaitingState.OFFERED, 0), else_=1).asc(),
        Waiting.created_at.desc(),
        Waiting.id.desc(),
    )
    if in_order:
        assert now is not None
        order = (Resource.code.asc(), *turn(now))
    rows = session.execute(
        _lines().where(*which).order_by(*order).limit(limit).offset(offset)
    )
    found = [_line(row) for row in rows]
    if not in_order:
        found = _with_parts(session, found)
    return found, session.scalar(counted) or 0


def line(session: Session, public_id: UUID, *, hold: bool = False) -> WaitingLine:
    """Return one entry; `hold` it for whoever is about to change it.

    Raises
    ------
    NotFound
        If there is none that the asker may see.
    """
    if hold:
        session.execute(_hold(_of_group(public_id)))
    row = session.execute(_lines().where(Waiting.public_id == public_id)).one_or_none()
    if row is None:
        raise NotFound
    return _with_parts(session, [_line(row)])[0]


def party(
    session: Session, entry: Waiting, *, skip_locked: bool = False
) -> list[tuple[Waiting, Resource]]:
    """Return an open entry and what waits together with it, held, with their resources.

    Nothing where somebody else holds one of them, if such are to be skipped.
    """
    which = Waiting.id == entry.id
    if entry.group_id is not None:
        which = sa.and_(Waiting.group_id == entry.group_id, Waiting.state.in_(OPEN))
    held = session.scalars(_hold(which, skip_locked=skip_locked)).all()
    many = session.scalar(sa.select(sa.func.count(Waiting.id)).where(which))
    if len(held) != many:
        return []
    rows = session.scalars(
        sa.select(Resource)
        .where(Resource.id.in_([one.resource_id for one in held]))
        .options(
            joinedload(Resource.platform),
            joinedload(Resource.calendar).selectinload(Calendar.exceptions),
        )
    )
    on = {row.id: row for row in rows}
    return [(one, on[one.resource_id]) for one in held]


def is_torn(
    session: Session, party: Sequence[tuple[Waiting, Resource]], *, now: datetime
) -> bool:
    """Tell whether something that was booked together with a party still has its place.

    It follows within seconds, on whatever platform it is.
    """
    group = party[0][0].group_id
    if group is None:
        return False
    ahead = (BookingState.REQUESTED, BookingState.CONFIRMED)
    held = sa.select(Booking.id).where(
        Booking.group_id == group, Booking.state.in_(ahead), Booking.starts_at > now
    )
    return session.scalar(held.limit(1)) is not None


def waits_already(session: Session, entry: Waiting) -> Waiting | None:
    """Return what a member waits for already in the window of a new entry."""
    return session.scalars(
        sa.select(Waiting)
        .where(
            Waiting.member_id == entry.member_id,
            Waiting.resource_id == entry.resource_id,
            Waiting.state.in_(OPEN),
            ~Waiting.first_right,  # what he has lost is another thing
            Waiting.from_at < entry.to_at,
            Waiting.to_at > entry.from_at,
        )
        .order_by(Waiting.id)
        .limit(1)
    ).one_or_none()


def _hold(
    which: sa.ColumnElement[bool], *, skip_locked: bool = False
) -> sa.Select[Waiting]:
    """Return a statement that holds entries, always in the same order."""
    return (
        sa.select(Waiting)
        .where(which)
        .order_by(Waiting.id)
        .with_for_update(skip_locked=skip_locked)
        .execution_options(populate_existing=True)
    )


def _of_group(public_id: UUID) -> sa.ColumnElement[bool]:
    group = sa.select(Waiting.group_id).where(Waiting.public_id == public_id)
    return sa.or_(Waiting.public_id == public_id, Waiting.group_id.in_(group))


def _with_parts(session: Session, found: list[WaitingLine]) -> list[WaitingLine]:
    groups = {one.entry.group_id for one in found} - {None}
    if not groups:
        return found
    rows = session.execute(
        _lines().where(Waiting.group_id.in_(groups)).order_by(Waiting.id)
    )
    parts = [_line(row) for row in rows]
    return [
        replace(
            one,
            parts=tuple(
                part
                for part in parts
                if one.entry.group_id is not None
                and part.entry.group_id == one.entry.group_id
                and part.entry.id != one.entry.id
            ),
        )
        for one in found
    ]


def turn(now: datetime) -> tuple[sa.ColumnElement[Any], ...]:
    """Return by what entries of a resource are asked in order, within `_lines`.

    First whoever has first right; then whose organisation has had the least of its share
    of the platform, used or held from so many days ago on; then who came first.
    """
    stays = sa.orm.aliased(Booking)
    on = sa.orm.aliased(Resource)
    since = now - timedelta(days=SHARE_DAYS)
    minutes = sa.extract("epoch", stays.ends_at - sa.func.greatest(stays.starts_at, since))
    weight = sa.case(
        (on.kind == ResourceKind.POOLED, stays.quantity),
        (on.kind == ResourceKind.EVENT, 0),
        else_=1,
    )
    had = (
        sa.select(sa.func.coalesce(sa.func.sum(minutes * weight / 60), 0))
        .join(on, on.id == stays.resource_id)
        .where(
            stays.organisation_id == Waiting.organisation_id,
            stays.platform_id == Waiting.platform_id,
            stays.ends_at > since,
            sa.or_(stays.active, stays.state.in_(SPENT)),
        )
        .correlate(Waiting)
        .scalar_subquery()
    )
    return (
        Waiting.first_right.desc(),
        (had / Organisation.share_weight).asc(),
        Waiting.created_at.asc(),
        Waiting.id.asc(),
    )


def in_turn(session: Session, resource_id: int, *, now: datetime) -> list[int]:
    """Return the entries that wait for a resource, as they are to be asked."""
    return list(
        session.scalars(
            sa.select(Waiting.id)
            .join(Organisation, Organisation.id == Waiting.organisation_id)
            .where(
                Waiting.resource_id == resource_id, Waiting.state == WaitingState.WAITING
            )
            .order_by(*turn(now))
        )
    )


def resource(session: Session, which: sa.ColumnElement[bool]) -> Resource | None:
    """Return a resource with what a search for its free time needs."""
    return session.scalars(
        sa.select(Resource)
        .where(which)
        .options(
            joinedload(Resource.platform),
            joinedload(Resource.calendar).selectinload(Calendar.exceptions),
        )
    ).one_or_none()


def open_entries(session: Session, member_id: int) -> int:
    """Return how many open entries a member has; what was displaced does not count."""
    return (
        session.scalar(
            sa.select(sa.func.count(Waiting.id)).where(
                Waiting.member_id == member_id,
                Waiting.state.in_(OPEN),
                ~Waiting.first_right,
            )
        )
        or 0
    )


def _lines() -> sa.Select[*tuple[Any, ...]]:
    return (
        sa.select(Waiting, Resource, Platform, Organisation, Member, Recipe, Booking)
        .join(Resource, Resource.id == Waiting.resource_id)
        .join(Platform, Platform.id == Waiting.platform_id)
        .join(Organisation, Organisation.id == Waiting.organisation_id)
        .outerjoin(Member, Member.id == Waiting.member_id)
        .outerjoin(Recipe, Recipe.id == Waiting.recipe_id)
        .outerjoin(Booking, Booking.id == Waiting.booking_id)
        .options(selectinload(Resource.recipes))
    )


def _line(row: Any) -> WaitingLine:
    names = (
        "entry", "resource", "platform", "organisation", "member", "recipe", "offer",
    )  # fmt: skip
    return WaitingLine(**dict(zip(names, row, strict=True)))
