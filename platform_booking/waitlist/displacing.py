"""An outage takes the place of bookings: nobody is dropped, each waits with first right.

`displace` is called in the transaction that declares the outage, for whoever declares it.
What was booked together with a booking that is hit goes with it; what the declarer cannot
see of it, on platforms that he does not operate, follows by `displace_companions`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from platform_booking.attendance.noting import note as note_booking
from platform_booking.bookings.models import Booking, Usage, Waiting
from platform_booking.bookings.placing import release_all
from platform_booking.bookings.states import BookingState, WaitingState
from platform_booking.catalog import services
from platform_booking.catalog.models import Occurrence, Outage, OutageKind, Resource
from platform_booking.waitlist.noting import note
from platform_booking.waitlist.rules import FIRST_RIGHT_DAYS

_AHEAD = (BookingState.REQUESTED, BookingState.CONFIRMED)
NEXT_RUN = timedelta(days=366)  # so far ahead the next run of an event is waited for


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cause:
    """Why bookings lose their place, until when they wait, and what is told of it."""

    detail: Mapping[str, str]
    until: datetime | None = None
    told: str = "booking.displaced"


_COMPANION = _Cause(detail={"why": "companion"})


def displace(session: Session, resource: Resource, outage: Outage, now: datetime) -> int:
    """Displace what an outage hits; return how many bookings lost their place.

    Bookings under way go on through a scheduled outage: their people are there and decide.
    The resource's guard is held, so nobody books into the outage unseen. An offer that is
    hit is taken back, and counts for nobody as let go.
    """
    hit = _hit(session, resource, outage, now=now)
    offered = [one for one in hit if one.state is BookingState.OFFERED]
    lost = [one for one in hit if one.state is not BookingState.OFFERED]
    _take_back(session, offered, resource, now=now)
    together = _beside(session, lost)
    _displace(session, [*lost, *together], _by(outage), now=now)
    return len(lost) + len(together)


def displace_from_run(
    session: Session,
    run: Occurrence,
    resource: Resource,
    *,
    why: str,
    reason: str,
    now: datetime,
) -> int:
    """Displace what is booked of a run that is called off; return how many that were.

    Each waits for another run of the same event, and is asked first.
    """
    hit = session.scalars(
        sa.select(Booking)
        .where(
            Booking.occurrence_id == run.id,
            Booking.state.in_([BookingState.OFFERED, *_AHEAD]),
        )
        .order_by(Booking.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    offered = [one for one in hit if one.state is BookingState.OFFERED]
    lost = [one for one in hit if one.state is not BookingState.OFFERED]
    _take_back(session, offered, resource, now=now)
    together = _beside(session, lost)
    told = {"why": why, "reason": reason, "run": run.code}
    cause = _Cause(detail=told, until=run.ends_at + NEXT_RUN, told="run.called_off")
    _displace(session, lost, cause, now=now)
    _displace(session, together, _COMPANION, now=now)
    return len(lost) + len(together)


def displace_companions(session: Session, now: datetime) -> int:
    """Displace what was booked together with a booking that has been displaced since."""
    other = aliased(Booking)
    found = session.scalars(
        sa.select(Booking)
        .where(
            Booking.state.in_(_AHEAD),
            Booking.group_id.is_not(None),
            Booking.starts_at > now,
            sa.exists().where(
                other.group_id == Booking.group_id,
                other.state == BookingState.DISPLACED,
                Waiting.displaced_id == other.id,
            ),
        )
        .order_by(Booking.resource_id, Booking.id)
        .limit(200)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()
    _displace(session, found, _COMPANION, now=now)
    return len(found)


def displace_taken_back(session: Session, now: datetime) -> int:
    """Displace what others hold in time that its owner has taken back since.

    The owner may not see their bookings, so that this is not done in his transaction.
    """
    found = session.execute(
        sa.select(Outage, Resource)
        .join(Resource, Resource.id == Outage.resource_id)
        .where(
            Outage.taken_back_by.is_not(None),
            Outage.ends_at > now,
            sa.exists().where(
                Booking.resource_id == Outage.resource_id,
                Booking.state.in_([BookingState.OFFERED, *_AHEAD]),
                Booking.ends_at > sa.func.greatest(Outage.starts_at, now),
                Booking.starts_at < Outage.ends_at,
                Booking.organisation_id != Outage.taken_back_by,
            ),
        )
        .order_by(Outage.resource_id, Outage.id)
        .limit(1)
    ).one_or_none()
    if found is None:
        return 0
    outage, resource = found
    services.hold(session, resource)
    return services.displace(session, resource, outage, now)


def _hit(
    session: Session, resource: Resource, outage: Outage, *, now: datetime
) -> Sequence[Booking]:
    states = [BookingState.OFFERED, *_AHEAD]
    if outage.kind is OutageKind.UNSCHEDULED and outage.starts_at <= now:
        states.append(BookingState.IN_USE)
    return session.scalars(
        sa.select(Booking)
        .where(
            Booking.resource_id == resource.id,
            Booking.state.in_(states),
            Booking.ends_at > max(outage.starts_at, now),
            Booking.starts_at < outage.ends_at,
            # What its owner takes back is his.
            sa.true()
            if outage.taken_back_by is None
            else Booking.organisation_id != outage.taken_back_by,
        )
        .order_by(Booking.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()


def _beside(session: Session, lost: Sequence[Booking]) -> Sequence[Booking]:
    groups = {one.group_id for one in lost if one.group_id is not None}
    if not groups:
        return ()
    return session.scalars(
        sa.select(Booking)
        .where(
            Booking.group_id.in_(groups),
            Booking.id.not_in([one.id for one in lost]),
            Booking.state.in_(_AHEAD),
        )
        .order_by(Booking.resource_id, Booking.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()


def take_back_companions(session: Session, now: datetime) -> int:
    """Take back what is offered together with a place that an outage took back since.

    Whoever declared it sees what is offered on his platforms, and nothing else.
    """
    other = aliased(Waiting)
    found = session.execute(
        sa.select(Waiting, Resource)
        .join(Resource, Resource.id == Waiting.resource_id)
        .where(
            Waiting.state == WaitingState.OFFERED,
            sa.exists().where(
                other.group_id == Waiting.group_id, other.state == WaitingState.WAITING
            ),
        )
        .order_by(Waiting.id)
        .limit(200)
        .with_for_update(of=Waiting, skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()
    _wait_on(session, [(entry, resource) for entry, resource in found], now=now)
    return len(found)


def _take_back(
    session: Session, offered: Sequence[Booking], resource: Resource, *, now: datetime
) -> None:
    if not offered:
        return
    entries = session.scalars(
        sa.select(Waiting)
        .where(Waiting.booking_id.in_([one.id for one in offered]))
        .order_by(Waiting.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    groups = {one.group_id for one in entries} - {None}
    beside = session.execute(
        sa.select(Waiting, Resource)
        .join(Resource, Resource.id == Waiting.resource_id)
        .where(
            Waiting.group_id.in_(groups),
            Waiting.state == WaitingState.OFFERED,
            Waiting.id.not_in([one.id for one in entries]),
        )
        .order_by(Waiting.id)
        .with_for_update(of=Waiting)
        .execution_options(populate_existing=True)
    ).all() if groups else ()  # fmt: skip
    taken = [(entry, resource) for entry in entries]
    _wait_on(session, [*taken, *((one, on) for one, on in beside)], now=now)


def _wait_on(
    session: Session, entries: Sequence[tuple[Waiting, Resource]], *, now: datetime
) -> None:
    """Let entries wait on whose offers are taken back."""
    ids = [one.booking_id for one, _on in entries if one.booking_id is not None]
    for booking in session.scalars(
        sa.select(Booking).where(Booking.id.in_(ids)).with_for_update()
    ):
        booking.respond_by = None  # nobody has let it go: it may be offered again
    release_all(session, ids, to=BookingState.LAPSED, now=now)
    for entry, resource in entries:
        entry.state, entry.booking_id, entry.updated_at = WaitingState.WAITING, None, now
        note(session, "waiting.take_back", entry, resource, now=now,
             told="waiting.taken_back")  # fmt: skip
    session.flush()  # the entries with their bookings


def _by(outage: Outage) -> _Cause:
    detail = {"why": "outage", "reason": outage.reason}
    return _Cause(detail=detail, until=outage.ends_at + timedelta(days=FIRST_RIGHT_DAYS))


def _displace(
    session: Session, lost: Sequence[Booking], cause: _Cause, *, now: datetime
) -> None:
    if not lost:
        return
    ids = [one.id for one in lost]
    for usage in session.scalars(
        sa.select(Usage).where(Usage.booking_id.in_(ids), Usage.ended_at.is_(None))
    ):
        usage.ended_at = max(now, usage.began_at)
    release_all(session, ids, to=BookingState.DISPLACED, now=now)
    for booking in lost:
        entry = _entry(booking, cause, now=now)
        session.add(entry)
        session.flush()  # entry.public_id
        note_booking(
            session,
            "booking.displace",
            booking,
            session.get_one(Resource, booking.resource_id),
            now=now,
            told=cause.told,
            members=(booking.member_id,),
            detail=dict(cause.detail) | {"waiting": str(entry.public_id)},
        )


def _entry(booking: Booking, cause: _Cause, *, now: datetime) -> Waiting:
    length = booking.ends_at - booking.starts_at
    latest = max(booking.ends_at, now) + timedelta(days=FIRST_RIGHT_DAYS)
    return Waiting(
        resource_id=booking.resource_id,
        platform_id=booking.platform_id,
        organisation_id=booking.organisation_id,
        member_id=booking.member_id,
        project_id=booking.project_id,
        from_at=now,
        to_at=latest if cause.until is None else max(latest, cause.until),
        minutes=max(1, -(-int(length.total_seconds()) // 60)),
        quantity=booking.quantity,
        recipe_id=booking.recipe_id,
        wafer_mm=booking.wafer_mm,
        class_rank=booking.class_rank,
        flags=list(booking.flags),
        first_right=True,
        displaced_id=booking.id,
        group_id=booking.group_id,
        created_at=now,
        updated_at=now,
    )
