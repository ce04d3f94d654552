"""The page that finds free time: a form, and what was found by day."""

from datetime import date
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, current_app, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from platform_booking.bookings.forms import local_text
from platform_booking.bookings.queries import materials, resources_to_pick
from platform_booking.catalog.models import ResourceKind
from platform_booking.clock import utcnow
from platform_booking.db import db
from platform_booking.errors import RulesBroken
from platform_booking.finding import forms, queries, services
from platform_booking.finding.asking import Answer, Offer, Wish
from platform_booking.web.actor import current_actor
from platform_booking.web.i18n import named

bp = Blueprint("finding", __name__, url_prefix="/find")

_OFFERS, _A_DAY = 24, 6


@bp.get("")
def index() -> ResponseReturnValue:
    """Find free time across resources."""
    session, now, zone = db.session(), utcnow(), _zone()
    reading = forms.read(request.args, now=now, zone=zone, limit=_OFFERS, a_day=_A_DAY)
    found: Answer | None = None
    if reading.wish is not None and "more" not in request.args:
        try:
            found = services.find(
                session, reading.wish, actor=current_actor(), now=now, zone=zone
            )
        except RulesBroken as fault:
            reading.violations = list(fault.violations)
    page = render_template(
        "finding/index.html",
        reading=reading,
        found=found,
        days=_days(found, zone) if found else (),
        address=lambda offer: _address(offer, reading.wish, zone),
        **_choices(session),
    )
    return page, 422 if reading.violations else 200


def _days(found: Answer, zone: ZoneInfo) -> list[tuple[date, list[Offer]]]:
    def day(offer: Offer) -> date:
        return offer.starts_at.astimezone(zone).date()

    in_order = sorted(found.offers, key=day)  # stable: the best of a day stays first
    return [(on, list(offers)) for on, offers in groupby(in_order, key=day)]


def _address(offer: Offer, wish: Wish | None, zone: ZoneInfo) -> str:
    """Return the booking form, filled in."""
    fields: dict[str, Any] = {
        "resource": offer.resource.public_id,
        "starts_at": local_text(offer.starts_at, zone),
        "ends_at": local_text(offer.ends_at, zone),
        "quantity": offer.quantity,
        "recipe_id": offer.recipe.public_id if offer.recipe else None,
        "occurrence_id": offer.occurrence.public_id if offer.occurrence else None,
    }
    if offer.resource.kind is ResourceKind.UNARY:
        fields["quantity"] = None
    if wish is not None:
        fields |= {
            "wafer_mm": wish.wafer_mm,
            "class_rank": wish.class_rank,
            "flags": list(wish.flags) or None,
        }
    return url_for("bookings.new", **fields)


def _choices(session: Session) -> dict[str, Any]:
    classes, flags = materials(session)
    groups = resources_to_pick(session)
    sizes = {mm for _platform, tools in groups for one in tools for mm in one.wafer_mm}
    return {
        "capabilities": [
            (c.code, f"{c.code} {named(c)}") for c in queries.capabilities(session)
        ],
        "groups": groups,
        "wafers": [(mm, f"{mm} mm") for mm in sorted(sizes)],
        "classes": [(c.rank, named(c)) for c in classes],
        "all_flags": flags,
    }


def _zone() -> ZoneInfo:
    zone: ZoneInfo = current_app.config["SETTINGS"].zone
    return zone
