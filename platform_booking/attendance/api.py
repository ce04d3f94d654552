"""What becomes of bookings, under `/api/v1`: requests answered, bookings confirmed."""

from typing import Any
from uuid import UUID

from platform_booking.attendance import answering, queries, schemas
from platform_booking.bookings.queries import BookingLine
from platform_booking.bookings.schemas import BookingSchema
from platform_booking.clock import utcnow
from platform_booking.db import db
from platform_booking.web.actor import current_actor
from platform_booking.web.blueprint import Blueprint
from platform_booking.web.etag import expected_version, takes_if_match
from platform_booking.web.idempotency import idempotent
from platform_booking.web.paging import Page, PageArgs, envelope, paged

bp = Blueprint(
    "attendance_api",
    __name__,
    url_prefix="/api/v1",
    description="What becomes of bookings.",
)


@bp.get("/requests")
@bp.arguments(PageArgs, location="query")
@bp.response(200, envelope(schemas.BookingRequestSchema))
def requests(args: dict[str, Any]) -> dict[str, Any]:
    """List what waits for approval on the platforms that one operates, oldest first."""
    page: Page = args["page"]
    actor = current_actor()
    found, total = queries.requests(
        db.session(),
        None if actor.is_park else actor.platform_ids,
        limit=page.limit,
        offset=page.offset,
    )
    return paged(list(found), total=total, page=page)


@bp.post("/requests/approve")
@idempotent
@bp.arguments(schemas.ManySchema)
@bp.response(200, schemas.AnsweredSchema)
def approve_all(asked: dict[str, Any]) -> Any:
    """Approve several requests, each by itself; those that are gone are named."""
    done = answering.approve_all(asked["ids"], actor=current_actor(), now=utcnow())
    return schemas.answered(done)


@bp.post("/bookings/<uuid:booking_id>/approve")
@idempotent
@takes_if_match
@bp.response(200, BookingSchema)
def approve(booking_id: UUID) -> Any:
    """Approve a request."""
    line = answering.approve(
        booking_id,
        expected_version=expected_version(),
        actor=current_actor(),
        now=utcnow(),
    )
    return with_etag(line)


@bp.post("/bookings/<uuid:booking_id>/decline")
@idempotent
@takes_if_match
@bp.arguments(schemas.DeclineSchema)
@bp.response(200, BookingSchema)
def decline(asked: dict[str, Any], booking_id: UUID) -> Any:
    """Decline a request; its firm reads the reason, and the time is free at once."""
    line = answering.decline(
        booking_id,
        asked["reason"],
        expected_version=expected_version(),
        actor=current_actor(),
        now=utcnow(),
    )
    return with_etag(line)


@bp.post("/bookings/<uuid:booking_id>/confirm")
@idempotent
@takes_if_match
@bp.response(200, BookingSchema)
def confirm(booking_id: UUID) -> Any:
    """Confirm once more that a booking will be used, where the policy asks for it."""
    line = answering.confirm(
        booking_id,
        expected_version=expected_version(),
        actor=current_actor(),
        now=utcnow(),
    )
    return with_etag(line)


def with_etag(line: BookingLine) -> Any:
    """Return a booking with the version that a next change may name."""
    return line, 200, {"ETag": f'"{line.booking.version}"'}
