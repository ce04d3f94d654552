"""What people do with bookings: pick a slot, move it, cancel it.

`book`, `move` and `cancel` are a transaction each. Who has one open already, as publication
does, takes `confirm_all`, `relocate_all` and `release_all` of `placing`, named here too.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask_babel import gettext as _
from sqlalchemy.orm import Session

from platform_booking.bookings import facts, judging, queries, rules
from platform_booking.bookings.asking import AskedMove, AskedSlot, Relocation
from platform_booking.bookings.beginning import approved_for_another
from platform_booking.bookings.contention import retrying
from platform_booking.bookings.facts import Facts, Named
from platform_booking.bookings.models import Booking, Source
from platform_booking.bookings.picked import Slot
from platform_booking.bookings.placing import (
    confirm,
    confirm_all,
    release_all,
    release_each,
    relocate_all,
)
from platform_booking.bookings.queries import BookingLine
from platform_booking.bookings.states import BookingState
from platform_booking.bookings.telling import record, tell_firm
from platform_booking.bookings.together import Asking, place
from platform_booking.db import transaction
from platform_booking.errors import (
    Forbidden,
    IllegalMove,
    PreconditionFailed,
    RulesBroken,
    Violation,
)
from platform_booking.web.actor import Actor

__all__ = [
    "book",
    "bound_because",
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
    Busy
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


def late_from(line: BookingLine) -> datetime | None:
    """Return from when on cancelling counts as late, of a booking or what goes with it."""
    dates = [
        one.booking.starts_at - timedelta(hours=one.resource.policy["late_cancel_hours"])
        for one in (line, *line.parts)
        if one.resource.policy.get("late_cancel_hours") is not None and is_open(one)
    ]
    return min(dates, default=None)


def bound_because(line: BookingLine, actor: Actor, *, now: datetime) -> Violation | None:
    """Return why its owner may not cancel a booking of a dated run any more; staff may.

    What has been merged into a run cannot be taken out of it.
    """
    run = line.occurrence
    if run is None or run.closes_at is None or run.closes_at > now:
        return None
    if is_staff_of(line, actor):
        return None
    return Violation(
        "withdrawal_closed",
        _(
            "registration for this run is closed, and what is in it stays; ask the"
            " platform's staff to take it out"
        ),
        "occurrence_id",
        run.closes_at.isoformat(),
    )


def is_late(line: BookingLine, *, now: datetime) -> bool:
    """Tell whether cancelling now counts as late."""
    hours = line.resource.policy.get("late_cancel_hours")
    return hours is not None and line.booking.starts_at - now < timedelta(hours=hours)


def _book(asked: AskedSlot, *, actor: Actor, now: datetime, zone: ZoneInfo) -> BookingLine:
    with transaction() as session:
        return place(Asking(session=session, actor=actor, now=now, zone=zone), asked)


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
        ask = Asking(session=session, actor=actor, now=now, zone=zone)
        going = [line, *(part for part in line.parts if is_open(part))]
        slots = [_slot_after(asked, one, itself=one is line) for one in going]
        found = [
            _found(ask, one, slot, going) for one, slot in zip(going, slots, strict=True)
        ]
        set_aside = _judged(going, found, reason=asked.override_reason, now=now)
        if any(set_aside):
            for one, rules_aside in zip(going, set_aside, strict=True):
                if rules_aside:
                    one.booking.override_reason = asked.override_reason
            session.flush()  # before the move raises the version
        before = [_stood(one.booking) for one in going]
        _relocate_all(session, going, slots, now=now)
        for n, one in enumerate(going):
            _insist_on_no_outage(session, one.booking, found[n])
            record(
                session,
                "booking.move",
                one,
                on_behalf=found[n].on_behalf,
                before=before[n],
                **({"note": asked.note} if asked.note else {}),
                **judging.audited(set_aside[n], asked.override_reason),
            )
        tell_firm(session, "booking.move", line, now=now, others=going[1:])
        return line


def _stood(booking: Booking) -> dict[str, Any]:
    return {
        "starts_at": booking.starts_at.isoformat(),
        "ends_at": booking.ends_at.isoformat(),
        "quantity": booking.quantity,
    }


def _slot_after(asked: AskedMove, line: BookingLine, *, itself: bool) -> Slot:
    """Return where a part goes; the quantity is that of the one addressed."""
    booking = line.booking
    quantity = asked.quantity if itself else None
    return Slot(
        starts_at=asked.starts_at or booking.starts_at,
        ends_at=asked.ends_at or booking.ends_at,
        quantity=booking.quantity if quantity is None else quantity,
        wafer_mm=booking.wafer_mm,
        class_rank=booking.class_rank,
        flags=tuple(booking.flags),
    )


def _found(
    ask: Asking, line: BookingLine, slot: Slot, going: Sequence[BookingLine]
) -> Facts:
    booking, runner = line.booking, line.member
    return facts.gather(
        ask.session,
        Named(
            organisation=booking.organisation_id,
            approved=False,
            runner=runner.id if runner is not None else ask.actor.member_id,
            recipe=booking.recipe_id,
            occurrence=booking.occurrence_id,
            project=booking.project_id,
            buddy_row=booking.buddy_id,
            beside=tuple(one.resource.public_id for one in going if one is not line),
            besides=booking.id,
        ),
        slot,
        resource_id=booking.resource_id,
        actor=ask.actor,
        now=ask.now,
        zone=ask.zone,
    )


def _judged(
    going: Sequence[BookingLine], found: Sequence[Facts], *, reason: str, now: datetime
) -> list[tuple[str, ...]]:
    """Ask the rules of all parts; return those set aside for each.

    Raises
    ------
    RulesBroken
        If rules are broken; what they say of several parts is said once.
    """
    set_aside: list[tuple[str, ...]] = []
    broken: dict[tuple[str, str, str], Violation] = {}
    for line, known in zip(going, found, strict=True):
        try:
            set_aside.append(
                judging.insist_on_move(known, line.booking, reason=reason, now=now)
            )
        except RulesBroken as fault:
            broken |= {(v.rule, v.where, v.message): v for v in fault.violations}
        bound = approved_for_another(
            line.resource.policy,
            line.booking.state,
            was=(line.booking.starts_at, line.booking.ends_at),
            becomes=known.picked.slot.stretch,
            by_staff=known.by_staff,
        )
        if bound is not None:
            broken[bound.rule, bound.where, bound.message] = bound
    if broken:
        raise RulesBroken(list(broken.values()))
    return set_aside


def _cancel(
    booking_id: UUID, expected_version: int | None, *, actor: Actor, now: datetime
) -> BookingLine:
    with transaction() as session:
        line = _changeable(session, booking_id, expected_version, actor=actor, now=now)
        others = [part for part in line.parts if is_open(part)]
        cancel_all(session, [line, *others], actor=actor, now=now)
        tell_firm(session, "booking.cancel", line, now=now, others=others)
        return line


def cancel_all(
    session: Session, lines: Sequence[BookingLine], *, actor: Actor, now: datetime
) -> None:
    """Cancel bookings within the caller's transaction, and record it.

    Raises
    ------
    RulesBroken
        If one is of a dated run whose registration is closed, and the actor is no staff.
    """
    bound = [v for one in lines if (v := bound_because(one, actor, now=now))]
    if bound:
        raise RulesBroken(bound)
    ends = {one.booking.id: _cancelled(one, actor, now=now) for one in lines}
    release_each(session, ends, now=now)
    for one in lines:
        record(
            session,
            "booking.cancel",
            one,
            on_behalf=is_staff_of(one, actor),
            late=one.booking.state is BookingState.LATE_CANCELLED,
        )


def _cancelled(line: BookingLine, actor: Actor, *, now: datetime) -> BookingState:
    late = is_late(line, now=now) and line.booking.state is BookingState.CONFIRMED
    if late and not is_staff_of(line, actor):
        return BookingState.LATE_CANCELLED
    return BookingState.CANCELLED


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
    if state is BookingState.OFFERED:
        return str(
            _("it is an offer of the waiting list; accept it there first, or let it go")
        )
    if state is BookingState.IN_USE:
        return str(_("it has begun already; only the platform's staff can end it"))
    return str(_("the booking is over; book another slot if you need more time"))


def _relocate_all(
    session: Session, lines: Sequence[BookingLine], slots: Sequence[Slot], *, now: datetime
) -> None:
    relocate_all(
        session,
        [
            Relocation(
                booking_id=line.booking.id,
                version=line.booking.version,  # nobody has changed it: we hold its row
                resource_id=line.booking.resource_id,
                starts_at=slot.starts_at,
                ends_at=slot.ends_at,
                quantity=slot.quantity,
                recipe_id=line.booking.recipe_id,
                occurrence_id=line.booking.occurrence_id,
                family=line.booking.family,
            )
            for line, slot in zip(lines, slots, strict=True)
        ],
        now=now,
    )
    for line in lines:
        session.refresh(line.booking)


def _insist_on_no_outage(session: Session, booking: Booking, found: Facts) -> None:
    """Look for outages once more, now that nobody can declare one unseen."""
    if facts.down_meanwhile(session, booking):
        raise RulesBroken([rules.outage(found.picked.on.name)])
