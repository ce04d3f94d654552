"""`/api/v1/plans`."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import Response, current_app, jsonify
from flask_babel import gettext as _

from platform_booking.catalog.models import Platform
from platform_booking.clock import utcnow
from platform_booking.db import db
from platform_booking.errors import RulesBroken, Violation
from platform_booking.planning import (
    counting,
    forced,
    queries,
    reasons,
    schemas,
    services,
)
from platform_booking.planning.states import DECIDED
from platform_booking.web.actor import current_actor
from platform_booking.web.blueprint import Blueprint
from platform_booking.web.idempotency import idempotent
from platform_booking.web.paging import Page, PageArgs, envelope, paged

bp = Blueprint("plans_api", __name__, url_prefix="/api/v1/plans", description="Plans.")
reasons_bp = Blueprint(
    "reasons_api",
    __name__,
    url_prefix="/api/v1/orders",
    description="What the newest plan says of an order.",
)


@bp.post("")
@idempotent
@bp.arguments(schemas.NightSchema)
@bp.response(202, schemas.RequestSchema)
def run(body: dict[str, Any]) -> dict[str, Any]:
    """Ask for the allocation of a night."""
    return {
        "id": services.request_night(
            body["night"],
            actor=current_actor(),
            now=utcnow(),
            zone=current_app.config["SETTINGS"].zone,
        )
    }


@bp.get("/requests/<uuid:request_id>")
@bp.response(200, schemas.RequestStateSchema)
def request_state(request_id: UUID) -> Any:
    """Tell what has become of a request for a night or a publication."""
    return queries.request(db.session(), request_id)


@bp.get("")
@bp.arguments(PageArgs, location="query")
@bp.response(200, envelope(schemas.PlanSchema))
def index(args: dict[str, Any]) -> dict[str, Any]:
    """List the plans, the newest first."""
    page: Page = args["page"]
    found, total = queries.plans(db.session(), limit=page.limit, offset=page.offset)
    return paged(list(found), total=total, page=page)


@bp.get("/<uuid:plan_id>")
@bp.response(200, schemas.PlanDetailSchema)
def show(plan_id: UUID) -> Any:
    """Show a plan and what the platforms say of it."""
    plan = queries.plan(db.session(), plan_id)
    data = schemas.PlanSchema().dump(plan)
    said = queries.approvals(db.session(), plan.id)
    counts = counting.counts(db.session(), plan.id)
    decided = plan.state in DECIDED
    fates = counting.fates(db.session(), plan.id) if decided else None
    return _dumped(
        data
        | {
            "approvals": schemas.ApprovalSchema(many=True).dump(said),
            "counts": schemas.CountsSchema().dump(counts),
            "late": counting.late(db.session(), plan.id),
            "fates": None if fates is None else schemas.FatesSchema().dump(fates),
        }
    )


@bp.get("/<uuid:plan_id>/placements")
@bp.arguments(schemas.PlacementArgs, location="query")
@bp.response(200, envelope(schemas.PlacementSchema))
def placements(args: dict[str, Any], plan_id: UUID) -> dict[str, Any]:
    """List the placements of one's platforms."""
    page: Page = args["page"]
    plan = queries.plan(db.session(), plan_id)
    found, total = queries.placements(
        db.session(), plan.id, change=args["change"], limit=page.limit, offset=page.offset
    )
    return paged(found, total=total, page=page)


@bp.get("/<uuid:plan_id>/left-out")
@bp.arguments(PageArgs, location="query")
@bp.response(200, envelope(schemas.LeftOutSchema))
def left_out(args: dict[str, Any], plan_id: UUID) -> dict[str, Any]:
    """List the orders left out, why, and what would bring them in."""
    page: Page = args["page"]
    plan = queries.plan(db.session(), plan_id)
    found, total = reasons.left_out(
        db.session(), plan.id, limit=page.limit, offset=page.offset
    )
    return paged(found, total=total, page=page)


@bp.get("/<uuid:plan_id>/late")
@bp.arguments(PageArgs, location="query")
@bp.response(200, envelope(schemas.LateSchema))
def late(args: dict[str, Any], plan_id: UUID) -> dict[str, Any]:
    """List the orders placed after the date wished for, why, and what would help."""
    page: Page = args["page"]
    plan = queries.plan(db.session(), plan_id)
    found, total = reasons.late(db.session(), plan.id, limit=page.limit, offset=page.offset)
    return paged(found, total=total, page=page)


@bp.post("/<uuid:plan_id>/forcing/<uuid:order_id>")
@idempotent
@bp.response(202, schemas.RequestSchema)
def force(plan_id: UUID, order_id: UUID) -> dict[str, Any]:
    """Ask what forcing in an order that is left out, or late, would displace.

    The scheduler answers within seconds: see the GET of the same address.
    """
    return {
        "id": services.request_forcing(
            plan_id, order_id, actor=current_actor(), now=utcnow()
        )
    }


@bp.get("/<uuid:plan_id>/forcing/<uuid:order_id>")
@bp.response(200, schemas.ForcingSchema)
def forcing(plan_id: UUID, order_id: UUID) -> Any:
    """Tell what forcing an order in would displace, if that was asked and answered."""
    plan = queries.plan(db.session(), plan_id)
    reasons.explained(db.session(), plan.id, order_id)
    return forced.asked(db.session(), plan, order_id)


@reasons_bp.get("/<uuid:order_id>/reasons")
@reasons_bp.response(200, schemas.OrderReasonsSchema)
def of_order(order_id: UUID) -> dict[str, Any]:
    """Tell why the newest plan leaves one's order out, or places it late, if it does."""
    row_id = queries.order_of(db.session(), order_id)
    return {
        "left_out": reasons.why_left_out(db.session(), row_id),
        "late": reasons.why_late(db.session(), row_id),
    }


@bp.post("/<uuid:plan_id>/approve")
@idempotent
@bp.arguments(schemas.DecisionSchema)
@bp.response(200, schemas.DecidedSchema)
def approve(body: dict[str, Any], plan_id: UUID) -> dict[str, Any]:
    """Approve a plan for one's platforms."""
    return _decide(body, plan_id, approve=True)


@bp.post("/<uuid:plan_id>/reject")
@idempotent
@bp.arguments(schemas.DecisionSchema)
@bp.response(200, schemas.DecidedSchema)
def reject(body: dict[str, Any], plan_id: UUID) -> dict[str, Any]:
    """Reject a plan for one's platforms; its orders there wait again."""
    return _decide(body, plan_id, approve=False)


@bp.post("/<uuid:plan_id>/finish")
@idempotent
@bp.response(202, schemas.RequestSchema)
def finish(plan_id: UUID) -> dict[str, Any]:
    """Ask a running night to search no longer, and to keep the best that it has."""
    return {"id": services.request_finish(plan_id, actor=current_actor(), now=utcnow())}


@bp.post("/<uuid:plan_id>/publish")
@idempotent
@bp.response(202, schemas.RequestSchema)
def publish(plan_id: UUID) -> dict[str, Any]:
    """Ask for the publication of what has been approved."""
    return {
        "id": services.request_publication(plan_id, actor=current_actor(), now=utcnow())
    }


def _decide(body: dict[str, Any], plan_id: UUID, *, approve: bool) -> dict[str, Any]:
    actor = current_actor()
    decided = services.decide(
        plan_id,
        _platform_ids(body["platforms"]),
        approve=approve,
        note=body["note"],
        actor=actor,
        now=utcnow(),
    )
    return {"decided": decided}


def _platform_ids(codes: list[str] | None) -> tuple[int, ...] | None:
    if codes is None:
        return None
    known = dict(db.session.execute(sa.select(Platform.code, Platform.id)).all())
    unknown = [c for c in codes if c not in known]
    if unknown:
        raise RulesBroken(
            [
                Violation(
                    "unknown_platform",
                    _(
                        "%(codes)s: no such platform; known are %(known)s",
                        codes=", ".join(unknown),
                        known=", ".join(sorted(known)),
                    ),
                    "platforms",
                )
            ]
        )
    return tuple(known[c] for c in codes)


def _dumped(data: dict[str, Any]) -> Response:
    """Return what is plain already; the response's schema only describes it."""
    return jsonify(data)
