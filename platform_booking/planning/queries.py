"""What pages and the API read of plans. Row-level security decides which rows there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking.accounts.models import Organisation
from platform_booking.bookings.models import Booking
from platform_booking.catalog.models import Platform, Resource
from platform_booking.errors import NotFound
from platform_booking.orders.models import Order, Step, english_step_name
from platform_booking.orders.states import StepState
from platform_booking.planning.counting import placed_by
from platform_booking.planning.models import (
    Approval,
    JobRequest,
    PlacementRow,
    Plan,
)
from platform_booking.planning.states import Change, PlanState


@dataclass(frozen=True, slots=True)
class PlacementLine:
    """One placement as a reviewer sees it, beside where it stands today."""

    order_id: UUID
    order_title: str
    organisation_zh: str
    organisation_en: str
    step_zh: str
    step_en: str
    resource_code: str
    resource_zh: str
    resource_en: str
    platform_id: int
    starts_at: datetime
    ends_at: datetime
    quantity: int
    change: Change
    before_resource: str | None
    before_starts_at: datetime | None


@dataclass(frozen=True, slots=True)
class PlannedStay:
    """Where a draft would put one step of an order."""

    step_id: int
    resource: str
    resource_zh: str
    resource_en: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Proposal:
    """That a plan had a place for an order."""

    at: datetime
    night: date
    moves: bool  # its bookings; else it had none


@dataclass(frozen=True, slots=True)
class ApprovalLine:
    """What one platform says."""

    platform_id: int
    code: str
    name_zh: str
    name_en: str
    state: str
    decided_at: datetime | None
    note: str


def plan(session: Session, public_id: UUID) -> Plan:
    """Return a plan.

    Raises
    ------
    NotFound
    """
    found = session.scalars(sa.select(Plan).filter_by(public_id=public_id)).one_or_none()
    if found is None:
        raise NotFound
    return found


def plans(session: Session, *, limit: int, offset: int) -> tuple[Sequence[Plan], int]:
    """Return a page of plans, the newest first, and how many there are."""
    total = session.scalar(sa.select(sa.func.count()).select_from(Plan)) or 0
    found = session.scalars(
        sa.select(Plan).order_by(Plan.id.desc()).limit(limit).offset(offset)
    ).all()
    return found, total


def next_night(session: Session, *, today: date) -> date:
    """Return the night to ask for: today's, or tomorrow's when today's is published."""
    settled = session.scalar(
        sa.select(Plan.id)
        .where(Plan.night == today)
        .where(Plan.state.in_([PlanState.PUBLISHING, PlanState.PUBLISHED]))
        .limit(1)
    )
    return today if settled is None else today + timedelta(days=1)


def requests(session: Session, *, since: datetime) -> Sequence[JobRequest]:
    """Return the requests for nights that wait, run, or have failed since."""
    return session.scalars(
        sa.select(JobRequest)
        .where(JobRequest.job == "night")
        .where(
            sa.or_(
                JobRequest.finished_at.is_(None),
                sa.and_(JobRequest.failed, JobRequest.finished_at > since),
            )
        )
        .order_by(JobRequest.id.desc())
    ).all()


def request(session: Session, public_id: UUID) -> JobRequest:
    """Return a request.

    Raises
    ------
    NotFound
    """
    found = session.scalars(
        sa.select(JobRequest).filter_by(public_id=public_id)
    ).one_or_none()
    if found is None:
        raise NotFound
    return found


def is_being_published(session: Session, plan_id: int) -> bool:
    """Tell whether somebody has asked for a plan's publication and it is not done."""
    return bool(
        session.scalar(
            sa.select(JobRequest.id)
            .where(JobRequest.job == "publish", JobRequest.subject == {"plan": plan_id})
            .where(JobRequest.finished_at.is_(None))
            .limit(1)
        )
    )


def running_since(session: Session, night: date) -> datetime | None:
    """Return when the running search of a night began; None if there is none."""
    return session.scalar(
        sa.select(sa.func.max(Plan.started_at)).where(
            Plan.night == night, Plan.state == PlanState.RUNNING
        )
    )


def asked_since(
    session: Session, job: str, subject: Mapping[str, object]
) -> datetime | None:
    """Return when a request that is not done was made; None if there is none."""
    return session.scalar(
        sa.select(JobRequest.requested_at)
        .where(JobRequest.job == job, JobRequest.subject == dict(subject))
        .where(JobRequest.finished_at.is_(None))
        .limit(1)
    )


def approvals(session: Session, plan_id: int) -> list[ApprovalLine]:
    """Return what every platform says of a plan."""
    rows = session.execute(
        sa.select(
            Platform.id,
            Platform.code,
            Platform.name_zh,
            Platform.name_en,
            Approval.state,
            Approval.decided_at,
            Approval.note,
        )
        .join(Platform, Platform.id == Approval.platform_id)
        .where(Approval.plan_id == plan_id)
        .order_by(Platform.position, Platform.id)
    )
    return [ApprovalLine(*row) for row in rows]


def placements(
    session: Session,
    plan_id: int,
    *,
    change: Change | None = None,
    limit: int = 200,
    offset: int = 0,
) -> tuple[list[PlacementLine], int]:
    """Return a page of the placements that the asker may see, and how many there are."""
    chosen = sa.select(PlacementRow.id).where(placed_by(plan_id))
    if change is not None:
        chosen = chosen.where(PlacementRow.change == change)
    total = session.scalar(sa.select(sa.func.count()).select_from(chosen.subquery())) or 0
    before = sa.orm.aliased(Resource)
    rows = session.execute(
        sa.select(
            Order.public_id,
            Order.title,
            Organisation.name_zh,
            Organisation.name_en,
            Step.name,
            english_step_name(),
            Resource.code,
            Resource.name_zh,
            Resource.name_en,
            PlacementRow.platform_id,
            PlacementRow.starts_at,
            PlacementRow.ends_at,
            PlacementRow.quantity,
            PlacementRow.change,
            before.code,
            Booking.starts_at,
        )
        .join(Order, Order.id == PlacementRow.order_id)
        .join(Organisation, Organisation.id == PlacementRow.organisation_id)
        .join(Step, Step.id == PlacementRow.step_id)
        .join(Resource, Resource.id == PlacementRow.resource_id)
        .outerjoin(Booking, Booking.id == PlacementRow.previous_booking_id)
        .outerjoin(before, before.id == Booking.resource_id)
        .where(PlacementRow.id.in_(chosen))
        .order_by(PlacementRow.starts_at, PlacementRow.id)
        .limit(limit)
        .offset(offset)
    )
    return [PlacementLine(*tuple[Any, ...](row)) for row in rows], total


def order_of(session: Session, public_id: UUID) -> int:
    """Return the row id of an order.

    Raises
    ------
    NotFound
    """
    found = session.scalar(sa.select(Order.id).filter_by(public_id=public_id))
    if found is None:
        raise NotFound
    return found


def planned(session: Session, order_id: int) -> list[PlannedStay]:
    """Return where the newest draft would put an order's steps, until that is published."""
    rows = session.execute(
        sa.select(
            PlacementRow.step_id,
            Resource.code,
            Resource.name_zh,
            Resource.name_en,
            PlacementRow.starts_at,
            PlacementRow.ends_at,
        )
        .join(Plan, Plan.id == PlacementRow.plan_id)
        .join(Resource, Resource.id == PlacementRow.resource_id)
        .join(Step, Step.id == PlacementRow.step_id)
        .where(PlacementRow.order_id == order_id, PlacementRow.booking_id.is_(None))
        .where(Plan.state.in_([PlanState.DRAFT, PlanState.PUBLISHING]))
        .where(Step.position >= 0, Step.state.in_([StepState.PLACED, StepState.BOOKED]))
        .order_by(PlacementRow.starts_at, PlacementRow.id)
    )
    return [PlannedStay(*row) for row in rows]


def proposals(session: Session, order_id: int) -> list[Proposal]:
    """Return the nights whose plan would have booked an order, or moved its bookings."""
    rows = session.execute(
        sa.select(
            Plan.finished_at,
            Plan.night,
            sa.func.bool_or(PlacementRow.change == Change.MOVED),
        )
        .join(PlacementRow, PlacementRow.plan_id == Plan.id)
        .where(PlacementRow.order_id == order_id, PlacementRow.change != Change.KEPT)
        .where(Plan.finished_at.is_not(None))
        .group_by(Plan.id)
        .order_by(Plan.id)
    )
    return [Proposal(*row) for row in rows]
