"""What is recorded and told of a deed, in the deed's own transaction."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking import audit
from platform_booking.bookings.models import Booking
from platform_booking.catalog.models import Resource
from platform_booking.notices.outbox import Line, tell_all
from platform_booking.web.actor import Actor, Kiosk


def note(
    session: Session,
    act: str,
    booking: Booking,
    resource: Resource,
    *,
    now: datetime,
    told: str = "",
    members: tuple[int | None, ...] = (),
    by: Actor | Kiosk | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Record `act` of a booking; where `told` names a kind of notice, tell it.

    To `members`, or to the whole organisation where none is given.
    """
    what = {
        "resource": resource.code,
        "starts_at": booking.starts_at.isoformat(),
        "ends_at": booking.ends_at.isoformat(),
        "quantity": booking.quantity,
    }
    device = {"kiosk": by.name} if isinstance(by, Kiosk) else {}
    audit.record(
        session,
        act=act,
        subject=f"booking {booking.public_id}",
        organisation_id=booking.organisation_id,
        platform_id=booking.platform_id,
        detail=what | device | dict(detail or {}),
    )
    if not told:
        return
    payload = {"booking": str(booking.public_id), **what, **(detail or {})}
    firm = booking.organisation_id
    named = {member for member in members if member is not None}
    whom: set[int | None] = {*named} or {None}
    lines = [
        Line(kind=told, payload=payload, organisation_id=firm, member_id=one)
        for one in whom
    ]
    tell_all(session, lines, now=now)


def tell_operators(
    session: Session, platform_id: int, *, kind: str, payload: dict[str, Any], now: datetime
) -> int:
    """Tell each operator of a platform; return how many there are."""
    members = session.scalars(
        sa.text("SELECT member_id FROM platform_operators(:which)"), {"which": platform_id}
    ).all()
    lines = [Line(kind=kind, payload=payload, member_id=m) for m in sorted(members)]
    tell_all(session, lines, now=now)
    return len(lines)
