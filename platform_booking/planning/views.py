"""Pages of plans: the list, and the review with approval and publication."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import date, timedelta
from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask import (
    Blueprint,
    Response,
    current_app,
    flash,
    jsonify,
    redirect,
    render_template,
    request,
    stream_with_context,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from platform_booking.clock import utcnow
from platform_booking.db import db
from platform_booking.errors import Forbidden, IllegalMove, NightRunning, RulesBroken
from platform_booking.planning import (
    counting,
    forced,
    publication,
    queries,
    reasons,
    services,
    wording,
)
from platform_booking.planning.models import Plan
from platform_booking.planning.schemas import request_state
from platform_booking.planning.states import DECIDED, OPEN, ApprovalState, Change, PlanState
from platform_booking.web.actor import current_actor

bp = Blueprint("plans", __name__, url_prefix="/plans")
_ROWS, _PLANS = 200, 30
_MOST = 1_000_000  # rows that a page may skip
_SHOWN = {*(change.value for change in Change), "left_out", "late"}
_TOLD = {"left_out": reasons.left_out, "late": reasons.late}  # with a reason for each
_FAILURES_SHOWN = timedelta(days=1)
_STREAMS = threading.BoundedSemaphore(2)  # of a process's eight threads
_STREAM_SECONDS = 8.0  # a service that ends waits no longer for its answers
_LOOK_SECONDS = 1.0


@bp.get("")
def index() -> ResponseReturnValue:
    """List the plans, and the nights that were asked for."""
    now = utcnow()
    today = now.astimezone(current_app.config["SETTINGS"].zone).date()
    found, total = queries.plans(db.session(), limit=_PLANS, offset=_offset())
    return render_template(
        "planning/index.html",
        plans=found,
        total=total,
        offset=_offset(),
        rows=_PLANS,
        requests=queries.requests(db.session(), since=now - _FAILURES_SHOWN),
        request_state=request_state,
        tonight=today,
        next_night=queries.next_night(db.session(), today=today),
        wording=wording,
    )


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
    except NightRunning as fault:
        flash(str(fault), "warning")
    except RulesBroken as fault:
        _flash_all(fault)
    else:
        flash(_("Asked for. The scheduler begins within seconds."), "success")
    return redirect(url_for("plans.index"))


@bp.get("/<uuid:plan_id>")
def review(plan_id: UUID) -> ResponseReturnValue:
    """Show a plan beside what is in force: new, moved, left out and why, unchanged."""
    session = db.session()
    plan = queries.plan(session, plan_id)
    kind = request.args.get("show", "")
    if kind not in _SHOWN:
        kind = Change.NEW.value
    lines: list[queries.PlacementLine] = []
    told: list[reasons.ReasonLine] = []
    if kind in _TOLD:
        told, total = _TOLD[kind](session, plan.id, limit=_ROWS, offset=_offset())
    else:
        lines, total = queries.placements(
            session, plan.id, change=Change(kind), limit=_ROWS, offset=_offset()
        )
    said = queries.approvals(session, plan.id)
    is_open, under_way = plan.state in OPEN, _under_way(plan)
    return render_template(
        "planning/review.html",
        plan=plan,
        kind=kind,
        lines=lines,
        told=told,
        told_of=_TOLD,
        total=total,
        offset=_offset(),
        rows=_ROWS,
        approvals=said,
        mine=[a for a in said if is_open and not under_way and _may_decide(a)],
        ready=is_open and len(publication.ready_parts(session, plan.id)),
        under_way=under_way,
        counts=counting.counts(session, plan.id),
        late=counting.late(session, plan.id),
        fates=counting.fates(session, plan.id) if plan.state in DECIDED else None,
        by_platform=counting.by_platform(
            session,
            plan.id,
            only=None if current_actor().is_park else current_actor().platform_ids,
        ),
        by_organisation=counting.by_organisation(session, plan.id),
        gap=_gap(plan),
        wording=wording,
    )


@bp.get("/<uuid:plan_id>/progress")
def progress(plan_id: UUID) -> ResponseReturnValue:
    """Tell how far a running plan is, for the page that shows it."""
    return jsonify(_progress(plan_id))


@bp.get("/<uuid:plan_id>/events")
def events(plan_id: UUID) -> ResponseReturnValue:
    """Stream how far a running plan is, as server-sent events.

    A stream keeps a thread busy: where too many watch already the page asks now and then.
    """
    first = _progress(plan_id)  # a plan that is not there is not found before it streams
    if not _STREAMS.acquire(blocking=False):
        return "", HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "2"}
    answer = Response(
        stream_with_context(_stream(plan_id, first)), mimetype="text/event-stream"
    )
    answer.headers["X-Accel-Buffering"] = "no"  # a proxy in front must not hold it back
    answer.call_on_close(_STREAMS.release)
    return answer


def _stream(plan_id: UUID, told: dict[str, Any]) -> Iterator[str]:
    """Yield an event for each change; end when all is told, or after a while."""
    yield f"retry: 1000\ndata: {json.dumps(told)}\n\n"
    until = time.monotonic() + _STREAM_SECONDS
    while told["under_way"] and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
        db.session.remove()  # a new transaction sees what is new
        if (now := _progress(plan_id)) != told:
            told = now
            yield f"data: {json.dumps(told)}\n\n"


def _progress(plan_id: UUID) -> dict[str, Any]:
    plan = queries.plan(db.session(), plan_id)
    return {"under_way": _under_way(plan), "progress": plan.progress}


@bp.post("/<uuid:plan_id>/finish")
def finish(plan_id: UUID) -> ResponseReturnValue:
    """Ask a running night to keep the best that it has."""
    try:
        services.request_finish(plan_id, actor=current_actor(), now=utcnow())
    except RulesBroken as fault:
        _flash_all(fault)
    else:
        flash(_("The search ends in a moment; then its bound and its reasons follow."))
    return redirect(url_for("plans.review", plan_id=plan_id))


def _under_way(plan: Plan) -> str:
    """Return "search" or "publication" while a plan is being worked on, else ""."""
    if plan.state is PlanState.RUNNING:
        return "search"
    if plan.state in OPEN and queries.is_being_published(db.session(), plan.id):
        return "publication"
    return ""


def _may_decide(line: queries.ApprovalLine) -> bool:
    actor = current_actor()
    return line.state == ApprovalState.PENDING and (
        actor.is_park or line.platform_id in actor.platform_ids
    )


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
    except IllegalMove as fault:
        flash(str(fault), "warning")
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


@bp.post("/<uuid:plan_id>/forcing/<uuid:order_id>")
def force(plan_id: UUID, order_id: UUID) -> ResponseReturnValue:
    """Ask what forcing an order in would displace."""
    try:
        services.request_forcing(plan_id, order_id, actor=current_actor(), now=utcnow())
    except RulesBroken as fault:
        _flash_all(fault)
    return redirect(url_for("plans.forcing", plan_id=plan_id, order_id=order_id))


@bp.get("/<uuid:plan_id>/forcing/<uuid:order_id>")
def forcing(plan_id: UUID, order_id: UUID) -> ResponseReturnValue:
    """Show why an order is left out or late, and what forcing it in would displace."""
    plan = queries.plan(db.session(), plan_id)
    line = reasons.explained(db.session(), plan.id, order_id)
    return render_template(
        "planning/forcing.html",
        plan=plan,
        line=line,
        asked=forced.asked(db.session(), plan, order_id),
        may_ask=plan.state in OPEN and line.forcible,
        wording=wording,
    )


@bp.get("/<uuid:plan_id>/forcing/<uuid:order_id>/progress")
def forcing_progress(plan_id: UUID, order_id: UUID) -> ResponseReturnValue:
    """Tell whether the answer is there, for the page that waits for it."""
    plan = queries.plan(db.session(), plan_id)
    reasons.explained(db.session(), plan.id, order_id)
    asked = forced.asked(db.session(), plan, order_id)
    return jsonify(under_way="forcing" if asked.under_way else "", progress={})


def _flash_all(fault: RulesBroken) -> None:
    for violation in fault.violations:
        flash(violation.message, "warning")


SEARCHED = frozenset({"no_start", "route_too_long", "full", "too_light"})
"""Causes for which ways out are looked for; what was overtaken waits for the night."""


def order_reasons(order_id: int, *, late: bool = False) -> dict[str, object] | None:
    """Return why the newest plan left an order out, as sentences; None if it did not.

    With `late`, why it places the order after the date wished for.
    """
    why = reasons.why_late if late else reasons.why_left_out
    line = why(db.session(), order_id)
    if line is None:
        return None
    return {
        "cause": wording.cause(line),
        "blocked": wording.blocked(line),
        "ways_out": wording.ways_out(line),
        "none_found": line.cause in SEARCHED and not line.ways_out,
    }


def order_plan(order_id: int) -> list[queries.PlannedStay]:
    """Return where the newest draft would put an order's steps; [] if nowhere."""
    return queries.planned(db.session(), order_id)


def order_proposals(order_id: int) -> list[queries.Proposal]:
    """Return the nights that had a place for an order, for its history."""
    return queries.proposals(db.session(), order_id)


def _gap(plan: Plan) -> float | None:
    """Return by how much at most a better plan would be worth more, as a share."""
    if not plan.bound:
        return None
    return 1 - plan.value / plan.bound


def _offset() -> int:
    return min(max(0, request.args.get("offset", 0, type=int)), _MOST)
