"""The one way to put a line into the outbox, in the transaction of what it tells."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking.notices.models import Notice

_WRITE = sa.insert(Notice.__table__).inline()  # type: ignore[arg-type]  # no id asked back


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A notice for the people of an organisation, or for one member.

    `payload` must be ready for JSON and name no other organisation.
    """

    kind: str
    payload: dict[str, Any]
    organisation_id: int | None = None
    member_id: int | None = None


def tell(
    session: Session,
    *,
    kind: str,
    payload: dict[str, Any],
    now: datetime,
    organisation_id: int | None = None,
    member_id: int | None = None,
) -> None:
    """Leave one notice; see `Line`."""
    line = Line(
        kind=kind, payload=payload, organisation_id=organisation_id, member_id=member_id
    )
    tell_all(session, [line], now=now)


def tell_all(session: Session, lines: Sequence[Line], *, now: datetime) -> None:
    """Leave notices, in one statement.

    A plain insert: whoever tells others something may not be able to read it back, so
    nothing may be returned.
    """
    if not lines:
        return
    session.execute(
        _WRITE,
        [{**asdict(line), "public_id": uuid4(), "created_at": now} for line in lines],
    )
