"""Pages that change bookings: another time or quantity, and the end of a series."""

from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from platform_booking.bookings import forms, queries, series, services
from platform_booking.bookings.asking import AskedMove
from platform_booking.bookings.queries import BookingLine
from platform_booking.catalog.models import ResourceKind
from platform_booking.clock import utcnow
from platform_booking.db import db, release_connection
from platform_booking.errors import (
    CapacityTaken,
    Conflict,
    Forbidden,
    IllegalMove,
    PreconditionFailed,
    RulesBroken,
    Violation,
)
from platform_booking.web.actor import current_actor

bp = Blueprint("booking_changes", __name__, url_prefix="/bookings")


@bp.route("/<uuid:booking_id>/move", methods=["GET", "POST"])
def move(booking_id: UUID) -> ResponseReturnValue:
    """Give a booking another time or quantity; what was typed is kept on a refusal."""
    line = queries.booking_line(db.session(), booking_id)
    if not services.may_change(line, current_actor()):
        raise Forbidden
    fixed = services.fixed_because(line, now=utcnow())
    if fixed is not None or not services.is_open(line):
        message = fixed.message if fixed else _("It is over or cancelled already.")
        flash(message, "warning")
        return redirect(url_for("bookings.show", booking_id=booking_id))
    if request.method == "GET":
        return _form(line, forms.move_as_typed(line.booking, zone=_zone()))
    typed, asked, violations = forms.read_move(
        request.form,
        booking=line.booking,
        zone=_zone(),
        timed=line.resource.kind is not ResourceKind.EVENT,
    )
    if violations:
        return _form(line, typed, violations), 422
    return _moved(line, asked, typed)


@bp.post("/<uuid:booking_id>/cancel-series")
def cancel_series(booking_id: UUID) -> ResponseReturnValue:
    """Cancel a booking and those of its series after it, or all that are to come."""
    line = queries.booking_line(db.session(), booking_id)
    back = redirect(url_for("bookings.show", booking_id=booking_id))
    if line.series is None:
        flash(_("This booking belongs to no series."), "warning")
        return back
    following = request.form.get("scope") == "following"
    try:
        told = series.cancel_series(
            line.series.public_id,
            from_booking=booking_id if following else None,
            actor=current_actor(),
            now=utcnow(),
        )
    except IllegalMove as fault:
        flash(str(fault), "warning")
    else:
        flash(
            _(
                "Cancelled: %(number)s bookings, of which %(late)s count as late.",
                number=told.cancelled,
                late=told.late,
            ),
            "success",
        )
    return back


def _moved(line: BookingLine, asked: AskedMove, typed: forms.Typed) -> ResponseReturnValue:
    booking_id = line.booking.public_id
    before = (line.booking.starts_at, line.booking.ends_at)
    try:
        moved = services.move(
            booking_id,
            asked,
            expected_version=request.form.get("version", type=int),
            actor=current_actor(),
            now=utcnow(),
            zone=_zone(),
        )
    except RulesBroken as fault:
        return _again(booking_id, typed, fault.violations), 422
    except PreconditionFailed:
        message = _(
            "It has changed since you opened this page. How it stands now is shown above;"
            " look at it and save again."
        )
        return _again(booking_id, typed, [Violation("stale_version", message)]), 409
    except IllegalMove as fault:
        flash(str(fault), "warning")
        return redirect(url_for("bookings.show", booking_id=booking_id))
    except Conflict as fault:
        return _again(booking_id, typed, _no_room(fault)), 409
    text = [
        forms.local_text(moment, _zone()).replace("T", " ")
        for moment in (*before, moved.booking.starts_at, moved.booking.ends_at)
    ]
    flash(
        _(
            "Changed: it was %(start)s – %(end)s and is now %(new_start)s – %(new_end)s.",
            start=text[0],
            end=text[1],
            new_start=text[2],
            new_end=text[3],
        ),
        "success",
    )
    return redirect(url_for("bookings.show", booking_id=booking_id))


def _no_room(fault: Conflict) -> list[Violation]:
    if isinstance(fault, CapacityTaken):
        message = _(
            "There is no room in that time; the booking stays where it is. Choose another"
            " time."
        )
    else:
        message = _("Many are booking this just now. Try again in a moment.")
    return [Violation(fault.code, message, "starts_at")]


def _again(
    booking_id: UUID,
    typed: forms.Typed,
    violations: list[Violation] | tuple[Violation, ...],
) -> str:
    """Show the form again, with the booking as it stands now."""
    release_connection()  # what the refused deed has read may be stale
    return _form(queries.booking_line(db.session(), booking_id), typed, list(violations))


def _form(
    line: BookingLine, typed: forms.Typed, violations: list[Violation] | None = None
) -> str:
    actor = current_actor()
    return render_template(
        "bookings/move.html",
        line=line,
        typed=typed,
        violations=violations or [],
        staff=services.is_staff_of(line, actor),
        foreign=line.organisation.id != actor.organisation_id,
        parts=[part for part in line.parts if services.is_open(part)],
    )


def _zone() -> ZoneInfo:
    zone: ZoneInfo = current_app.config["SETTINGS"].zone
    return zone
