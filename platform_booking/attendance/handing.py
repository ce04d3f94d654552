"""A booking goes to a colleague; a fault goes to those who mend it."""

import hashlib
from dataclasses import replace
from datetime import datetime
from functools import partial
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from platform_booking import audit
from platform_booking.accounts.entrance import count_attempt
from platform_booking.accounts.models import Member
from platform_booking.attendance import rules
from platform_booking.attendance.answering import LONGEST_REASON, held
from platform_booking.attendance.judging import broken_by
from platform_booking.attendance.noting import note, tell_operators
from platform_booking.attendance.queries import FAULT
from platform_booking.bookings import services
from platform_booking.bookings.contention import retrying
from platform_booking.bookings.models import Booking
from platform_booking.bookings.queries import BookingLine
from platform_booking.bookings.states import ACTIVE, BookingState
from platform_booking.catalog import services as catalog
from platform_booking.catalog.models import (
    OutageKind,
    Resource,
)
from platform_booking.catalog.rules import NewOutage
from platform_booking.db import transaction
from platform_booking.errors import (
    Forbidden,
    IllegalMove,
    NotFound,
    RulesBroken,
    Violation,
)
from platform_booking.web.actor import Actor, Kiosk


def hand_over(
    booking_id: UUID,
    colleague_id: UUID,
    *,
    expected_version: int | None = None,
    actor: Actor,
    now: datetime,
    zone: ZoneInfo,
) -> BookingLine:
    """Give a booking to a colleague of the same organisation, who runs it from now on.

    Raises
    ------
    NotFound, PreconditionFailed
    Forbidden
        If the actor is neither its owner nor runs the organisation's account.
    IllegalMove
        If it is over.
    RulesBroken
        If the colleague may not run it; every reason is listed.
    """
    work = partial(
        _hand_over,
        booking_id,
        colleague_id,
        expected_version,
        actor=actor,
        now=now,
        zone=zone,
    )
    return retrying(work)


def report_fault(
    resource_id: UUID,
    reason: str,
    *,
    ends_at: datetime | None = None,
    by: Actor | Kiosk,
    now: datetime,
) -> bool:
    """Report that a resource is broken; tell whether it is declared down by that.

    What the platform's staff report with an end is an unscheduled outage from now on; what
    anybody else reports is told to the operators, who decide.

    Raises
    ------
    NotFound
        If there is no such resource, or none that the kiosk stands beside.
    RulesBroken
    AlreadyThere
    TooMany
        After ten reports within 15 minutes.
    """
    reason = reason.strip()
    if not reason or len(reason) > LONGEST_REASON:
        told = _(
            "say what is wrong, in at most %(most)s characters, so that the staff know"
            " what to look at",
            most=LONGEST_REASON,
        )
        raise RulesBroken([Violation("reason", told, "reason")])
    who = by.public_id if isinstance(by, Kiosk) else by.member_id
    count_attempt(hashlib.sha256(f"fault|{who}".encode()).hexdigest(), now=now)
    with transaction() as session:
        resource = _resource(session, resource_id, by)
        staff = isinstance(by, Actor) and (
            by.is_park or resource.platform_id in by.platform_ids
        )
        if not (staff and ends_at):
            _tell_of_fault(session, resource, reason, by=by, now=now)
            return False
    assert isinstance(by, Actor)
    new = NewOutage(
        starts_at=now, ends_at=ends_at, kind=OutageKind.UNSCHEDULED, reason=reason
    )
    catalog.declare_outage(resource_id, new, actor=by, now=now)
    return True


def _tell_of_fault(
    session: Session, resource: Resource, reason: str, *, by: Actor | Kiosk, now: datetime
) -> None:
    device = {"kiosk": by.name} if isinstance(by, Kiosk) else {}
    told = {"resource": resource.code, "reason": reason, **device}
    tell_operators(session, resource.platform_id, kind=FAULT, payload=told, now=now)
    audit.record(
        session,
        act="resource.fault",
        subject=f"resource {resource.public_id}",
        platform_id=resource.platform_id,
        detail=told,
    )


def _resource(session: Session, public_id: UUID, by: Actor | Kiosk) -> Resource:
    resource = session.scalars(
        sa.select(Resource).filter_by(public_id=public_id)
    ).one_or_none()
    if resource is None:
        raise NotFound
    if isinstance(by, Kiosk) and (
        resource.platform_id != by.platform_id or by.resource_id not in {None, resource.id}
    ):
        raise NotFound
    return resource


def _hand_over(
    booking_id: UUID,
    colleague_id: UUID,
    version: int | None,
    *,
    actor: Actor,
    now: datetime,
    zone: ZoneInfo,
) -> BookingLine:
    with transaction() as session:
        line = held(session, booking_id, version)
        booking = line.booking
        if line.organisation.id != actor.organisation_id or not services.may_change(
            line, actor
        ):
            raise Forbidden
        if booking.state not in ACTIVE - {BookingState.OFFERED} or booking.ends_at <= now:
            raise IllegalMove(_("it is over or cancelled; nothing is left to hand over"))
        colleague = _colleague(session, booking, colleague_id)
        before = booking.member_id
        together = [
            line,
            *(part for part in line.parts if _is_handed(part.booking, before, now=now)),
        ]
        broken = [
            violation
            for one in together
            for violation in broken_by(
                session,
                one,
                runner=colleague.id,
                starts_at=one.booking.starts_at,
                ends_at=one.booking.ends_at,
                actor=actor,
                now=now,
                zone=zone,
            )
            if violation.rule not in rules.OF_THE_SLOT
        ]
        if broken:
            raise RulesBroken(broken)
        for one in together:
            one.booking.member_id, one.booking.updated_at = colleague.id, now
            session.flush()  # booking.version
            note(
                session,
                "booking.hand_over",
                one.booking,
                one.resource,
                now=now,
                told="booking.handed_over" if one is line else "",
                members=(before, colleague.id),
                by=actor,
                detail={"to": str(colleague.public_id)},
            )
        return replace(line, member=colleague)


def _is_handed(booking: Booking, owner: int | None, *, now: datetime) -> bool:
    return (
        booking.state in ACTIVE - {BookingState.OFFERED}
        and booking.ends_at > now
        and booking.member_id == owner
    )


def _colleague(session: Session, booking: Booking, public_id: UUID) -> Member:
    found = session.scalars(
        sa.select(Member).where(
            Member.public_id == public_id,
            Member.organisation_id == booking.organisation_id,
            Member.active,
        )
    ).one_or_none()
    if found is None or found.id == booking.member_id:
        raise RulesBroken(
            [
                Violation(
                    "colleague",
                    _("choose a colleague of yours, other than who has it now"),
                    "member_id",
                )
            ]
        )
    return found
