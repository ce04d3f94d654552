"""What is read of the waiting list. Row-level security decides which rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload, selectinload

from platform_booking.accounts.models import Member, Organisation
from platform_booking.bookings.models import Booking, Waiting
from platform_booking.bookings.states import SPENT, WaitingState
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

    `in_order` sorts each resource's as they will be asked.
    """
    which: list[sa.ColumnElement[bool]] = [Waiting.state.in_(states)]
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
    return [_line(row) for row in rows], session.scalar(counted) or 0


def line(session: Session, public_id: UUID, *, hold: bool = False) -> WaitingLine:
    """Return one entry; `hold` it for whoever is about to change it.

    Raises
    ------
    NotFound
        If there is none that the asker may see.
    """
    if hold:
        held = session.scalars(
            sa.select(Waiting)
            .where(Waiting.public_id == public_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        ).one_or_none()
        if held is None:
            raise NotFound
    row = session.execute(_lines().where(Waiting.public_id == public_id)).one_or_none()
    if row is None:
        raise NotFound
    return _line(row)


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
