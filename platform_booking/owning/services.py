"""An owner takes time of an opened resource back, and gives it back to others."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from platform_booking import audit
from platform_booking.catalog import queries as catalog
from platform_booking.catalog.models import Outage, Resource
from platform_booking.db import transaction
from platform_booking.errors import (
    AlreadyThere,
    IllegalMove,
    NotFound,
    RulesBroken,
)
from platform_booking.owning import rules
from platform_booking.web.actor import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The time that an owner takes back, and why; others read that."""

    starts_at: datetime
    ends_at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TakenBack:
    """Time that its owner has taken back, and how many bookings stood in it then."""

    outage: Outage
    resource: Resource
    hits: int = 0


def owned(session: Session, actor: Actor) -> Sequence[Resource]:
    """Return the resources that somebody's organisation opens to others."""
    return session.scalars(
        sa.select(Resource)
        .where(Resource.owner_id == actor.organisation_id, Resource.active)
        .order_by(Resource.code)
    ).all()


def taken_back(
    session: Session, actor: Actor, *, now: datetime, limit: int = 200, offset: int = 0
) -> tuple[list[TakenBack], int]:
    """Return what somebody's organisation has taken back and is not over."""
    own = (Outage.taken_back_by == actor.organisation_id, Outage.ends_at > now)
    rows = session.execute(
        sa.select(Outage, Resource)
        .join(Resource, Resource.id == Outage.resource_id)
        .where(*own)
        .order_by(Outage.starts_at, Outage.id)
        .limit(limit)
        .offset(offset)
    )
    total = session.scalar(sa.select(sa.func.count(Outage.id)).where(*own)) or 0
    return [TakenBack(outage, resource) for outage, resource in rows], total


def take_back(resource_id: UUID, asked: Asked, *, actor: Actor, now: datetime) -> TakenBack:
    """Take time of an opened resource back for its owner. Nobody's consent is waited for.

    From then on the owner's organisation alone books it. What others hold in it is an
    outage's affair: `bookings.queries.in_the_way` names it to whoever displaces.

    Raises
    ------
    NotFound
        If the actor's organisation owns no such resource.
    RulesBroken
        If the notice is not kept; all broken rules are listed.
    AlreadyThere
        If just that time has been taken back, or the resource is down then.
    """
    with transaction() as session:
        resource = session.scalars(
            sa.select(Resource).where(
                Resource.public_id == resource_id,
                Resource.owner_id == actor.organisation_id,
            )
        ).one_or_none()
        if resource is None:
            raise NotFound
        broken = list(
            rules.taking_back(
                asked.starts_at,
                asked.ends_at,
                notice_hours=resource.policy.get("take_back_hours", rules.NOTICE_HOURS),
                now=now,
            )
        )
        if broken:
            raise RulesBroken(broken)
        outage = _taken(session, resource, asked)
        hits = catalog.bookings_within(session, resource.id, asked.starts_at, asked.ends_at)
        _note(session, "capacity.take_back", outage, resource, actor=actor)
    return TakenBack(outage, resource, hits)


def give_back(outage_id: UUID, *, actor: Actor, now: datetime) -> None:
    """Open what was taken back to others again, from now on.

    Raises
    ------
    NotFound
        If the actor's organisation has taken no such time back.
    IllegalMove
        If it is over already.
    """
    with transaction() as session:
        row = session.execute(
            sa.select(Outage, Resource)
            .join(Resource, Resource.id == Outage.resource_id)
            .where(
                Outage.public_id == outage_id,
                Outage.taken_back_by == actor.organisation_id,
            )
        ).one_or_none()
        if row is None:
            raise NotFound
        outage, resource = row
        given = session.scalar(
            sa.select(sa.func.give_time_back(outage.id, now, type_=sa.Boolean))
        )
        if not given:
            raise IllegalMove(_("that time is over; nothing is left to give back"))
        _note(session, "capacity.give_back", outage, resource, actor=actor)


def _taken(session: Session, resource: Resource, asked: Asked) -> Outage:
    made = session.scalar(
        sa.select(
            sa.func.take_time_back(
                resource.id,
                uuid4(),
                asked.starts_at,
                asked.ends_at,
                asked.reason,
                type_=sa.Integer,
            )
        )
    )
    if made is None:
        existing = session.scalars(
            sa.select(Outage.public_id).where(
                Outage.resource_id == resource.id,
                Outage.starts_at == asked.starts_at,
                Outage.ends_at == asked.ends_at,
            )
        ).first()
        if existing is None:
            raise NotFound  # it has changed hands meanwhile
        raise AlreadyThere(
            _("just that time has been taken back already; nothing is left to do"),
            existing,
        )
    return session.get_one(Outage, made)


def _note(
    session: Session, act: str, outage: Outage, resource: Resource, *, actor: Actor
) -> None:
    audit.record(
        session,
        act=act,
        subject=f"outage {outage.public_id}",
        organisation_id=actor.organisation_id,
        platform_id=resource.platform_id,
        detail={
            "resource": resource.code,
            "starts_at": outage.starts_at.isoformat(),
            "ends_at": outage.ends_at.isoformat(),
        },
    )
