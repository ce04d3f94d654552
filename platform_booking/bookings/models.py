"""A resource held for a time. Beside these columns the migration adds the guards."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from platform_booking.bookings.states import BookingState
from platform_booking.db import Model, PublicId, enum_column


class Source(StrEnum):
    """How a booking came to be."""

    PERSON = "person"
    PLAN = "plan"
    IMPORT = "import"


class Booking(PublicId, Model):
    """A resource held for `[starts_at, ends_at)` in a quantity."""

    __tablename__ = "booking"
    __table_args__ = (
        # The second, independent guard of unary resources, beside the trigger. Only
        # ranges of the core: btree_gist would need a right that an installation may lack.
        ExcludeConstraint(
            (sa.text("int4range(resource_id, resource_id, '[]')"), "="),
            (sa.text("tstzrange(starts_at, ends_at)"), "&&"),
            where=sa.text(
                "unary AND status IN ('offered', 'requested', 'confirmed', 'in_use')"
            ),
            using="gist",
            name="booking_no_overlap",
            deferrable=True,
            initially="IMMEDIATE",
        ),
        sa.CheckConstraint(
            "ends_at > starts_at AND isfinite(starts_at) AND isfinite(ends_at)",
            name="interval",
        ),
        sa.CheckConstraint("quantity >= 1", name="quantity"),
        sa.Index(
            "booking_resource",
            "resource_id",
            "ends_at",
            "starts_at",
            postgresql_where=sa.text("active"),
        ),
        sa.Index("booking_platform", "platform_id", "ends_at", "starts_at"),
        sa.Index("booking_organisation", "organisation_id", "ends_at", "starts_at"),
        sa.Index("booking_member", "member_id", "platform_id"),
    )

    id: Mapped[int] = mapped_column(
        sa.BigInteger, sa.Identity(always=True), primary_key=True
    )
    resource_id: Mapped[int] = mapped_column(sa.ForeignKey("resource.id"))
    platform_id: Mapped[int] = mapped_column(default=0)  # the trigger copies the resource's
    organisation_id: Mapped[int] = mapped_column(sa.ForeignKey("organisation.id"))
    member_id: Mapped[int | None] = mapped_column(sa.ForeignKey("member.id"))
    project_id: Mapped[int | None] = mapped_column(sa.ForeignKey("project.id"))
    unary: Mapped[bool] = mapped_column(default=False)  # the trigger copies the resource's
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    quantity: Mapped[int] = mapped_column(default=1)
    recipe_id: Mapped[int | None] = mapped_column(sa.ForeignKey("recipe.id"))
    occurrence_id: Mapped[int | None] = mapped_column(sa.ForeignKey("occurrence.id"))
    family: Mapped[str | None]  # set-up family, for changeover
    state: Mapped[BookingState] = mapped_column("status", enum_column(BookingState))
    source: Mapped[Source] = mapped_column(enum_column(Source))
    group_id: Mapped[UUID | None] = mapped_column(
        index=True
    )  # booked together, all or none
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    active: Mapped[bool] = mapped_column(
        sa.Computed(
            "status IN ('offered', 'requested', 'confirmed', 'in_use')", persisted=True
        )
    )

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy's own form
