"""Pages of what becomes of bookings: what waits for an answer, and the deeds."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from flask import (
    Blueprint,
    current_app,
    flash,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext

from platform_booking.attendance import (
    answering,
    attending,
    handing,
    kiosks,
    queries,
    sizing,
)
from platform_booking.attendance.offering import Offered, offered
from platform_booking.attendance.schemas import MOST_AT_ONCE
from platform_booking.attendance.wording import sentence_of
from platform_booking.bookings import queries as bookings
from platform_booking.bookings.queries import BookingLine
from platform_booking.clock import utcnow
from platform_booking.db import db
from platform_booking.errors import (
    BookingError,
    Conflict,
    IllegalMove,
    RulesBroken,
    Violation,
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
    chosen = dict(_chosen(request.form.getlist("booking")[:MOST_AT_ONCE]))
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
    asked: dict[str, Any] = {"expected_version": version, "now": now}
    try:
        if act == "confirm":
            answering.confirm(booking_id, actor=actor, **asked)
            flash(_("Confirmed. The tool is kept for you."), "success")
        elif act == "check_in":
            attending.check_in(booking_id, by=actor, **asked)
            flash(_("Checked in. Do not forget to check out."), "success")
        elif act == "check_out":
            attending.check_out(booking_id, by=actor, **asked)
            flash(_("Checked out. The rest of the time is free for others."), "success")
        elif act == "extend":
            minutes = request.form.get("minutes", 0, type=int)
            sizing.extend(booking_id, minutes, by=actor, zone=_zone(), **asked)
            flash(_("Extended."), "success")
        elif act == "hand_over":
            colleague = _uuid(request.form.get("member_id", "")) or uuid4()
            handing.hand_over(booking_id, colleague, actor=actor, zone=_zone(), **asked)
            flash(_("Handed over. Both of you are told."), "success")
        else:
            bookings.booking_line(db.session(), booking_id)
    except (RulesBroken, IllegalMove, Conflict) as fault:
        flash_fault(fault)
    return redirect(url_for("bookings.show", booking_id=booking_id))


@bp.route("/resources/<uuid:resource_id>/fault", methods=["GET", "POST"])
def fault(resource_id: UUID) -> ResponseReturnValue:
    """Report that a resource is broken."""
    actor, now = current_actor(), utcnow()
    resource = bookings.resource(db.session(), resource_id)
    staff = actor.is_park or resource.platform_id in actor.platform_ids
    violations: list[Violation] = []
    if request.method == "POST":
        hours = request.form.get("hours", 0, type=int)
        reason = request.form.get("reason", "")[:1000].replace("\x00", "")
        until = now + timedelta(hours=hours) if staff and 0 < hours <= 168 else None
        try:
            down = handing.report_fault(
                resource_id, reason, ends_at=until, by=actor, now=now
            )
        except RulesBroken as refused:
            violations = list(refused.violations)
        else:
            flash(
                _("Declared down. Nothing is planned into it.")
                if down
                else _("Reported. The platform’s operators are told."),
                "success",
            )
            return redirect(url_for("catalog.resource", code=resource.code))
    page = render_template(
        "attendance/fault.html", resource=resource, staff=staff, violations=violations
    )
    return (page, 422) if violations else page


@bp.route("/kiosks", methods=["GET", "POST"])
def kiosk_list() -> ResponseReturnValue:
    """List the kiosks of one's platforms; make one, whose address is shown this once."""
    actor, session = current_actor(), db.session()
    mine = None if actor.is_park else actor.platform_ids
    violations: list[Violation] = []
    address = ""
    if request.method == "POST":
        platform, _mark, tool = request.form.get("place", "")[:100].partition("/")
        try:
            made = kiosks.make(
                request.form.get("name", "")[:200].replace("\x00", ""),
                platform_id=_uuid(platform) or uuid4(),
                resource_id=_uuid(tool) if tool else None,
                actor=actor,
                now=utcnow(),
            )
        except RulesBroken as refused:
            violations = list(refused.violations)
        else:
            base = current_app.config["SETTINGS"].base_url.rstrip("/")
            address = base + url_for("kiosk.enter", secret=made.secret)
    page = render_template(
        "attendance/kiosks.html",
        lines=kiosks.kiosks(session),
        groups=bookings.resources_to_pick(session, platform_row_ids=mine),
        address=address,
        violations=violations,
    )
    return (page, 422) if violations else page


@bp.post("/kiosks/<uuid:kiosk_id>/revoke")
def revoke_kiosk(kiosk_id: UUID) -> ResponseReturnValue:
    """Let a kiosk's address open nothing any more."""
    kiosks.revoke(kiosk_id, actor=current_actor(), now=utcnow())
    flash(_("Revoked. The device shows nothing any more."), "success")
    return redirect(url_for("attendance.kiosk_list"))


def attendance_of(line: BookingLine) -> Offered:
    """Return what a booking's page offers to whoever looks at it."""
    return offered(
        db.session(),
        line,
        actor=current_actor(),
        now=utcnow(),
        secret_key=current_app.config["SETTINGS"].secret_key,
    )


def _chosen(values: Sequence[str]) -> Iterator[tuple[UUID, int | None]]:
    """Yield the requests that are marked, with the version of each that was shown."""
    for value in values:
        called, _dot, version = value.partition(".")
        which = _uuid(called)
        if which is not None:
            yield which, int(version[:9]) if version.isdecimal() else None


def _tell(done: answering.Answered, sentence: str) -> None:
    if done.done:
        flash(sentence, "success")
    for reason in {sentence_of(fault) for _which, fault in done.failed}:
        flash(reason, "warning")


def flash_fault(fault: BookingError) -> None:
    """Tell on the next page why nothing came of it."""
    flash(sentence_of(fault), "warning")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _zone() -> ZoneInfo:
    zone: ZoneInfo = current_app.config["SETTINGS"].zone
    return zone
