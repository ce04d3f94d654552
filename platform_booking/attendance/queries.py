"""What waits for an answer. Row-level security decides which rows."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking.accounts.models import Member, Organisation
from platform_booking.bookings.models import Booking
from platform_booking.bookings.queries import BookingLine
from platform_booking.bookings.states import BookingState
from platform_booking.catalog.models import Platform, Resource
from platform_booking.notices.models import Notice

FAULT = "resource.fault"
_FAULTS_SHOWN = timedelta(days=14)


def requests(
    session: Session, platform_row_ids: Sequence[int] | None, *, limit: int, offset: int = 0
) -> tuple[list[BookingLine], int]:
    """Return a page of what waits for approval on platforms, oldest first, and how many.

    All platforms where no ids are given.
    """
    waiting = [Booking.state == BookingState.REQUESTED]
    if platform_row_ids is not None:
        waiting.append(Booking.platform_id.in_(platform_row_ids))
    total = session.scalar(sa.select(sa.func.count(Booking.id)).where(*waiting)) or 0
    rows = session.execute(
        sa.select(Booking, Resource, Platform, Organisation, Member)
        .join(Resource, Resource.id == Booking.resource_id)
        .join(Platform, Platform.id == Booking.platform_id)
        .join(Organisation, Organisation.id == Booking.organisation_id)
        .outerjoin(Member, Member.id == Booking.member_id)
        .where(*waiting)
        .order_by(Booking.created_at, Booking.id)
        .limit(limit)
        .offset(offset)
    )
    return [
        BookingLine(
            booking=booking,
            resource=resource,
            platform=platform,
            organisation=organisation,
            member=member,
        )
        for booking, resource, platform, organisation, member in rows
    ], total


def faults_told(session: Session, member_id: int, *, now: datetime) -> Sequence[Notice]:
    """Return the faults that a member has been told of lately, newest first."""
    return session.scalars(
        sa.select(Notice)
        .where(Notice.member_id == member_id, Notice.kind == FAULT)
        .where(Notice.created_at > now - _FAULTS_SHOWN)
        .order_by(Notice.created_at.desc())
        .limit(50)
    ).all()
