"""What becomes of an entry is recorded and told, in the deed's own transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from platform_booking import audit
from platform_booking.bookings.models import Waiting
from platform_booking.catalog.models import Resource
from platform_booking.notices.outbox import tell


def note(
    session: Session,
    act: str,
    entry: Waiting,
    resource: Resource,
    *,
    now: datetime,
    told: str = "",
    **more: Any,
) -> None:
    """Record a deed on an entry; where `told` names a kind of notice, tell its owner.

    The whole firm is told where the entry has no owner.
    """
    what = {
        "resource": resource.code,
        "from": entry.from_at.isoformat(),
        "to": entry.to_at.isoformat(),
        "minutes": entry.minutes,
        "quantity": entry.quantity,
        **more,
    }
    audit.record(
        session,
        act=act,
        subject=f"waiting {entry.public_id}",
        organisation_id=entry.organisation_id,
        platform_id=entry.platform_id,
        detail=what,
    )
    if told:
        tell(
            session,
            kind=told,
            payload={"waiting": str(entry.public_id), **what},
            now=now,
            organisation_id=entry.organisation_id,
            member_id=entry.member_id,
        )


def note_all(
    session: Session,
    act: str,
    party: Sequence[tuple[Waiting, Resource]],
    *,
    now: datetime,
    told: str = "",
    **more: Any,
) -> None:
    """Record a deed on entries that wait together; their owner is told once."""
    codes = [resource.code for _entry, resource in party]
    for n, (entry, resource) in enumerate(party):
        others = [code for code in codes if code != resource.code]
        beside = {"with": others} if others else {}
        note(session, act, entry, resource, now=now, told=told if n == 0 else "",
             **beside, **more)  # fmt: skip
