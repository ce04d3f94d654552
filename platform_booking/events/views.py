"""Pages on which staff date the runs of an event, change them and call them off."""

from uuid import UUID
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

from platform_booking.bookings.models import Source
from platform_booking.catalog import queries as catalog
from platform_booking.catalog import wording
from platform_booking.catalog.models import Resource
from platform_booking.catalog.phases import MILESTONES, Phase, phase_of
from platform_booking.catalog.services import insist_on_operating
from platform_booking.clock import utcnow
from platform_booking.db import db
from platform_booking.errors import IllegalMove, PreconditionFailed, RulesBroken, Violation
from platform_booking.events import classes, forms, importing, queries, services
from platform_booking.events.forms import Reading
from platform_booking.events.importing import Outcome
from platform_booking.events.queries import RunLine
from platform_booking.exchange import tables
from platform_booking.web.actor import current_actor

bp = Blueprint("events", __name__)

_ROWS = 200


@bp.get("/resources/<code>/runs")
def index(code: str) -> ResponseReturnValue:
    """List the runs of an event of one's platform."""
    return _list(_operated(code), Reading(forms.blank()))


@bp.post("/resources/<code>/runs")
def date_run(code: str) -> ResponseReturnValue:
    """Date a run."""
    resource = _operated(code)
    reading = forms.read(request.form, classes=queries.classes(db.session()), zone=_zone())
    if reading.run is None:
        return _list(resource, reading), 422
    try:
        line = services.date_run(
            resource.public_id,
            reading.run,
            actor=current_actor(),
            now=utcnow(),
            zone=_zone(),
        )
    except RulesBroken as fault:
        reading.violations = list(fault.violations)
        return _list(resource, reading), 422
    flash(_("%(code)s is dated and can be booked.", code=line.run.code), "success")
    return redirect(url_for("events.index", code=code))


@bp.post("/resources/<code>/runs/import")
def take_in(code: str) -> ResponseReturnValue:
    """Take runs in from a file: check it, or date all of them."""
    resource = _operated(code)
    sent = request.files.get("file")
    if sent is None or not sent.filename:
        missing = [Violation("required", _("choose a file"), "file")]
        return _list(resource, Reading(forms.blank(), violations=missing)), 422
    try:
        outcome = importing.take_in(
            resource.public_id,
            sent.read(tables.MOST_BYTES + 1),
            actor=current_actor(),
            now=utcnow(),
            zone=_zone(),
            dry_run=request.form.get("act") != "date",
        )
    except RulesBroken as fault:
        reading = Reading(forms.blank(), violations=list(fault.violations))
        return _list(resource, reading), 422
    if not outcome.runs:
        page = _list(resource, Reading(forms.blank()), outcome=outcome)
        return page, 422 if outcome.faults else 200
    flash(_("Dated: %(n)s runs.", n=len(outcome.runs)), "success")
    return redirect(url_for("events.index", code=code))


@bp.get("/runs/<uuid:run_id>")
def show(run_id: UUID) -> ResponseReturnValue:
    """Show a run of one's platform, with who is in it."""
    line = _line(run_id)
    return _page(line, Reading(forms.typed_of(services.as_asked(line.run), _zone())))


@bp.post("/runs/<uuid:run_id>")
def change(run_id: UUID) -> ResponseReturnValue:
    """Change a run."""
    line = _line(run_id)
    classes = queries.classes(db.session())
    reading = forms.read(request.form, classes=classes, zone=_zone(), code=line.run.code)
    if reading.run is None:
        return _page(line, reading), 422
    try:
        services.change(
            run_id,
            forms.change_of(reading.run),
            expected_version=request.form.get("version", type=int),
            actor=current_actor(),
            now=utcnow(),
            zone=_zone(),
        )
    except RulesBroken as fault:
        reading.violations = list(fault.violations)
        return _page(_line(run_id), reading), 422
    except (IllegalMove, PreconditionFailed) as fault:
        flash(_sentence(fault), "warning")
    else:
        flash(_("The run is changed."), "success")
    return redirect(url_for("events.show", run_id=run_id))


@bp.post("/runs/<uuid:run_id>/call-off")
def call_off(run_id: UUID) -> ResponseReturnValue:
    """Call a run off."""
    reason = request.form.get("reason", "").strip().replace("\x00", "")[:500]
    try:
        services.call_off(run_id, reason, actor=current_actor(), now=utcnow())
    except RulesBroken as fault:
        line = _line(run_id)
        reading = Reading(forms.typed_of(services.as_asked(line.run), _zone()))
        reading.violations = list(fault.violations)
        return _page(line, reading), 422
    except IllegalMove as fault:
        flash(_sentence(fault), "warning")
    else:
        flash(_("Called off. Whoever had booked it is told."), "success")
    return redirect(url_for("events.show", run_id=run_id))


@bp.post("/runs/<uuid:run_id>/attendance")
def mark(run_id: UUID) -> ResponseReturnValue:
    """Mark who was at a class."""
    said = {"yes": True, "no": False}
    attended = {
        seat.booking.public_id: said[answer]
        for seat in queries.seats(db.session(), _line(run_id).run)
        if (answer := request.form.get(f"seat.{seat.booking.public_id}")) in said
    }
    try:
        done = classes.mark(
            run_id, attended, actor=current_actor(), now=utcnow(), zone=_zone()
        )
    except RulesBroken as fault:
        for violation in fault.violations:
            flash(violation.message, "warning")
    except IllegalMove as fault:
        flash(_sentence(fault), "warning")
    else:
        flash(
            _(
                "Marked: %(there)s there, %(absent)s absent.",
                there=done.attended,
                absent=done.absent,
            ),
            "success",
        )
    return redirect(url_for("events.show", run_id=run_id))


def _sentence(fault: Exception) -> str:
    if isinstance(fault, PreconditionFailed):
        return str(
            _("Somebody else has changed it since you read it. Look, and try again.")
        )
    return str(fault)


def _list(resource: Resource, reading: Reading, *, outcome: Outcome | None = None) -> str:
    now, zone = utcnow(), _zone()
    lines = queries.run_lines(db.session(), resource, limit=_ROWS)
    return render_template(
        "events/index.html",
        resource=resource,
        lines=[(line, phase_of(line.run, now=now, zone=zone)) for line in lines],
        outcome=outcome,
        explained=importing.explained(queries.classes(db.session())),
        most_rows=tables.MOST_ROWS,
        **_form(reading),
    )


def _page(line: RunLine, reading: Reading) -> str:
    phase = phase_of(line.run, now=utcnow(), zone=_zone())
    seats = queries.seats(db.session(), line.run)
    return render_template(
        "events/show.html",
        line=line,
        resource=line.resource,
        phase=phase,
        seats=seats,
        markable=[
            seat.booking.public_id
            for seat in seats
            if phase is not Phase.CALLED_OFF
            and line.run.starts_at <= utcnow()
            and seat.booking.state in classes.MARKED
            and seat.booking.source is not Source.PLAN
        ]
        if "grants" in line.resource.policy
        else [],
        changeable=phase is not Phase.CALLED_OFF and line.run.ends_at > utcnow(),
        revocable=phase is not Phase.CALLED_OFF and line.run.starts_at > utcnow(),
        **_form(reading),
    )


def _form(reading: Reading) -> dict[str, object]:
    violations: list[Violation] = reading.violations
    return {
        "typed": reading.typed,
        "violations": violations,
        "classes": queries.classes(db.session()),
        "milestones": [(name, wording.PHASES[name]) for name in MILESTONES],
        "wording": wording,
    }


def _operated(code: str) -> Resource:
    resource = catalog.resource(db.session(), code=code)
    insist_on_operating(resource, current_actor())
    return resource


def _line(run_id: UUID) -> RunLine:
    line = queries.run_line(db.session(), run_id)
    insist_on_operating(line.resource, current_actor())
    return line


def _zone() -> ZoneInfo:
    zone: ZoneInfo = current_app.config["SETTINGS"].zone
    return zone
