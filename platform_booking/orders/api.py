"""`/api/v1/orders`."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from flask import Response, current_app, jsonify, url_for

from platform_booking.clock import utcnow
from platform_booking.db import db
from platform_booking.orders import queries, schemas, services
from platform_booking.orders.asking import NewOrder
from platform_booking.orders.lines import OrderDetail
from platform_booking.web.actor import current_actor
from platform_booking.web.blueprint import Blueprint
from platform_booking.web.etag import (
    expected_version,
    needs_if_match,
    required_version,
    set_etag,
    takes_if_match,
)
from platform_booking.web.idempotency import idempotent
from platform_booking.web.paging import Page, envelope, paged

bp = Blueprint("orders_api", __name__, url_prefix="/api/v1/orders", description="Orders.")


@bp.post("")
@idempotent
@bp.arguments(schemas.NewOrderSchema)
@bp.response(201, schemas.HandedSchema)
def submit(new: NewOrder) -> Response:
    """Hand in an order; the answer says the earliest date that today's bookings allow."""
    handed = services.submit(new, by=_asker(), now=utcnow(), zone=_zone())
    response = _handed(handed)
    response.status_code = 201
    response.headers["Location"] = url_for(
        "orders_api.show", order_id=handed.order.public_id
    )
    return response


@bp.post("/check")
@bp.arguments(schemas.NewOrderSchema)
@bp.response(200, schemas.CheckedSchema)
def check(new: NewOrder) -> Any:
    """Say which rules an order would break and when it could be served; write nothing."""
    return services.check(new, by=_asker(), now=utcnow(), zone=_zone())


@bp.get("")
@bp.arguments(schemas.OrderArgs, location="query")
@bp.response(200, envelope(schemas.OrderLineSchema))
def index(args: dict[str, Any]) -> dict[str, Any]:
    """List the orders that one may see, the newest first."""
    page: Page = args["page"]
    found, total = queries.orders(
        db.session(),
        state=args["state"],
        platform=args["platform"],
        limit=page.limit,
        offset=page.offset,
    )
    return paged(list(found), total=total, page=page)


@bp.get("/<uuid:order_id>")
@bp.response(200, schemas.OrderSchema)
def show(order_id: UUID) -> Response:
    """Show an order."""
    return _shown(order_id)


@bp.put("/<uuid:order_id>")
@idempotent
@needs_if_match
@bp.arguments(schemas.NewOrderSchema)
@bp.response(200, schemas.HandedSchema)
def amend(new: NewOrder, order_id: UUID) -> Response:
    """Replace what an order asks for, while nothing of it is booked. Needs If-Match."""
    return _handed(
        services.amend(
            order_id,
            new,
            version=required_version(),
            by=_asker(),
            now=utcnow(),
            zone=_zone(),
        )
    )


@bp.post("/<uuid:order_id>/withdraw")
@idempotent
@takes_if_match
@bp.response(200, schemas.OrderSchema)
def withdraw(order_id: UUID) -> Response:
    """Withdraw an order; its future bookings are cancelled with it."""
    services.withdraw(order_id, by=_asker(), now=utcnow(), version=expected_version())
    return _shown(order_id)


def _shown(order_id: UUID) -> Response:
    """Return an order as it stands now."""
    found = _found(order_id)
    return set_etag(jsonify(schemas.OrderSchema().dump(found)), found.version)


def _handed(handed: services.Handed) -> Response:
    found = _found(handed.order.public_id)
    data = schemas.OrderSchema().dump(found)
    earliest = asdict(handed.earliest) if handed.earliest else None
    data["earliest"] = schemas.EstimateSchema().dump(earliest) if earliest else None
    return set_etag(jsonify(data), found.version)


def _found(order_id: UUID) -> OrderDetail:
    return queries.order(
        db.session(), order_id, organisation_id=current_actor().organisation_id
    )


def _asker() -> services.Asker:
    actor = current_actor()
    return services.Asker(member_id=actor.member_id, organisation_id=actor.organisation_id)


def _zone() -> Any:
    return current_app.config["SETTINGS"].zone
