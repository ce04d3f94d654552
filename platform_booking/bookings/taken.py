"""Who finds no room is told where, what to do, and whether his own firm stands there.

It is looked up when the refused booking is rolled back. Row-level security shows the
asker's own rows alone, so that nothing is said of others.
"""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from flask import Flask, request, url_for
from flask_babel import gettext as _
from marshmallow import ValidationError

from platform_booking.bookings.asking import AskedSlot
from platform_booking.bookings.models import Booking
from platform_booking.bookings.schemas import SlotSchema
from platform_booking.catalog.models import Resource
from platform_booking.db import db, release_connection
from platform_booking.errors import BookingError, CapacityTaken, Violation
from platform_booking.web.actor import current_actor
from platform_booking.web.errors import tell_more
from platform_booking.web.i18n import local_time

_BOOK, _MOVE = "bookings_api.book", "bookings_api.move"


def init_app(app: Flask) -> None:
    """Add it to the API's refusals."""
    tell_more(app, _for_a_program)


def own_there(slot: AskedSlot) -> Booking | None:
    """Return the first booking of the asker's firm that leaves no room for a slot."""
    return db.session.scalars(
        sa.select(Booking)
        .join(Resource, Resource.id == Booking.resource_id)
        .where(Resource.public_id == slot.resource_id)
        .where(Booking.organisation_id == current_actor().organisation_id)
        .where(Booking.active, Booking.starts_at < slot.ends_at)
        .where(Booking.ends_at > slot.starts_at)
        .where(Booking.quantity + slot.quantity > Resource.capacity)
        .order_by(Booking.starts_at)
        .limit(1)
    ).one_or_none()


def no_room(own: Booking | None) -> Violation:
    """Say that a slot has no room, and whether the asker's own firm stands there."""
    if own is None:
        said = _("There is no room left in that time; choose another time or resource.")
    else:
        said = _(
            "Your organisation has a booking there already, from %(start)s to %(end)s."
            " Change that one, or choose another time or resource.",
            start=local_time(own.starts_at),
            end=local_time(own.ends_at),
        )
    return Violation(CapacityTaken.code, said, "starts_at")


def _for_a_program(fault: BookingError) -> dict[str, Any]:
    if not isinstance(fault, CapacityTaken) or fault.violations:
        return {}
    if request.endpoint not in {_BOOK, _MOVE}:
        return {}
    release_connection()  # a fresh transaction: the refused one is spent
    slot = _asked(request.get_json(silent=True)) if request.endpoint == _BOOK else None
    own = own_there(slot) if slot is not None else None
    violation = no_room(own)
    if own is None:
        return {"violations": [violation.told()]}
    return {
        "title": violation.message,
        "existing": str(own.public_id),
        "link": url_for("bookings_api.show", booking_id=own.public_id),
        "violations": [violation.told()],
    }


def _asked(body: object) -> AskedSlot | None:
    if not isinstance(body, Mapping):
        return None
    try:
        slot = SlotSchema().load(body)
    except ValidationError:
        return None
    return slot if isinstance(slot, AskedSlot) else None
