"""Limits of bookings under `/api/v1`: read by everybody, set by operators."""

from typing import Any
from uuid import UUID

from flask import Response, jsonify, request
from flask_babel import gettext as _

from platform_booking.catalog import queries as catalog
from platform_booking.catalog.fileformat import PolicySchema
from platform_booking.db import db
from platform_booking.errors import PreconditionFailed, PreconditionRequired
from platform_booking.limits import queries, schemas, services
from platform_booking.web.actor import current_actor
from platform_booking.web.blueprint import Blueprint
from platform_booking.web.etag import HEADER, needs_if_match
from platform_booking.web.paging import Page, PageArgs, envelope, paged

bp = Blueprint("limits_api", __name__, url_prefix="/api/v1", description="Limits.")


@bp.get("/resources/<uuid:resource_id>/policy")
@bp.response(200, PolicySchema)
def show(resource_id: UUID) -> Response:
    """Show the limits of a resource. What is absent does not bind."""
    return _told(resource_id)


@bp.put("/resources/<uuid:resource_id>/policy")
@needs_if_match
@bp.arguments(PolicySchema)
@bp.response(200, PolicySchema)
def change(policy: dict[str, Any], resource_id: UUID) -> Response:
    """Set the limits of a resource: all of them, what is absent does not bind any more."""
    services.change(
        resource_id,
        PolicySchema().dump(policy),
        expected=_expected(),
        actor=current_actor(),
    )
    return _told(resource_id)


@bp.get("/policies")
@bp.arguments(PageArgs, location="query")
@bp.response(200, envelope(schemas.PresetSchema))
def presets(args: dict[str, Any]) -> dict[str, Any]:
    """List the sets of limits that have a name, to set them elsewhere, too."""
    page: Page = args["page"]
    found = queries.presets(db.session())
    there = list(found[page.offset : page.offset + page.limit])
    return paged(there, total=len(found), page=page)


def _told(resource_id: UUID) -> Response:
    policy = catalog.resource(db.session(), public_id=resource_id).policy
    response = jsonify(policy)
    response.set_etag(queries.mark(policy))
    return response


def _expected() -> str | None:
    """Return the mark of what the caller has read; None if he takes any.

    Raises
    ------
    PreconditionRequired
        If there is no If-Match.
    PreconditionFailed
        If it holds no mark of ours.
    """
    if not request.headers.get(HEADER, "").strip():
        raise PreconditionRequired(
            HEADER, _("send If-Match with the ETag of what you have read, or * for any")
        )
    if request.if_match.star_tag:
        return None
    marks = request.if_match.as_set(include_weak=True)
    if len(marks) != 1:
        raise PreconditionFailed
    return str(marks.pop())
