"""`/api/v1/member-qualifications`."""

from typing import Any
from uuid import UUID

from flask import current_app

from platform_booking.clock import utcnow
from platform_booking.db import db
from platform_booking.qualifying import schemas, services
from platform_booking.qualifying.services import NewGrant
from platform_booking.web.actor import current_actor
from platform_booking.web.blueprint import Blueprint
from platform_booking.web.idempotency import idempotent
from platform_booking.web.paging import Page, PageArgs, envelope, paged

bp = Blueprint(
    "qualifying_api",
    __name__,
    url_prefix="/api/v1/member-qualifications",
    description="Who may run what.",
)


@bp.get("")
@bp.arguments(PageArgs, location="query")
@bp.response(200, envelope(schemas.HeldSchema))
def index(args: dict[str, Any]) -> dict[str, Any]:
    """List who holds what of the qualifications that one may grant."""
    page: Page = args["page"]
    found, total = services.held(
        db.session(), current_actor(), limit=page.limit, offset=page.offset
    )
    return paged(found, total=total, page=page)


@bp.post("")
@idempotent
@bp.arguments(schemas.NewGrantSchema)
@bp.response(201, schemas.HeldSchema)
def grant(new: NewGrant) -> Any:
    """Grant a member a qualification; what he holds of it is replaced."""
    now = utcnow()
    today = now.astimezone(current_app.config["SETTINGS"].zone).date()
    return services.grant(new, actor=current_actor(), now=now, today=today)


@bp.delete("/<uuid:member_id>/<code>")
@bp.response(204)
def revoke(member_id: UUID, code: str) -> None:
    """Take a qualification away from a member."""
    services.revoke(member_id, code, actor=current_actor(), now=utcnow())
