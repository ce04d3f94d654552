"""What a kiosk shows and does. Its device is known by a cookie that goes nowhere else."""

from uuid import UUID

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

from platform_booking.attendance import attending, handing, kiosks, sizing
from platform_booking.attendance.wording import sentence_of
from platform_booking.clock import utcnow
from platform_booking.db import db
from platform_booking.errors import (
    Conflict,
    NotFound,
    Refused,
    RulesBroken,
    TooMany,
    Violation,
)
from platform_booking.web.actor import KIOSK, current_kiosk, kiosk_standing

bp = Blueprint(KIOSK, __name__, url_prefix="/kiosk")

_KEPT = 400 * 86400  # seconds: as long as browsers keep a cookie at most
_EXTENSIONS = (15, 30, 60)
_ACTS = ("check_in", "check_out", "fault", *(f"extend-{m}" for m in _EXTENSIONS))


@bp.get("/open/<secret>")
def enter(secret: str) -> ResponseReturnValue:
    """Make this device the kiosk whose secret address this is."""
    if kiosk_standing(secret) is None:
        raise NotFound
    response = redirect(url_for("kiosk.index"))
    response.set_cookie(
        KIOSK,
        secret,
        max_age=_KEPT,
        path=bp.url_prefix or "/",
        secure=current_app.config["SETTINGS"].secure_cookies,
        httponly=True,
        samesite="Lax",
    )
    return response


@bp.get("/")
def index() -> ResponseReturnValue:
    """Show who is on now and next: that a tool is taken, never by whom."""
    kiosk, now = current_kiosk(), utcnow()
    found = kiosks.tools(db.session(), kiosk, now=now)
    return render_template("attendance/kiosk.html", kiosk=kiosk, tools=found, now=now)


@bp.route("/tools/<uuid:resource_id>", methods=["GET", "POST"])
def tool(resource_id: UUID) -> ResponseReturnValue:
    """Begin, end or extend a stay by its code; report a fault."""
    kiosk, now, status, refused = current_kiosk(), utcnow(), 200, ""
    if request.method == "POST":
        try:
            flash(_done(resource_id), "success")
        except TooMany as fault:
            minutes = fault.retry_after // 60 + 1
            refused = _("Too many wrong codes. Wait %(minutes)s minutes, or ask the staff.",
                        minutes=minutes)  # fmt: skip
            status = 429
        except Refused as fault:
            refused, status = sentence_of(fault), 422
        except Conflict as fault:
            refused, status = sentence_of(fault), 409
        else:
            return redirect(url_for("kiosk.index"))
    one = kiosks.tools(db.session(), kiosk, now=now, only=resource_id)[0]
    page = render_template(
        "attendance/kiosk_tool.html",
        kiosk=kiosk,
        tool=one,
        now=now,
        refused=refused,
        extensions=_EXTENSIONS,
    )
    return page, status


def _done(resource_id: UUID) -> str:
    kiosk, now, settings = current_kiosk(), utcnow(), current_app.config["SETTINGS"]
    act = request.form.get("act", "")
    if act not in _ACTS:
        raise RulesBroken(
            [Violation("unknown_act", _("Touch one of the buttons below."), "act")]
        )
    if act == "fault":
        reason = request.form.get("reason", "")[:1000].replace("\x00", "")
        handing.report_fault(resource_id, reason, by=kiosk, now=now)
        return str(_("Reported. The platform’s operators are told."))
    booking_id = kiosks.booking_by_code(
        kiosk,
        resource_id,
        request.form.get("code", "")[:40],
        secret_key=settings.secret_key,
        now=now,
    )
    if act == "check_out":
        attending.check_out(booking_id, by=kiosk, now=now)
        return str(_("Checked out. The rest of the time is free for others."))
    if act.startswith("extend-"):
        minutes = int(act.removeprefix("extend-"))
        sizing.extend(booking_id, minutes, by=kiosk, now=now, zone=settings.zone)
        return str(_("Extended."))
    attending.check_in(booking_id, by=kiosk, now=now)
    return str(_("Checked in. Do not forget to check out."))
