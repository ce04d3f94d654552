"""What people do on the waiting list: join, withdraw, accept an offer or let it go.

Each deed is a transaction. Locks are taken in one order: the entry, the booking that is
offered, the resource's guard.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from platform_booking.accounts.models import Project
from platform_booking.bookings import facts
from platform_booking.bookings import rules as booking_rules
from platform_booking.bookings.beginning import beginning
from platform_booking.bookings.contention import capacity_conflicts, retrying
from platform_booking.bookings.models import Booking, Waiting
from platform_booking.bookings.placing import release_all
from platform_booking.bookings.states import BookingState, WaitingState, may_move
from platform_booking.catalog.models import Recipe, Resource
from platform_booking.db import transaction
from platform_booking.errors import Forbidden, IllegalMove, RulesBroken, Violation
from platform_booking.waitlist import queries, rules
from platform_booking.waitlist.asking import NewWaiting
from platform_booking.waitlist.judging import Place, breaks, insist
from platform_booking.waitlist.noting import note, note_all
from platform_booking.waitlist.places import Party, free
from platform_booking.waitlist.queries import OPEN, WaitingLine
from platform_booking.web.actor import Actor
from platform_booking.web.i18n import local_time, named

_ENTRIES_OF = 7004  # advisory locks: who joins for the same member waits


def join(asked: NewWaiting, *, actor: Actor, now: datetime, zone: ZoneInfo) -> WaitingLine:
    """Wait for time on a resource. The rules that a booking there meets are asked now.

    Raises
    ------
    RulesBroken
        If rules are broken that no other day will mend; all of them are listed.
    Forbidden
        If the actor belongs to no organisation.
    """
    if actor.organisation_id is None:
        raise Forbidden
    return retrying(partial(_join, asked, actor=actor, now=now, zone=zone))


def withdraw(waiting_id: UUID, *, actor: Actor, now: datetime) -> WaitingLine:
    """Wait no longer; what is offered is free for the next one.

    Raises
    ------
    NotFound, Forbidden
    IllegalMove
        If it is over already.
    """
    return retrying(partial(_withdraw, waiting_id, actor=actor, now=now))


def accept(waiting_id: UUID, *, actor: Actor, now: datetime, zone: ZoneInfo) -> WaitingLine:
    """Take what is offered; the rules are asked once more.

    Raises
    ------
    NotFound, Forbidden
    IllegalMove
        If nothing is offered, or the time to answer is over.
    RulesBroken
        If rules are broken by now; the offer stands until its time is over.
    """
    return retrying(partial(_accept, waiting_id, actor=actor, now=now, zone=zone))


def let_go(waiting_id: UUID, *, actor: Actor, now: datetime) -> WaitingLine:
    """Pass: the place goes to the next one, and the entry waits on for another.

    Raises
    ------
    NotFound, Forbidden, IllegalMove
        As `accept` does.
    """
    return retrying(partial(_let_go, waiting_id, actor=actor, now=now))


def may_act(line: WaitingLine, actor: Actor) -> bool:
    """Tell whether an entry is the actor's to answer and to withdraw."""
    if line.organisation.id != actor.organisation_id:
        return False
    own = line.member is not None and line.member.organisation_id == line.organisation.id
    return not own or line.entry.member_id == actor.member_id or actor.is_organisation_admin


def lapse_offer(
    session: Session, party: Party, *, act: str, counts: bool = True, now: datetime
) -> None:
    """Let what a party is offered go within the caller's transaction, which holds it.

    After the last of so many that counts it is withdrawn, and its owner told.
    """
    _release(session, party, now=now)
    for entry, _resource in party:
        entry.booking_id = None
        entry.passed += counts
        entry.updated_at = now
        spent = entry.passed >= rules.MOST_PASSED
        entry.state = WaitingState.WITHDRAWN if spent else WaitingState.WAITING
    session.flush()  # with the bookings, in this order
    told = "waiting.given_up" if spent else "waiting.offer_lapsed" if act != PASS else ""
    note_all(session, act, party, now=now, told=told, passed=party[0][0].passed)


def _release(session: Session, party: Party, *, now: datetime) -> None:
    held = [entry.booking_id for entry, _on in party if entry.booking_id is not None]
    release_all(session, held, to=BookingState.LAPSED, now=now)


PASS = "waiting.pass"  # noqa: S105 - an act, no secret


def _join(asked: NewWaiting, *, actor: Actor, now: datetime, zone: ZoneInfo) -> WaitingLine:
    with transaction() as session:
        session.execute(
            sa.select(sa.func.pg_advisory_xact_lock(_ENTRIES_OF, actor.member_id))
        )
        resource = queries.resource(session, Resource.public_id == asked.resource_id)
        if resource is None:
            raise RulesBroken(
                [
                    Violation(
                        "unknown_resource",
                        _("there is no such resource; choose one from the catalogue"),
                        "resource_id",
                    )
                ]
            )
        entry, broken = _entry(session, asked, resource, actor=actor, now=now)
        broken += rules.entry_violations(
            from_at=entry.from_at,
            to_at=entry.to_at,
            minutes=entry.minutes,
            open_entries=queries.open_entries(session, actor.member_id),
            horizon_at=rules.horizon(resource.policy, now=now),
            first_start=rules.first_start(resource.policy, now=now),
        )
        if not any(violation.where in {"minutes", "to"} for violation in broken):
            broken += _lasting(session, entry, now=now, zone=zone)
        broken += _in_vain(session, entry, resource, broken, now=now, zone=zone)
        if broken:
            raise RulesBroken(broken)
        session.add(entry)
        session.flush()  # its id outside
        note(session, "waiting.join", entry, resource, now=now)
        return queries.line(session, entry.public_id)


def _entry(
    session: Session,
    asked: NewWaiting,
    resource: Resource,
    *,
    actor: Actor,
    now: datetime,
) -> tuple[Waiting, list[Violation]]:
    broken = []
    recipe = project = None
    if asked.recipe_id is not None:
        recipe = session.scalars(
            sa.select(Recipe).filter_by(
                public_id=asked.recipe_id, resource_id=resource.id, active=True
            )
        ).one_or_none()
        if recipe is None:
            told = _("%(name)s has no such recipe; choose one of its own",
                     name=named(resource))  # fmt: skip
            broken.append(Violation("no_recipe", told, "recipe_id"))
    if asked.project_id is not None:
        project = session.scalars(
            sa.select(Project).filter_by(
                public_id=asked.project_id,
                organisation_id=actor.organisation_id,
                active=True,
            )
        ).one_or_none()
        if project is None:
            told = _("your organisation has no such project; choose another")
            broken.append(Violation("unknown_project", told, "project_id"))
    usual = recipe.duration_min if recipe else resource.typical_minutes
    entry = Waiting(
        resource_id=resource.id,
        platform_id=resource.platform_id,
        organisation_id=actor.organisation_id,
        member_id=actor.member_id,
        project_id=project.id if project else None,
        from_at=asked.from_at,
        to_at=asked.to_at,
        minutes=asked.minutes if asked.minutes is not None else -(-usual // 5) * 5,
        quantity=asked.quantity,
        recipe_id=recipe.id if recipe else None,
        wafer_mm=asked.wafer_mm,
        class_rank=asked.class_rank,
        flags=list(asked.flags),
        created_at=now,
        updated_at=now,
    )
    return entry, broken


def _in_vain(
    session: Session,
    entry: Waiting,
    resource: Resource,
    broken: Sequence[Violation],
    *,
    now: datetime,
    zone: ZoneInfo,
) -> Iterator[Violation]:
    """Say where nobody need wait: it is waited for already, or free just now."""
    known = queries.waits_already(session, entry)
    if known is not None:
        yield rules.waits_already(
            named(resource), local_time(known.from_at), local_time(known.to_at)
        )
    elif not broken:
        party = [(entry, resource)]
        for place in free(session, party, now=now, zone=zone, at_once=True):
            yield rules.free_now(
                named(resource), local_time(place.starts_at), local_time(place.ends_at)
            )
            return


def _lasting(
    session: Session, entry: Waiting, *, now: datetime, zone: ZoneInfo
) -> list[Violation]:
    """Ask the rules of bookings for a stay at the beginning of the window."""
    length = timedelta(minutes=entry.minutes)
    fault = breaks(
        session, entry, Place(entry.from_at, entry.from_at + length), now=now, zone=zone
    )
    if fault is None:
        return []
    one_place = entry.to_at - entry.from_at == length
    return rules.lasting(fault.violations, one_place=one_place)


def _withdraw(waiting_id: UUID, *, actor: Actor, now: datetime) -> WaitingLine:
    with transaction() as session:
        line = _held(session, waiting_id, actor)
        if line.entry.state not in OPEN:
            raise IllegalMove(_("it is over already; nothing is left to withdraw"))
        party = _party(line)
        _release(session, party, now=now)
        for entry, _on in party:
            entry.state, entry.booking_id = WaitingState.WITHDRAWN, None
            entry.updated_at = now
        session.flush()  # with the bookings, in this order
        note_all(session, "waiting.withdraw", party, now=now)
        return queries.line(session, waiting_id)


def _accept(
    waiting_id: UUID, *, actor: Actor, now: datetime, zone: ZoneInfo
) -> WaitingLine:
    with transaction() as session:
        line = _held(session, waiting_id, actor)
        party, bookings = _party(line), _offered(session, line, now=now)
        for (entry, _on), booking in zip(party, bookings, strict=True):
            place = Place(booking.starts_at, booking.ends_at, booking.occurrence_id)
            others = [on for one, on in party if one is not entry]
            insist(
                session, entry, place, besides=booking.id, beside=others, now=now, zone=zone
            )
        for (entry, on), booking in zip(party, bookings, strict=True):
            begins = beginning(
                on.policy, starts_at=booking.starts_at, now=now, by_staff=False
            )
            assert may_move(booking.state, begins.state)
            booking.state = begins.state
            booking.respond_by, booking.confirm_by = begins.respond_by, begins.confirm_by
            booking.updated_at = now
            entry.state, entry.updated_at = WaitingState.ACCEPTED, now
        with capacity_conflicts():
            session.flush()  # the guards' rows are ours: no outage comes between
        down = facts.down_meanwhile(session, *bookings)
        if down:
            raise RulesBroken(
                [booking_rules.outage(named(on)) for _one, on in party if on.id in down]
            )
        for (entry, on), booking in zip(party, bookings, strict=True):
            note(session, "waiting.accept", entry, on, now=now,
                 booking=str(booking.public_id))  # fmt: skip
        return queries.line(session, waiting_id)


def _let_go(waiting_id: UUID, *, actor: Actor, now: datetime) -> WaitingLine:
    with transaction() as session:
        line = _held(session, waiting_id, actor)
        _offered(session, line, now=now)
        lapse_offer(session, _party(line), act=PASS, now=now)
        return queries.line(session, waiting_id)


def _held(session: Session, waiting_id: UUID, actor: Actor) -> WaitingLine:
    line = queries.line(session, waiting_id, hold=True)
    if not may_act(line, actor):
        raise Forbidden
    return line


def _party(line: WaitingLine) -> list[tuple[Waiting, Resource]]:
    """Return an entry and what is open together with it, in the order of their ids."""
    found = [line, *(one for one in line.parts if one.entry.state in OPEN)]
    return sorted(((one.entry, one.resource) for one in found), key=lambda one: one[0].id)


def _offered(session: Session, line: WaitingLine, *, now: datetime) -> list[Booking]:
    """Return what a party is offered, held, while there is time to answer.

    In the order of its entries.
    """
    if line.entry.state is WaitingState.ACCEPTED:
        raise IllegalMove(_("it is accepted already; nothing is left to do"))
    party = _party(line)
    if any(one.booking_id is None for one, _on in party):
        raise IllegalMove(_("nothing is offered now; you are told when something is"))
    held = session.scalars(
        sa.select(Booking)
        .where(Booking.id.in_([one.booking_id for one, _on in party]))
        .order_by(Booking.resource_id, Booking.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    found = {booking.id: booking for booking in held}
    bookings = [found[one.booking_id or 0] for one, _on in party]
    for booking in bookings:
        assert booking.respond_by is not None
        if booking.state is not BookingState.OFFERED or booking.respond_by <= now:
            raise IllegalMove(
                _(
                    "the time to answer was over at %(time)s; the next one is asked",
                    time=local_time(booking.respond_by),
                )
            )
    return bookings
