"""Pages of the waiting list: one's own entries, a platform's queues, answers to offers."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4, uuid5
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

from platform_booking.bookings import forms
from platform_booking.bookings import queries as bookings
from platform_booking.bookings.states import BookingState
from platform_booking.clock import utcnow
from platform_booking.db import db
from platform_booking.errors import BookingError, Conflict, IllegalMove, RulesBroken
from platform_booking.waitlist import queries, services
from platform_booking.waitlist.asking import NewWaiting
from platform_booking.web.actor import current_actor
from platform_booking.web.idempotency import handed_in_once

bp = Blueprint("waitlist", __name__)

_ROWS = 200
_MOST_DAYS = 31
_NAMESPACE = UUID("a4c1d1c2-6f0e-4a8e-9d6b-0c7a3e5b1f42")  # apart from the slot's own token


@bp.get("/waiting")
def index() -> ResponseReturnValue:
    """Show a firm what it waits for; an operator who waits for his tools, in order."""
    actor, now = current_actor(), utcnow()
    own = actor.organisation_id is not None
    mine: list[queries.WaitingLine] = []
    theirs: list[queries.WaitingLine] = []
    if own:
        mine, _total = queries.lines(
            db.session(), organisation_id=actor.organisation_id, limit=_ROWS
        )
    if actor.is_park or actor.is_operator:
        theirs, _total = queries.lines(
            db.session(),
            platform_ids=None if actor.is_park else actor.platform_ids,
            in_order=True,
            now=now,
            limit=_ROWS,
        )
    queues: dict[int, list[queries.WaitingLine]] = {}
    for line in theirs:
        queues.setdefault(line.resource.id, []).append(line)
    return render_template(
        "waitlist/index.html",
        own=own,
        lines=[(line, services.may_act(line, actor)) for line in mine],
        queues=list(queues.values()),
        now=now,
    )


@bp.post("/waiting")
def join() -> ResponseReturnValue:
    """Wait for what the form of a slot asks for, or for as long within some days."""
    now, zone = utcnow(), _zone()
    called = request.args.get("resource", "")[:80].replace("\x00", "").strip()
    resource = bookings.resource(db.session(), _uuid(called) or called)
    reading = forms.read(
        request.form,
        request.form.getlist("flags"),
        resource=resource,
        runs=bookings.occurrences_to_pick(db.session(), resource, now=now),
        zone=zone,
    )
    slot = reading.slot
    if slot is None or reading.violations:
        return _back(resource.public_id, RulesBroken(reading.violations))
    days = min(max(request.form.get("within_days", 0, type=int) or 0, 0), _MOST_DAYS)
    asked = NewWaiting(
        resource_id=resource.public_id,
        from_at=slot.starts_at,
        to_at=slot.ends_at + timedelta(days=days),
        minutes=int((slot.ends_at - slot.starts_at).total_seconds() // 60),
        quantity=slot.quantity,
        project_id=slot.project_id,
        recipe_id=slot.recipe_id,
        wafer_mm=slot.wafer_mm,
        class_rank=slot.class_rank,
        flags=slot.flags,
    )

    def deed() -> str:
        services.join(asked, actor=current_actor(), now=now, zone=zone)
        return url_for("waitlist.index")

    token = _uuid(request.form.get("token", "")) or uuid4()
    try:
        address, anew = handed_in_once(str(uuid5(_NAMESPACE, str(token))), deed)
    except (RulesBroken, Conflict) as fault:
        return _back(resource.public_id, fault)
    if anew:
        flash(_("You wait. What becomes free is offered to you in turn."), "success")
    return redirect(address)


@bp.post("/waiting/<uuid:waiting_id>/answer")
def answer(waiting_id: UUID) -> ResponseReturnValue:
    """Accept an offer, let it go, or wait no longer."""
    actor, now = current_actor(), utcnow()
    act = request.form.get("act", "")
    try:
        if act == "accept":
            line = services.accept(waiting_id, actor=actor, now=now, zone=_zone())
            assert line.offer is not None
            if line.offer.state is BookingState.REQUESTED:
                flash(
                    _("Requested. The time is held until the platform has answered."),
                    "success",
                )
            else:
                flash(_("Booked."), "success")
            return redirect(url_for("bookings.show", booking_id=line.offer.public_id))
        if act == "pass":
            services.let_go(waiting_id, actor=actor, now=now)
            flash(_("Let go. You wait on for another place."), "success")
        elif act == "withdraw":
            services.withdraw(waiting_id, actor=actor, now=now)
            flash(_("You wait no longer."), "success")
        else:
            queries.line(db.session(), waiting_id)
    except (RulesBroken, IllegalMove, Conflict) as fault:
        _tell(fault)
    return redirect(url_for("waitlist.index"))


def _back(resource_id: UUID, fault: BookingError) -> ResponseReturnValue:
    """Lead back to the form, filled in, and say why nobody waits."""
    _tell(fault)
    kept: dict[str, Any] = {
        name: request.form.get(name, "")[:80]
        for name in ("starts_at", "ends_at", "quantity", "recipe_id", "project_id")
        if request.form.get(name)
    }
    return redirect(url_for("bookings.new", resource=resource_id, **kept))


def _tell(fault: BookingError) -> None:
    if isinstance(fault, RulesBroken):
        for violation in fault.violations:
            flash(violation.message, "warning")
    elif isinstance(fault, IllegalMove) and fault.args:
        flash(str(fault), "warning")
    else:
        flash(_("Many are booking this just now. Try again in a moment."), "warning")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _zone() -> ZoneInfo:
    zone: ZoneInfo = current_app.config["SETTINGS"].zone
    return zone
