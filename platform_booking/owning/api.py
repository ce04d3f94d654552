"""`/api/v1/taken-back`, and how time gets there."""

from typing import Any
from uuid import UUID

from platform_booking.clock import utcnow
from platform_booking.db import db
from platform_booking.owning import schemas, services
from platform_booking.owning.services import Asked
from platform_booking.web.actor import current_actor
from platform_booking.web.blueprint import Blueprint
from platform_booking.web.idempotency import idempotent
from platform_booking.web.paging import Page, PageArgs, envelope, paged

bp = Blueprint("owning_api", __name__, url_prefix="/api/v1", description="Opened capacity.")


@bp.get("/taken-back")
@bp.arguments(PageArgs, location="query")
@bp.response(200, envelope(schemas.TakenLineSchema))
def index(args: dict[str, Any]) -> dict[str, Any]:
    """List what one's organisation has taken back and is not over."""
    page: Page = args["page"]
    found, total = services.taken_back(
        db.session(),
        current_actor(),
        now=utcnow(),
        limit=page.limit,
        offset=page.offset,
    )
    return paged(found, total=total, page=page)


@bp.post("/resources/<uuid:resource_id>/take-back")
@idempotent
@bp.arguments(schemas.TakeBackSchema)
@bp.response(201, schemas.TakenBackSchema)
def take_back(asked: Asked, resource_id: UUID) -> Any:
    """Take time of a resource that one's organisation opens to others back."""
    return services.take_back(resource_id, asked, actor=current_actor(), now=utcnow())


@bp.delete("/taken-back/<uuid:outage_id>")
@bp.response(204)
def give_back(outage_id: UUID) -> None:
    """Open what was taken back to others again."""
    services.give_back(outage_id, actor=current_actor(), now=utcnow())
