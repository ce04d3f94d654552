"""The one way to put a line into the outbox, in the transaction of what it tells."""

from datetime import datetime
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking.notices.models import Notice


def tell(
    session: Session,
    *,
    kind: str,
    payload: dict[str, Any],
    now: datetime,
    organisation_id: int | None = None,
    member_id: int | None = None,
) -> None:
    """Leave a notice for the people of an organisation, or for one member.

    A plain insert: whoever tells others something may not be able to read it back, so
    nothing may be returned. `payload` must be ready for JSON and name no other
    organisation.
    """
    session.execute(
        sa.insert(Notice.__table__)  # type: ignore[arg-type]
        .inline()  # else SQLAlchemy asks for the id back
        .values(
            public_id=uuid4(),
            kind=kind,
            organisation_id=organisation_id,
            member_id=member_id,
            payload=payload,
            created_at=now,
        )
    )
