"""The outbox. A row is written in the transaction of what it tells."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from platform_booking.db import Model, PublicId


class Notice(PublicId, Model):
    """Something that the people of one organisation, or one member, should know."""

    __tablename__ = "notice"
    __table_args__ = (
        sa.Index(
            "notice_unsent", "created_at", postgresql_where=sa.text("sent_at IS NULL")
        ),
    )

    id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    kind: Mapped[str]  # "order.placed", "order.left_out", "plan.waiting"
    organisation_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("organisation.id"), index=True
    )
    member_id: Mapped[int | None] = mapped_column(sa.ForeignKey("member.id"), index=True)
    payload: Mapped[dict[str, Any]]  # facts for the text; names no other organisation
    created_at: Mapped[datetime] = mapped_column(index=True)
    seen_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]  # mailed to everybody whom it is for
    tries: Mapped[int] = mapped_column(default=0, server_default="0")
    next_try_at: Mapped[datetime | None]  # not mailed before; also while one is at it
    mailed: Mapped[list[int]] = mapped_column(
        default=list, server_default=sa.text("'{}'")
    )  # members who have it, or whose address takes none
