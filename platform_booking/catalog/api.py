"""The catalogue under `/api/v1`: read by everybody who is signed in; outages are declared
and ended by those who operate the platform.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from flask import Response, current_app, make_response, request, url_for
from flask_babel import gettext as _

from platform_booking.catalog import queries, schemas, services
from platform_booking.catalog.models import Outage, Resource
from platform_booking.catalog.rules import NewOutage
from platform_booking.catalog.shares import fortnight, outlooks
from platform_booking.clock import utcnow
from platform_booking.db import db
from platform_booking.errors import RulesBroken, Violation
from platform_booking.web.actor import current_actor
from platform_booking.web.blueprint import Blueprint, takes_header
from platform_booking.web.etag import set_etag
from platform_booking.web.idempotency import idempotent
from platform_booking.web.paging import Page, PageArgs, envelope, paged

bp = Blueprint(
    "catalog_api", __name__, url_prefix="/api/v1", description="What can be asked for."
)
View = Callable[..., Any]


def of_the_load(view: View) -> View:
    """Mark an answer that depends on the newest load alone; answer 304 if it is known."""

    @takes_header("If-None-Match", "An ETag that you have; 304 if nothing has changed.")
    @wraps(view)
    def marked(*args: Any, **kwargs: Any) -> Any:
        number = queries.version(db.session())
        if request.if_none_match.contains(str(number)):
            return set_etag(Response(status=304), number)
        return set_etag(make_response(view(*args, **kwargs)), number)

    return marked


@bp.get("/platforms")
@of_the_load
@bp.arguments(PageArgs, location="query")
@bp.response(200, envelope(schemas.PlatformSchema))
def platforms(args: dict[str, Any]) -> dict[str, Any]:
    """List the platforms that have resources in service."""
    return _sliced(queries.platforms(db.session()), args["page"])


@bp.get("/capabilities")
@of_the_load
@bp.arguments(PageArgs, location="query")
@bp.response(200, envelope(schemas.CapabilitySchema))
def capabilities(args: dict[str, Any]) -> dict[str, Any]:
    """List what resources in service can do."""
    found = [
        {"code": c.code, "name_zh": c.name_zh, "name_en": c.name_en, "resources": number}
        for c, number in queries.capabilities(db.session())
    ]
    return _sliced(found, args["page"])


@bp.get("/resources")
@of_the_load
@bp.arguments(schemas.ResourceArgs, location="query")
@bp.response(200, envelope(schemas.ResourceSchema))
def resources(args: dict[str, Any]) -> dict[str, Any]:
    """List the resources in service."""
    page: Page = args["page"]
    _known(platform=args["platform"], capability=args["capability"])
    found, total = queries.resources(
        db.session(),
        queries.Wanted(
            platform=args["platform"],
            capability=args["capability"],
            kind=args["kind"],
            text=args["q"],
        ),
        limit=page.limit,
        offset=page.offset,
    )
    return paged(list(found), total=total, page=page)


@bp.get("/resources/<uuid:resource_id>")
@bp.response(200, schemas.ResourceDetailSchema)
def resource(resource_id: UUID) -> dict[str, Any]:
    """Show a resource: its facts, hours, limits, and how busy the coming fortnight is."""
    found = queries.resource(db.session(), public_id=resource_id)
    now = utcnow()
    zone = current_app.config["SETTINGS"].zone
    from_at, to_at = fortnight(now, zone)
    outlook = outlooks(db.session(), [found], from_at=from_at, to_at=to_at, zone=zone)[
        found.id
    ]
    calendar = schemas.CalendarSchema(exclude=("exceptions",)).dump(found.calendar) | {
        "exceptions": [
            {"date": e.on_date.isoformat(), "hours": e.hours, "note": e.note}
            for e in sorted(found.calendar.exceptions, key=lambda e: e.on_date)
        ]
    }
    return {
        **{name: getattr(found, name) for name in _FACTS},
        "calendar": calendar,
        "busy_share": outlook.share,
        "next_free_at": outlook.next_free(now) if found.active else None,
    }


_FACTS = (
    "public_id", "code", "name_zh", "name_en", "platform", "kind", "capacity", "unit",
    "stay_rule", "wafer_mm", "class_rank", "flags_allowed", "self_run", "typical_minutes",
    "setup_minutes", "capabilities", "active", "demo", "policy", "rate", "notes",
)  # fmt: skip


@bp.get("/recipes")
@of_the_load
@bp.arguments(schemas.RecipeArgs, location="query")
@bp.response(200, envelope(schemas.RecipeSchema))
def recipes(args: dict[str, Any]) -> dict[str, Any]:
    """List the recipes under which loads may share a run."""
    page: Page = args["page"]
    _known(resource=args["resource"], capability=args["capability"])
    found, total = queries.recipes(
        db.session(),
        resource=args["resource"],
        capability=args["capability"],
        limit=page.limit,
        offset=page.offset,
    )
    return paged(list(found), total=total, page=page)


@bp.get("/occurrences")
@bp.arguments(schemas.OccurrenceArgs, location="query")
@bp.response(200, envelope(schemas.OccurrenceSchema))
def occurrences(args: dict[str, Any]) -> dict[str, Any]:
    """List the dated runs that have not ended, the soonest first."""
    page: Page = args["page"]
    found, total = queries.occurrences(
        db.session(),
        now=utcnow(),
        zone=current_app.config["SETTINGS"].zone,
        resource_id=_resource_id(args["resource"]),
        limit=page.limit,
        offset=page.offset,
    )
    return paged(list(found), total=total, page=page)


@bp.get("/routes")
@of_the_load
@bp.arguments(PageArgs, location="query")
@bp.response(200, envelope(schemas.RouteSchema))
def routes(args: dict[str, Any]) -> dict[str, Any]:
    """List the routes that can be ordered, with their steps."""
    page: Page = args["page"]
    found, total = queries.routes(db.session(), limit=page.limit, offset=page.offset)
    return paged(list(found), total=total, page=page)


@bp.get("/routes/<uuid:route_id>")
@of_the_load
@bp.response(200, schemas.RouteSchema)
def route(route_id: UUID) -> Any:
    """Show a route with its steps."""
    return queries.route(db.session(), route_id)


@bp.get("/outages")
@bp.arguments(schemas.OutageArgs, location="query")
@bp.response(200, envelope(schemas.OutageSchema))
def outages(args: dict[str, Any]) -> dict[str, Any]:
    """List the outages that have not ended, the soonest first."""
    page: Page = args["page"]
    _known(platform=args["platform"])
    found, total = queries.outages(
        db.session(),
        now=utcnow(),
        resource_id=_resource_id(args["resource"]),
        platform=args["platform"],
        limit=page.limit,
        offset=page.offset,
    )
    return paged([_outage(*line) for line in found], total=total, page=page)


@bp.post("/resources/<uuid:resource_id>/outages")
@idempotent
@bp.arguments(schemas.NewOutageSchema)
@bp.response(201, schemas.DeclaredSchema)
def declare(new: NewOutage, resource_id: UUID) -> Any:
    """Declare a resource of one's platform down for a time."""
    done = services.declare_outage(resource_id, new, actor=current_actor(), now=utcnow())
    location = url_for("catalog_api.outages", resource=done.resource.code)
    return (
        _outage(done.outage, done.resource)
        | {"hits": done.hits, "displaced": done.displaced},
        {"Location": location},
    )


@bp.delete("/outages/<uuid:outage_id>")
@bp.response(204)
def end(outage_id: UUID) -> None:
    """End an outage of one's platform now; one that has not begun is taken back."""
    services.end_outage(outage_id, actor=current_actor(), now=utcnow())


def _outage(outage: Outage, of: Resource) -> dict[str, Any]:
    return {
        "id": outage.public_id,
        "resource_id": of.public_id,
        "resource": of.code,
        "starts_at": outage.starts_at,
        "ends_at": outage.ends_at,
        "kind": outage.kind,
        "reason": outage.reason,
    }


def _sliced(found: list[Any], page: Page) -> dict[str, Any]:
    part = found[page.offset : page.offset + page.limit]
    return paged(part, total=len(found), page=page)


def _resource_id(code: str | None) -> int | None:
    if code is None:
        return None
    _known(resource=code)
    return queries.resource(db.session(), code=code).id


def _known(**codes: str | None) -> None:
    """Refuse a filter that names nothing: an empty list would hide a typing error.

    Raises
    ------
    RulesBroken
    """
    unknown = [
        Violation(
            f"unknown_{part}",
            _("%(code)s is unknown; see /api/v1/%(list)s", code=code, list=_LISTS[part]),
            part,
        )
        for part, code in codes.items()
        if code is not None and not queries.has(db.session(), part, code)
    ]
    if unknown:
        raise RulesBroken(unknown)


_LISTS = {
    "platform": "platforms",
    "capability": "capabilities",
    "resource": "resources",
}
