"""Pages of what becomes of bookings: what waits for an answer, and the deeds."""

from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext

from platform_booking.attendance import answering, queries
from platform_booking.attendance.offering import Offered, offered
from platform_booking.attendance.schemas import MOST_AT_ONCE
from platform_booking.bookings.queries import BookingLine
from platform_booking.clock import utcnow
from platform_booking.db import db
from platform_booking.errors import (
    BookingError,
    CapacityTaken,
    Forbidden,
    IllegalMove,
    NotFound,
    RulesBroken,
)
from platform_booking.web.actor import current_actor

bp = Blueprint("attendance", __name__)


@bp.get("/requests")
def requests() -> ResponseReturnValue:
    """Show an operator what waits for his answer, oldest first."""
    actor, now = current_actor(), utcnow()
    lines, total = queries.requests(
        db.session(),
        None if actor.is_park else actor.platform_ids,
        limit=MOST_AT_ONCE,
    )
    return render_template(
        "attendance/requests.html",
        lines=lines,
        total=total,
        faults=queries.faults_told(db.session(), actor.member_id, now=now),
        now=now,
    )


@bp.post("/requests")
def answer() -> ResponseReturnValue:
    """Approve or decline the requests that are marked."""
    actor, now = current_actor(), utcnow()
    chosen = [i for i in map(_uuid, request.form.getlist("booking")) if i is not None]
    chosen = chosen[:MOST_AT_ONCE]
    if not chosen:
        flash(_("Mark the requests that you answer."), "warning")
    elif request.form.get("verdict") == "decline":
        reason = request.form.get("reason", "")[:1000].replace("\x00", "")
        done = answering.decline_all(chosen, reason, actor=actor, now=now)
        _tell(done, ngettext("%(num)d declined.", "%(num)d declined.", len(done.done)))
    else:
        done = answering.approve_all(chosen, actor=actor, now=now)
        _tell(done, ngettext("%(num)d approved.", "%(num)d approved.", len(done.done)))
    back = request.form.get("back", "")
    if _uuid(back) is not None:
        return redirect(url_for("bookings.show", booking_id=back))
    return redirect(url_for("attendance.requests"))


@bp.post("/bookings/<uuid:booking_id>/attend")
def attend(booking_id: UUID) -> ResponseReturnValue:
    """Do what the booking's page offers."""
    actor, now = current_actor(), utcnow()
    version = request.form.get("version", type=int)
    act = request.form.get("act", "")
    try:
        if act == "confirm":
            answering.confirm(booking_id, expected_version=version, actor=actor, now=now)
            flash(_("Confirmed. The tool is kept for you."), "success")
    except (RulesBroken, IllegalMove, CapacityTaken) as fault:
        flash_fault(fault)
    return redirect(url_for("bookings.show", booking_id=booking_id))


def attendance_of(line: BookingLine) -> Offered:
    """Return what a booking's page offers to whoever looks at it."""
    return offered(line, actor=current_actor(), now=utcnow())


def _tell(done: answering.Answered, sentence: str) -> None:
    if done.done:
        flash(sentence, "success")
    for reason in {sentence_of(fault) for _which, fault in done.failed}:
        flash(reason, "warning")


def flash_fault(fault: BookingError) -> None:
    """Tell on the next page why nothing came of it."""
    flash(sentence_of(fault), "warning")


def sentence_of(fault: BookingError) -> str:
    """Return what is said of a refusal."""
    if isinstance(fault, RulesBroken):
        return " ".join(v.message for v in fault.violations)
    if isinstance(fault, IllegalMove) and fault.args:
        return str(fault)
    if isinstance(fault, CapacityTaken):
        return str(_("Somebody was faster: there is no room left in that time."))
    if isinstance(fault, NotFound):
        return str(_("There is nothing here that you can see."))
    if isinstance(fault, Forbidden):
        return str(_("Your role does not allow this."))
    return str(_("It has changed since you read it. Load it again."))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
