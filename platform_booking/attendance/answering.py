"""Operators answer requests; owners confirm once more that they come.

`approve`, `decline` and `confirm` are a transaction each.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy.orm import Session

from platform_booking.attendance import rules
from platform_booking.attendance.noting import note
from platform_booking.attendance.parting import release_with
from platform_booking.bookings import facts, queries, services
from platform_booking.bookings import rules as booking_rules
from platform_booking.bookings.beginning import confirmation_due
from platform_booking.bookings.contention import capacity_conflicts, retrying
from platform_booking.bookings.placing import release_all
from platform_booking.bookings.queries import BookingLine
from platform_booking.bookings.states import BookingState
from platform_booking.db import transaction
from platform_booking.errors import (
    BookingError,
    Forbidden,
    IllegalMove,
    PreconditionFailed,
    RulesBroken,
    Violation,
)
from platform_booking.web.actor import Actor
from platform_booking.web.i18n import local_time, named

LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of answering several requests at once."""

    done: tuple[UUID, ...]
    failed: tuple[tuple[UUID, BookingError], ...]


def approve(
    booking_id: UUID, *, expected_version: int | None = None, actor: Actor, now: datetime
) -> BookingLine:
    """Approve a request.

    Raises
    ------
    NotFound, Forbidden, PreconditionFailed
        Forbidden if the actor does not operate the resource's platform.
    IllegalMove
        If it is no request any more, or its time to be answered is over.
    RulesBroken
        If the resource is down in that time.
    """
    return retrying(partial(_approve, booking_id, expected_version, actor=actor, now=now))


def approve_all(
    asked: Mapping[UUID, int | None], *, actor: Actor, now: datetime
) -> Answered:
    """Approve several requests, each by itself: one that is gone stops no other.

    `asked` gives the version of each that the actor has read; None takes any.
    """
    return _each(
        asked,
        lambda one, version: approve(one, expected_version=version, actor=actor, now=now),
    )


def decline_all(
    asked: Mapping[UUID, int | None], reason: str, *, actor: Actor, now: datetime
) -> Answered:
    """Decline several requests for one reason, each by itself."""
    return _each(
        asked,
        lambda one, version: decline(
            one, reason, expected_version=version, actor=actor, now=now
        ),
    )


def _each(
    asked: Mapping[UUID, int | None], deed: Callable[[UUID, int | None], object]
) -> Answered:
    done: list[UUID] = []
    failed: list[tuple[UUID, BookingError]] = []
    for booking_id, version in asked.items():
        try:
            deed(booking_id, version)
        except BookingError as fault:
            failed.append((booking_id, fault))
        else:
            done.append(booking_id)
    return Answered(tuple(done), tuple(failed))


def decline(
    booking_id: UUID,
    reason: str,
    *,
    expected_version: int | None = None,
    actor: Actor,
    now: datetime,
) -> BookingLine:
    """Decline a request; its firm is told why, and its time is free at once.

    Raises
    ------
    NotFound, Forbidden, PreconditionFailed, IllegalMove
        As `approve` does.
    RulesBroken
        If no reason is given.
    """
    reason = reason.strip()
    if not reason or len(reason) > LONGEST_REASON:
        told = _(
            "say why, in at most %(most)s characters, so that the firm can mend it",
            most=LONGEST_REASON,
        )
        raise RulesBroken([Violation("reason", told, "reason")])
    return retrying(
        partial(_decline, booking_id, reason, expected_version, actor=actor, now=now)
    )


def confirm(
    booking_id: UUID, *, expected_version: int | None = None, actor: Actor, now: datetime
) -> BookingLine:
    """Confirm once more that a booking will be used.

    Raises
    ------
    NotFound, Forbidden, PreconditionFailed
    IllegalMove
        If it needs no confirmation, or none yet.
    """
    return retrying(partial(_confirm, booking_id, expected_version, actor=actor, now=now))


def awaits_confirmation(line: BookingLine, *, now: datetime) -> bool:
    """Tell whether a booking's owner is being asked to confirm it now."""
    booking = line.booking
    if booking.state is not BookingState.CONFIRMED or booking.confirm_by is None:
        return False
    opens = rules.confirmation_opens(line.resource.policy, booking.starts_at)
    return opens <= now < booking.confirm_by


def _approve(
    booking_id: UUID, version: int | None, *, actor: Actor, now: datetime
) -> BookingLine:
    with transaction() as session:
        line = _request(session, booking_id, version, actor=actor, now=now)
        booking = line.booking
        booking.state = BookingState.CONFIRMED
        booking.respond_by = None
        booking.confirm_by = confirmation_due(
            line.resource.policy, starts_at=booking.starts_at, now=now
        )
        booking.updated_at = now
        with capacity_conflicts():
            session.flush()  # the guard's row is ours: no outage comes between
        if facts.down_meanwhile(session, booking):
            raise RulesBroken([booking_rules.outage(named(line.resource))])
        note(session, "booking.approve", booking, line.resource, now=now,
             told="booking.approved", by=actor)  # fmt: skip
        return line


def _decline(
    booking_id: UUID, reason: str, version: int | None, *, actor: Actor, now: datetime
) -> BookingLine:
    with transaction() as session:
        line = _request(session, booking_id, version, actor=actor, now=now)
        release_all(session, [line.booking.id], to=BookingState.DECLINED, now=now)
        note(session, "booking.decline", line.booking, line.resource, now=now,
             told="booking.declined", by=actor, detail={"reason": reason})  # fmt: skip
        release_with(session, [line.booking], now=now)
        return line


def _confirm(
    booking_id: UUID, version: int | None, *, actor: Actor, now: datetime
) -> BookingLine:
    with transaction() as session:
        line = held(session, booking_id, version)
        booking = line.booking
        if not services.may_change(line, actor):
            raise Forbidden
        if not awaits_confirmation(line, now=now):
            raise IllegalMove(_why_not_confirmed(line, now=now))
        booking.confirm_by = None
        booking.updated_at = now
        session.flush()  # booking.version
        note(session, "booking.confirm", booking, line.resource, now=now, by=actor)
        return line


def _why_not_confirmed(line: BookingLine, *, now: datetime) -> str:
    booking = line.booking
    if booking.state is not BookingState.CONFIRMED:
        return str(_("it is not in force any more, or not yet; nothing is left to confirm"))
    if booking.confirm_by is None:
        return str(_("it needs no confirmation; nothing is left to do"))
    if now >= booking.confirm_by:
        return str(_("the time to confirm it is over; book another slot"))
    opens = rules.confirmation_opens(line.resource.policy, booking.starts_at)
    return str(_("confirm it from %(time)s on", time=local_time(opens)))


def _request(
    session: Session, booking_id: UUID, version: int | None, *, actor: Actor, now: datetime
) -> BookingLine:
    line = held(session, booking_id, version)
    if not services.is_staff_of(line, actor):
        raise Forbidden
    booking = line.booking
    if booking.state is not BookingState.REQUESTED:
        raise IllegalMove(_("it is answered, lapsed or cancelled already; nothing is left"))
    if booking.respond_by is not None and booking.respond_by <= now:
        raise IllegalMove(
            _("the time to answer it is over, and it lapses; its firm must ask anew")
        )
    return line


def held(session: Session, booking_id: UUID, version: int | None) -> BookingLine:
    """Return a booking, held for whoever is about to change it.

    Raises
    ------
    NotFound
    PreconditionFailed
        If it is no longer at the version that the actor has read.
    """
    line = queries.booking_line(session, booking_id, hold=True)
    if version is not None and line.booking.version != version:
        raise PreconditionFailed
    return line
