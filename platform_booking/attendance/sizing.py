"""Stays that have begun shrink and grow.

Each deed is a transaction. What was booked together grows together.
"""

from datetime import datetime, timedelta
from functools import partial
from uuid import UUID
from zoneinfo import ZoneInfo

from flask_babel import gettext as _
from sqlalchemy.orm import Session

from platform_booking.attendance import rules
from platform_booking.attendance.attending import By, attended, insist_on_in_use
from platform_booking.attendance.judging import broken_by
from platform_booking.attendance.noting import note
from platform_booking.bookings import facts
from platform_booking.bookings import rules as booking_rules
from platform_booking.bookings.asking import Relocation
from platform_booking.bookings.contention import retrying
from platform_booking.bookings.models import Booking
from platform_booking.bookings.placing import relocate_all
from platform_booking.bookings.queries import BookingLine
from platform_booking.bookings.states import BookingState
from platform_booking.catalog.models import Resource, ResourceKind
from platform_booking.db import transaction
from platform_booking.errors import IllegalMove, RulesBroken, Violation
from platform_booking.web.actor import Actor
from platform_booking.web.i18n import local_time, named


def release(
    booking_id: UUID,
    until: datetime,
    *,
    expected_version: int | None = None,
    by: By,
    now: datetime,
) -> BookingLine:
    """Keep using a stay that has begun until a moment, and free what comes after.

    Raises
    ------
    NotFound, Forbidden, PreconditionFailed, IllegalMove
    RulesBroken
        If the moment is no whole slot, or does not lie within what is left.
    """
    work = partial(_release, booking_id, until, expected_version, by=by, now=now)
    return retrying(work)


def extend(
    booking_id: UUID,
    minutes: int,
    *,
    expected_version: int | None = None,
    by: By,
    now: datetime,
    zone: ZoneInfo,
) -> BookingLine:
    """Give a stay that has begun more time, if it is free and the rules allow it.

    Raises
    ------
    NotFound, Forbidden, PreconditionFailed, IllegalMove
    RulesBroken
        If rules are broken; all of them are listed.
    CapacityTaken
        If the time after it is somebody else's; the stay keeps what it has.
    """
    work = partial(
        _extend, booking_id, minutes, expected_version, by=by, now=now, zone=zone
    )
    return retrying(work)


def _release(
    booking_id: UUID, until: datetime, version: int | None, *, by: By, now: datetime
) -> BookingLine:
    with transaction() as session:
        line = attended(session, booking_id, version, by=by)
        booking = line.booking
        insist_on_in_use(session, booking)
        least = rules.freed_from(
            starts_at=booking.starts_at, ends_at=booking.ends_at, now=now
        )
        if until != rules.next_slot(until) or not least <= until < booking.ends_at:
            told = _(
                "choose a whole five minutes from %(from)s on and before %(to)s",
                **{"from": local_time(least), "to": local_time(booking.ends_at)},
            )
            raise RulesBroken([Violation("until", told, "until")])
        _insist_on_resizable(line.resource)
        before, booking.ends_at, booking.updated_at = booking.ends_at, until, now
        session.flush()  # booking.version
        note(session, "booking.release", booking, line.resource, now=now, by=by,
             detail={"booked_until": before.isoformat()})  # fmt: skip
        return line


def _extend(
    booking_id: UUID,
    minutes: int,
    version: int | None,
    *,
    by: By,
    now: datetime,
    zone: ZoneInfo,
) -> BookingLine:
    broken = list(rules.extension_violations(minutes))
    if broken:
        raise RulesBroken(broken)
    with transaction() as session:
        line = attended(session, booking_id, version, by=by)
        booking = line.booking
        insist_on_in_use(session, booking)
        _insist_on_resizable(line.resource)
        if booking.ends_at <= now:
            raise IllegalMove(_("its time is over; check out, and book another slot"))
        before = booking.ends_at
        longer = before + timedelta(minutes=minutes)
        going = [line, *(part for part in line.parts if _goes_along(part, before))]
        broken = [
            violation
            for one in going
            for violation in _broken_by(session, one, longer, by=by, now=now, zone=zone)
        ]
        if broken:
            raise RulesBroken(broken)
        relocate_all(session, [_longer(one.booking, longer) for one in going], now=now)
        for one in going:
            session.refresh(one.booking)
            if facts.down_meanwhile(session, one.booking):
                raise RulesBroken([booking_rules.outage(named(one.resource))])
            note(session, "booking.extend", one.booking, one.resource, now=now, by=by,
                 detail={"booked_until": before.isoformat()})  # fmt: skip
        return line


def _goes_along(part: BookingLine, until: datetime) -> bool:
    """Tell whether what was booked together grows with the stay: it ends with it."""
    return (
        part.booking.state is BookingState.IN_USE
        and part.booking.ends_at == until
        and part.resource.kind in {ResourceKind.UNARY, ResourceKind.POOLED}
    )


def _broken_by(
    session: Session,
    line: BookingLine,
    longer: datetime,
    *,
    by: By,
    now: datetime,
    zone: ZoneInfo,
) -> list[Violation]:
    """Judge a longer stay: as a whole, and for its hours the piece that comes to it."""
    booking = line.booking
    found: dict[str, Violation] = {}
    for starts_at, of_the_piece in ((booking.starts_at, False), (booking.ends_at, True)):
        for violation in broken_by(
            session,
            line,
            runner=booking.member_id or 0,
            starts_at=starts_at,
            ends_at=longer,
            actor=_owner(line, by),
            now=now,
            zone=zone,
        ):
            if of_the_piece == (violation.rule in rules.OF_THE_PIECE) and (
                violation.rule not in rules.BEFORE_THE_START
            ):
                found[violation.rule] = violation
    return list(found.values())


def _owner(line: BookingLine, by: By) -> Actor:
    """Return by whose rights a stay is judged: at a kiosk by its owner's."""
    if isinstance(by, Actor):
        return by
    return Actor(
        member_id=line.booking.member_id or 0,
        public_id=line.booking.public_id,
        name="",
        locale="",
        organisation_id=line.booking.organisation_id,
        organisation_name=None,
        roles=frozenset(),
    )


def _longer(booking: Booking, ends_at: datetime) -> Relocation:
    return Relocation(
        booking_id=booking.id,
        version=booking.version,
        resource_id=booking.resource_id,
        starts_at=booking.starts_at,
        ends_at=ends_at,
        quantity=booking.quantity,
        recipe_id=booking.recipe_id,
        occurrence_id=booking.occurrence_id,
        family=booking.family,
    )


def _insist_on_resizable(resource: Resource) -> None:
    if resource.kind in {ResourceKind.BATCH, ResourceKind.EVENT}:
        raise IllegalMove(
            _("a shared run ends for all at once; it can be neither shortened nor extended")
        )
