"""The page of one's calendars, and the calendars themselves."""

import hashlib
from uuid import UUID

from flask import (
    Blueprint,
    Response,
    current_app,
    flash,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_babel import force_locale
from flask_babel import gettext as _

from platform_booking.accounts import entrance
from platform_booking.bookings.queries import resources_to_pick
from platform_booking.clock import utcnow
from platform_booking.db import acting_as, db
from platform_booking.errors import NotFound, RulesBroken, Violation
from platform_booking.feeds import ics, queries, services
from platform_booking.web import actor as actors
from platform_booking.web.actor import current_actor

bp = Blueprint("feeds", __name__)

_GOOD_FOR = 300  # seconds that a calendar program need not ask again


@bp.get("/calendars")
def index() -> ResponseReturnValue:
    """Show one's calendars."""
    return _page()


@bp.post("/calendars")
def make() -> ResponseReturnValue:
    """Make a calendar; its address is shown this once."""
    chosen = request.form.get("resource", "")[:80]
    try:
        resource_id = UUID(chosen) if chosen else None
    except ValueError:
        raise NotFound from None
    try:
        _feed, secret = services.make(
            resource_id=resource_id,
            whole_firm=request.form.get("whose") == "firm",
            actor=current_actor(),
            now=utcnow(),
        )
    except RulesBroken as fault:
        return _page(violations=fault.violations), 422
    base = current_app.config["SETTINGS"].base_url.rstrip("/")
    return _page(address=base + url_for("feeds.calendar", secret=secret))


@bp.post("/calendars/<uuid:feed_id>/revoke")
def revoke(feed_id: UUID) -> ResponseReturnValue:
    """Revoke a calendar's address."""
    services.revoke(feed_id, actor=current_actor(), now=utcnow())
    flash(_("Revoked. Nobody reads anything at that address any more."), "success")
    return redirect(url_for("feeds.index"))


@bp.get("/calendar/<secret>.ics")
def calendar(secret: str) -> ResponseReturnValue:
    """Give a calendar to whoever knows its address, as its member may see it now."""
    now, settings = utcnow(), current_app.config["SETTINGS"]
    feed = services.standing(secret)
    if feed is None:
        entrance.count_wrong_calendar(request.remote_addr or "", now=now)
        raise NotFound
    actor = actors.standing(feed.member_id)
    if actor is None:
        raise NotFound
    with acting_as(actor.identity), force_locale(actor.locale):
        body = services.content(
            feed, actor=actor, now=now, zone=settings.zone, base_url=settings.base_url
        )
    response = Response(body, content_type=f"{ics.MIMETYPE}; charset=utf-8")
    response.cache_control.private = True
    response.cache_control.max_age = _GOOD_FOR
    response.set_etag(hashlib.sha256(body).hexdigest()[:32])
    return response.make_conditional(request)


def _page(*, address: str = "", violations: tuple[Violation, ...] = ()) -> str:
    session, actor = db.session(), current_actor()
    return render_template(
        "feeds/index.html",
        feeds=queries.feeds(session),
        groups=resources_to_pick(session),
        of_a_firm=actor.organisation_id is not None,
        address=address,
        violations=violations,
    )
