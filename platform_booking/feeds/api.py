"""`/api/v1/calendars`, secret addresses of calendars; `/api/v1/bookings/{id}.ics`."""

from typing import Any
from uuid import UUID

from flask import Response, current_app, url_for

from platform_booking.bookings import queries
from platform_booking.clock import utcnow
from platform_booking.db import db
from platform_booking.feeds import ics, schemas, services, wording
from platform_booking.feeds import queries as feed_queries
from platform_booking.web.actor import current_actor
from platform_booking.web.blueprint import Blueprint
from platform_booking.web.paging import Page, PageArgs, envelope, paged

bp = Blueprint(
    "feeds_api",
    __name__,
    url_prefix="/api/v1",
    description="Bookings as calendar entries.",
)


@bp.get("/calendars")
@bp.arguments(PageArgs, location="query")
@bp.response(200, envelope(schemas.CalendarSchema))
def index(args: dict[str, Any]) -> dict[str, Any]:
    """List one's calendars in force, the latest first; their addresses are not kept."""
    page: Page = args["page"]
    found = [schemas.told(*row) for row in feed_queries.feeds(db.session())]
    return paged(found[page.offset : page.offset + page.limit], total=len(found), page=page)


@bp.post("/calendars")
@bp.arguments(schemas.NewCalendarSchema)
@bp.response(201, schemas.MadeCalendarSchema)
def make(new: dict[str, Any]) -> dict[str, Any]:
    """Make a calendar. Its address is told this once: no Idempotency-Key keeps it."""
    feed, secret = services.make(**new, actor=current_actor(), now=utcnow())
    resource = None
    if feed.resource_id is not None:
        resource = feed_queries.resource_row(db.session(), feed.resource_id)
    base = current_app.config["SETTINGS"].base_url.rstrip("/")
    address = base + url_for("feeds.calendar", secret=secret)
    return schemas.told(feed, resource) | {"address": address}


@bp.delete("/calendars/<uuid:feed_id>")
@bp.response(204)
def revoke(feed_id: UUID) -> None:
    """Revoke a calendar: nobody reads anything at its address any more."""
    services.revoke(feed_id, actor=current_actor(), now=utcnow())


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
