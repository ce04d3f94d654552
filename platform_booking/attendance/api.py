"""What becomes of bookings, under `/api/v1`: requests answered, bookings confirmed."""

from typing import Any
from uuid import UUID

from flask import current_app, url_for

from platform_booking.attendance import (
    answering,
    attending,
    handing,
    kiosks,
    queries,
    reporting,
    schemas,
    sizing,
)
from platform_booking.attendance.offering import offered
from platform_booking.bookings import queries as bookings
from platform_booking.bookings import sharing
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
    chosen = dict.fromkeys(asked["ids"])
    done = answering.approve_all(chosen, actor=current_actor(), now=utcnow())
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


@bp.get("/bookings/<uuid:booking_id>/attendance")
@bp.response(200, schemas.AttendanceSchema)
def show(booking_id: UUID) -> Any:
    """Tell what has become of a booking, and what is open to the asker now."""
    session = db.session()
    line = bookings.booking_line(session, booking_id)
    found = offered(
        session,
        line,
        actor=current_actor(),
        now=utcnow(),
        secret_key=current_app.config["SETTINGS"].secret_key,
    )
    booking = line.booking
    return {
        "state": booking.state,
        "respond_by": booking.respond_by,
        "confirm_by": booking.confirm_by,
        "to_confirm": found.to_confirm,
        "check_in_from": found.check_in_from,
        "missed_after": found.missed_after,
        "code": found.code or None,
        "usage": found.usage,
    }


@bp.post("/bookings/<uuid:booking_id>/check-in")
@idempotent
@takes_if_match
@bp.response(200, BookingSchema)
def check_in(booking_id: UUID) -> Any:
    """Begin a stay. One that begins early holds the time from now on."""
    line = attending.check_in(
        booking_id, expected_version=expected_version(), by=current_actor(), now=utcnow()
    )
    return with_etag(line)


@bp.post("/bookings/<uuid:booking_id>/check-out")
@idempotent
@takes_if_match
@bp.response(200, BookingSchema)
def check_out(booking_id: UUID) -> Any:
    """End a stay; the rest of its time is free at once."""
    line = attending.check_out(
        booking_id, expected_version=expected_version(), by=current_actor(), now=utcnow()
    )
    return with_etag(line)


@bp.post("/bookings/<uuid:booking_id>/release")
@idempotent
@takes_if_match
@bp.arguments(schemas.ReleaseSchema)
@bp.response(200, BookingSchema)
def release(asked: dict[str, Any], booking_id: UUID) -> Any:
    """Keep using a stay until a moment, and free what comes after."""
    line = sizing.release(
        booking_id,
        asked["until"],
        expected_version=expected_version(),
        by=current_actor(),
        now=utcnow(),
    )
    return with_etag(line)


@bp.post("/bookings/<uuid:booking_id>/extend")
@idempotent
@takes_if_match
@bp.arguments(schemas.ExtendSchema)
@bp.response(200, BookingSchema)
def extend(asked: dict[str, Any], booking_id: UUID) -> Any:
    """Give a stay that has begun more time, if it is free and the rules allow it."""
    line = sizing.extend(
        booking_id,
        asked["minutes"],
        expected_version=expected_version(),
        by=current_actor(),
        now=utcnow(),
        zone=current_app.config["SETTINGS"].zone,
    )
    return with_etag(line)


@bp.post("/bookings/<uuid:booking_id>/hand-over")
@idempotent
@takes_if_match
@bp.arguments(schemas.HandOverSchema)
@bp.response(200, BookingSchema)
def hand_over(asked: dict[str, Any], booking_id: UUID) -> Any:
    """Give a booking to a colleague; the rules about people are asked of him."""
    line = handing.hand_over(
        booking_id,
        asked["member_id"],
        expected_version=expected_version(),
        actor=current_actor(),
        now=utcnow(),
        zone=current_app.config["SETTINGS"].zone,
    )
    return with_etag(line)


@bp.post("/resources/<uuid:resource_id>/faults")
@idempotent
@bp.arguments(schemas.FaultSchema)
@bp.alt_response(429)
@bp.response(201, schemas.FaultToldSchema)
def report_fault(asked: dict[str, Any], resource_id: UUID) -> Any:
    """Report a fault. Operators declare the resource down by it; others tell them."""
    down = handing.report_fault(
        resource_id,
        asked["reason"],
        ends_at=asked["ends_at"],
        by=current_actor(),
        now=utcnow(),
    )
    return {"declared_down": down}


@bp.get("/kiosks")
@bp.arguments(PageArgs, location="query")
@bp.response(200, envelope(schemas.KioskSchema))
def kiosk_list(args: dict[str, Any]) -> dict[str, Any]:
    """List the kiosks of the platforms that one operates."""
    page: Page = args["page"]
    found = kiosks.kiosks(db.session())
    shown = found[page.offset : page.offset + page.limit]
    return paged(shown, total=len(found), page=page)


@bp.post("/kiosks")
@bp.arguments(schemas.NewKioskSchema)
@bp.response(201, schemas.MadeKioskSchema)
def make_kiosk(asked: dict[str, Any]) -> Any:
    """Make a kiosk. Takes no Idempotency-Key: an answer with a secret is not kept."""
    made = kiosks.make(
        asked["name"],
        platform_id=asked["platform_id"],
        resource_id=asked["resource_id"],
        actor=current_actor(),
        now=utcnow(),
    )
    base = current_app.config["SETTINGS"].base_url.rstrip("/")
    address = base + url_for("kiosk.enter", secret=made.secret)
    return {"id": made.kiosk.public_id, "address": address}


@bp.post("/kiosks/<uuid:kiosk_id>/revoke")
@idempotent
@bp.response(204)
def revoke_kiosk(kiosk_id: UUID) -> None:
    """Let a kiosk's address open nothing any more."""
    kiosks.revoke(kiosk_id, actor=current_actor(), now=utcnow())


@bp.get("/usage")
@bp.arguments(schemas.UsageArgs, location="query")
@bp.response(200, envelope(schemas.UsageLineSchema))
def usage(args: dict[str, Any]) -> dict[str, Any]:
    """Report what was reserved and what was used, per member and resource."""
    page: Page = args["page"]
    now = utcnow()
    within = reporting.span(
        args["first"], args["last"], now=now, zone=current_app.config["SETTINGS"].zone
    )
    found, total = reporting.usage_lines(
        db.session(), within, now=now, limit=page.limit, offset=page.offset
    )
    return paged(list(found), total=total, page=page)


def with_etag(line: BookingLine) -> Any:
    """Return a booking with the version that a next change may name."""
    told = sharing.with_run(db.session(), line)
    return told, 200, {"ETag": f'"{line.booking.version}"'}
