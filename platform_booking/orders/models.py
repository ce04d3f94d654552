"""What an organisation asks for. Secret from every other organisation."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from platform_booking.catalog.models import Capability, RouteStep
from platform_booking.db import Model, PublicId, enum_column
from platform_booking.orders.states import OrderState, StepState


class Order(PublicId, Model):
    """One or more steps that are placed together or not at all."""

    __tablename__ = "orders"  # `order` is a word of SQL
    __table_args__ = (
        sa.CheckConstraint("deadline_at > earliest_at", name="window"),
        sa.Index(None, "organisation_id", "submitted_at"),
        sa.Index("ix_orders_platforms", "platform_ids", postgresql_using="gin"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    organisation_id: Mapped[int] = mapped_column(sa.ForeignKey("organisation.id"))
    project_id: Mapped[int | None] = mapped_column(sa.ForeignKey("project.id"))
    submitted_by: Mapped[int] = mapped_column(sa.ForeignKey("member.id"))
    route_id: Mapped[int | None] = mapped_column(sa.ForeignKey("route_template.id"))
    title: Mapped[str]
    priority_class: Mapped[str]  # "KEY", "SME", … from the catalogue
    state: Mapped[OrderState] = mapped_column(enum_column(OrderState))
    submitted_at: Mapped[datetime] = mapped_column(index=True)
    earliest_at: Mapped[datetime]  # no step starts before
    due_at: Mapped[datetime | None]  # wished for; later costs value
    deadline_at: Mapped[datetime]  # no step ends after
    lot_size: Mapped[int] = mapped_column(default=1)
    wafer_mm: Mapped[int | None]
    class_rank: Mapped[int] = mapped_column(default=3)  # the lot's contamination class
    flags: Mapped[list[str]]  # the lot's materials history
    platform_ids: Mapped[list[int]]  # every platform that might serve a step
    note: Mapped[str] = mapped_column(default="")
    asked: Mapped[dict[str, Any]] = mapped_column(default=dict)  # as it was handed in
    version: Mapped[int] = mapped_column(default=1)
    updated_at: Mapped[datetime]

    steps: Mapped[list["Step"]] = relationship(
        order_by="Step.position",
        cascade="all, delete-orphan",
        back_populates="order",
        # A plan may still name a step that an amendment has dropped: it gets a position
        # below 0 and is no step of the order any more.
        primaryjoin="and_(Order.id == Step.order_id, Step.position >= 0)",
    )
    lags: Mapped[list["StepLag"]] = relationship(cascade="all, delete-orphan")

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy's own form


class Step(PublicId, Model):
    """One operation of an order."""

    __tablename__ = "step"
    __table_args__ = (
        sa.UniqueConstraint("order_id", "position"),
        sa.CheckConstraint("duration_min >= 1 AND quantity >= 1", name="amounts"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(sa.ForeignKey("orders.id", ondelete="CASCADE"))
    organisation_id: Mapped[int]  # the order's, for row-level security
    platform_ids: Mapped[list[int]]  # platforms that might serve this step
    position: Mapped[int]  # 0, 1, 2 … in the order of the route
    name: Mapped[str]
    capability_id: Mapped[int] = mapped_column(sa.ForeignKey("capability.id"), index=True)
    duration_min: Mapped[int]
    quantity: Mapped[int]  # wafers of the load, units of the pool, 0.01 mm² of a shuttle
    wafer_mm: Mapped[int | None]
    class_rank: Mapped[int]
    flags: Mapped[list[str]]
    family: Mapped[str | None]
    resource_ids: Mapped[list[int]]  # eligible ones, derived at submission
    windows: Mapped[list[Any]]  # [["2026-01-01T00:00:00+00:00", …]]; [] for the order's
    co_uses: Mapped[list[Any]]  # [[resource id, quantity]]: held beside the main one
    state: Mapped[StepState] = mapped_column(
        enum_column(StepState), default=StepState.WAITING
    )
    first_right: Mapped[bool] = mapped_column(default=False)  # displaced: placed first

    order: Mapped[Order] = relationship(back_populates="steps")


class StepLag(Model):
    """Elapsed minutes between the end of one step and the start of another."""

    __tablename__ = "step_lag"

    order_id: Mapped[int] = mapped_column(
        sa.ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True
    )
    before: Mapped[int] = mapped_column(primary_key=True)  # Step.position
    after: Mapped[int] = mapped_column(primary_key=True)
    organisation_id: Mapped[int]  # the order's, for row-level security
    least_min: Mapped[int] = mapped_column(default=0)
    most_min: Mapped[int | None]


class StepBooking(Model):
    """Which bookings serve a step: several where a lot needs several runs, or co-uses."""

    __tablename__ = "step_booking"

    step_id: Mapped[int] = mapped_column(sa.ForeignKey("step.id"), primary_key=True)
    booking_id: Mapped[int] = mapped_column(
        sa.ForeignKey("booking.id"), primary_key=True, unique=True
    )
    organisation_id: Mapped[int]
    platform_id: Mapped[int]
    part: Mapped[int] = mapped_column(default=0)  # which run of the step


def english_step_name() -> sa.ColumnElement[str]:
    """Return the English name of a `Step` of the query around: an order keeps the Chinese.

    Names of people's own stay as they are.
    """
    of_capability = (
        sa.select(Capability.name_en)
        .where(Capability.id == Step.capability_id, Capability.name_zh == Step.name)
        .correlate(Step)
        .scalar_subquery()
    )
    of_route = (
        sa.select(RouteStep.name_en)
        .join(Order, Order.route_id == RouteStep.route_id)
        .where(Order.id == Step.order_id, RouteStep.name_zh == Step.name)
        .order_by(RouteStep.id)
        .limit(1)
        .correlate(Step)
        .scalar_subquery()
    )
    return sa.func.coalesce(of_capability, of_route, Step.name)
