"""Stays begin and end: by a member, by the platform's staff, or at a kiosk.

Each deed is a transaction. What was booked together begins and ends together, as far as the
one who acts may reach it.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from platform_booking.attendance import rules
from platform_booking.attendance.answering import held
from platform_booking.attendance.noting import note
from platform_booking.bookings import services
from platform_booking.bookings.contention import capacity_conflicts, retrying
from platform_booking.bookings.models import Booking, Source, Usage
from platform_booking.bookings.queries import BookingLine
from platform_booking.bookings.states import BookingState, may_move
from platform_booking.catalog.models import (
    Resource,
    ResourceKind,
)
from platform_booking.db import transaction
from platform_booking.errors import (
    CapacityTaken,
    Forbidden,
    IllegalMove,
    NotFound,
    RulesBroken,
    Violation,
)
from platform_booking.web.actor import Actor, Kiosk
from platform_booking.web.i18n import local_time, named

By = Actor | Kiosk


def check_in(
    booking_id: UUID, *, expected_version: int | None = None, by: By, now: datetime
) -> BookingLine:
    """Begin a stay. One that begins early holds the time from now on, if it is free.

    Raises
    ------
    NotFound, Forbidden, PreconditionFailed
    RulesBroken
        If it is too early or too late, or somebody else is in use there.
    CapacityTaken
        If the minutes before its start are somebody else's.
    """
    return retrying(partial(_check_in, booking_id, expected_version, by=by, now=now))


def check_out(
    booking_id: UUID, *, expected_version: int | None = None, by: By, now: datetime
) -> BookingLine:
    """End a stay; the rest of its time, from the next whole slot on, is free at once.

    Raises
    ------
    NotFound, Forbidden, PreconditionFailed
    IllegalMove
        If nobody has checked in, or it is over.
    """
    return retrying(partial(_check_out, booking_id, expected_version, by=by, now=now))


def may_attend(line: BookingLine, by: By) -> bool:
    """Tell whether a booking that he sees is his to begin and to end."""
    if isinstance(by, Actor):
        return services.may_change(line, by)
    return line.platform.id == by.platform_id and by.resource_id in {
        None,
        line.resource.id,
    }


def is_over(booking: Booking, usage: Usage | None) -> bool:
    """Tell whether a stay has been checked out of. A plan's stays in use: DECISIONS 26."""
    return booking.state is not BookingState.IN_USE or (
        usage is not None and usage.ended_at is not None
    )


def usage_of(session: Session, booking: Booking) -> Usage | None:
    """Return what has really happened under a booking so far."""
    return session.scalars(sa.select(Usage).filter_by(booking_id=booking.id)).one_or_none()


def _check_in(
    booking_id: UUID, version: int | None, *, by: By, now: datetime
) -> BookingLine:
    with transaction() as session:
        line = attended(session, booking_id, version, by=by)
        booking, resource = line.booking, line.resource
        opens = rules.checkin_opens(resource.policy, booking.starts_at)
        broken = list(
            rules.why_not_begun(
                booking.state,
                opens=opens,
                ends_at=booking.ends_at,
                opens_local=local_time(opens),
                now=now,
            )
        )
        if broken:
            raise RulesBroken(broken)
        together = (booking, *_companions(session, booking, BookingState.CONFIRMED))
        if resource.kind in {ResourceKind.UNARY, ResourceKind.POOLED}:
            booking.starts_at = min(booking.starts_at, rules.next_slot(now))
        for one in together:
            if one is booking or rules.checkin_opens({}, one.starts_at) <= now:
                _begin(session, one, by=by, now=now)
        _insist_on_nobody_there(session, booking, resource)
        return line


def _begin(session: Session, booking: Booking, *, by: By, now: datetime) -> None:
    resource = session.get_one(Resource, booking.resource_id)
    booking.state = BookingState.IN_USE
    booking.confirm_by = None
    booking.updated_at = now
    session.add(
        Usage(
            booking_id=booking.id,
            resource_id=booking.resource_id,
            platform_id=booking.platform_id,
            organisation_id=booking.organisation_id,
            member_id=booking.member_id,
            began_at=now,
        )
    )
    taken = _early_taken(resource)
    try:
        with capacity_conflicts():
            session.flush()  # the guard's word on the minutes before the start
    except CapacityTaken:
        raise RulesBroken([taken]) from None
    note(session, "booking.check_in", booking, resource, now=now, by=by)


def _early_taken(resource: Resource) -> Violation:
    return Violation(
        "early_taken",
        _(
            "the minutes before your start are somebody else’s on %(name)s; check in when"
            " your own time begins",
            name=named(resource),
        ),
    )


def _insist_on_nobody_there(session: Session, booking: Booking, resource: Resource) -> None:
    """Refuse to begin where somebody else is still at it. The guard's row is ours."""
    if resource.kind is ResourceKind.EVENT:
        return
    run = booking.starts_at if resource.kind is ResourceKind.BATCH else None
    there = session.scalar(
        sa.text("SELECT in_use_there(:which, :besides, :run)"),
        {"which": resource.id, "besides": booking.id, "run": run},
    )
    room = 1 if resource.kind is ResourceKind.BATCH else resource.capacity
    mine = 1 if resource.kind is ResourceKind.BATCH else booking.quantity
    if there and there + mine > room:
        raise RulesBroken(
            [
                Violation(
                    "in_use",
                    _(
                        "somebody else is still in use of %(name)s and has not checked out;"
                        " ask him to, or the platform’s staff",
                        name=named(resource),
                    ),
                )
            ]
        )


def _check_out(
    booking_id: UUID, version: int | None, *, by: By, now: datetime
) -> BookingLine:
    with transaction() as session:
        line = attended(session, booking_id, version, by=by)
        insist_on_in_use(session, line.booking)
        together = (
            line.booking,
            *_companions(session, line.booking, BookingState.IN_USE),
        )
        for booking in together:
            _end(session, booking, by=by, now=now)
        return line


def _end(session: Session, booking: Booking, *, by: By, now: datetime) -> None:
    resource = session.get_one(Resource, booking.resource_id)
    usage = usage_of(session, booking)
    if usage is not None:
        if usage.ended_at is not None:
            return
        usage.ended_at = max(now, usage.began_at)
    before = booking.ends_at
    if resource.kind in {ResourceKind.UNARY, ResourceKind.POOLED}:
        booking.ends_at = rules.freed_from(
            starts_at=booking.starts_at, ends_at=before, now=now
        )
    if booking.source is not Source.PLAN:
        assert may_move(booking.state, BookingState.COMPLETED)
        booking.state = BookingState.COMPLETED
    booking.updated_at = now
    session.flush()  # booking.version
    note(
        session,
        "booking.check_out",
        booking,
        resource,
        now=now,
        by=by,
        detail={"ended_at": now.isoformat(), "booked_until": before.isoformat()},
    )


def insist_on_in_use(session: Session, booking: Booking) -> None:
    """Refuse what only a stay that has begun and goes on allows.

    Raises
    ------
    IllegalMove
    """
    if booking.state is BookingState.CONFIRMED:
        raise IllegalMove(_("nobody has checked in yet; check in first, or cancel it"))
    if is_over(booking, usage_of(session, booking)):
        raise IllegalMove(_("it is over already, or was never begun; nothing is left"))


def attended(
    session: Session, booking_id: UUID, version: int | None, *, by: By
) -> BookingLine:
    """Return a booking, held, that is his to begin and to end.

    Raises
    ------
    NotFound, PreconditionFailed
    Forbidden
        If it is a colleague's. At a kiosk, what is not of its tools is not there.
    """
    line = held(session, booking_id, version)
    if not may_attend(line, by):
        raise Forbidden if isinstance(by, Actor) else NotFound
    return line


def _companions(
    session: Session, booking: Booking, state: BookingState
) -> Sequence[Booking]:
    """Return what was booked together with a booking and is in a state, held."""
    if booking.group_id is None:
        return ()
    return session.scalars(
        sa.select(Booking)
        .where(
            Booking.group_id == booking.group_id,
            Booking.id != booking.id,
            Booking.state == state,
        )
        .order_by(Booking.resource_id, Booking.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
