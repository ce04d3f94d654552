"""What was booked together goes together when a part of it is declined, or lapses."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking.attendance.noting import note
from platform_booking.bookings.models import Booking, Source
from platform_booking.bookings.placing import release_all
from platform_booking.bookings.states import BookingState
from platform_booking.catalog.models import Resource
from platform_booking.db import deeds_of

_AHEAD = (BookingState.REQUESTED, BookingState.CONFIRMED)


def release_with(session: Session, gone: Sequence[Booking], *, now: datetime) -> int:
    """Cancel what was booked together with bookings that are gone; return how many.

    Within the caller's transaction, on whatever platform it is.
    """
    done = 0
    for firm in sorted({one.organisation_id for one in gone if one.group_id is not None}):
        groups = {one.group_id for one in gone if one.organisation_id == firm} - {None}
        with deeds_of(session, firm):
            done += _release(session, groups, now=now)
    return done


def _release(session: Session, groups: set[UUID | None], *, now: datetime) -> int:
    found = session.execute(
        sa.select(Booking, Resource)
        .join(Resource, Resource.id == Booking.resource_id)
        .where(
            Booking.group_id.in_(groups),
            Booking.state.in_(_AHEAD),
            Booking.source != Source.PLAN,
        )
        .order_by(Booking.resource_id, Booking.id)
        .with_for_update(of=Booking)
        .execution_options(populate_existing=True)
    ).all()
    ids = [booking.id for booking, _resource in found]
    release_all(session, ids, to=BookingState.CANCELLED, now=now)
    for booking, resource in found:
        note(session, "booking.cancel", booking, resource, now=now,
             told="booking.cancelled", detail={"why": "companion"})  # fmt: skip
    return len(found)
