"""Publication: an approved draft becomes bookings, component by component, under a fence.

Each component is a transaction of its own, so that people never wait long (`settling`). A
component is marked in the transaction that books it: after a crash, whoever goes on begins
at the first one that is not.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking import audit
from platform_booking.bookings.contention import retrying, wait_briefly
from platform_booking.db import transaction
from platform_booking.errors import Fenced, IllegalMove, NotFound
from platform_booking.notices.outbox import tell
from platform_booking.orders.models import Order, Step
from platform_booking.orders.states import StepState
from platform_booking.planning import settling
from platform_booking.planning.models import (
    NOT_APPROVED,
    Approval,
    LeftOut,
    PlacementRow,
    Plan,
    PublicationPart,
)
from platform_booking.planning.states import OPEN, ApprovalState, Change, PlanState


@dataclass(frozen=True, slots=True)
class Published:
    """What a publication did."""

    plan_id: int
    booked: tuple[int, ...]  # orders, by row id
    overtaken: tuple[int, ...]  # orders that the day has overtaken
    withheld: int  # components that still wait for a platform
    finished: bool  # nothing is left to publish


def publish(plan_id: int, *, now: datetime) -> Published:
    """Publish every component that all of its platforms have approved. Acts as pb_job.

    What is approved meanwhile is left for another publication. May be called again: what is
    published stays.

    Raises
    ------
    NotFound
        If there is no such plan.
    IllegalMove
        If the plan is not a draft, nor being published, or no platform has approved it.
    Fenced
        If another runner has taken the publication over.
    """
    fence, ready = _begin(plan_id)
    booked: list[int] = []
    overtaken: list[int] = []
    for component in ready:
        once = partial(publish_component, plan_id, component, fence=fence, now=now)
        in_this, not_in_this = retrying(once)
        booked += in_this
        overtaken += not_in_this
    waiting = _finish(plan_id, fence, now=now)
    return Published(plan_id, tuple(booked), tuple(overtaken), waiting, not waiting)


def publish_component(
    plan_id: int, component: int, *, fence: int, now: datetime
) -> tuple[list[int], list[int]]:
    """Turn one component into bookings; return the orders booked and those overtaken.

    Raises
    ------
    Fenced
        If another runner has taken the publication over.
    """
    with transaction() as session:
        wait_briefly(session)
        _hold(session, plan_id, fence)
        part = session.get_one(PublicationPart, (plan_id, component), with_for_update=True)
        if part.published_at is not None or part.withheld:
            return [], []
        booked, overtaken = settling.settle(session, plan_id, component, now=now)
        part.published_at = now
        audit.record(
            session,
            act="plan.publish",
            subject=f"plan {plan_id} part {component}",
            detail={"booked": booked, "overtaken": overtaken},
        )
        return booked, overtaken


def withhold(
    session: Session, components: Iterable[int], *, plan_id: int, why: str, now: datetime
) -> None:
    """Give up components that are not published; their orders wait again, and are told."""
    given_up = list(components)
    rows = session.execute(
        sa.select(
            Order.id, Order.public_id, Order.organisation_id, Order.platform_ids
        ).where(
            Order.id.in_(
                sa.select(PlacementRow.order_id)
                .where(PlacementRow.plan_id == plan_id, PlacementRow.change == Change.NEW)
                .where(PlacementRow.component.in_(given_up))
            )
        )
    ).all()
    session.execute(
        sa.update(Step)
        .where(Step.order_id.in_([r.id for r in rows]), Step.state == StepState.PLACED)
        .values(state=StepState.WAITING)
        .execution_options(synchronize_session=False)
    )
    session.execute(
        sa.update(PublicationPart)
        .where(PublicationPart.plan_id == plan_id)
        .where(PublicationPart.component.in_(given_up))
        .values(withheld=why)
        .execution_options(synchronize_session=False)
    )
    for order_id, public_id, organisation_id, platform_ids in rows:
        session.add(
            LeftOut(
                plan_id=plan_id,
                order_id=order_id,
                organisation_id=organisation_id,
                platform_ids=platform_ids,
                cause=NOT_APPROVED,
                detail={},
                ways_out=[],
            )
        )
        tell(
            session,
            kind="order.not_approved",
            payload={"order": str(public_id)},
            now=now,
            organisation_id=organisation_id,
        )


def open_parts(session: Session, plan_id: int) -> list[int]:
    """Return the components that are neither published nor given up."""
    return list(session.scalars(_open_parts(plan_id)))


def ready_parts(session: Session, plan_id: int) -> list[int]:
    """Return the components that all of their platforms have approved, not yet booked."""
    return list(session.scalars(_open_parts(plan_id).where(_approved())))


def _begin(plan_id: int) -> tuple[int, list[int]]:
    """Raise the fence, so that only we publish this plan; return it, and what is ready.

    Whoever decides holds the plan's row, so that nothing is approved while we look.
    """
    with transaction() as session:
        plan = session.get(Plan, plan_id, with_for_update=True, populate_existing=True)
        if plan is None:
            raise NotFound
        if plan.state not in OPEN:
            raise IllegalMove(f"the plan is {plan.state}, so there is nothing to publish")
        approved = session.scalar(
            sa.select(Approval.plan_id)
            .filter_by(plan_id=plan_id, state=ApprovalState.APPROVED)
            .limit(1)
        )
        if approved is None:
            raise IllegalMove("no platform has approved the plan yet")
        plan.state = PlanState.PUBLISHING
        plan.fence += 1
        return plan.fence, ready_parts(session, plan_id)


def _hold(session: Session, plan_id: int, fence: int) -> None:
    held = session.scalar(
        sa.update(Plan)
        .where(Plan.id == plan_id, Plan.state == PlanState.PUBLISHING, Plan.fence == fence)
        .values(fence=Plan.fence)
        .returning(Plan.id)
        .execution_options(synchronize_session=False)
    )
    if held is None:
        raise Fenced("another runner has taken the publication over")


def _open_parts(plan_id: int) -> sa.Select[int]:
    return (
        sa.select(PublicationPart.component)
        .where(PublicationPart.plan_id == plan_id)
        .where(PublicationPart.published_at.is_(None), PublicationPart.withheld == "")
        .order_by(PublicationPart.component)
    )


def _approved() -> sa.ColumnElement[bool]:
    """Whether every platform that the component needs has approved."""
    return ~_has_platform(Approval.state != ApprovalState.APPROVED)


def _has_platform(which: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Whether a platform that the component needs has so decided."""
    return sa.exists().where(
        Approval.plan_id == PublicationPart.plan_id,
        Approval.platform_id == sa.any_(PublicationPart.platform_ids),
        which,
    )


def _finish(plan_id: int, fence: int, *, now: datetime) -> int:
    """Give up what a platform has rejected; close the plan when nothing is left.

    Returns the number of components that still wait for a platform.
    """
    with transaction() as session:
        _hold(session, plan_id, fence)
        rejected = _has_platform(Approval.state == ApprovalState.REJECTED)
        hopeless = session.scalars(_open_parts(plan_id).where(rejected)).all()
        withhold(session, hopeless, plan_id=plan_id, why=NOT_APPROVED, now=now)
        waiting = open_parts(session, plan_id)
        if not waiting:
            session.execute(
                sa.update(Plan)
                .where(Plan.id == plan_id)
                .values(state=PlanState.PUBLISHED, published_at=sa.func.clock_timestamp())
            )
        return len(waiting)
