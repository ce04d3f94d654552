"""A refusal of a slot is told with what might do instead.

Hung in by the app: bookings know nothing of the search. What is looked up here is read in a
transaction of its own, after the refusal; an accepted slot costs nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from flask import Flask, current_app, request, url_for
from flask_babel import gettext as _
from marshmallow import ValidationError
from sqlalchemy.exc import DBAPIError

from platform_booking.bookings import queries
from platform_booking.bookings.asking import AskedSlot
from platform_booking.bookings.forms import local_text
from platform_booking.bookings.schemas import MoveSchema, SlotSchema
from platform_booking.clock import utcnow
from platform_booking.db import db, release_connection
from platform_booking.errors import (
    BookingError,
    CapacityTaken,
    Conflict,
    NotFound,
    RulesBroken,
    Violation,
)
from platform_booking.finding import alternatives as near
from platform_booking.finding.alternatives import Alternative
from platform_booking.finding.schemas import AlternativeSchema
from platform_booking.web.actor import current_actor
from platform_booking.web.errors import tell_more

_OF_PLACE = frozenset({"starts_at", "ends_at", "occurrence_id"})
_BOOKING, _MOVE = "bookings_api.book", "bookings_api.move"
_log = structlog.get_logger()


def init_app(app: Flask) -> None:
    """Add alternatives to the API's refusals, and offer them to pages."""
    tell_more(app, _for_a_program)
    app.jinja_env.globals.update(alternatives=for_a_page)


def is_of_place(violations: list[Violation] | tuple[Violation, ...]) -> bool:
    """Tell whether another time or tool might mend what is broken."""
    return any(v.where in _OF_PLACE for v in violations)


@dataclass(frozen=True, slots=True)
class WayOut:
    """An alternative as a button: what is different, and the form filled in."""

    label: str
    to: Alternative
    address: str


def for_a_page(slot: AskedSlot | None, violations: list[Violation]) -> list[WayOut]:
    """Return what the form of a slot offers beside its violations."""
    if slot is None or not is_of_place(violations):
        return []
    return [
        WayOut(label=wording(one.kind), to=one, address=_address(one, slot))
        for one in _near(slot)
    ]


def _address(one: Alternative, slot: AskedSlot) -> str:
    zone = current_app.config["SETTINGS"].zone
    return url_for(
        "bookings.new",
        resource=one.resource.public_id,
        starts_at=local_text(one.starts_at, zone),
        ends_at=local_text(one.ends_at, zone),
        quantity=slot.quantity,
        organisation_id=slot.organisation_id,
        project_id=slot.project_id,
        recipe_id=one.recipe.public_id if one.recipe else None,
        occurrence_id=one.occurrence.public_id if one.occurrence else None,
        wafer_mm=slot.wafer_mm,
        class_rank=slot.class_rank,
        flags=list(slot.flags),
    )


def wording(kind: near.Kind) -> str:
    """Return in what an alternative differs, in the reader's words."""
    words = {
        near.Kind.EARLIER: _("earlier"),
        near.Kind.LATER: _("later"),
        near.Kind.OTHER_TOOL: _("another tool"),
        near.Kind.SHORTER: _("shorter"),
        near.Kind.LONGER: _("longer"),
    }
    return str(words[kind])


def _for_a_program(fault: BookingError) -> dict[str, Any]:
    if request.endpoint not in {_BOOKING, _MOVE} or not _mendable(fault):
        return {}
    if request.endpoint == _MOVE:
        return _for_a_move(request.get_json(silent=True))
    slot = _asked(request.get_json(silent=True))
    if slot is None:
        return {}
    return {"alternatives": _looked_up(slot)}


def _for_a_move(body: object) -> dict[str, Any]:
    """Return other times on the same resource: a booking does not change that.

    Its own place counts as taken, so that what is offered may be less than there is.
    """
    try:
        asked = MoveSchema().load(body if isinstance(body, Mapping) else {})
        release_connection()
        line = queries.booking_line(db.session(), (request.view_args or {})["booking_id"])
    except (ValidationError, NotFound):
        return {}
    booking = line.booking
    if line.parts:
        return {}
    slot = AskedSlot(
        resource_id=line.resource.public_id,
        starts_at=asked.starts_at or booking.starts_at,
        ends_at=asked.ends_at or booking.ends_at,
        quantity=booking.quantity if asked.quantity is None else asked.quantity,
        organisation_id=line.organisation.public_id,
        project_id=line.project.public_id if line.project else None,
        recipe_id=line.recipe.public_id if line.recipe else None,
        wafer_mm=booking.wafer_mm,
        class_rank=booking.class_rank,
        flags=tuple(booking.flags),
    )
    there = [
        one
        for one in _looked_up(slot)
        if one["resource"]["id"] == str(line.resource.public_id)
    ]
    return {"alternatives": there}


def _mendable(fault: BookingError) -> bool:
    if isinstance(fault, RulesBroken):
        return is_of_place(fault.violations)
    return isinstance(fault, CapacityTaken)


def _asked(body: object) -> AskedSlot | None:
    if not isinstance(body, Mapping):
        return None
    try:
        slot = SlotSchema().load(body)
    except ValidationError:
        return None
    return slot if isinstance(slot, AskedSlot) else None


def _near(slot: AskedSlot) -> list[Alternative]:
    return near.alternatives(
        db.session(),
        slot,
        actor=current_actor(),
        now=utcnow(),
        zone=current_app.config["SETTINGS"].zone,
    )


def _looked_up(slot: AskedSlot) -> Any:
    """Read in a new transaction; a busy database is no reason for another answer.

    It is told before that ends: the rows would be read anew.
    """
    release_connection()
    try:
        return AlternativeSchema(many=True).dump(_near(slot))
    except (Conflict, DBAPIError) as fault:
        _log.warning("no_alternatives", error=type(fault).__name__)
        return []
    finally:
        release_connection()
