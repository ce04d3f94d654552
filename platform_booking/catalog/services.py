"""Outages are declared and ended here, each act a transaction.

What becomes of the bookings in an outage's time is decided above the catalogue: the app
names who does so with `on_outage`, and it is done in the transaction that declares it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from platform_booking import audit
from platform_booking.catalog import queries
from platform_booking.catalog.models import Outage, Resource
from platform_booking.catalog.occupancy import Taken
from platform_booking.catalog.rules import NewOutage, outage_violations
from platform_booking.catalog.shares import busy
from platform_booking.db import retrying, transaction
from platform_booking.errors import (
    AlreadyThere,
    Forbidden,
    IllegalMove,
    NotFound,
    RulesBroken,
    Violation,
)
from platform_booking.web.actor import Actor

_PATIENCE_MS = 3_000

Displacer = Callable[[Session, Resource, Outage, datetime], int]
"""Takes the bookings that an outage hits out of its way; returns how many."""

_displacers: list[Displacer] = []


def on_outage(displacer: Displacer) -> None:
    """Call `displacer` for each outage from now on, once; in the order of naming them."""
    if displacer not in _displacers:
        _displacers.append(displacer)


def displace(session: Session, resource: Resource, outage: Outage, now: datetime) -> int:
    """Take what an outage hits out of its way; return how many bookings lost their place.

    Within the caller's transaction, which holds the guard of the resource.
    """
    return sum(act(session, resource, outage, now) for act in _displacers)


def hold(session: Session, resource: Resource) -> None:
    """Raise the guard's counter first, as bookings do: neither overtakes the other."""
    session.execute(sa.text(f"SET LOCAL lock_timeout = {_PATIENCE_MS}"))
    session.execute(
        sa.update(Resource)
        .where(Resource.id == resource.id)
        .values(guard_seq=Resource.guard_seq + 1)
        .execution_options(synchronize_session=False)
    )


@dataclass(frozen=True, slots=True)
class Declared:
    """An outage that has been declared."""

    outage: Outage
    resource: Resource
    hits: int  # bookings in that time
    displaced: int  # bookings that lost their place by it and wait with first right


def hits(resource_id: UUID, new: NewOutage, *, actor: Actor, now: datetime) -> list[Taken]:
    """Return what is booked in the time of an outage, before it is declared.

    Raises
    ------
    NotFound, Forbidden, RulesBroken
        As `declare_outage` would.
    """
    broken = list(outage_violations(new, now=now))
    with transaction() as session:
        resource = _operated(session, resource_id, actor)
        if broken:
            raise RulesBroken(broken)
        found = busy(session, [resource.id], max(new.starts_at, now), new.ends_at)
        return sorted(found.get(resource.id, ()), key=lambda one: one.starts_at)


def declare_outage(
    resource_id: UUID, new: NewOutage, *, actor: Actor, now: datetime
) -> Declared:
    """Declare a resource down for a time; what is booked in that time is displaced.

    Raises
    ------
    NotFound
        If there is no such resource.
    Forbidden
        If the actor does not operate its platform.
    RulesBroken
    AlreadyThere
        If the same time has been declared for it as an outage of the same kind.
    """
    broken = list(outage_violations(new, now=now))
    return retrying(partial(_declare, resource_id, new, broken, actor=actor, now=now))


def _declare(
    resource_id: UUID,
    new: NewOutage,
    broken: list[Violation],
    *,
    actor: Actor,
    now: datetime,
) -> Declared:
    with transaction() as session:
        resource = _operated(session, resource_id, actor)
        if broken:
            raise RulesBroken(broken)
        hold(session, resource)
        _insist_on_anew(session, resource, new)
        outage = Outage(
            resource_id=resource.id,
            starts_at=new.starts_at,
            ends_at=new.ends_at,
            kind=new.kind,
            reason=new.reason.strip(),
            declared_by=actor.member_id,
        )
        session.add(outage)
        session.flush()  # its id outside
        hits = queries.bookings_within(session, resource.id, new.starts_at, new.ends_at)
        displaced = displace(session, resource, outage, now)
        audit.record(
            session,
            act="outage.declare",
            subject=f"outage {outage.public_id}",
            platform_id=resource.platform_id,
            detail={
                "resource": resource.code,
                "starts_at": new.starts_at.isoformat(),
                "ends_at": new.ends_at.isoformat(),
                "kind": new.kind.value,
                "reason": outage.reason,
                "hits": hits,
                "displaced": displaced,
            },
        )
    return Declared(outage, resource, hits, displaced)


def end_outage(outage_id: UUID, *, actor: Actor, now: datetime) -> Resource:
    """End an outage now; one that has not begun is taken back. Return its resource.

    Raises
    ------
    NotFound
        If there is no such outage.
    Forbidden
        If the actor does not operate the resource's platform.
    IllegalMove
        If it is over already.
    """
    with transaction() as session:
        outage = _outage(session, outage_id)
        resource = session.get_one(Resource, outage.resource_id)
        insist_on_operating(resource, actor)
        hold(session, resource)
        outage = _outage(session, outage_id)  # somebody may have ended it meanwhile
        if outage.ends_at <= now:
            raise IllegalMove
        if outage.starts_at < now:
            outage.ends_at = now
        else:
            session.delete(outage)
        audit.record(
            session,
            act="outage.end",
            subject=f"outage {outage.public_id}",
            platform_id=resource.platform_id,
            detail={"resource": resource.code, "ended_at": now.isoformat()},
        )
    return resource


def _insist_on_anew(session: Session, resource: Resource, new: NewOutage) -> None:
    """Refuse what is declared already. The guard's row is held: no rival comes between."""
    existing = session.scalar(
        sa.select(Outage.public_id).filter_by(
            resource_id=resource.id,
            starts_at=new.starts_at,
            ends_at=new.ends_at,
            kind=new.kind,
        )
    )
    if existing is not None:
        raise AlreadyThere(
            _(
                "%(code)s is declared down for just that time already (outage %(id)s);"
                " nothing is left to do, or end that one first",
                code=resource.code,
                id=existing,
            ),
            existing,
        )


def _outage(session: Session, public_id: UUID) -> Outage:
    found = session.scalars(
        sa.select(Outage)
        .filter_by(public_id=public_id)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        raise NotFound
    return found


def _operated(session: Session, resource_id: UUID, actor: Actor) -> Resource:
    resource = session.scalars(
        sa.select(Resource).filter_by(public_id=resource_id)
    ).one_or_none()
    if resource is None:
        raise NotFound
    insist_on_operating(resource, actor)
    return resource


def insist_on_operating(resource: Resource, actor: Actor) -> None:
    """Let those through who operate a resource's platform, and the park.

    Raises
    ------
    Forbidden
    """
    if not actor.is_park and resource.platform_id not in actor.platform_ids:
        raise Forbidden
