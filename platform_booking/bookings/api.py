"""`/api/v1/bookings`, and what is busy on a resource."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from flask import current_app, url_for
from flask_babel import gettext as _

from platform_booking.bookings import (
    queries,
    schemas,
    series,
    series_schemas,
    services,
    sharing,
)
from platform_booking.bookings.asking import AskedMove, AskedSeries, AskedSlot
from platform_booking.bookings.queries import BookingLine, Wanted
from platform_booking.clock import utcnow
from platform_booking.db import db
from platform_booking.errors import RulesBroken, Violation
from platform_booking.web.actor import current_actor
from platform_booking.web.blueprint import Blueprint
from platform_booking.web.etag import (
    expected_version,
    needs_if_match,
    required_version,
    takes_if_match,
)
from platform_booking.web.idempotency import idempotent
from platform_booking.web.paging import Page, envelope, paged

bp = Blueprint(
    "bookings_api",
    __name__,
    url_prefix="/api/v1",
    description="Bookings by picking a slot.",
)

_WEEK = timedelta(days=7)
_LONGEST_LOOK = timedelta(days=62)


@bp.post("/bookings")
@idempotent
@bp.arguments(schemas.SlotSchema)
@bp.response(201, schemas.BookingSchema)
def book(asked: AskedSlot) -> Any:
    """Book a slot."""
    line = services.book(
        asked,
        actor=current_actor(),
        now=utcnow(),
        zone=current_app.config["SETTINGS"].zone,
    )
    where = url_for("bookings_api.show", booking_id=line.booking.public_id)
    return sharing.with_run(db.session(), line), 201, {"Location": where, **_etag(line)}


@bp.post("/bookings/series")
@idempotent
@bp.arguments(series_schemas.AskedSeriesSchema)
@bp.response(201, series_schemas.SeriesSchema)
@bp.alt_response(200, schema=series_schemas.SeriesSchema, description="A dry run.")
def book_series(asked: AskedSeries) -> Any:
    """Book a slot again and again, by a rule of RFC 5545: all or nothing, or some."""
    tried = series.book_series(
        asked,
        actor=current_actor(),
        now=utcnow(),
        zone=current_app.config["SETTINGS"].zone,
    )
    if tried.public_id is None:
        return tried, 200
    return tried, 201, {"Location": url_for("bookings_api.index", series=tried.public_id)}


@bp.post("/bookings/series/<uuid:series_id>/cancel")
@idempotent
@bp.arguments(series_schemas.CancelSeriesSchema)
@bp.response(200, series_schemas.SeriesCancelledSchema)
def cancel_series(args: dict[str, Any], series_id: UUID) -> Any:
    """Cancel what is to come of a series, or one of its bookings and those after it."""
    return series.cancel_series(
        series_id, from_booking=args["from_booking"], actor=current_actor(), now=utcnow()
    )


@bp.get("/bookings")
@bp.arguments(schemas.BookingArgs, location="query")
@bp.response(200, envelope(schemas.BookingSchema))
def index(args: dict[str, Any]) -> dict[str, Any]:
    """List one's organisation's bookings, or those of the platforms one operates."""
    page: Page = args["page"]
    found, total = queries.booking_lines(
        db.session(),
        Wanted(
            resource_id=args["resource"],
            platform_id=args["platform"],
            from_at=args["from_at"],
            to_at=args["to_at"],
            states=tuple(args["state"]),
            member_id=args["member"],
            project_id=args["project"],
            series_id=args["series"],
            group_id=args["group"],
        ),
        limit=page.limit,
        offset=page.offset,
    )
    return paged(sharing.with_runs(db.session(), found), total=total, page=page)


@bp.get("/bookings/<uuid:booking_id>")
@bp.response(200, schemas.BookingSchema)
def show(booking_id: UUID) -> Any:
    """Show a booking."""
    line = queries.booking_line(db.session(), booking_id)
    return sharing.with_run(db.session(), line), 200, _etag(line)


@bp.patch("/bookings/<uuid:booking_id>")
@needs_if_match
@bp.arguments(schemas.MoveSchema)
@bp.response(200, schemas.BookingSchema)
def move(asked: AskedMove, booking_id: UUID) -> Any:
    """Give a booking another time or quantity. Needs If-Match."""
    line = services.move(
        booking_id,
        asked,
        expected_version=required_version(),
        actor=current_actor(),
        now=utcnow(),
        zone=current_app.config["SETTINGS"].zone,
    )
    return sharing.with_run(db.session(), line), 200, _etag(line)


@bp.post("/bookings/<uuid:booking_id>/cancel")
@idempotent
@takes_if_match
@bp.response(200, schemas.BookingSchema)
def cancel(booking_id: UUID) -> Any:
    """Cancel a booking; late where the resource's policy says so."""
    line = services.cancel(
        booking_id,
        expected_version=expected_version(),
        actor=current_actor(),
        now=utcnow(),
    )
    return sharing.with_run(db.session(), line), 200, _etag(line)


@bp.get("/resources/<uuid:resource_id>/busy")
@bp.arguments(schemas.BusyArgs, location="query")
@bp.response(200, schemas.BusySchema)
def busy(args: dict[str, Any], resource_id: UUID) -> dict[str, Any]:
    """Tell when a resource is taken and when it is down: what everybody may know."""
    from_at, to_at = _window(args["from_at"] or utcnow(), args["to_at"])
    session = db.session()
    found = queries.resource(session, resource_id)
    return {
        "resource_id": resource_id,
        "capacity": found.capacity,
        "from_at": from_at,
        "to_at": to_at,
        "busy": queries.taken(session, found.id, from_at=from_at, to_at=to_at),
        "down": queries.outages(session, found.id, from_at=from_at, to_at=to_at),
    }


def _window(from_at: datetime, to_at: datetime | None) -> tuple[datetime, datetime]:
    if to_at is None:
        to_at = from_at + min(_WEEK, datetime.max.replace(tzinfo=UTC) - from_at)
    if timedelta(0) < to_at - from_at <= _LONGEST_LOOK:
        return from_at, to_at
    raise RulesBroken(
        [
            Violation(
                "window",
                _(
                    "ask for a window that ends after it begins and spans %(days)s days at"
                    " most",
                    days=_LONGEST_LOOK.days,
                ),
                "to",
            )
        ]
    )


def _etag(line: BookingLine) -> dict[str, str]:
    return {"ETag": f'"{line.booking.version}"'}
