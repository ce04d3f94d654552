"""Pages of plans: the list, and the review with approval and publication."""

from datetime import date
from uuid import UUID

from flask import (
    Blueprint,
    current_app,
    flash,
    jsonify,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from platform_booking.clock import utcnow
from platform_booking.db import db
from platform_booking.errors import Forbidden, NightRunning, RulesBroken
from platform_booking.planning import queries, services, wording
from platform_booking.planning.models import Plan
from platform_booking.planning.states import ApprovalState, Change, PlanState
from platform_booking.web.actor import current_actor

bp = Blueprint("plans", __name__, url_prefix="/plans")
_ROWS = 200


@bp.get("")
def index() -> ResponseReturnValue:
    """List the plans."""
    found, _total = queries.plans(db.session(), limit=30, offset=0)
    tonight = utcnow().astimezone(current_app.config["SETTINGS"].zone).date()
    return render_template("planning/index.html", plans=found, tonight=tonight)


@bp.post("/run")
def run() -> ResponseReturnValue:
    """Ask for the allocation of a night."""
    try:
        night = date.fromisoformat(request.form.get("night", ""))
    except ValueError:
        flash(_("Not a date. Write it as 2027-03-08."), "danger")
        return redirect(url_for("plans.index"))
    try:
        services.request_night(
            night,
            actor=current_actor(),
            now=utcnow(),
            zone=current_app.config["SETTINGS"].zone,
        )
    except NightRunning:
        flash(_("The allocation of that night is already running or asked for."), "warning")
    except RulesBroken as fault:
        _flash_all(fault)
    else:
        flash(_("Asked for. The scheduler begins within seconds."), "success")
    return redirect(url_for("plans.index"))


@bp.get("/<uuid:plan_id>")
def review(plan_id: UUID) -> ResponseReturnValue:
    """Show a plan beside what is in force: new, moved, left out and why."""
    session = db.session()
    plan = queries.plan(session, plan_id)
    kind = request.args.get("show", "new")
    lines: list[queries.PlacementLine] = []
    total = 0
    if kind in {Change.NEW.value, Change.MOVED.value}:
        lines, total = queries.placements(
            session, plan.id, change=Change(kind), limit=_ROWS, offset=_offset()
        )
    left: list[queries.LeftOutLine] = []
    left_total = 0
    if kind == "left_out":
        left, left_total = queries.left_out(session, plan.id, limit=_ROWS, offset=_offset())
    said = queries.approvals(session, plan.id)
    mine = [
        a
        for a in said
        if a.state == ApprovalState.PENDING
        and (current_actor().is_park or a.platform_id in current_actor().platform_ids)
    ]
    return render_template(
        "planning/review.html",
        plan=plan,
        kind=kind,
        lines=lines,
        left=left,
        total=total or left_total,
        offset=_offset(),
        rows=_ROWS,
        approvals=said,
        mine=mine,
        open=plan.state in {PlanState.DRAFT, PlanState.PUBLISHING},
        any_approved=any(a.state == ApprovalState.APPROVED for a in said),
        counts=queries.counts(session, plan.id),
        gap=_gap(plan),
        wording=wording,
    )


@bp.get("/<uuid:plan_id>/progress")
def progress(plan_id: UUID) -> ResponseReturnValue:
    """Tell how far a running plan is, for the page that shows it."""
    plan = queries.plan(db.session(), plan_id)
    return jsonify(state=plan.state.value, progress=plan.progress)


@bp.post("/<uuid:plan_id>/decide")
def decide(plan_id: UUID) -> ResponseReturnValue:
    """Approve or reject for one platform or all of one's own."""
    verdict = request.form.get("verdict")
    if verdict not in {"approve", "reject"}:
        flash(_("Choose to approve or to reject."), "warning")
        return redirect(url_for("plans.review", plan_id=plan_id))
    try:
        services.decide(
            plan_id,
            tuple(request.form.getlist("platform", type=int)),
            approve=verdict == "approve",
            note=request.form.get("note", "")[:500].replace("\x00", ""),
            actor=current_actor(),
            now=utcnow(),
        )
    except RulesBroken as fault:
        _flash_all(fault)
    except Forbidden:
        flash(_("Choose at least one platform that you operate."), "warning")
    else:
        flash(_("Decided."), "success")
    return redirect(url_for("plans.review", plan_id=plan_id))


@bp.post("/<uuid:plan_id>/publish")
def publish(plan_id: UUID) -> ResponseReturnValue:
    """Ask for the publication of what has been approved."""
    try:
        services.request_publication(plan_id, actor=current_actor(), now=utcnow())
    except RulesBroken as fault:
        _flash_all(fault)
    else:
        flash(_("Asked for. What is approved becomes bookings within seconds."), "success")
    return redirect(url_for("plans.review", plan_id=plan_id))


def _flash_all(fault: RulesBroken) -> None:
    for violation in fault.violations:
        flash(violation.message, "warning")


def order_reasons(order_id: int) -> dict[str, object] | None:
    """Return why the newest plan left an order out, as sentences; None if it did not."""
    line = queries.why_left_out(db.session(), order_id)
    if line is None:
        return None
    return {
        "cause": wording.cause(line),
        "blocked": wording.blocked(line),
        "ways_out": wording.ways_out(line),
    }


def order_plan(order_id: int) -> list[queries.PlannedStay]:
    """Return where the newest draft would put an order's steps; [] if nowhere."""
    return queries.planned(db.session(), order_id)


def _gap(plan: Plan) -> float | None:
    """Return by how much at most a better plan would be worth more, as a share."""
    if not plan.bound:
        return None
    return 1 - plan.value / plan.bound


def _offset() -> int:
    return max(0, request.args.get("offset", 0, type=int) or 0)
