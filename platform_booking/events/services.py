"""Staff date runs of their events, change them, call them off; each act a transaction."""

from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from platform_booking import audit
from platform_booking.bookings.contention import capacity_conflicts, retrying, wait_briefly
from platform_booking.catalog.models import Occurrence, Resource, ResourceKind
from platform_booking.catalog.services import insist_on_operating
from platform_booking.db import transaction
from platform_booking.errors import (
    CapacityTaken,
    IllegalMove,
    NotFound,
    PreconditionFailed,
    RulesBroken,
    Violation,
)
from platform_booking.events import queries, rules
from platform_booking.events.asking import AskedChange, AskedRun
from platform_booking.events.queries import RunLine
from platform_booking.orders import displacing as orders
from platform_booking.waitlist.displacing import displace_from_run
from platform_booking.web.actor import Actor


def date_run(
    resource_id: UUID, asked: AskedRun, *, actor: Actor, now: datetime, zone: ZoneInfo
) -> RunLine:
    """Date a run of an event resource.

    Raises
    ------
    NotFound
        If there is no such resource.
    Forbidden
        If the actor does not operate its platform.
    RulesBroken
        All broken rules are listed.
    """
    with transaction() as session:
        resource = operated(session, resource_id, actor)
        broken = list(_of_resource(resource))
        broken += rules.violations(
            asked,
            classes=queries.classes(session).keys(),
            now=now,
            zone=zone,
            begins_anew=True,
        )
        if session.scalar(sa.select(Occurrence.id).where(Occurrence.code == asked.code)):
            broken.append(_code_taken(asked.code))
        if broken:
            raise RulesBroken(broken)
        run = Occurrence(
            resource_id=resource.id,
            called_off_at=None,
            by_staff=True,
            code=asked.code,
            **_values(asked),
        )
        session.add(run)
        try:
            session.flush()  # its id outside
        except IntegrityError:
            raise RulesBroken([_code_taken(asked.code)]) from None
        _record(session, "run.date", run, resource, now=now)
        return RunLine(run=run, resource=resource, sold=0, sold_by_class={})


def operated(session: Session, resource_id: UUID, actor: Actor) -> Resource:
    """Return a resource that the actor operates.

    Raises
    ------
    NotFound, Forbidden
    """
    resource = session.scalars(
        sa.select(Resource).where(Resource.public_id == resource_id)
    ).one_or_none()
    if resource is None:
        raise NotFound
    insist_on_operating(resource, actor)
    return resource


def change(
    run_id: UUID,
    asked: AskedChange,
    *,
    expected_version: int | None = None,
    actor: Actor,
    now: datetime,
    zone: ZoneInfo,
) -> RunLine:
    """Change a run. One that is booked keeps its dates, and what is booked of it.

    Raises
    ------
    NotFound, Forbidden, PreconditionFailed
    IllegalMove
        If it has been called off, or has taken place.
    RulesBroken
        All broken rules are listed.
    """
    work = partial(
        _change, run_id, asked, expected_version, actor=actor, now=now, zone=zone
    )
    return retrying(work)


def call_off(
    run_id: UUID,
    reason: str,
    *,
    expected_version: int | None = None,
    actor: Actor,
    now: datetime,
) -> RunLine:
    """Call a run off. Its bookings are displaced, and their firms are told why.

    Raises
    ------
    NotFound, Forbidden, PreconditionFailed
    IllegalMove
        If it has been called off already, or has begun.
    RulesBroken
        If no reason is given.
    """
    work = partial(_call_off, run_id, reason, expected_version, actor=actor, now=now)
    return retrying(work)


def take_off(
    session: Session, line: RunLine, *, why: str, reason: str, now: datetime
) -> int:
    """Call a run off within the caller's transaction; return how many bookings it met.

    Each waits for another run with first right, or its order for the next night.
    """
    run, resource = line.run, line.resource
    run.called_off_at = now
    session.flush()  # from here on the guard lets nobody in
    of_orders = orders.displace_from_run(session, run, resource, reason=reason, now=now)
    others = displace_from_run(session, run, resource, why=why, reason=reason, now=now)
    _record(
        session,
        "run.call_off",
        run,
        resource,
        now=now,
        why=why,
        reason=reason,
        bookings=of_orders + others,
    )
    return of_orders + others


def hold(session: Session, run_id: UUID) -> RunLine:
    """Return a run while nobody else may book it, change it or call it off.

    Raises
    ------
    NotFound
    """
    wait_briefly(session)
    which = sa.select(Occurrence.resource_id).where(Occurrence.public_id == run_id)
    session.execute(
        sa.update(Resource)
        .where(Resource.id == which.scalar_subquery())
        .values(guard_seq=Resource.guard_seq + 1)
        .execution_options(synchronize_session=False)
    )
    return queries.run_line(session, run_id)


def as_asked(run: Occurrence) -> AskedRun:
    """Return a run as somebody would ask for it."""
    return AskedRun(
        code=run.code,
        starts_at=run.starts_at,
        ends_at=run.ends_at,
        capacity=run.capacity,
        closes_at=run.closes_at,
        min_fill=run.min_fill,
        quotas=run.quotas,
        phases=run.phases,
    )


def _change(
    run_id: UUID,
    asked: AskedChange,
    expected_version: int | None,
    *,
    actor: Actor,
    now: datetime,
    zone: ZoneInfo,
) -> RunLine:
    with transaction() as session:
        line = _taken(session, run_id, expected_version, actor=actor)
        run = line.run
        if run.ends_at <= now:
            raise IllegalMove(_("this run has taken place; date another one"))
        before = as_asked(run)
        after = asked.on(before)
        broken = list(
            rules.violations(
                after,
                classes=queries.classes(session).keys() | before.quotas.keys(),
                now=now,
                zone=zone,
                begins_anew=after.starts_at != before.starts_at,
            )
        )
        broken += rules.bound_by_bookings(before, after, sold=line.sold)
        if broken:
            raise RulesBroken(broken)
        for name, value in _values(after).items():
            setattr(run, name, value)
        try:
            with capacity_conflicts():
                session.flush()  # the guard's word, and the version
        except CapacityTaken:
            raise RulesBroken([rules.below_sold(line.sold, after.capacity)]) from None
        _record(session, "run.change", run, line.resource, now=now)
        return line


def _call_off(
    run_id: UUID,
    reason: str,
    expected_version: int | None,
    *,
    actor: Actor,
    now: datetime,
) -> RunLine:
    with transaction() as session:
        line = _taken(session, run_id, expected_version, actor=actor)
        if line.run.starts_at <= now:
            raise IllegalMove(_("this run has begun; it can no longer be called off"))
        if not reason.strip():
            message = _("say why; whoever has booked it reads that")
            raise RulesBroken([Violation("reason", message, "reason")])
        take_off(session, line, why="run_called_off", reason=reason.strip(), now=now)
        return line


def _taken(
    session: Session, run_id: UUID, expected_version: int | None, *, actor: Actor
) -> RunLine:
    """Hold a run of the actor's, that has not been called off, for a change."""
    found = queries.run_line(session, run_id)
    insist_on_operating(found.resource, actor)
    line = hold(session, run_id)
    if expected_version is not None and line.run.version != expected_version:
        raise PreconditionFailed
    if line.run.called_off_at is not None:
        raise IllegalMove(_("this run has been called off; date another one"))
    return line


def _of_resource(resource: Resource) -> list[Violation]:
    if resource.kind is ResourceKind.EVENT and resource.active:
        return []
    return [
        Violation(
            "no_event",
            _(
                "runs are dated for events in service; %(code)s is none",
                code=resource.code,
            ),
            "resource_id",
        )
    ]


def _code_taken(code: str) -> Violation:
    return Violation(
        "code_taken",
        _("there is a run %(code)s already; choose another code", code=code),
        "code",
    )


def _values(asked: AskedRun) -> dict[str, Any]:
    return {
        "starts_at": asked.starts_at,
        "ends_at": asked.ends_at,
        "capacity": asked.capacity,
        "closes_at": asked.closes_at,
        "min_fill": asked.min_fill,
        "quotas": dict(asked.quotas),
        "phases": dict(asked.phases),
    }


def _record(
    session: Session,
    act: str,
    run: Occurrence,
    resource: Resource,
    *,
    now: datetime,
    **more: Any,
) -> None:
    audit.record(
        session,
        act=act,
        subject=f"occurrence {run.public_id}",
        platform_id=resource.platform_id,
        detail={
            "resource": resource.code,
            "run": run.code,
            "starts_at": run.starts_at.isoformat(),
            "capacity": run.capacity,
            **more,
        },
    )
