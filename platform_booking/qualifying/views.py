"""The page on which operators grant qualifications and take them away."""

from datetime import date
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

from platform_booking.clock import utcnow
from platform_booking.db import db
from platform_booking.errors import IllegalMove, RulesBroken, Violation
from platform_booking.qualifying import services
from platform_booking.qualifying.services import NewGrant
from platform_booking.web.actor import current_actor
from platform_booking.web.i18n import named

bp = Blueprint("qualifying", __name__, url_prefix="/qualifications")

_FIELDS = ("member_id", "email", "qualification", "expires_on")
_ROWS = 1000


@bp.get("")
def index() -> ResponseReturnValue:
    """List who holds what."""
    return _page(dict.fromkeys(_FIELDS, ""), [])


@bp.post("")
def grant() -> ResponseReturnValue:
    """Grant a qualification."""
    typed = {
        name: request.form.get(name, "").strip().replace("\x00", "")[:254]
        for name in _FIELDS
    }
    new, violations = _read(typed)
    if new is None:
        return _page(typed, violations), 422
    try:
        services.grant(new, actor=current_actor(), now=utcnow(), today=_today())
    except RulesBroken as fault:
        return _page(typed, list(fault.violations)), 422
    flash(_("Granted. The member is told."), "success")
    return redirect(url_for("qualifying.index"))


@bp.post("/<uuid:member_id>/<code>/revoke")
def revoke(member_id: UUID, code: str) -> ResponseReturnValue:
    """Take a qualification away."""
    try:
        services.revoke(member_id, code, actor=current_actor(), now=utcnow())
    except IllegalMove as fault:
        flash(str(fault), "warning")
    else:
        flash(_("Taken away. What is booked stays; the member is told."), "success")
    return redirect(url_for("qualifying.index"))


def _read(typed: dict[str, str]) -> tuple[NewGrant | None, list[Violation]]:
    wrong: list[Violation] = []
    member_id = expires_on = None
    try:
        member_id = UUID(typed["member_id"]) if typed["member_id"] else None
    except ValueError:
        wrong.append(Violation("unreadable", _("choose one from the list"), "member_id"))
    if bool(typed["member_id"]) == bool(typed["email"]):
        wrong.append(
            Violation(
                "unreadable", _("choose a member, or write an e-mail address"), "member_id"
            )
        )
    try:
        expires_on = (
            date.fromisoformat(typed["expires_on"]) if typed["expires_on"] else None
        )
    except ValueError:
        wrong.append(
            Violation("unreadable", _("write a day such as 2027-06-30"), "expires_on")
        )
    code, _mark, level = typed["qualification"].partition("/")
    if wrong:
        return None, wrong
    return NewGrant(
        member_id=member_id,
        email=typed["email"] or None,
        qualification=code,
        level=level or None,
        expires_on=expires_on,
    ), []


def _today() -> date:
    zone = current_app.config["SETTINGS"].zone
    return utcnow().astimezone(zone).date()


def _page(typed: dict[str, str], violations: list[Violation]) -> str:
    session = db.session()
    lines, _total = services.held(session, current_actor(), limit=_ROWS, offset=0)
    choices = []
    for q in services.taught(session, current_actor()):
        choices.append((q.code, f"{q.code} · {named(q)}"))
        choices += [
            (f"{q.code}/{level}", f"{q.code} · {named(q)} · {level}") for level in q.levels
        ]
    return render_template(
        "qualifying/index.html",
        lines=lines,
        typed=typed,
        violations=violations,
        today=_today(),
        members=[
            (m.public_id, f"{named(firm)} · {m.name}")
            for m, firm in services.members(session)
        ],
        qualifications=choices,
    )
