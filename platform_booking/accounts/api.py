"""`/api/v1/projects`: what an organisation's orders and bookings are for."""

from typing import Any
from uuid import UUID

from platform_booking.accounts import projects, schemas
from platform_booking.accounts.models import Project, Purpose
from platform_booking.db import db
from platform_booking.web.actor import current_actor
from platform_booking.web.blueprint import Blueprint
from platform_booking.web.idempotency import idempotent
from platform_booking.web.paging import Page, PageArgs, envelope, paged

bp = Blueprint(
    "accounts_api", __name__, url_prefix="/api/v1/projects", description="Projects."
)


@bp.get("")
@bp.arguments(PageArgs, location="query")
@bp.response(200, envelope(schemas.OwnProjectSchema))
def index(args: dict[str, Any]) -> dict[str, Any]:
    """List one's organisation's projects, by code."""
    page: Page = args["page"]
    found = projects.own_projects(db.session())
    there = found[page.offset : page.offset + page.limit]
    return paged(there, total=len(found), page=page)


@bp.post("")
@idempotent
@bp.arguments(schemas.NewProjectSchema)
@bp.response(201, schemas.OwnProjectSchema)
def add(new: dict[str, str]) -> Project:
    """Begin a project; it is for commercial work until somebody says otherwise."""
    return projects.add(new["code"], new["name"], actor=current_actor())


@bp.put("/<uuid:project_id>/active")
@bp.arguments(schemas.OpenSchema)
@bp.response(200, schemas.OwnProjectSchema)
def set_active(asked: dict[str, bool], project_id: UUID) -> Project:
    """Close a project to new orders and bookings, or open it again; what it has stays."""
    return projects.set_active(project_id, active=asked["active"], actor=current_actor())


@bp.put("/<uuid:project_id>/purpose")
@bp.arguments(schemas.PurposeSchema)
@bp.response(200, schemas.OwnProjectSchema)
def set_purpose(asked: dict[str, Purpose], project_id: UUID) -> Project:
    """Say what a project is for. It binds what is booked from now on."""
    return projects.set_purpose(project_id, asked["purpose"].value, actor=current_actor())
