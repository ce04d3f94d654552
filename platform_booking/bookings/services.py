"""What people do with bookings: pick a slot, move it, cancel it.

`book`, `move` and `cancel` are a transaction each. Who has one open already, as publication
does, takes `confirm_all`, `relocate_all` and `release_all` of `placing`, named here too.
"""

from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from platform_booking import audit
from platform_booking.accounts.models import Organisation, Project
from platform_booking.bookings import facts, judging, queries, rules
from platform_booking.bookings.asking import AskedMove, AskedSlot, NewBooking, Relocation
from platform_booking.bookings.beginning import beginning
from platform_booking.bookings.contention import retrying
from platform_booking.bookings.facts import Facts, Named
from platform_booking.bookings.models import Booking, Source
from platform_booking.bookings.picked import Slot
from platform_booking.bookings.placing import (
    confirm,
    confirm_all,
    release_all,
    relocate_all,
)
from platform_booking.bookings.queries import BookingLine
from platform_booking.bookings.states import BookingState
from platform_booking.catalog.models import Occurrence, Recipe, Resource
from platform_booking.db import transaction
from platform_booking.errors import (
    Forbidden,
    IllegalMove,
    PreconditionFailed,
    RulesBroken,
    Violation,
)
from platform_booking.notices.outbox import tell
from platform_booking.web.actor import Actor

__all__ = [
    "book",
    "cancel",
    "confirm",
    "confirm_all",
    "fixed_because",
    "is_late",
    "is_open",
    "is_staff_of",
    "may_change",
    "move",
    "release_all",
    "relocate_all",
]

_CHANGEABLE = frozenset({BookingState.REQUESTED, BookingState.CONFIRMED})


def book(asked: AskedSlot, *, actor: Actor, now: datetime, zone: ZoneInfo) -> BookingLine:
    """Book a slot that a person has picked.

    Raises
    ------
    RulesBroken
        If rules are broken; all of them are listed.
    Forbidden
        If the actor books for another organisation and does not operate the platform.
    CapacityTaken
        If the resource has no room in that time.
    Conflict
        If others hold what is needed for too long.
    """
    return retrying(partial(_book, asked, actor=actor, now=now, zone=zone))


def move(
    booking_id: UUID,
    asked: AskedMove,
    *,
    expected_version: int | None,
    actor: Actor,
    now: datetime,
    zone: ZoneInfo,
) -> BookingLine:
    """Give a booking another time or quantity. `expected_version` None takes any.

    Raises
    ------
    NotFound
        If there is no such booking that the actor may see.
    Forbidden
        If it is a colleague's, and the actor does not run the organisation's account.
    PreconditionFailed
        If it is no longer at the version that the actor has read.
    IllegalMove, RulesBroken
        If it is over, serves an order, or would break rules in its new place.
    CapacityTaken
        If there is no room in its new place; it stays where it was.
    """
    work = partial(
        _move, booking_id, asked, expected_version, actor=actor, now=now, zone=zone
    )
    return retrying(work)


def cancel(
    booking_id: UUID, *, expected_version: int | None = None, actor: Actor, now: datetime
) -> BookingLine:
    """Cancel a booking; late where the resource's policy says so.

    Raises
    ------
    NotFound, Forbidden, PreconditionFailed, IllegalMove, RulesBroken
        As `move` does.
    """
    return retrying(partial(_cancel, booking_id, expected_version, actor=actor, now=now))


def may_change(line: BookingLine, actor: Actor) -> bool:
    """Tell whether the actor may move or cancel a booking that he sees.

    A colleague's is for whoever runs the organisation's account; what the platform's staff
    booked for the organisation is for all of its members.
    """
    if is_staff_of(line, actor):
        return True
    if line.organisation.id != actor.organisation_id:
        return False
    if line.member is None or line.member.organisation_id != actor.organisation_id:
        return True
    return line.member.id == actor.member_id or actor.is_organisation_admin


def is_staff_of(line: BookingLine, actor: Actor) -> bool:
    """Tell whether the actor operates the platform of a booking, or the park."""
    return actor.is_park or line.platform.id in actor.platform_ids


def is_open(line: BookingLine) -> bool:
    """Tell whether a booking is in a state that people may still change."""
    return line.booking.state in _CHANGEABLE


def fixed_because(line: BookingLine, *, now: datetime) -> Violation | None:
    """Return why nobody may move or cancel a booking by itself; None if it may go."""
    if line.booking.source is Source.PLAN:
        return Violation(
            "of_an_order",
            _(
                "this booking serves a step of an order; withdraw or amend the order"
                " instead"
            ),
        )
    if line.booking.starts_at <= now:
        return Violation(
            "begun", _("it has begun already; only the platform's staff can end it")
        )
    return None


def is_late(line: BookingLine, *, now: datetime) -> bool:
    """Tell whether cancelling now counts as late."""
    hours = line.resource.policy.get("late_cancel_hours")
    return hours is not None and line.booking.starts_at - now < timedelta(hours=hours)


def _book(asked: AskedSlot, *, actor: Actor, now: datetime, zone: ZoneInfo) -> BookingLine:
    with transaction() as session:
        found = facts.gather(
            session,
            Named(
                resource=Resource.public_id == asked.resource_id,
                organisation=facts.of_organisation(actor, asked.organisation_id),
                runner=actor.member_id,
                project=_called(Project, asked.project_id),
                recipe=_called(Recipe, asked.recipe_id),
                occurrence=_called(Occurrence, asked.occurrence_id),
                buddy=asked.buddy_id,
            ),
            Slot(
                starts_at=asked.starts_at,
                ends_at=asked.ends_at,
                quantity=asked.quantity,
                wafer_mm=asked.wafer_mm,
                class_rank=asked.class_rank,
                flags=asked.flags,
            ),
            actor=actor,
            now=now,
            zone=zone,
        )
        set_aside = judging.insist(found, reason=asked.override_reason, now=now)
        new = _new(asked, found, actor=actor, now=now, overridden=bool(set_aside))
        booking = confirm(session, new, now=now)
        _insist_on_no_outage(session, booking, found)
        line = _line(booking, found)
        _note(
            session,
            "booking.book",
            line,
            now=now,
            on_behalf=found.on_behalf,
            **judging.audited(set_aside, asked.override_reason),
        )
        return line


def _move(
    booking_id: UUID,
    asked: AskedMove,
    expected_version: int | None,
    *,
    actor: Actor,
    now: datetime,
    zone: ZoneInfo,
) -> BookingLine:
    with transaction() as session:
        line = _changeable(session, booking_id, expected_version, actor=actor, now=now)
        booking, runner = line.booking, line.member
        slot = Slot(
            starts_at=asked.starts_at or booking.starts_at,
            ends_at=asked.ends_at or booking.ends_at,
            quantity=booking.quantity if asked.quantity is None else asked.quantity,
            wafer_mm=booking.wafer_mm,
            class_rank=booking.class_rank,
            flags=tuple(booking.flags),
        )
        found = facts.gather(
            session,
            Named(
                resource=Resource.id == booking.resource_id,
                organisation=Organisation.id == booking.organisation_id,
                runner=runner.id if runner is not None else actor.member_id,
                recipe=_row(Recipe, booking.recipe_id),
                occurrence=_row(Occurrence, booking.occurrence_id),
                project=_row(Project, booking.project_id),
                buddy_row=booking.buddy_id,
                besides=booking.id,
            ),
            slot,
            actor=actor,
            now=now,
            zone=zone,
        )
        set_aside = judging.insist_on_move(
            found, booking, reason=asked.override_reason, now=now
        )
        if set_aside:
            booking.override_reason = asked.override_reason
            session.flush()  # before the move raises the version
        before = {"starts_at": booking.starts_at.isoformat(), "quantity": booking.quantity}
        _relocate(session, booking, slot, now=now)
        _insist_on_no_outage(session, booking, found)
        _note(
            session,
            "booking.move",
            line,
            now=now,
            on_behalf=found.on_behalf,
            before=before,
            **judging.audited(set_aside, asked.override_reason),
        )
        return line


def _cancel(
    booking_id: UUID, expected_version: int | None, *, actor: Actor, now: datetime
) -> BookingLine:
    with transaction() as session:
        line = _changeable(session, booking_id, expected_version, actor=actor, now=now)
        by_staff = is_staff_of(line, actor)
        late = (
            is_late(line, now=now)
            and line.booking.state is BookingState.CONFIRMED
            and not by_staff
        )
        to = BookingState.LATE_CANCELLED if late else BookingState.CANCELLED
        release_all(session, [line.booking.id], to=to, now=now)
        _note(session, "booking.cancel", line, now=now, on_behalf=by_staff, late=late)
        return line


def _changeable(
    session: Session,
    booking_id: UUID,
    expected_version: int | None,
    *,
    actor: Actor,
    now: datetime,
) -> BookingLine:
    line = queries.booking_line(session, booking_id, hold=True)
    if not may_change(line, actor):
        raise Forbidden
    if expected_version is not None and line.booking.version != expected_version:
        raise PreconditionFailed
    if not is_open(line):
        raise IllegalMove(_why_closed(line.booking.state))
    reason = fixed_because(line, now=now)
    if reason is not None:
        raise RulesBroken([reason])
    return line


def _why_closed(state: BookingState) -> str:
    if state in {BookingState.CANCELLED, BookingState.LATE_CANCELLED}:
        return str(
            _(
                "the booking is cancelled already; nothing is left to do, but to book anew"
                " if need be"
            )
        )
    if state is BookingState.IN_USE:
        return str(_("it has begun already; only the platform's staff can end it"))
    return str(_("the booking is over; book another slot if you need more time"))


def _relocate(session: Session, booking: Booking, slot: Slot, *, now: datetime) -> None:
    there = Relocation(
        booking_id=booking.id,
        version=booking.version,
        resource_id=booking.resource_id,
        starts_at=slot.starts_at,
        ends_at=slot.ends_at,
        quantity=slot.quantity,
        recipe_id=booking.recipe_id,
        occurrence_id=booking.occurrence_id,
        family=booking.family,
    )
    relocate_all(session, [there], now=now)  # nobody has changed it: we hold its row
    session.refresh(booking)


def _insist_on_no_outage(session: Session, booking: Booking, found: Facts) -> None:
    """Look for outages once more, now that nobody can declare one unseen."""
    if facts.down_meanwhile(session, booking):
        raise RulesBroken([rules.outage(found.picked.on.name)])


def _called(table: Any, public_id: UUID | None) -> sa.ColumnElement[bool] | None:
    return None if public_id is None else table.public_id == public_id


def _row(table: Any, row_id: int | None) -> sa.ColumnElement[bool] | None:
    return None if row_id is None else table.id == row_id


def _new(
    asked: AskedSlot, found: Facts, *, actor: Actor, now: datetime, overridden: bool
) -> NewBooking:
    assert found.organisation is not None  # the rules have seen to it
    staff = actor.is_park or found.resource.platform_id in actor.platform_ids
    begins = beginning(
        found.resource.policy, starts_at=asked.starts_at, now=now, by_staff=staff
    )
    return NewBooking(
        resource_id=found.resource.id,
        organisation_id=found.organisation.id,
        member_id=actor.member_id,
        project_id=found.project.id if found.project else None,
        starts_at=asked.starts_at,
        ends_at=asked.ends_at,
        quantity=asked.quantity,
        recipe_id=found.recipe.id if found.recipe else None,
        occurrence_id=found.occurrence.id if found.occurrence else None,
        family=found.recipe.family if found.recipe else None,
        source=Source.PERSON,
        state=begins.state,
        respond_by=begins.respond_by,
        confirm_by=begins.confirm_by,
        buddy_id=found.buddy_row,
        override_reason=asked.override_reason if overridden else None,
        wafer_mm=asked.wafer_mm,
        class_rank=asked.class_rank,
        flags=asked.flags,
    )


def _line(booking: Booking, found: Facts) -> BookingLine:
    assert found.organisation is not None
    return BookingLine(
        booking=booking,
        resource=found.resource,
        platform=found.resource.platform,
        organisation=found.organisation,
        project=found.project,
        member=found.member,
        recipe=found.recipe,
        occurrence=found.occurrence,
    )


def _note(
    session: Session, act: str, line: BookingLine, *, now: datetime, **more: Any
) -> None:
    """Record a deed and tell the organisation, in the deed's own transaction."""
    booking = line.booking
    what = {
        "resource": line.resource.code,
        "starts_at": booking.starts_at.isoformat(),
        "ends_at": booking.ends_at.isoformat(),
        "quantity": booking.quantity,
    }
    audit.record(
        session,
        act=act,
        subject=f"booking {booking.public_id}",
        organisation_id=booking.organisation_id,
        platform_id=line.platform.id,
        detail=what | more,
    )
    tell(
        session,
        kind={
            "booking.book": "booking.made",
            "booking.move": "booking.moved",
            "booking.cancel": "booking.cancelled",
        }[act],
        payload={"booking": str(booking.public_id), **what},
        now=now,
        organisation_id=booking.organisation_id,
    )
