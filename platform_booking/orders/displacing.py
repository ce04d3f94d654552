"""An outage takes the place of an order's bookings: the order is placed again, and first.

A plan places an order whole or not at all, so all of an order that has not begun goes back
to waiting with first right. What of it stands on platforms that the declarer does not
operate follows by `free_the_rest`. Of an order that has begun only the step that is hit
waits, and its booking is left to the waiting list.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking import audit
from platform_booking.bookings.models import Booking, Source
from platform_booking.bookings.placing import release_all
from platform_booking.bookings.states import SPENT, BookingState
from platform_booking.catalog.models import Occurrence, Outage, Resource
from platform_booking.notices.outbox import tell
from platform_booking.orders.models import Order, Step, StepBooking
from platform_booking.orders.states import StepState, may_move

_AHEAD = (BookingState.REQUESTED, BookingState.CONFIRMED)
_BEGUN = (BookingState.IN_USE, *SPENT)


def displace(session: Session, resource: Resource, outage: Outage, now: datetime) -> int:
    """Send back what an outage hits; return how many bookings lost their place."""
    hit = session.execute(
        sa.select(Step, Booking)
        .join(StepBooking, StepBooking.step_id == Step.id)
        .join(Booking, Booking.id == StepBooking.booking_id)
        .where(
            Booking.resource_id == resource.id,
            Booking.source == Source.PLAN,
            Booking.state.in_(_AHEAD),
            Booking.ends_at > max(outage.starts_at, now),
            Booking.starts_at < outage.ends_at,
            sa.true()
            if outage.taken_back_by is None
            else Booking.organisation_id != outage.taken_back_by,
        )
        .order_by(Booking.id)
        .with_for_update(of=[Step, Booking])
        .execution_options(populate_existing=True)
    ).all()
    told = {"reason": outage.reason, "ends_at": outage.ends_at.isoformat()}
    return _displace(session, hit, resource, told, now=now)


def displace_from_run(
    session: Session, run: Occurrence, resource: Resource, *, reason: str, now: datetime
) -> int:
    """Send back what a plan has booked of a run that is called off; see `displace`."""
    hit = session.execute(
        sa.select(Step, Booking)
        .join(StepBooking, StepBooking.step_id == Step.id)
        .join(Booking, Booking.id == StepBooking.booking_id)
        .where(
            Booking.occurrence_id == run.id,
            Booking.source == Source.PLAN,
            Booking.state.in_(_AHEAD),
        )
        .order_by(Booking.id)
        .with_for_update(of=[Step, Booking])
        .execution_options(populate_existing=True)
    ).all()
    told = {"reason": reason, "run": run.code}
    return _displace(session, hit, resource, told, now=now)


def _displace(
    session: Session,
    hit: Sequence[Any],
    resource: Resource,
    why: dict[str, str],
    *,
    now: datetime,
) -> int:
    begun = _begun(session, {step.order_id for step, _booking in hit}, now=now)
    lost = {booking.id for step, booking in hit if step.order_id not in begun}
    for step, _booking in hit:
        _send_back(step)
    lost |= _rest(session, {step.order_id for step, _ in hit} - begun)
    release_all(session, lost, to=BookingState.DISPLACED, now=now)
    session.flush()  # the steps with their bookings
    _tell(session, {step.order_id for step, _ in hit}, resource, why, now=now)
    return len(lost)


def free_the_rest(session: Session, now: datetime) -> int:
    """Send back what is still booked of orders of which a step has been displaced."""
    displaced = sa.orm.aliased(Step)
    orders = set(
        session.scalars(
            sa.select(Step.order_id)
            .where(
                Step.state == StepState.BOOKED,
                sa.exists().where(
                    displaced.order_id == Step.order_id,
                    displaced.position >= 0,
                    displaced.state == StepState.WAITING,
                    displaced.first_right,
                ),
            )
            .distinct()
            .limit(200)
        )
    )
    lost = _rest(session, orders - _begun(session, orders, now=now))
    release_all(session, lost, to=BookingState.DISPLACED, now=now)
    session.flush()  # the steps with their bookings
    return len(lost)


def _begun(session: Session, orders: Collection[int], *, now: datetime) -> set[int]:
    """Return the orders of which something has begun."""
    if not orders:
        return set()
    return set(
        session.scalars(
            sa.select(Step.order_id)
            .join(StepBooking, StepBooking.step_id == Step.id)
            .join(Booking, Booking.id == StepBooking.booking_id)
            .where(
                Step.order_id.in_(orders),
                sa.or_(
                    Booking.state.in_(_BEGUN),
                    sa.and_(Booking.state.in_(_AHEAD), Booking.starts_at <= now),
                ),
            )
        )
    )


def _rest(session: Session, orders: Collection[int]) -> set[int]:
    """Send the booked steps of orders back; return what they hold, as far as it is seen."""
    if not orders:
        return set()
    rows = session.execute(
        sa.select(Step, Booking.id)
        .join(StepBooking, StepBooking.step_id == Step.id)
        .join(Booking, Booking.id == StepBooking.booking_id)
        .where(Step.order_id.in_(orders), Booking.state.in_(_AHEAD))
        .order_by(Booking.resource_id, Booking.id)
        .with_for_update(of=[Step, Booking])
        .execution_options(populate_existing=True)
    ).all()
    for step, _booking in rows:
        _send_back(step)
    return {booking_id for _step, booking_id in rows}


def _send_back(step: Step) -> None:
    if may_move(step.state, StepState.WAITING):
        step.state = StepState.WAITING
    step.first_right = True


def _tell(
    session: Session,
    orders: Collection[int],
    resource: Resource,
    why: dict[str, str],
    *,
    now: datetime,
) -> None:
    for order in session.scalars(
        sa.select(Order).where(Order.id.in_(orders)).order_by(Order.id)
    ):
        told = {
            "order": str(order.public_id),
            "resource": resource.code,
            **why,
        }
        audit.record(
            session,
            act="order.displace",
            subject=f"order {order.public_id}",
            organisation_id=order.organisation_id,
            platform_id=resource.platform_id,
            detail=told,
        )
        tell(
            session,
            kind="order.displaced",
            payload=told,
            now=now,
            organisation_id=order.organisation_id,
        )
