"""`/api/v1/waiting`: wait for time on a resource, answer what is offered."""

from typing import Any
from uuid import UUID

from flask import current_app, url_for

from platform_booking.clock import utcnow
from platform_booking.db import db
from platform_booking.waitlist import queries, schemas, services
from platform_booking.waitlist.asking import NewWaiting
from platform_booking.web.actor import current_actor
from platform_booking.web.blueprint import Blueprint
from platform_booking.web.idempotency import idempotent
from platform_booking.web.paging import Page, envelope, paged

bp = Blueprint(
    "waitlist_api",
    __name__,
    url_prefix="/api/v1",
    description="Waiting for what is full.",
)


@bp.post("/waiting")
@idempotent
@bp.arguments(schemas.NewWaitingSchema)
@bp.response(201, schemas.WaitingSchema)
def join(asked: NewWaiting) -> Any:
    """Wait for a slot, or for a stay within a window; what becomes free is offered."""
    line = services.join(
        asked,
        actor=current_actor(),
        now=utcnow(),
        zone=current_app.config["SETTINGS"].zone,
    )
    where = url_for("waitlist_api.show", waiting_id=line.entry.public_id)
    return line, 201, {"Location": where}


@bp.get("/waiting")
@bp.arguments(schemas.WaitingArgs, location="query")
@bp.response(200, envelope(schemas.WaitingSchema))
def index(args: dict[str, Any]) -> dict[str, Any]:
    """List who waits: one's own firm; on the platforms that one operates, in order."""
    page: Page = args["page"]
    found, total = queries.lines(
        db.session(),
        resource_id=args["resource"],
        states=args["state"],
        in_order=current_actor().organisation_id is None,
        now=utcnow(),
        limit=page.limit,
        offset=page.offset,
    )
    return paged(list(found), total=total, page=page)


@bp.get("/waiting/<uuid:waiting_id>")
@bp.response(200, schemas.WaitingSchema)
def show(waiting_id: UUID) -> Any:
    """Show an entry, and what it is offered."""
    return queries.line(db.session(), waiting_id)


@bp.post("/waiting/<uuid:waiting_id>/withdraw")
@idempotent
@bp.response(200, schemas.WaitingSchema)
def withdraw(waiting_id: UUID) -> Any:
    """Wait no longer."""
    return services.withdraw(waiting_id, actor=current_actor(), now=utcnow())


@bp.post("/waiting/<uuid:waiting_id>/accept")
@idempotent
@bp.response(200, schemas.WaitingSchema)
def accept(waiting_id: UUID) -> Any:
    """Take what is offered; the rules are asked once more."""
    return services.accept(
        waiting_id,
        actor=current_actor(),
        now=utcnow(),
        zone=current_app.config["SETTINGS"].zone,
    )


@bp.post("/waiting/<uuid:waiting_id>/pass")
@idempotent
@bp.response(200, schemas.WaitingSchema)
def let_go(waiting_id: UUID) -> Any:
    """Let an offer go; the entry waits on, and the next one is asked."""
    return services.let_go(waiting_id, actor=current_actor(), now=utcnow())
