"""Publication: an approved draft becomes bookings, component by component, under a fence.

Each component is a transaction of its own, so that people never wait long; each order in it
is booked whole or not at all. A component is marked in the transaction that books it: after
a crash, whoever goes on begins at the first one that is not. What the day has overtaken is
left out by name.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from platform_booking import audit
from platform_booking.bookings import services as bookings
from platform_booking.bookings.asking import NewBooking, Relocation
from platform_booking.bookings.contention import retrying
from platform_booking.bookings.models import Booking, Source
from platform_booking.catalog.models import Outage
from platform_booking.db import transaction
from platform_booking.errors import Conflict, Fenced, IllegalMove, NotFound, Refused
from platform_booking.notices.outbox import tell
from platform_booking.orders.models import Order, Step, StepBooking
from platform_booking.orders.states import OrderState, StepState
from platform_booking.planning.models import (
    Approval,
    LeftOut,
    PlacementRow,
    Plan,
    PublicationPart,
)
from platform_booking.planning.states import ApprovalState, Change, PlanState

OVERTAKEN = "overtaken"


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

    May be called again: what is published stays, what has been approved since follows.

    Raises
    ------
    NotFound
        If there is no such plan.
    IllegalMove
        If the plan is not a draft, nor being published.
    Fenced
        If another runner has taken the publication over.
    """
    fence = _begin(plan_id)
    booked: list[int] = []
    overtaken: list[int] = []
    while (component := _next(plan_id, fence)) is not None:
        once = partial(publish_component, plan_id, component, fence=fence, now=now)
        in_this, not_in_this = retrying(once)
        booked += in_this
        overtaken += not_in_this
    withheld, finished = _finish(plan_id, fence, now=now)
    return Published(plan_id, tuple(booked), tuple(overtaken), withheld, finished)


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
        _hold(session, plan_id, fence)
        part = session.get_one(PublicationPart, (plan_id, component), with_for_update=True)
        if part.published_at is not None:
            return [], []
        rows = _by_order(
            session.scalars(
                sa.select(PlacementRow)
                .filter_by(plan_id=plan_id, component=component)
                .order_by(PlacementRow.resource_id, PlacementRow.id)
            )
        )
        orders = _orders(session, rows)
        down = _hit_by_outage(session, rows)
        fit = [o for o in rows if o not in down and _still_stands(orders.get(o), rows[o])]
        booked = _book(session, {o: rows[o] for o in fit}, orders, now=now)
        overtaken = [o for o in rows if o not in booked]
        for order_id in overtaken:
            _overtake(session, plan_id, order_id, rows[order_id], now=now)
        part.published_at = now
        audit.record(
            session,
            act="plan.publish",
            subject=f"plan {plan_id} part {component}",
            detail={"booked": booked, "overtaken": overtaken},
        )
        return booked, overtaken


def plan_row_id(session: Session, public_id: UUID) -> int:
    """Return a plan's row id.

    Raises
    ------
    NotFound
    """
    found = session.scalar(sa.select(Plan.id).filter_by(public_id=public_id))
    if found is None:
        raise NotFound
    return found


def _begin(plan_id: int) -> int:
    """Raise the fence: from now on only we publish this plan."""
    with transaction() as session:
        plan = session.get(Plan, plan_id, with_for_update=True)
        if plan is None:
            raise NotFound
        if plan.state not in {PlanState.DRAFT, PlanState.PUBLISHING}:
            raise IllegalMove(f"the plan is {plan.state}, so there is nothing to publish")
        plan.state = PlanState.PUBLISHING
        plan.fence += 1
        return plan.fence


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


def _next(plan_id: int, fence: int) -> int | None:
    """Return the first component that may be published and is not."""
    with transaction() as session:
        _hold(session, plan_id, fence)
        return session.scalar(_open_parts(plan_id).where(~_unapproved()).limit(1))


def _open_parts(plan_id: int) -> sa.Select[int]:
    return (
        sa.select(PublicationPart.component)
        .where(PublicationPart.plan_id == plan_id)
        .where(PublicationPart.published_at.is_(None), PublicationPart.withheld == "")
        .order_by(PublicationPart.component)
    )


def _unapproved() -> sa.ColumnElement[bool]:
    """Whether a platform of the component has not approved."""
    return sa.exists(
        sa.select(PlacementRow.id)
        .join(
            Approval,
            sa.and_(
                Approval.plan_id == PlacementRow.plan_id,
                Approval.platform_id == PlacementRow.platform_id,
            ),
        )
        .where(
            PlacementRow.plan_id == PublicationPart.plan_id,
            PlacementRow.component == PublicationPart.component,
            Approval.state != ApprovalState.APPROVED,
        )
        .correlate(PublicationPart)
    )


def _by_order(rows: Iterable[PlacementRow]) -> dict[int, list[PlacementRow]]:
    found: dict[int, list[PlacementRow]] = defaultdict(list)
    for row in rows:
        found[row.order_id].append(row)
    return dict(sorted(found.items()))


def _orders(session: Session, rows: Iterable[int]) -> dict[int, Order]:
    return {
        o.id: o
        for o in session.scalars(
            sa.select(Order)
            .where(Order.id.in_(list(rows)))
            .order_by(Order.id)
            .options(selectinload(Order.steps))
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    }


def _still_stands(order: Order | None, rows: Sequence[PlacementRow]) -> bool:
    """Tell whether an order still wants what the plan gives it."""
    if order is None or order.state is not OrderState.SUBMITTED:
        return False
    wanted = StepState.PLACED if rows[0].change is Change.NEW else StepState.BOOKED
    touched = {row.step_id for row in rows}
    states = [step.state for step in order.steps if step.id in touched]
    return len(states) == len(touched) and all(state is wanted for state in states)


def _hit_by_outage(session: Session, rows: dict[int, list[PlacementRow]]) -> set[int]:
    """Return the orders whose place an outage has taken since."""
    placed = [row for found in rows.values() for row in found]
    outages = session.execute(
        sa.select(Outage.resource_id, Outage.starts_at, Outage.ends_at).where(
            Outage.resource_id.in_({row.resource_id for row in placed}),
            Outage.ends_at > min(row.starts_at for row in placed),
        )
    ).all()
    return {
        row.order_id
        for row in placed
        for resource_id, starts_at, ends_at in outages
        if resource_id == row.resource_id
        and starts_at < row.ends_at
        and row.starts_at < ends_at
    }


def _book(
    session: Session,
    rows: dict[int, list[PlacementRow]],
    orders: dict[int, Order],
    *,
    now: datetime,
) -> list[int]:
    """Book the orders together; if that fails, those that can stand alone."""
    if not rows:
        return []
    if _attempt(session, rows, orders, now=now):
        return list(rows)
    return [
        order_id
        for order_id, found in rows.items()
        if _attempt(session, {order_id: found}, orders, now=now)
    ]


def _attempt(
    session: Session,
    rows: dict[int, list[PlacementRow]],
    orders: dict[int, Order],
    *,
    now: datetime,
) -> bool:
    placed = [row for found in rows.values() for row in found]
    try:
        with session.begin_nested():
            # Who moves leaves before anybody comes: the newcomer may want his place.
            bookings.relocate_all(
                session, [_relocation(r) for r in placed if _moves(r)], now=now
            )
            new = [r for r in placed if not _moves(r)]
            made = bookings.confirm_all(
                session, [_booking(r, orders[r.order_id]) for r in new], now=now
            )
            for row, booking in zip(new, made, strict=True):
                _tie(session, row, booking)
            for row in placed:
                if _moves(row):
                    row.booking_id = row.previous_booking_id
                    session.execute(
                        sa.update(StepBooking)
                        .where(StepBooking.booking_id == row.booking_id)
                        .values(platform_id=row.platform_id)
                    )
            for order_id, found in rows.items():
                _settle(session, orders[order_id], found, now=now)
            session.flush()  # everything of this attempt before the savepoint closes
    except (Conflict, Refused, NotFound):
        return False
    return True


def _moves(row: PlacementRow) -> bool:
    return row.change is Change.MOVED and row.previous_booking_id is not None


def _relocation(row: PlacementRow) -> Relocation:
    assert row.previous_booking_id is not None
    assert row.previous_version is not None
    return Relocation(
        booking_id=row.previous_booking_id,
        version=row.previous_version,
        resource_id=row.resource_id,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        quantity=row.quantity,
        recipe_id=row.recipe_id,
        occurrence_id=row.occurrence_id,
        family=row.family,
    )


def _booking(row: PlacementRow, order: Order) -> NewBooking:
    return NewBooking(
        resource_id=row.resource_id,
        organisation_id=row.organisation_id,
        member_id=order.submitted_by,
        project_id=order.project_id,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        quantity=row.quantity,
        recipe_id=row.recipe_id,
        occurrence_id=row.occurrence_id,
        family=row.family,
        source=Source.PLAN,
    )


def _tie(session: Session, row: PlacementRow, booking: Booking) -> None:
    row.booking_id = booking.id
    session.add(
        StepBooking(
            step_id=row.step_id,
            booking_id=booking.id,
            organisation_id=row.organisation_id,
            platform_id=row.platform_id,
            part=row.part,
        )
    )


def _settle(
    session: Session, order: Order, rows: Sequence[PlacementRow], *, now: datetime
) -> None:
    for step in order.steps:
        if step.state is StepState.PLACED:
            step.state = StepState.BOOKED
            step.first_right = False
    moved = rows[0].change is Change.MOVED
    tell(
        session,
        kind="order.moved" if moved else "order.placed",
        payload={
            "order": str(order.public_id),
            "starts_at": min(r.starts_at for r in rows).isoformat(),
            "ends_at": max(r.ends_at for r in rows).isoformat(),
        },
        now=now,
        organisation_id=order.organisation_id,
    )


def _overtake(
    session: Session,
    plan_id: int,
    order_id: int,
    rows: Sequence[PlacementRow],
    *,
    now: datetime,
) -> None:
    """Leave an order out by name: it waits again."""
    order = session.get_one(Order, order_id)
    session.execute(
        sa.update(Step)
        .where(Step.order_id == order_id, Step.state == StepState.PLACED)
        .values(state=StepState.WAITING)
    )
    session.add(
        LeftOut(
            plan_id=plan_id,
            order_id=order_id,
            organisation_id=order.organisation_id,
            platform_ids=order.platform_ids,
            cause=OVERTAKEN,
            detail={"step": None, "blocked": []},
            ways_out=[],
        )
    )
    tell(
        session,
        kind="order.overtaken",
        payload={"order": str(order.public_id), "moved": rows[0].change is Change.MOVED},
        now=now,
        organisation_id=order.organisation_id,
    )


def _finish(plan_id: int, fence: int, *, now: datetime) -> tuple[int, bool]:
    """Close the plan when nothing is left to wait for."""
    with transaction() as session:
        _hold(session, plan_id, fence)
        waiting = session.scalars(_open_parts(plan_id)).all()
        refused = session.scalar(
            sa.select(sa.func.count())
            .select_from(Approval)
            .where(Approval.plan_id == plan_id, Approval.state == ApprovalState.PENDING)
        )
        if waiting and refused:
            return len(waiting), False
        withhold(session, plan_id, why="not_approved")
        session.execute(
            sa.update(Plan)
            .where(Plan.id == plan_id)
            .values(state=PlanState.PUBLISHED, published_at=now)
        )
        return len(waiting), True


def withhold(session: Session, plan_id: int, *, why: str) -> None:
    """Give up the components that are not published; their orders wait again."""
    open_parts = _open_parts(plan_id).scalar_subquery()
    orders = (
        sa.select(PlacementRow.order_id)
        .where(PlacementRow.plan_id == plan_id, PlacementRow.component.in_(open_parts))
        .scalar_subquery()
    )
    session.execute(
        sa.update(Step)
        .where(Step.order_id.in_(orders), Step.state == StepState.PLACED)
        .values(state=StepState.WAITING)
        .execution_options(synchronize_session=False)
    )
    session.execute(
        sa.update(PublicationPart)
        .where(
            PublicationPart.plan_id == plan_id,
            PublicationPart.published_at.is_(None),
            PublicationPart.withheld == "",
        )
        .values(withheld=why)
        .execution_options(synchronize_session=False)
    )
