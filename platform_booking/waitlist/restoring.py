"""An outage that is taken back gives their old places back to whom it has displaced.

Only what was to come, and is still free; what was booked together comes back together or
not at all. Nobody need answer: it is what he had booked. What he was offered instead, and
has not answered, is free for others.
"""

from datetime import datetime
from functools import partial
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from platform_booking.attendance.noting import note as note_booking
from platform_booking.bookings import facts
from platform_booking.bookings.asking import NewBooking
from platform_booking.bookings.beginning import Beginning, beginning, confirmation_due
from platform_booking.bookings.contention import retrying, wait_briefly
from platform_booking.bookings.models import Booking, Source, Waiting
from platform_booking.bookings.placing import confirm_all, release_all
from platform_booking.bookings.states import BookingState, WaitingState
from platform_booking.catalog.models import Occurrence, Outage, Resource, ResourceKind
from platform_booking.db import transaction
from platform_booking.errors import CapacityTaken, Conflict
from platform_booking.waitlist import queries
from platform_booking.waitlist.noting import note_all
from platform_booking.waitlist.places import Party

_AT_A_TIME = 200


def give_back(*, now: datetime | None = None) -> int:
    """Give back the old places that are free again; return how many bookings came back.

    `now` None is the database's clock.
    """
    with transaction() as session:
        found = _free_again(session, _moment(session, now))
    done = 0
    for entry_id in found:
        try:
            done += retrying(partial(_give_back, entry_id, now=now))
        except Conflict:  # taken just then
            continue
    return done


def _free_again(session: Session, now: datetime) -> list[int]:
    """Return entries that wait for what their old places, free by now, would give them.

    An order's steps are placed anew by a plan.
    """
    old, other, stay = aliased(Booking), aliased(Waiting), aliased(Booking)
    taken = (
        sa.select(sa.func.coalesce(sa.func.sum(stay.quantity), 0))
        .where(
            stay.resource_id == old.resource_id,
            stay.active,
            stay.starts_at < old.ends_at,
            stay.ends_at > old.starts_at,
            stay.id.is_distinct_from(Waiting.booking_id),
        )
        .correlate(old, Waiting)
        .scalar_subquery()
    )
    down = sa.exists().where(
        Outage.resource_id == old.resource_id,
        Outage.starts_at < old.ends_at,
        Outage.ends_at > old.starts_at,
        Outage.taken_back_by.is_distinct_from(old.organisation_id),
    )
    rows = session.scalars(
        sa.select(Waiting.id)
        .join(old, old.id == Waiting.displaced_id)
        .join(Resource, Resource.id == Waiting.resource_id)
        .outerjoin(Occurrence, Occurrence.id == old.occurrence_id)
        .where(
            Waiting.state.in_(queries.OPEN),
            old.starts_at > now,
            old.source != Source.PLAN,
            Resource.active,
            Occurrence.called_off_at.is_(None),
            ~down,
            sa.or_(
                Resource.kind == ResourceKind.BATCH,
                taken + old.quantity
                <= sa.func.coalesce(Occurrence.capacity, Resource.capacity),
            ),
            ~sa.exists().where(other.group_id == Waiting.group_id, other.id < Waiting.id),
        )
        .order_by(Waiting.id)
        .limit(_AT_A_TIME)
    )
    return list(rows)


def _give_back(entry_id: int, *, now: datetime | None) -> int:
    with transaction() as session:
        wait_briefly(session)
        moment = _moment(session, now)
        entry = session.get(Waiting, entry_id)
        party = [] if entry is None else queries.party(session, entry, skip_locked=True)
        if not party or queries.is_torn(session, party, now=moment):
            return 0
        if any(one.state not in queries.OPEN for one, _on in party):
            return 0
        old = [session.get_one(Booking, one.displaced_id) for one, _on in party]
        if any(one.starts_at <= moment for one in old):
            return 0
        _let_offers_go(session, party, now=moment)
        group = uuid4() if len(party) > 1 else None
        new = [
            _as_it_was(before, on, group=group, now=moment)
            for before, (_entry, on) in zip(old, party, strict=True)
        ]
        made = confirm_all(session, new, now=moment)
        if facts.down_meanwhile(session, *made):
            raise CapacityTaken
        for (one, on), booking in zip(party, made, strict=True):
            one.state, one.booking_id = WaitingState.ACCEPTED, booking.id
            one.updated_at = moment
            note_booking(
                session, "booking.give_back", booking, on, now=moment,
                told="booking.given_back", members=(booking.member_id,),
            )  # fmt: skip
        session.flush()  # the entries with their bookings
        note_all(session, "waiting.give_back", party, now=moment)
        return len(made)


def _let_offers_go(session: Session, party: Party, *, now: datetime) -> None:
    ids = [one.booking_id for one, _on in party if one.booking_id is not None]
    for booking in session.scalars(sa.select(Booking).where(Booking.id.in_(ids))):
        booking.respond_by = None  # nobody has let it go
    release_all(session, ids, to=BookingState.LAPSED, now=now)
    for one, _on in party:
        one.state, one.booking_id = WaitingState.WAITING, None
    session.flush()  # the entries with their bookings


def _as_it_was(
    before: Booking, on: Resource, *, group: UUID | None, now: datetime
) -> NewBooking:
    """Return what comes back: a request again if nobody had answered it, else confirmed.

    The rules judged it when it was booked, and are asked of it no more than of those that
    no outage has hit.
    """
    begins = Beginning(
        BookingState.CONFIRMED,
        confirm_by=confirmation_due(on.policy, starts_at=before.starts_at, now=now),
    )
    if before.respond_by is not None:
        begins = beginning(on.policy, starts_at=before.starts_at, now=now, by_staff=False)
    return NewBooking(
        resource_id=before.resource_id,
        organisation_id=before.organisation_id,
        member_id=before.member_id,
        project_id=before.project_id,
        starts_at=before.starts_at,
        ends_at=before.ends_at,
        quantity=before.quantity,
        recipe_id=before.recipe_id,
        occurrence_id=before.occurrence_id,
        family=before.family,
        group_id=group,
        buddy_id=before.buddy_id,
        override_reason=before.override_reason,
        source=Source.WAITLIST,
        state=begins.state,
        respond_by=begins.respond_by,
        confirm_by=begins.confirm_by,
        wafer_mm=before.wafer_mm,
        class_rank=before.class_rank,
        flags=tuple(before.flags),
    )


def _moment(session: Session, now: datetime | None) -> datetime:
    moment = now or session.scalar(sa.select(sa.func.now()))
    assert moment is not None
    return moment
