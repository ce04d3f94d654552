"""A deed is recorded and the organisation told of it, in the deed's own transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from platform_booking import audit
from platform_booking.bookings.queries import BookingLine
from platform_booking.notices.outbox import tell

_TOLD = {
    "booking.book": "booking.made",
    "booking.move": "booking.moved",
    "booking.cancel": "booking.cancelled",
}


def tell_firm(
    session: Session,
    act: str,
    line: BookingLine,
    *,
    now: datetime,
    others: Sequence[BookingLine] = (),
    **more: Any,
) -> None:
    """Tell the organisation of a deed on a booking and what goes with it."""
    told = _what(line) | more
    if others:
        told["with"] = [one.resource.code for one in others]
    tell(
        session,
        kind=_TOLD[act],
        payload={"booking": str(line.booking.public_id), **told},
        now=now,
        organisation_id=line.booking.organisation_id,
    )


def record(session: Session, act: str, line: BookingLine, **more: Any) -> None:
    """Record a deed on one booking."""
    audit.record(
        session,
        act=act,
        subject=f"booking {line.booking.public_id}",
        organisation_id=line.booking.organisation_id,
        platform_id=line.platform.id,
        detail=_what(line) | more,
    )


def _what(line: BookingLine) -> dict[str, Any]:
    booking = line.booking
    return {
        "resource": line.resource.code,
        "starts_at": booking.starts_at.isoformat(),
        "ends_at": booking.ends_at.isoformat(),
        "quantity": booking.quantity,
    }
