"""What has happened to a booking, from the audit, in words that its readers may see."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking.accounts.models import Member
from platform_booking.audit import AuditEntry
from platform_booking.bookings.queries import BookingLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One thing that was done. `by` is a name; "" for staff, None for the service."""

    at: datetime
    act: str  # "move" of "booking.move"
    by: str | None
    before: "Place | None" = None
    after: "Place | None" = None
    late: bool = False
    note: str = ""
    chosen_because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a booking stood."""

    starts_at: datetime
    ends_at: datetime
    quantity: int


def deeds(session: Session, line: BookingLine, *, staff: bool) -> list[Deed]:
    """Return what has happened to a booking, the latest first.

    People of the booking's own organisation are named; the platform's staff are, for staff.
    """
    rows = session.execute(
        sa.select(AuditEntry, Member)
        .outerjoin(Member, Member.id == AuditEntry.member_id)
        .where(AuditEntry.subject == f"booking {line.booking.public_id}")
        .order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
        .limit(200)
    )
    return [_deed(entry, member, line, staff=staff) for entry, member in rows]


def _deed(
    entry: AuditEntry, member: Member | None, line: BookingLine, *, staff: bool
) -> Deed:
    own = member is not None and member.organisation_id == line.organisation.id
    by: str | None = ""
    if entry.member_id is None:
        by = None
    elif member is not None and (own or staff):
        by = member.name
    detail = entry.detail
    return Deed(
        at=entry.at,
        act=entry.act.removeprefix("booking."),
        by=by,
        before=_place(detail.get("before")),
        after=_place(detail),
        late=bool(detail.get("late")),
        note=str(detail.get("note") or ""),
        chosen_because=str(detail.get("chosen_because") or ""),
    )


def _place(told: Any) -> Place | None:
    """Return a place as the audit tells it; None where it tells none, or not all."""
    names: Sequence[str] = ("starts_at", "ends_at", "quantity")
    if not isinstance(told, dict) or not all(told.get(name) for name in names):
        return None
    return Place(
        starts_at=datetime.fromisoformat(told["starts_at"]),
        ends_at=datetime.fromisoformat(told["ends_at"]),
        quantity=int(told["quantity"]),
    )
