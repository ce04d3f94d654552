"""Who did what, appended in the transaction of the deed itself."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, Session, mapped_column

from platform_booking.clock import utcnow
from platform_booking.db import Model, current_identity


class AuditEntry(Model):
    """One deed. Rows are added and read, never changed: no role may."""

    __tablename__ = "audit_entry"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    member_id: Mapped[int | None]  # None: the service itself
    organisation_id: Mapped[int | None] = mapped_column(index=True)  # whom it concerns
    platform_id: Mapped[int | None] = mapped_column(index=True)
    act: Mapped[str]  # "order.submit", "plan.approve"
    subject: Mapped[str] = mapped_column(index=True)  # "order 6f0c…"
    detail: Mapped[dict[str, Any]]


def record(
    session: Session,
    *,
    act: str,
    subject: str,
    organisation_id: int | None = None,
    platform_id: int | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Append one deed of the present identity. `detail` must be ready for JSON."""
    session.add(
        AuditEntry(
            at=utcnow(),
            member_id=current_identity().member_id,
            organisation_id=organisation_id,
            platform_id=platform_id,
            act=act,
            subject=subject,
            detail=detail or {},
        )
    )
