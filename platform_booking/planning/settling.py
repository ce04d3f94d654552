"""One component of a plan becomes bookings, each order whole or not at all.

What the day has overtaken is left out by name, and why; the rest is booked together, and if
that fails, what can stand alone.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from platform_booking.bookings import services as bookings
from platform_booking.bookings.asking import NewBooking, Relocation
from platform_booking.bookings.models import Booking, Source
from platform_booking.catalog.models import Outage, Resource
from platform_booking.errors import Conflict, NotFound, Refused, StaleVersion
from platform_booking.notices.outbox import tell
from platform_booking.orders.models import Order, Step, StepBooking
from platform_booking.orders.states import OrderState, StepState
from platform_booking.planning.components import Use, components
from platform_booking.planning.models import OVERTAKEN, LeftOut, PlacementRow
from platform_booking.planning.states import Change, Overtaken

Rows = dict[int, list[PlacementRow]]  # by row id of the order


def settle(
    session: Session, plan_id: int, component: int, *, now: datetime
) -> tuple[list[int], list[int]]:
    """Book a component in the caller's transaction; return who is booked and who is not."""
    rows = _by_order(
        session.scalars(
            sa.select(PlacementRow)
            .filter_by(plan_id=plan_id, component=component)
            .order_by(PlacementRow.resource_id, PlacementRow.id)
        )
    )
    orders = _orders(session, rows)
    overtaken = _overtaken(session, rows, orders, now=now)
    fit = {order_id: found for order_id, found in rows.items() if order_id not in overtaken}
    overtaken |= _book(session, fit, orders, now=now)
    for order_id, why in sorted(overtaken.items()):
        _leave_out(session, plan_id, orders[order_id], rows[order_id], why, now=now)
    return [o for o in rows if o not in overtaken], sorted(overtaken)


def _by_order(rows: Iterable[PlacementRow]) -> Rows:
    found: Rows = defaultdict(list)
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


def _overtaken(
    session: Session, rows: Rows, orders: Mapping[int, Order], *, now: datetime
) -> dict[int, Overtaken]:
    """Return the orders that cannot be booked any more, as far as can be seen."""
    placed = [row for found in rows.values() for row in found]
    idle = _out_of_service(session, placed)
    down = _hit_by_outage(session, placed)
    stale = _stale(session, placed)
    found: dict[int, Overtaken] = {}
    for order_id, mine in rows.items():
        order = orders[order_id]
        if order.state is not OrderState.SUBMITTED:
            found[order_id] = Overtaken.WITHDRAWN
        elif any(row.order_version != order.version for row in mine):
            found[order_id] = Overtaken.AMENDED
        elif order_id in stale or not _still_stands(order, mine):
            found[order_id] = Overtaken.BOOKED
        elif any(row.starts_at < now for row in mine):
            found[order_id] = Overtaken.PAST
        elif order_id in idle:
            found[order_id] = Overtaken.OUT_OF_SERVICE
        elif order_id in down:
            found[order_id] = Overtaken.OUTAGE
    return found


def _still_stands(order: Order, rows: Sequence[PlacementRow]) -> bool:
    """Tell whether an order's steps still stand where the plan has seen them."""
    wanted = StepState.PLACED if rows[0].change is Change.NEW else StepState.BOOKED
    return all(step.state is wanted for step in order.steps)


def _out_of_service(session: Session, placed: Sequence[PlacementRow]) -> set[int]:
    """Return the orders of which a resource has been taken out of service."""
    idle = set(
        session.scalars(
            sa.select(Resource.id).where(
                Resource.id.in_({row.resource_id for row in placed}), ~Resource.active
            )
        )
    )
    return {row.order_id for row in placed if row.resource_id in idle}


def _hit_by_outage(session: Session, placed: Sequence[PlacementRow]) -> set[int]:
    """Return the orders whose place an outage has taken since."""
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


def _stale(session: Session, placed: Sequence[PlacementRow]) -> set[int]:
    """Return the orders of which a booking to be moved has changed since.

    A look ahead, so that they do not hold up the others; the compare-and-swap decides.
    """
    before = {
        row.previous_booking_id: row
        for row in placed
        if row.previous_booking_id is not None
    }
    versions = dict(
        session.execute(
            sa.select(Booking.id, Booking.version).where(
                Booking.id.in_(before), Booking.active
            )
        ).all()
    )
    return {
        row.order_id
        for booking_id, row in before.items()
        if versions.get(booking_id) != row.previous_version
    }


def _book(
    session: Session, rows: Rows, orders: Mapping[int, Order], *, now: datetime
) -> dict[int, Overtaken]:
    """Book the orders together; if that fails, those that can go alone.

    One may wait for another to leave, so those that failed are tried again after every
    round in which somebody found his place. Returns who found none.
    """
    if not rows:
        return {}
    if (why := _attempt(session, rows, orders, now=now)) is None:
        return {}
    left = _together(rows)
    failed = dict.fromkeys(left, why)
    while left:
        tried = left
        left = []
        for group in tried:
            mine = {order_id: rows[order_id] for order_id in sorted(group)}
            if (why := _attempt(session, mine, orders, now=now)) is not None:
                failed[group] = why
                left.append(group)
        if len(left) == len(tried):
            break
    return {order_id: failed[group] for group in left for order_id in group}


def _together(rows: Rows) -> list[frozenset[int]]:
    """Return the orders as they may go apart; loads of a run that moves stay together."""
    runs = [
        Use(
            order=row.order_id,
            resource=row.resource_id,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            recipe=row.recipe_id if _moves(row) else None,
        )
        for mine in rows.values()
        for row in mine
    ]
    groups: dict[int, set[int]] = defaultdict(set)
    for order_id, number in components(runs, []).items():
        groups[number].add(order_id)
    return [frozenset(group) for group in groups.values()]


class _Closed(Exception):
    """A resource has been closed since the look ahead."""


def _attempt(
    session: Session, rows: Rows, orders: Mapping[int, Order], *, now: datetime
) -> Overtaken | None:
    """Book some orders, all or none; return what stood in the way, None if nothing did."""
    placed = [row for found in rows.values() for row in found]
    try:
        with session.begin_nested():
            # Who moves leaves before anybody comes: the newcomer may want his place.
            moves = [r for r in placed if _moves(r)]
            bookings.relocate_all(session, [_relocation(r) for r in moves], now=now)
            new = [r for r in placed if not _moves(r)]
            made = bookings.confirm_all(
                session, [_booking(r, orders[r.order_id]) for r in new], now=now
            )
            for row, booking in zip(new, made, strict=True):
                _tie(session, row, booking)
            for row in moves:
                _follow(session, row)
            # The resources' guard rows are ours now: who closed one has committed by then.
            if _out_of_service(session, placed) or _hit_by_outage(session, placed):
                raise _Closed
            for order_id, found in rows.items():
                _mark(session, orders[order_id], found, now=now)
            session.flush()  # everything of this attempt before the savepoint closes
    except StaleVersion:
        return Overtaken.BOOKED
    except _Closed:
        return Overtaken.OUTAGE
    except (Conflict, Refused, NotFound):
        return Overtaken.TAKEN
    return None


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


def _follow(session: Session, row: PlacementRow) -> None:
    """Let a moved booking's tie to its step name the platform that it is on now."""
    row.booking_id = row.previous_booking_id
    session.execute(
        sa.update(StepBooking)
        .where(StepBooking.booking_id == row.booking_id)
        .values(platform_id=row.platform_id)
    )


def _mark(
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


def _leave_out(
    session: Session,
    plan_id: int,
    order: Order,
    rows: Sequence[PlacementRow],
    why: Overtaken,
    *,
    now: datetime,
) -> None:
    """Leave an order out by name: it waits again, or stays where it is booked."""
    moved = rows[0].change is Change.MOVED
    session.execute(
        sa.update(Step)
        .where(Step.order_id == order.id, Step.state == StepState.PLACED)
        .values(state=StepState.WAITING)
    )
    session.add(
        LeftOut(
            plan_id=plan_id,
            order_id=order.id,
            organisation_id=order.organisation_id,
            platform_ids=order.platform_ids,
            cause=OVERTAKEN,
            detail={"why": why.value, "moved": moved},
            ways_out=[],
        )
    )
    if why is Overtaken.WITHDRAWN:
        return  # its people know
    tell(
        session,
        kind="order.overtaken",
        payload={"order": str(order.public_id), "why": why.value, "moved": moved},
        now=now,
        organisation_id=order.organisation_id,
    )
