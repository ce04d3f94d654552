"""Bookings are made, moved and released here, within a caller's transaction.

Capacity is not asked for beforehand: the guard of the database refuses what does not fit,
and the refusal comes back as `CapacityTaken`. Bulk work goes in (resource, booking) order,
so that two writers meet in the same order everywhere.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session
from sqlalchemy.orm.util import identity_key

from platform_booking.bookings.asking import NewBooking, Relocation
from platform_booking.bookings.contention import capacity_conflicts
from platform_booking.bookings.models import Booking
from platform_booking.bookings.states import ACTIVE, BookingState, may_move
from platform_booking.errors import IllegalMove, StaleVersion


def confirm(session: Session, new: NewBooking, *, now: datetime) -> Booking:
    """Make one booking within the caller's transaction; see `confirm_all`."""
    return confirm_all(session, [new], now=now)[0]


def confirm_all(
    session: Session, new: Sequence[NewBooking], *, now: datetime
) -> tuple[Booking, ...]:
    """Make bookings within the caller's transaction, all or none, in the order given.

    House rules are not asked: a published plan stands above the caps of self-run bookings.

    Raises
    ------
    CapacityTaken
        If one of them has no room; the transaction, or the caller's savepoint, is spent.
    RulesBroken, NotFound
        If a batch lacks its recipe, or what a booking names is gone.
    """
    made = [_row(one, now=now) for one in new]
    in_order = sorted(made, key=_in_order)
    session.add_all(in_order)
    with capacity_conflicts():
        session.flush()  # ids, and the guards' word
    return tuple(made)


def relocate_all(session: Session, moves: Sequence[Relocation], *, now: datetime) -> None:
    """Move bookings within the caller's transaction, all or none.

    All of them leave before any arrives, so that two may swap places, and the loads of a
    batch run may go together.

    Raises
    ------
    StaleVersion
        If one has changed since it was read, or no longer takes up capacity.
    CapacityTaken
        If one finds no room; the transaction, or the caller's savepoint, is spent.
    """
    if not moves:
        return
    _queue_for(session, moves)
    moves = sorted(moves, key=lambda m: (m.resource_id, m.booking_id))
    states = {move.booking_id: _park(session, move) for move in moves}
    with capacity_conflicts():
        for move in moves:
            session.execute(
                sa.update(Booking)
                .where(Booking.id == move.booking_id)
                .values(
                    resource_id=move.resource_id,
                    starts_at=move.starts_at,
                    ends_at=move.ends_at,
                    quantity=move.quantity,
                    recipe_id=move.recipe_id,
                    occurrence_id=move.occurrence_id,
                    family=move.family,
                    state=states[move.booking_id],
                    **_answers(move, now=now),
                    version=move.version + 1,
                    updated_at=now,
                )
                .execution_options(synchronize_session=False)
            )
            known = session.identity_map.get(identity_key(Booking, move.booking_id))
            if known is not None:
                session.expire(known)


def release_all(
    session: Session, booking_ids: Iterable[int], *, to: BookingState, now: datetime
) -> None:
    """Take bookings out of force within the caller's transaction, all or none.

    Raises
    ------
    IllegalMove
        If one is in a state from which it may not go there.
    """
    release_each(session, dict.fromkeys(booking_ids, to), now=now)


def release_each(
    session: Session, ends: Mapping[int, BookingState], *, now: datetime
) -> None:
    """Take bookings out of force, each to a state of its own; see `release_all`."""
    found = session.scalars(
        sa.select(Booking)
        .where(Booking.id.in_(list(ends)))
        .order_by(Booking.resource_id, Booking.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    for booking in found:
        _move_state(booking, ends[booking.id], now=now)
    session.flush()  # in this order, before the caller's own writes


def _in_order(booking: Booking) -> tuple[int, datetime]:
    return booking.resource_id, booking.starts_at


def _row(new: NewBooking, *, now: datetime) -> Booking:
    return Booking(
        resource_id=new.resource_id,
        organisation_id=new.organisation_id,
        member_id=new.member_id,
        project_id=new.project_id,
        starts_at=new.starts_at,
        ends_at=new.ends_at,
        quantity=new.quantity,
        recipe_id=new.recipe_id,
        occurrence_id=new.occurrence_id,
        family=new.family,
        group_id=new.group_id,
        buddy_id=new.buddy_id,
        override_reason=new.override_reason,
        wafer_mm=new.wafer_mm,
        class_rank=new.class_rank,
        flags=list(new.flags),
        source=new.source,
        state=new.state,
        respond_by=new.respond_by,
        confirm_by=new.confirm_by,
        created_at=now,
        updated_at=now,
    )


def _queue_for(session: Session, moves: Sequence[Relocation]) -> None:
    """Take the guard rows of every resource concerned, in order, before any is touched."""
    left = session.scalars(
        sa.select(Booking.resource_id).where(
            Booking.id.in_([move.booking_id for move in moves])
        )
    )
    session.execute(
        sa.text(
            "SELECT id FROM resource WHERE id = ANY (:ids) ORDER BY id FOR NO KEY UPDATE"
        ),
        {"ids": sorted({*left, *(move.resource_id for move in moves)})},
    )


def _answers(move: Relocation, *, now: datetime) -> dict[str, sa.ColumnElement[datetime]]:
    """Let the dates by which somebody must answer go with the start.

    Whoever moves a booking so near that its time to confirm is over has just said that he
    comes.
    """
    shifted = Booking.confirm_by + (sa.literal(move.starts_at) - Booking.starts_at)
    return {
        "confirm_by": sa.case((shifted > now, shifted), else_=sa.null()),
        "respond_by": sa.case(
            (Booking.respond_by > move.starts_at, move.starts_at), else_=Booking.respond_by
        ),
    }


def _park(session: Session, move: Relocation) -> BookingState:
    """Let a booking leave its place; return the state that it comes back to."""
    before = session.scalar(
        sa.select(Booking.state)
        .where(Booking.id == move.booking_id, Booking.version == move.version)
        .with_for_update()
    )
    if before is None or before not in ACTIVE:
        raise StaleVersion
    session.execute(
        sa.update(Booking)
        .where(Booking.id == move.booking_id, Booking.version == move.version)
        .values(state=BookingState.DISPLACED)
        .execution_options(synchronize_session=False)
    )
    return before


def _move_state(booking: Booking, to: BookingState, *, now: datetime) -> None:
    if not may_move(booking.state, to):
        raise IllegalMove
    booking.state = to
    booking.updated_at = now
