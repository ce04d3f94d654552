"""The page of quotas: staff set and end them, firms see what is left."""

import re
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

from platform_booking.bookings import queries as bookings
from platform_booking.bookings.models import Period
from platform_booking.clock import utcnow
from platform_booking.db import db
from platform_booking.errors import Forbidden, IllegalMove, RulesBroken, Violation
from platform_booking.quotas import queries, services
from platform_booking.quotas.queries import QuotaLine
from platform_booking.quotas.services import NewQuota
from platform_booking.web.actor import Actor, current_actor
from platform_booking.web.i18n import in_chinese, named

bp = Blueprint("quotas", __name__, url_prefix="/quotas")

_FIELDS = ("organisation_id", "platform_id", "resource_id", "period", "hours")
_ROWS = 200


@bp.get("")
def index() -> ResponseReturnValue:
    """List quotas."""
    return _page(current_actor(), dict.fromkeys(_FIELDS, ""), [])


@bp.post("")
def set_quota() -> ResponseReturnValue:
    """Set a quota."""
    actor = current_actor()
    typed = {
        name: request.form.get(name, "").strip().replace("\x00", "")[:80]
        for name in _FIELDS
    }
    new, violations = _read(typed)
    if new is not None:
        try:
            services.set_quota(new, actor=actor)
        except RulesBroken as fault:
            violations = list(fault.violations)
        except Forbidden:
            violations = [
                Violation(
                    "forbidden", _("choose a platform that you operate"), "platform_id"
                )
            ]
        else:
            flash(_("The quota is set. It binds what is booked from now on."), "success")
            return redirect(url_for("quotas.index"))
    return _page(actor, typed, violations), 422


@bp.post("/<uuid:quota_id>/end")
def end(quota_id: UUID) -> ResponseReturnValue:
    """End a quota."""
    try:
        services.end_quota(quota_id, actor=current_actor())
    except IllegalMove as fault:
        flash(str(fault), "warning")
    else:
        flash(_("The quota has ended."), "success")
    return redirect(url_for("quotas.index"))


def quotas_of_ours() -> list[QuotaLine]:
    """Return the quotas that bind the asker's organisation, for its page of bookings."""
    actor = current_actor()
    return [] if actor.organisation_id is None else _lines(actor)


def _lines(actor: Actor) -> list[QuotaLine]:
    found, _total = queries.quota_lines(
        db.session(),
        actor,
        limit=_ROWS,
        offset=0,
        now=utcnow(),
        zone=current_app.config["SETTINGS"].zone,
    )
    return found


def _page(actor: Actor, typed: dict[str, str], violations: list[Violation]) -> str:
    session, staff = db.session(), _is_staff(actor)
    platforms = bookings.platforms(session, None if actor.is_park else actor.platform_ids)
    return render_template(
        "quotas/index.html",
        lines=_lines(actor),
        staff=staff,
        may_end=lambda line: actor.is_park or line.quota.platform_id in actor.platform_ids,
        typed=typed,
        violations=violations,
        organisations=[
            (o.public_id, named(o)) for o in bookings.organisations_to_pick(session)
        ]
        if staff
        else [],
        platforms=[(p.public_id, named(p)) for p in platforms] if staff else [],
        resources=[
            (public_id, f"{code} · {name_zh if in_chinese() else name_en}")
            for public_id, code, name_zh, name_en in queries.resources_of(session, actor)
        ]
        if staff
        else [],
    )


def _read(typed: dict[str, str]) -> tuple[NewQuota | None, list[Violation]]:
    wrong: list[Violation] = []
    ids: dict[str, UUID | None] = {}
    for name in ("organisation_id", "platform_id", "resource_id"):
        try:
            ids[name] = UUID(typed[name]) if typed[name] else None
        except ValueError:
            wrong.append(Violation("unreadable", _("choose one from the list"), name))
    hours = typed["hours"]
    if not re.fullmatch(r"\d{1,6}", hours, re.ASCII):
        wrong.append(Violation("unreadable", _("write whole hours, such as 40"), "hours"))
    if typed["period"] not in {p.value for p in Period}:
        wrong.append(Violation("unreadable", _("choose one from the list"), "period"))
    if wrong:
        return None, wrong
    return NewQuota(period=Period(typed["period"]), minutes=60 * int(hours), **ids), []


def _is_staff(actor: Actor) -> bool:
    return actor.is_park or actor.is_operator
