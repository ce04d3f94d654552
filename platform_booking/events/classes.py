"""Who was at a class holds the qualification that it grants; who stayed away, a no-show.

Staff say so from the start of the class until a fortnight after its end; then what nobody
has marked is completed and grants nothing.
"""

import calendar
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from platform_booking import audit
from platform_booking.attendance.noting import note
from platform_booking.bookings.contention import retrying
from platform_booking.bookings.models import Booking, Source, Usage
from platform_booking.bookings.placing import release_each
from platform_booking.bookings.states import BookingState
from platform_booking.catalog.models import MemberQualification, Qualification
from platform_booking.catalog.services import insist_on_operating
from platform_booking.db import transaction
from platform_booking.errors import IllegalMove, RulesBroken, Violation
from platform_booking.events import queries
from platform_booking.events.queries import RunLine
from platform_booking.notices.outbox import tell
from platform_booking.web.actor import Actor

MARKED = frozenset({BookingState.CONFIRMED, BookingState.IN_USE})
"""States in which a seat is still to be marked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """How many were there, how many were not, how many hold a qualification by it."""

    attended: int
    absent: int
    granted: int


def mark(
    run_id: UUID,
    attended: Mapping[UUID, bool],
    *,
    actor: Actor,
    now: datetime,
    zone: ZoneInfo,
) -> Marked:
    """Mark who was at a class, by booking; all or none.

    Raises
    ------
    NotFound
        If there is no such run.
    Forbidden
        If the actor does not operate its platform.
    IllegalMove
        If it has not begun, or has been called off.
    RulesBroken
        If a booking is not of this run, or is marked already; all are listed.
    """
    return retrying(partial(_mark, run_id, attended, actor=actor, now=now, zone=zone))


def add_months(day: date, months: int) -> date:
    """Return the same day so many months later, or the last one of that month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last))


def _mark(
    run_id: UUID,
    attended: Mapping[UUID, bool],
    *,
    actor: Actor,
    now: datetime,
    zone: ZoneInfo,
) -> Marked:
    with transaction() as session:
        line = queries.run_line(session, run_id)
        insist_on_operating(line.resource, actor)
        if line.run.called_off_at is not None:
            raise IllegalMove(_("this run has been called off; date another one"))
        if line.run.starts_at > now:
            raise IllegalMove(_("the class has not begun; mark who is there when it has"))
        held = _held(session, line, attended)
        there = {one.id: attended[one.public_id] for one in held}
        release_each(
            session,
            {
                key: BookingState.COMPLETED if came else BookingState.NO_SHOW
                for key, came in there.items()
            },
            now=now,
        )
        granted = 0
        for one in held:
            granted += _settle(session, line, one, came=there[one.id], now=now, zone=zone)
        came = sum(there.values())
        return Marked(attended=came, absent=len(there) - came, granted=granted)


def _held(session: Session, line: RunLine, attended: Mapping[UUID, bool]) -> list[Booking]:
    found = session.scalars(
        sa.select(Booking)
        .where(
            Booking.occurrence_id == line.run.id,
            Booking.public_id.in_(list(attended)),
        )
        .order_by(Booking.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    open_ones = {
        one.public_id: one
        for one in found
        if one.state in MARKED and one.source is not Source.PLAN
    }
    broken = [
        Violation(
            "not_to_mark",
            _("this is no booking of the class that is still to be marked; leave it out"),
            f"attended.{public_id}",
        )
        for public_id in attended
        if public_id not in open_ones
    ]
    if broken:
        raise RulesBroken(broken)
    return list(open_ones.values())


def _settle(
    session: Session,
    line: RunLine,
    booking: Booking,
    *,
    came: bool,
    now: datetime,
    zone: ZoneInfo,
) -> int:
    """Record one seat, and grant what the class grants; return how many were granted."""
    if not came:
        note(session, "booking.no_show", booking, line.resource, now=now,
             told="booking.no_show", members=(booking.member_id,))  # fmt: skip
        return 0
    run = line.run
    ended_at = min(now, run.ends_at)
    usage = session.scalars(sa.select(Usage).filter_by(booking_id=booking.id)).one_or_none()
    if usage is None:
        session.add(
            Usage(
                booking_id=booking.id,
                resource_id=booking.resource_id,
                platform_id=booking.platform_id,
                organisation_id=booking.organisation_id,
                member_id=booking.member_id,
                began_at=run.starts_at,
                ended_at=ended_at,
            )
        )
    elif usage.ended_at is None:
        usage.ended_at = max(ended_at, usage.began_at)
    session.flush()  # before the grant's own statement
    note(session, "booking.attend", booking, line.resource, now=now)
    return _grant(session, line, booking, now=now, zone=zone)


def _grant(
    session: Session, line: RunLine, booking: Booking, *, now: datetime, zone: ZoneInfo
) -> int:
    policy = line.resource.policy
    qualification = session.scalars(
        sa.select(Qualification).filter_by(code=policy.get("grants"))
    ).one_or_none()
    if qualification is None or booking.member_id is None:
        return 0
    months = policy.get("grants_months")
    until = None
    if months is not None:
        until = add_months(line.run.ends_at.astimezone(zone).date(), months)
    made = postgresql.insert(MemberQualification).values(
        member_id=booking.member_id,
        qualification_id=qualification.id,
        organisation_id=booking.organisation_id,
        expires_on=until,
        level=None,
    )
    known = MemberQualification.expires_on
    session.execute(
        made.on_conflict_do_update(
            index_elements=["member_id", "qualification_id"],
            # What holds for longer, or for good, is not cut short; a level stays.
            set_={
                "expires_on": sa.case(
                    (sa.or_(known.is_(None), made.excluded.expires_on.is_(None)), None),
                    else_=sa.func.greatest(known, made.excluded.expires_on),
                )
            },
        )
    )
    told = {
        "qualification": qualification.code,
        "what": qualification.code,
        "run": line.run.code,
        "until": until.isoformat() if until else None,
    }
    audit.record(
        session,
        act="qualification.grant",
        subject=f"booking {booking.public_id}",
        organisation_id=booking.organisation_id,
        platform_id=line.resource.platform_id,
        detail=told | {"member": booking.member_id},
    )
    tell(
        session,
        kind="qualification.granted",
        payload=told | {"title": qualification.code},
        now=now,
        organisation_id=booking.organisation_id,
        member_id=booking.member_id,
    )
    return 1
