"""`/api/v1/availability`: free time across resources."""

from typing import Any

from flask import current_app

from platform_booking.clock import utcnow
from platform_booking.db import db
from platform_booking.finding import schemas, services
from platform_booking.finding.asking import Wish
from platform_booking.web.actor import current_actor
from platform_booking.web.blueprint import Blueprint

bp = Blueprint(
    "finding_api",
    __name__,
    url_prefix="/api/v1",
    description="Free time, searched across resources.",
)


@bp.get("/availability")
@bp.arguments(schemas.WishSchema, location="query")
@bp.response(200, schemas.AvailabilitySchema)
def availability(wish: Wish) -> dict[str, Any]:
    """Find free time, the best first: early end, little changeover, an idle tool."""
    found = services.find(
        db.session(),
        wish,
        actor=current_actor(),
        now=utcnow(),
        zone=current_app.config["SETTINGS"].zone,
    )
    return {
        "items": found.offers,
        "total": len(found.offers),
        "next": None,
        "left_out": found.left_out,
    }
