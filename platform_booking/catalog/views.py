"""Pages of the catalogue: platforms, a platform's resources, one resource, its outages."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import (
    Blueprint,
    current_app,
    flash,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext

from platform_booking.catalog import forms, pictures, queries, services, wording
from platform_booking.catalog.facts import facts
from platform_booking.catalog.models import Platform, Resource, ResourceKind
from platform_booking.catalog.occupancy import Taken
from platform_booking.catalog.shares import Outlook, fortnight, outlooks, together
from platform_booking.clock import utcnow
from platform_booking.db import db
from platform_booking.errors import AlreadyThere, IllegalMove, RulesBroken, Violation
from platform_booking.web.actor import current_actor
from platform_booking.web.i18n import local_time

bp = Blueprint("catalog", __name__)


@dataclass(frozen=True, slots=True)
class PlatformLine:
    """A platform in the list of all."""

    platform: Platform
    resources: int
    kinds: dict[ResourceKind, int]
    share: float | None


@dataclass(frozen=True, slots=True)
class ResourceLine:
    """A resource in the list of its platform."""

    resource: Resource
    share: float | None
    next_free: str


@bp.get("/platforms")
def platforms() -> ResponseReturnValue:
    """List the platforms with their load of the coming fortnight."""
    session = db.session()
    found, _total = queries.resources(session, queries.Wanted())
    ahead = _ahead(found)
    lines = [
        PlatformLine(
            platform,
            len(own),
            {kind: n for kind in ResourceKind if (n := sum(r.kind is kind for r in own))},
            together(ahead[r.id] for r in own),
        )
        for platform in queries.platforms(session)
        if (own := [r for r in found if r.platform_id == platform.id])
    ]
    return render_template(
        "catalog/platforms.html", lines=lines, wording=wording, demo=_demo(found)
    )


@bp.get("/platforms/<code>")
def platform(code: str) -> ResponseReturnValue:
    """List the resources of a platform."""
    session = db.session()
    of = queries.platform(session, code)
    every, _total = queries.resources(session, queries.Wanted(platform=code))
    able = queries.capabilities(session, platform_id=of.id)
    chosen = _chosen(every)
    ahead = _ahead(every)
    now = utcnow()
    lines = [
        ResourceLine(r, ahead[r.id].share, _next_free(ahead[r.id], now)) for r in chosen
    ]
    return render_template(
        "catalog/platform.html",
        platform=of,
        lines=lines,
        total=len(every),
        capabilities=able,
        kinds=[k for k in ResourceKind if any(r.kind is k for r in every)],
        columns=pictures.columns(ahead.values(), *fortnight(now, _zone()), zone=_zone()),
        share=together(ahead.values()),
        wording=wording,
        demo=_demo(every),
    )


@bp.get("/resources/<code>")
def resource(code: str) -> ResponseReturnValue:
    """Show a resource: facts, hours, recipes, limits, outages, runs, and how busy it is."""
    return _resource_page(queries.resource(db.session(), code=code))


@bp.post("/resources/<code>/outages")
def declare(code: str) -> ResponseReturnValue:
    """Declare an outage; ask first when it hits bookings."""
    of = queries.resource(db.session(), code=code)
    services.insist_on_operating(of, current_actor())
    filled = forms.OutageForm.read(request.form)
    try:
        new = filled.parsed(_zone())
        hits = services.hits(of.public_id, new, actor=current_actor(), now=utcnow())
        if hits and not request.form.get("confirmed"):
            return _resource_page(of, filled=filled, hits=hits)
        done = services.declare_outage(
            of.public_id, new, actor=current_actor(), now=utcnow()
        )
    except RulesBroken as broken:
        page = _resource_page(of, filled=filled, violations=broken.violations)
        return page, 422
    except AlreadyThere as fault:
        told = Violation(fault.code, str(fault), "starts_at")
        return _resource_page(of, filled=filled, violations=[told]), 409
    flash(_declared(done.displaced), "warning" if done.displaced else "success")
    return redirect(url_for("catalog.resource", code=code))


@bp.post("/outages/<uuid:outage_id>/end")
def end_outage(outage_id: UUID) -> ResponseReturnValue:
    """End an outage now, or take back one that has not begun."""
    try:
        of = services.end_outage(outage_id, actor=current_actor(), now=utcnow())
    except IllegalMove:
        flash(_("That outage is over already."), "warning")
        return redirect(url_for("catalog.platforms"))
    flash(_("Ended. The resource can be had again."), "success")
    return redirect(url_for("catalog.resource", code=of.code))


def _resource_page(
    of: Resource,
    *,
    filled: forms.OutageForm | None = None,
    hits: Sequence[Taken] = (),
    violations: Sequence[Violation] = (),
) -> str:
    session = db.session()
    now = utcnow()
    outlook = _ahead([of])[of.id]
    actor = current_actor()
    begins = now.astimezone(_zone())
    down, _total = queries.outages(session, now=now, resource_id=of.id)
    runs, _total = (
        queries.occurrences(session, now=now, zone=_zone(), resource_id=of.id, limit=20)
        if of.kind is ResourceKind.EVENT
        else ([], 0)
    )
    return render_template(
        "catalog/resource.html",
        resource=of,
        facts=facts(session, of),
        outlook=outlook,
        next_free=_next_free(outlook, now) if of.active else "–",
        lanes=pictures.lanes(outlook, *fortnight(now, _zone()), zone=_zone()),
        week=pictures.week(of),
        dates=pictures.dates(of.calendar, begins.date()),
        runs=runs,
        runs_page="events.index" in current_app.view_functions,
        limits_page="limits.edit" in current_app.view_functions,
        outages=[outage for outage, _of in down],
        operates=actor.is_park or of.platform_id in actor.platform_ids,
        form=filled or forms.OutageForm.starting(begins),
        hits=hits,
        violations=violations,
        links=_links(of),
        now=now,
        wording=wording,
        demo=_demo([of]),
    )


def _declared(displaced: int) -> str:
    if not displaced:
        return str(_("Declared. No booking loses its place."))
    return str(
        ngettext(
            "Declared. %(num)d booking is displaced: its owner is told, and waits with"
            " first right.",
            "Declared. %(num)d bookings are displaced: their owners are told, and wait with"
            " first right.",
            displaced,
        )
    )


def _chosen(every: Sequence[Resource]) -> list[Resource]:
    """Return those resources of a platform that the filters let through."""
    capability = request.args.get("capability", "")
    kind = request.args.get("kind", "")
    words = request.args.get("q", "").casefold().split()
    return [
        r
        for r in every
        if (not capability or any(c.code == capability for c in r.capabilities))
        and (not kind or r.kind.value == kind)
        and all(w in f"{r.code} {r.name_zh} {r.name_en}".casefold() for w in words)
    ]


def _ahead(rows: Iterable[Resource]) -> dict[int, Outlook]:
    from_at, to_at = fortnight(utcnow(), _zone())
    return outlooks(db.session(), rows, from_at=from_at, to_at=to_at, zone=_zone())


def _next_free(outlook: Outlook, now: datetime) -> str:
    moment = outlook.next_free(now)
    if moment is None:
        return str(_("not within the fortnight"))
    return str(_("now")) if moment <= now else local_time(moment)


def _links(of: Resource) -> list[tuple[str, str]]:
    """Return where the member may ask for it, as far as there are such pages."""
    policy, actor = current_app.extensions["policy"], current_actor()
    able = min((c.code for c in of.capabilities), default=None)
    wanted = (
        ("bookings.new", _("Book a time"), {"resource": of.code}),
        ("orders.new", _("Hand in an order"), {"resource": of.code, "capability": able}),
    )
    return [
        (url_for(endpoint, **named), label)
        for endpoint, label, named in wanted
        if of.active
        and endpoint in current_app.view_functions
        and (policy[endpoint].roles or set()) & actor.roles
    ]


def _demo(rows: Iterable[Resource]) -> bool:
    """Tell whether the page shows invented data and must say so."""
    return current_app.config["SETTINGS"].demo or any(r.demo for r in rows)


def _zone() -> ZoneInfo:
    zone: ZoneInfo = current_app.config["SETTINGS"].zone
    return zone
