"""What the kit itself keeps."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from platform_booking.db import Model


class IdempotencyKey(Model):
    """The answer to a request, so that a retry gets the same and does nothing twice."""

    __tablename__ = "idempotency_key"
    __table_args__ = (sa.UniqueConstraint("member_id", "route", "key"),)

    id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    member_id: Mapped[int] = mapped_column(sa.ForeignKey("member.id"))
    route: Mapped[str]
    key: Mapped[str]
    body_hash: Mapped[str]
    status: Mapped[int]
    answer: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(index=True)
