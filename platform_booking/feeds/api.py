"""`/api/v1/bookings/{id}.ics`: one booking for a calendar program."""

from uuid import UUID

from flask import Response, current_app

from platform_booking.bookings import queries
from platform_booking.db import db
from platform_booking.feeds import ics, wording
from platform_booking.web.actor import current_actor
from platform_booking.web.blueprint import Blueprint

bp = Blueprint(
    "feeds_api",
    __name__,
    url_prefix="/api/v1",
    description="Bookings as calendar entries.",
)


@bp.get("/bookings/<uuid:booking_id>.ics")
@bp.response(200, {"type": "string"}, content_type=ics.MIMETYPE)
def entry(booking_id: UUID) -> Response:
    """Give a booking as a calendar entry (RFC 5545)."""
    settings, actor = current_app.config["SETTINGS"], current_actor()
    line = queries.booking_line(db.session(), booking_id)
    body = ics.calendar(
        [
            wording.entry_of(
                line, base_url=settings.base_url, own_firm=actor.organisation_id
            )
        ],
        zone=settings.zone,
    )
    response = Response(body, content_type=f"{ics.MIMETYPE}; charset=utf-8")
    name = f"{line.resource.code}-{line.booking.starts_at:%Y%m%d}.ics"
    response.headers.set("Content-Disposition", "attachment", filename=name)
    response.set_etag(str(line.booking.version))
    return response
