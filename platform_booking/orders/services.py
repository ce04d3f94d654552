"""Orders are handed in, amended and withdrawn here: each one transaction, whole or nothing.

Whoever changes an order takes its row first, as publication does; what follows sees either
all of the change or none of it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session, selectinload

from platform_booking import audit
from platform_booking.accounts.models import Organisation, Project
from platform_booking.bookings import services as bookings
from platform_booking.bookings.contention import retrying, wait_briefly
from platform_booking.bookings.models import Booking
from platform_booking.bookings.rules import Asker as Standing
from platform_booking.bookings.states import ACTIVE, BookingState
from platform_booking.catalog.models import Resource
from platform_booking.db import db, transaction
from platform_booking.errors import (
    Forbidden,
    IllegalMove,
    NotFound,
    PreconditionFailed,
    RulesBroken,
    Violation,
)
from platform_booking.notices.outbox import tell
from platform_booking.orders import estimate, intake
from platform_booking.orders.asking import NewOrder
from platform_booking.orders.deriving import Derived, derived
from platform_booking.orders.estimate import Estimate
from platform_booking.orders.models import Order, Step, StepBooking
from platform_booking.orders.offer import Entitlement
from platform_booking.orders.rules import violations
from platform_booking.orders.states import OrderState, StepState

_UNBOOKED = (StepState.WAITING, StepState.PLACED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who hands in: a member of an organisation."""

    member_id: int
    organisation_id: int | None


@dataclass(frozen=True, slots=True)
class Handed:
    """An order that was handed in, and where it would stand if it were placed at once."""

    order: Order
    earliest: Estimate | None


@dataclass(frozen=True, slots=True)
class Checked:
    """What handing in would bring: nothing was written."""

    violations: tuple[Violation, ...]
    earliest: Estimate | None


def submit(new: NewOrder, *, by: Asker, now: datetime, zone: ZoneInfo) -> Handed:
    """Hand in an order.

    Raises
    ------
    RulesBroken
        With every broken rule.
    Forbidden
        If the asker belongs to no organisation.
    """
    with transaction() as session:
        judged = _judged(session, new, by=by, now=now)
        if judged.violations:
            raise RulesBroken(judged.violations)
        order = intake.rows(new, judged.found, by=judged.on_behalf, now=now)
        earliest = estimate.earliest(session, order, now=now, zone=zone)
        session.add(order)
        session.flush()  # the ids that the record and the notice name
        _record(session, order, act="order.submit", kind="order.submitted", now=now)
    return Handed(order, earliest)


def check(
    new: NewOrder,
    *,
    by: Asker,
    now: datetime,
    zone: ZoneInfo,
    amending: UUID | None = None,
) -> Checked:
    """Say what handing in, or amending the order named, would bring; nothing is written."""
    session = db.session()
    standing = None
    if amending is not None:
        standing = session.scalar(
            sa.select(Order.earliest_at).where(Order.public_id == amending)
        )
    judged = _judged(session, new, by=by, now=now, standing_from=standing)
    if judged.violations:
        return Checked(judged.violations, None)
    order = intake.rows(new, judged.found, by=judged.on_behalf, now=now)
    return Checked((), estimate.earliest(session, order, now=now, zone=zone))


def estimated(public_id: UUID, *, now: datetime, zone: ZoneInfo) -> Estimate | None:
    """Return where an order would stand if it were placed at once.

    Raises
    ------
    NotFound
        If there is none that the asker may see.
    """
    session = db.session()
    order = session.scalars(
        sa.select(Order)
        .where(Order.public_id == public_id)
        .options(selectinload(Order.steps), selectinload(Order.lags))
    ).one_or_none()
    if order is None:
        raise NotFound
    return estimate.earliest(session, order, now=now, zone=zone)


def amend(
    public_id: UUID,
    new: NewOrder,
    *,
    version: int | None,
    by: Asker,
    now: datetime,
    zone: ZoneInfo,
) -> Handed:
    """Replace what an order asks for, while nothing of it is booked.

    Its steps wait again: what a draft has planned for it lapses. `version` None takes any.

    Raises
    ------
    NotFound
        If there is no such order of the asker's organisation.
    PreconditionFailed
        If it has changed since `version`.
    IllegalMove
        If a step is booked or beyond, or the order is withdrawn or expired.
    RulesBroken
        With every broken rule.
    """
    with transaction() as session:
        order = _taken(session, public_id, by=by)
        if version is not None and order.version != version:
            raise PreconditionFailed
        if order.state is not OrderState.SUBMITTED:
            raise IllegalMove(_("only an order that is in force can be amended"))
        if any(step.state not in _UNBOOKED for step in order.steps):
            raise IllegalMove(
                _("a step is booked already; withdraw the order and hand in another")
            )
        judged = _judged(session, new, by=by, now=now, standing_from=order.earliest_at)
        if judged.violations:
            raise RulesBroken(judged.violations)
        before = order.asked
        intake.fill(
            order, new, judged.found, project_id=judged.on_behalf.project_id, now=now
        )
        _replace_steps(session, order, judged.found)
        earliest = estimate.earliest(session, order, now=now, zone=zone)
        _record(
            session,
            order,
            act="order.amend",
            kind="order.amended",
            now=now,
            detail={"fields": _differing(before, order.asked)},
        )
    return Handed(order, earliest)


def withdraw(
    public_id: UUID, *, by: Asker, now: datetime, version: int | None = None
) -> None:
    """Withdraw an order; its future bookings are cancelled with it, all or none.

    Raises
    ------
    NotFound
        If there is no such order of the asker's organisation.
    PreconditionFailed
        If `version` is given and the order has changed since.
    IllegalMove
        If a step has begun, or the order is no longer in force.
    Conflict
        If others hold what is needed for longer than all tries.
    """

    def once() -> None:
        with transaction() as session:
            wait_briefly(session)
            order = _taken(session, public_id, by=by)
            _withdraw(session, order, version=version, now=now)

    retrying(once)


def _withdraw(
    session: Session, order: Order, *, version: int | None, now: datetime
) -> None:
    if version is not None and order.version != version:
        raise PreconditionFailed
    if order.state is not OrderState.SUBMITTED:
        raise IllegalMove(_why_closed(order.state))
    held = _held(session, order)
    begun = [
        step for step in order.steps if step.state not in (*_UNBOOKED, StepState.BOOKED)
    ]
    if begun or any(_has_begun(booking, now) for booking, _policy in held):
        raise IllegalMove(_("a step has begun; ask the platform to end it"))
    late = {booking.id for booking, policy in held if _is_late(booking, policy, now)}
    in_time = [booking.id for booking, _policy in held if booking.id not in late]
    bookings.release_all(session, in_time, to=BookingState.CANCELLED, now=now)
    bookings.release_all(session, late, to=BookingState.LATE_CANCELLED, now=now)
    for step in order.steps:
        step.state = StepState.WAITING
        step.first_right = False
    order.state = OrderState.WITHDRAWN
    order.updated_at = now
    _record(
        session,
        order,
        act="order.withdraw",
        kind="order.withdrawn",
        now=now,
        detail={"bookings": len(held), "late": len(late)},
    )


def _why_closed(state: OrderState) -> str:
    if state is OrderState.WITHDRAWN:
        return str(_("the order is withdrawn already; there is nothing left to do"))
    return str(_("the order has expired; there is nothing left to withdraw"))


def _held(session: Session, order: Order) -> list[tuple[Booking, dict[str, Any]]]:
    """Return the bookings in force that serve an order, with their resources' policies."""
    rows = session.execute(
        sa.select(Booking, Resource.policy)
        .join(StepBooking, StepBooking.booking_id == Booking.id)
        .join(Step, Step.id == StepBooking.step_id)
        .join(Resource, Resource.id == Booking.resource_id)
        .where(Step.order_id == order.id, Booking.state.in_(ACTIVE))
    )
    return [(booking, policy) for booking, policy in rows]


def _is_late(booking: Booking, policy: dict[str, Any], now: datetime) -> bool:
    """Tell whether cancelling now counts as late, as it does for a single booking."""
    hours = policy.get("late_cancel_hours")
    return (
        hours is not None
        and booking.state is BookingState.CONFIRMED
        and booking.starts_at - now < timedelta(hours=hours)
    )


def _has_begun(booking: Booking, now: datetime) -> bool:
    return booking.state is BookingState.IN_USE or booking.starts_at <= now


@dataclass(frozen=True, slots=True)
class _Judged:
    violations: tuple[Violation, ...]
    found: Derived
    on_behalf: intake.For


def _judged(
    session: Session,
    new: NewOrder,
    *,
    by: Asker,
    now: datetime,
    standing_from: datetime | None = None,
) -> _Judged:
    """Ask every rule, in a constant number of statements."""
    if by.organisation_id is None:
        raise Forbidden
    firm = session.get_one(Organisation, by.organisation_id)
    project = None
    if new.project_id is not None:
        project = session.execute(
            sa.select(Project.id, Project.purpose).where(
                Project.public_id == new.project_id,
                Project.organisation_id == firm.id,
                Project.active,
            )
        ).one_or_none()
    brought = Entitlement(
        nda_on_file=bool(firm.nda_ref),
        **({"purpose": project.purpose} if project else {}),
    )
    offer = intake.read_offer(session, now=now, by=brought)
    found = derived(new, offer)
    broken = violations(
        new,
        found,
        offer,
        by=Standing(
            contract_on_file=bool(firm.contract_ref),
            nda_on_file=bool(firm.nda_ref),
            project_named=new.project_id is not None,
            project_known=project is not None,
        ),
        now=now,
        standing_from=standing_from,
    )
    return _Judged(
        violations=tuple(broken),
        found=found,
        on_behalf=intake.For(
            organisation_id=firm.id,
            member_id=by.member_id,
            priority_class=firm.priority_class,
            project_id=project.id if project else None,
        ),
    )


def _taken(session: Session, public_id: UUID, *, by: Asker) -> Order:
    """Take the row of an order of one's own, so that nobody else changes it meanwhile."""
    order = session.scalars(
        sa.select(Order)
        .where(Order.public_id == public_id, Order.organisation_id == by.organisation_id)
        .options(selectinload(Order.steps), selectinload(Order.lags))
        .with_for_update(of=Order)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if order is None:
        raise NotFound
    return order


def _replace_steps(session: Session, order: Order, found: Derived) -> None:
    """Set the old steps aside, for plans may name them, and write the new ones."""
    for step in order.steps:
        step.position = -step.id
        step.state = StepState.WAITING
    order.lags.clear()
    session.flush()  # the old ones leave their positions before the new ones come
    session.expire(order, ["steps"])
    order.steps.extend(intake.steps_of(order, found))
    order.lags.extend(intake.lags_of(order, found))
    session.flush()  # the new version, which the answer names


def _differing(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return sorted(key for key in after if before.get(key) != after[key])


def _record(
    session: Session,
    order: Order,
    *,
    act: str,
    kind: str,
    now: datetime,
    detail: dict[str, Any] | None = None,
) -> None:
    audit.record(
        session,
        act=act,
        subject=f"order {order.public_id}",
        organisation_id=order.organisation_id,
        detail=detail,
    )
    tell(
        session,
        kind=kind,
        payload={"order": str(order.public_id), "title": order.title},
        now=now,
        organisation_id=order.organisation_id,
    )
