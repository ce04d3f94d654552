"""A resource held for a time, and what leads to it or follows from it.

Beside these columns the migrations add the guards.
"""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from platform_booking.bookings.states import BookingState, WaitingState
from platform_booking.db import Model, PublicId, enum_column


class Source(StrEnum):
    """How a booking came to be."""

    PERSON = "person"
    PLAN = "plan"
    IMPORT = "import"
    WAITLIST = "waitlist"


class Period(StrEnum):
    """A span of local time over which a quota is counted."""

    DAY = "day"
    WEEK = "week"  # from Monday on
    MONTH = "month"
    YEAR = "year"


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
        sa.Index("booking_held", "member_id", "resource_id", "ends_at"),
        sa.Index(
            "booking_unanswered",
            "respond_by",
            postgresql_where=sa.text("status IN ('offered', 'requested')"),
        ),
        sa.Index(
            "booking_unconfirmed",
            "confirm_by",
            postgresql_where=sa.text("confirm_by IS NOT NULL AND status = 'confirmed'"),
        ),
        sa.Index(
            "booking_unstarted",
            "starts_at",
            postgresql_where=sa.text("status = 'confirmed'"),
        ),
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
    series_id: Mapped[int | None] = mapped_column(sa.ForeignKey("series.id"), index=True)
    buddy_id: Mapped[int | None] = mapped_column(sa.ForeignKey("member.id"), index=True)
    respond_by: Mapped[datetime | None]  # an offer or a request lapses unanswered
    confirm_by: Mapped[datetime | None]  # lapses unless confirmed once more by then
    override_reason: Mapped[str | None]  # why staff set soft rules aside
    flexible: Mapped[bool] = mapped_column(
        default=False, server_default=sa.text("false")
    )  # its owner lets a plan move it
    wafer_mm: Mapped[int | None]  # what goes in, as declared; None where nothing was
    class_rank: Mapped[int | None]
    flags: Mapped[list[str]] = mapped_column(default=list, server_default=sa.text("'{}'"))
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    active: Mapped[bool] = mapped_column(
        sa.Computed(
            "status IN ('offered', 'requested', 'confirmed', 'in_use')", persisted=True
        )
    )

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy's own form


class Series(PublicId, Model):
    """Bookings that recur. Each occurrence is a booking of its own."""

    __tablename__ = "series"

    id: Mapped[int] = mapped_column(primary_key=True)
    organisation_id: Mapped[int] = mapped_column(sa.ForeignKey("organisation.id"))
    member_id: Mapped[int | None] = mapped_column(sa.ForeignKey("member.id"))
    resource_id: Mapped[int] = mapped_column(sa.ForeignKey("resource.id"))
    rule: Mapped[str]  # an RRULE of RFC 5545
    starts_at: Mapped[datetime]  # the first occurrence
    ends_at: Mapped[datetime]
    zone: Mapped[str]  # in which the rule's clock runs
    created_at: Mapped[datetime]


class Usage(PublicId, Model):
    """What really happened on a resource under a booking."""

    __tablename__ = "usage"
    __table_args__ = (
        sa.CheckConstraint("ended_at IS NULL OR ended_at >= began_at", name="interval"),
        sa.Index(None, "platform_id", "began_at"),
        sa.Index(None, "organisation_id", "began_at"),
    )

    id: Mapped[int] = mapped_column(
        sa.BigInteger, sa.Identity(always=True), primary_key=True
    )
    booking_id: Mapped[int] = mapped_column(sa.ForeignKey("booking.id"), unique=True)
    resource_id: Mapped[int] = mapped_column(sa.ForeignKey("resource.id"))
    platform_id: Mapped[int] = mapped_column(sa.ForeignKey("platform.id"))
    organisation_id: Mapped[int] = mapped_column(sa.ForeignKey("organisation.id"))
    member_id: Mapped[int | None] = mapped_column(sa.ForeignKey("member.id"))
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class Waiting(PublicId, Model):
    """Somebody who waits for time on a resource, within a window.

    What an outage displaces waits with first right; what finds a dated run full waits for
    the next one.
    """

    __tablename__ = "waiting"
    __table_args__ = (
        sa.CheckConstraint("to_at > from_at", name="window"),
        sa.CheckConstraint("minutes >= 1 AND quantity >= 1", name="amount"),
        sa.CheckConstraint(
            "(state IN ('offered', 'accepted')) = (booking_id IS NOT NULL)",
            name="offer_is_a_booking",
        ),
        sa.Index(
            "waiting_open", "resource_id", postgresql_where=sa.text("state = 'waiting'")
        ),
        sa.Index(
            "waiting_group", "group_id", postgresql_where=sa.text("group_id IS NOT NULL")
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    resource_id: Mapped[int] = mapped_column(sa.ForeignKey("resource.id"))
    platform_id: Mapped[int] = mapped_column(sa.ForeignKey("platform.id"), index=True)
    organisation_id: Mapped[int] = mapped_column(
        sa.ForeignKey("organisation.id"), index=True
    )
    member_id: Mapped[int | None] = mapped_column(sa.ForeignKey("member.id"))
    project_id: Mapped[int | None] = mapped_column(sa.ForeignKey("project.id"))
    from_at: Mapped[datetime]
    to_at: Mapped[datetime]  # the stay ends by then
    minutes: Mapped[int]
    quantity: Mapped[int] = mapped_column(default=1)
    recipe_id: Mapped[int | None] = mapped_column(sa.ForeignKey("recipe.id"))
    wafer_mm: Mapped[int | None]
    class_rank: Mapped[int | None]
    flags: Mapped[list[str]]
    first_right: Mapped[bool] = mapped_column(
        default=False, server_default=sa.text("false")
    )
    displaced_id: Mapped[int | None] = mapped_column(sa.ForeignKey("booking.id"))
    group_id: Mapped[UUID | None]  # waits together with these, for the same times
    state: Mapped[WaitingState] = mapped_column(
        enum_column(WaitingState), default=WaitingState.WAITING
    )
    booking_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("booking.id"), index=True
    )  # what is offered
    passed: Mapped[int] = mapped_column(default=0)  # offers that were let go
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Quota(PublicId, Model):
    """How many minutes an organisation or a project may hold over a period.

    Empty columns widen it: without an organisation it binds each of them, without a
    resource the whole platform counts, without a platform the whole park.
    """

    __tablename__ = "quota"
    __table_args__ = (
        sa.CheckConstraint("minutes >= 0", name="minutes"),
        sa.CheckConstraint(
            "project_id IS NULL OR organisation_id IS NOT NULL", name="project_is_of_one"
        ),
        sa.CheckConstraint(
            "resource_id IS NULL OR platform_id IS NOT NULL", name="resource_is_of_one"
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    organisation_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("organisation.id"), index=True
    )
    project_id: Mapped[int | None] = mapped_column(sa.ForeignKey("project.id"))
    platform_id: Mapped[int | None] = mapped_column(sa.ForeignKey("platform.id"))
    resource_id: Mapped[int | None] = mapped_column(sa.ForeignKey("resource.id"))
    period: Mapped[Period] = mapped_column(enum_column(Period))
    minutes: Mapped[int]
    active: Mapped[bool] = mapped_column(default=True, server_default=sa.text("true"))
    guard_seq: Mapped[int] = mapped_column(sa.BigInteger, default=0, server_default="0")


class Feed(PublicId, Model):
    """A secret address at which a calendar program reads bookings."""

    __tablename__ = "feed"

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(sa.ForeignKey("member.id"), index=True)
    resource_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("resource.id")
    )  # None: of all resources, without what others hold
    whole_firm: Mapped[bool] = mapped_column(default=False)  # colleagues' bookings, too
    prefix: Mapped[str]  # shown in lists, so that one can be told from another
    token_hash: Mapped[str] = mapped_column(unique=True)  # SHA-256, hex
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Kiosk(PublicId, Model):
    """A touch screen beside the tools: it acts for a platform, never for a person."""

    __tablename__ = "kiosk"

    id: Mapped[int] = mapped_column(primary_key=True)
    platform_id: Mapped[int] = mapped_column(sa.ForeignKey("platform.id"), index=True)
    resource_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("resource.id")
    )  # None: all of the platform's
    name: Mapped[str]
    prefix: Mapped[str]
    token_hash: Mapped[str] = mapped_column(unique=True)  # SHA-256, hex
    created_by: Mapped[int] = mapped_column(sa.ForeignKey("member.id"))
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
