"""The page on which an owner takes time of his opened resources back."""

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

from platform_booking.bookings.forms import moment_of, unreadable
from platform_booking.clock import utcnow
from platform_booking.db import db
from platform_booking.errors import AlreadyThere, IllegalMove, RulesBroken, Violation
from platform_booking.owning import rules, services
from platform_booking.owning.services import Asked
from platform_booking.web.actor import current_actor
from platform_booking.web.i18n import named

bp = Blueprint("owning", __name__, url_prefix="/opened")

_FIELDS = ("resource_id", "starts_at", "ends_at", "reason")


@bp.get("")
def index() -> ResponseReturnValue:
    """Show what one's organisation opens, and what of it is taken back."""
    return _page(dict.fromkeys(_FIELDS, ""), [])


@bp.post("")
def take_back() -> ResponseReturnValue:
    """Take time back."""
    typed = {
        name: request.form.get(name, "").strip().replace("\x00", "")[:500]
        for name in _FIELDS
    }
    violations: list[Violation] = []
    zone = current_app.config["SETTINGS"].zone
    times = {name: moment_of(typed[name], zone) for name in ("starts_at", "ends_at")}
    for name, moment in times.items():
        if moment is None:
            violations.append(Violation("unreadable", unreadable(typed[name]), name))
    try:
        resource_id = UUID(typed["resource_id"])
    except ValueError:
        wrong = Violation("unreadable", _("choose one from the list"), "resource_id")
        return _page(typed, [wrong, *violations]), 422
    starts_at, ends_at = times["starts_at"], times["ends_at"]
    if starts_at is None or ends_at is None:
        return _page(typed, violations), 422
    asked = Asked(starts_at=starts_at, ends_at=ends_at, reason=typed["reason"])
    try:
        done = services.take_back(resource_id, asked, actor=current_actor(), now=utcnow())
    except RulesBroken as fault:
        return _page(typed, list(fault.violations)), 422
    except AlreadyThere as fault:
        flash(str(fault), "warning")
        return redirect(url_for("owning.index"))
    flash(_("Taken back. Your organisation alone can book it then."), "success")
    if done.hits:
        flash(
            _(
                "Bookings that stand in that time: %(n)s. They have to give way.",
                n=done.hits,
            ),
            "warning",
        )
    return redirect(url_for("owning.index"))


@bp.post("/<uuid:outage_id>/give-back")
def give_back(outage_id: UUID) -> ResponseReturnValue:
    """Open time to others again."""
    try:
        services.give_back(outage_id, actor=current_actor(), now=utcnow())
    except IllegalMove as fault:
        flash(str(fault), "warning")
    else:
        flash(_("Others can book it again."), "success")
    return redirect(url_for("owning.index"))


def _page(typed: dict[str, str], violations: list[Violation]) -> str:
    session, actor = db.session(), current_actor()
    resources = services.owned(session, actor)
    lines, _total = services.taken_back(session, actor, now=utcnow())
    return render_template(
        "owning/index.html",
        resources=[(r.public_id, f"{r.code} · {named(r)}") for r in resources],
        notices=[
            (r, r.policy.get("take_back_hours", rules.NOTICE_HOURS)) for r in resources
        ],
        lines=lines,
        typed=typed,
        violations=violations,
    )
