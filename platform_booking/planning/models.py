"""Plans, their placements, what they leave out, and who has approved them."""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from platform_booking.db import Model, PublicId, enum_column
from platform_booking.planning.states import ApprovalState, Change, PlanState

OVERTAKEN = "overtaken"
"""A cause beside the solver's: the day was faster than the plan."""

CONTRADICTORY = "contradictory"
"""Another: what the order asks for contradicts itself, so the solver never saw it."""

NOT_APPROVED = "not_approved"
"""Another: a platform that the order needs has not approved its place."""


class Night(Model):
    """Who runs a night: one row per date, taken by lease, told apart by fence."""

    __tablename__ = "night"

    night: Mapped[date] = mapped_column(primary_key=True)
    fence: Mapped[int] = mapped_column(default=1)  # raised by every takeover
    lease_until: Mapped[datetime]  # judged by the database's clock
    runner: Mapped[str]
    plan_id: Mapped[int | None] = mapped_column(sa.ForeignKey("plan.id"))


class Plan(PublicId, Model):
    """What one run proposes, for all platforms of the park."""

    __tablename__ = "plan"

    id: Mapped[int] = mapped_column(primary_key=True)
    night: Mapped[date] = mapped_column(index=True)
    state: Mapped[PlanState] = mapped_column(enum_column(PlanState))
    fence: Mapped[int] = mapped_column(default=1)  # of who may write it; raised by takeover
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    approve_until: Mapped[datetime | None]
    published_at: Mapped[datetime | None]
    origin_at: Mapped[datetime]  # slot 0
    slot_minutes: Mapped[int] = mapped_column(default=5)
    seed: Mapped[int]
    waves: Mapped[int] = mapped_column(default=0)
    seconds: Mapped[float] = mapped_column(default=0.0)
    value: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    fcfs_value: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    fcfs_placed: Mapped[int] = mapped_column(default=0)
    bound: Mapped[int | None] = mapped_column(sa.BigInteger)
    asked: Mapped[int] = mapped_column(default=0)  # orders
    placed: Mapped[int] = mapped_column(default=0)  # orders
    progress: Mapped[dict[str, Any]]  # last report of a running solve
    error: Mapped[str] = mapped_column(default="")  # a code of states.Failure


class PlanProblem(Model):
    """The problem itself, so that any night can be repeated. No person may read it."""

    __tablename__ = "plan_problem"

    plan_id: Mapped[int] = mapped_column(sa.ForeignKey("plan.id"), primary_key=True)
    content: Mapped[bytes]  # JSON of solver.formats, zlib
    problem_hash: Mapped[str]
    prices: Mapped[list[Any]]  # where time was scarce: [resource, from, to, value a slot]


class PlacementRow(Model):
    """One use of one resource by one step. A step with co-uses has several."""

    __tablename__ = "placement"
    __table_args__ = (sa.Index(None, "plan_id", "component"),)

    id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    plan_id: Mapped[int] = mapped_column(sa.ForeignKey("plan.id"), index=True)
    order_id: Mapped[int] = mapped_column(sa.ForeignKey("orders.id"), index=True)
    order_version: Mapped[int]  # what the night has read; another one: amended since
    step_id: Mapped[int] = mapped_column(sa.ForeignKey("step.id"))
    part: Mapped[int] = mapped_column(default=0)  # which run, where a lot needs several
    organisation_id: Mapped[int]
    platform_id: Mapped[int]
    resource_id: Mapped[int] = mapped_column(sa.ForeignKey("resource.id"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    quantity: Mapped[int]
    recipe_id: Mapped[int | None]
    occurrence_id: Mapped[int | None]
    family: Mapped[str | None]
    component: Mapped[int]  # orders that share runs or chains of moves; -1: kept
    change: Mapped[Change] = mapped_column(enum_column(Change))
    previous_booking_id: Mapped[int | None] = mapped_column(sa.ForeignKey("booking.id"))
    previous_version: Mapped[int | None]  # compare-and-swap
    booking_id: Mapped[int | None] = mapped_column(sa.ForeignKey("booking.id"))


class LeftOut(Model):
    """An order that the plan does not place, with the reason and the ways out."""

    __tablename__ = "left_out"
    __table_args__ = (sa.UniqueConstraint("plan_id", "order_id"),)

    id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    plan_id: Mapped[int] = mapped_column(sa.ForeignKey("plan.id"), index=True)
    order_id: Mapped[int] = mapped_column(sa.ForeignKey("orders.id"), index=True)
    organisation_id: Mapped[int]
    platform_ids: Mapped[list[int]]
    cause: Mapped[str]  # solver.allocation.Cause, or one of those above
    detail: Mapped[
        dict[str, Any]
    ]  # blocked stretches: resource, interval, kind; never whose
    ways_out: Mapped[list[Any]]  # cheapest first


class LateOrder(Model):
    """An order that the plan places after the date wished for, with the reason."""

    __tablename__ = "late_order"
    __table_args__ = (sa.UniqueConstraint("plan_id", "order_id"),)

    id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    plan_id: Mapped[int] = mapped_column(sa.ForeignKey("plan.id"), index=True)
    order_id: Mapped[int] = mapped_column(sa.ForeignKey("orders.id"), index=True)
    organisation_id: Mapped[int]
    platform_ids: Mapped[list[int]]
    late_min: Mapped[int]  # from the date wished for to its end
    cause: Mapped[str]  # solver.allocation.Cause: why not by that date
    detail: Mapped[dict[str, Any]]  # as of LeftOut
    ways_out: Mapped[list[Any]]  # what would bring it in by that date, cheapest first


class Forcing(Model):
    """What forcing an order into a plan would displace; for those who run platforms."""

    __tablename__ = "forcing"
    __table_args__ = (sa.UniqueConstraint("plan_id", "order_id"),)

    id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    plan_id: Mapped[int] = mapped_column(sa.ForeignKey("plan.id"))
    order_id: Mapped[int] = mapped_column(sa.ForeignKey("orders.id"), index=True)
    platform_ids: Mapped[list[int]]
    answered_at: Mapped[datetime]
    starts_at: Mapped[datetime | None]  # of the order itself; None: no way was found
    ends_at: Mapped[datetime | None]
    displaced: Mapped[list[int]]  # orders that would be left out, by row id
    moved: Mapped[list[Any]]  # [order's row id, minutes that it would end later]
    cost: Mapped[int] = mapped_column(sa.BigInteger)  # value that the plan would lose


class Approval(Model):
    """What one platform says of a plan."""

    __tablename__ = "approval"

    plan_id: Mapped[int] = mapped_column(sa.ForeignKey("plan.id"), primary_key=True)
    platform_id: Mapped[int] = mapped_column(sa.ForeignKey("platform.id"), primary_key=True)
    state: Mapped[ApprovalState] = mapped_column(
        enum_column(ApprovalState), default=ApprovalState.PENDING
    )
    decided_by: Mapped[int | None] = mapped_column(sa.ForeignKey("member.id"))
    decided_at: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(default="")


class PublicationPart(Model):
    """One connected component of a plan: published whole, in a transaction of its own."""

    __tablename__ = "publication_part"

    plan_id: Mapped[int] = mapped_column(sa.ForeignKey("plan.id"), primary_key=True)
    component: Mapped[int] = mapped_column(primary_key=True)
    platform_ids: Mapped[list[int]]  # all of them must approve
    published_at: Mapped[datetime | None]
    withheld: Mapped[str] = mapped_column(default="")  # why not: an approval is missing


class JobRun(Model):
    """A scheduled job that has run on a date: it runs once, whoever is asked."""

    __tablename__ = "job_run"

    job: Mapped[str] = mapped_column(primary_key=True)
    on_date: Mapped[date] = mapped_column(primary_key=True)
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    outcome: Mapped[str] = mapped_column(default="")


class JobRequest(PublicId, Model):
    """Work that a person asks of the scheduler: a night, a publication, a forcing."""

    __tablename__ = "job_request"
    __table_args__ = (
        sa.Index(None, "requested_at", postgresql_where=sa.text("taken_at IS NULL")),
        sa.Index(
            "job_request_asked_once",
            "job",
            "subject",
            unique=True,
            postgresql_where=sa.text("finished_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    job: Mapped[str]  # "night" | "publish" | "force"
    subject: Mapped[dict[str, Any]]  # a night's date; a plan's row id, with an order's
    member_id: Mapped[int | None] = mapped_column(sa.ForeignKey("member.id"))
    requested_at: Mapped[datetime]
    taken_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    failed: Mapped[bool] = mapped_column(default=False)
    outcome: Mapped[str] = mapped_column(default="")  # what came of it; failed: a code
