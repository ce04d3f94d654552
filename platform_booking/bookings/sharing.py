"""Shared runs: how full they are, and what part of one a booking is.

Whoever is in a run learns how full it is, never whose the other loads are. Nothing is asked
of the database where no booking is a load of one.
"""

from collections.abc import Sequence
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking.bookings.models import Booking
from platform_booking.bookings.queries import BookingLine, SharedRun, lines_where
from platform_booking.bookings.states import TOOK_PLACE


def with_runs(session: Session, lines: Sequence[BookingLine]) -> list[BookingLine]:
    """Return bookings with the shared runs that they are loads of."""
    shared = [line.booking.id for line in lines if line.recipe is not None]
    if not shared:
        return list(lines)
    rows = session.execute(
        sa.text("SELECT booking_id, quantity FROM run_loads(:which)"), {"which": shared}
    )
    loads = {int(row.booking_id): int(row.quantity) for row in rows}
    return [_with_run(line, loads.get(line.booking.id)) for line in lines]


def with_run(session: Session, line: BookingLine) -> BookingLine:
    """Return one booking with the shared run that it is a load of."""
    return with_runs(session, [line])[0]


def loads_of_run(session: Session, line: BookingLine) -> list[BookingLine]:
    """Return the loads of a booking's shared run that the asker may see."""
    booking = line.booking
    found = lines_where(
        session,
        Booking.platform_id == booking.platform_id,
        Booking.resource_id == booking.resource_id,
        Booking.recipe_id == booking.recipe_id,
        Booking.starts_at == booking.starts_at,
        Booking.ends_at == booking.ends_at,
        sa.or_(Booking.active, Booking.state.in_(TOOK_PLACE)),
        order=(Booking.id.asc(),),
        limit=200,
    )
    return with_runs(session, found)


def _with_run(line: BookingLine, loaded: int | None) -> BookingLine:
    if line.recipe is None or loaded is None:
        return line
    share = round(line.booking.quantity / loaded, 4)
    run = SharedRun(loaded=loaded, least=line.recipe.min_load, cost_share=share)
    return replace(line, run=run)
