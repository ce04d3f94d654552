"""`/api/v1/quotas`."""

from typing import Any
from uuid import UUID

from flask import current_app

from platform_booking.clock import utcnow
from platform_booking.db import db
from platform_booking.quotas import queries, schemas, services
from platform_booking.quotas.services import NewQuota
from platform_booking.web.actor import current_actor
from platform_booking.web.blueprint import Blueprint
from platform_booking.web.idempotency import idempotent
from platform_booking.web.paging import Page, PageArgs, envelope, paged

bp = Blueprint("quotas_api", __name__, url_prefix="/api/v1/quotas", description="Quotas.")


@bp.get("")
@bp.arguments(PageArgs, location="query")
@bp.response(200, envelope(schemas.QuotaSchema))
def index(args: dict[str, Any]) -> dict[str, Any]:
    """List the quotas in force that concern one, and how much of each is held."""
    page: Page = args["page"]
    found, total = queries.quota_lines(
        db.session(),
        current_actor(),
        limit=page.limit,
        offset=page.offset,
        now=utcnow(),
        zone=current_app.config["SETTINGS"].zone,
    )
    return paged(found, total=total, page=page)


@bp.post("")
@idempotent
@bp.arguments(schemas.NewQuotaSchema)
@bp.response(201, schemas.SetQuotaSchema)
def set_quota(new: NewQuota) -> Any:
    """Set a quota."""
    return services.set_quota(new, actor=current_actor())


@bp.delete("/<uuid:quota_id>")
@bp.response(204)
def end(quota_id: UUID) -> None:
    """End a quota."""
    services.end_quota(quota_id, actor=current_actor())
