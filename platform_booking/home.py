"""The start page, and the menu: what the present member may open."""

from urllib.parse import urlencode

from flask import Blueprint, Flask, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from platform_booking.web.actor import optional_actor
from platform_booking.web.i18n import in_chinese

bp = Blueprint("home", __name__)


@bp.get("/")
def index() -> ResponseReturnValue:
    """Lead a member to the first thing on his menu, greet a visitor."""
    actor = optional_actor()
    if actor is None:
        return render_template("home.html")
    for entry in menu():
        return redirect(str(entry["url"]))
    return redirect(url_for("accounts.account"))


def menu() -> list[dict[str, object]]:
    """Return the entries that the present member may open."""
    entries = (
        ("orders.index", _("Orders")),
        ("orders.new", _("New order")),
        ("plans.index", _("Plans")),
        ("board.index", _("Board")),
        ("catalog.platforms", _("Platforms")),
        ("bookings.index", _("Bookings")),
        ("accounts.projects", _("Projects")),
        ("accounts.members", _("Members")),
        ("accounts.organisations", _("Organisations")),
        ("accounts.staff", _("Staff")),
    )
    actor, policy = optional_actor(), current_app.extensions["policy"]
    return [
        {"url": url_for(e), "label": label, "active": request.endpoint == e}
        for e, label in entries
        if e in policy and actor is not None and policy[e].roles & actor.roles
    ]


def language_link() -> str:
    """Return this page's address in the other language."""
    args = request.args.to_dict() | {"lang": "en" if in_chinese() else "zh"}
    path = request.path if request.method == "GET" else url_for("home.index")
    return f"{path}?{urlencode(args)}"


def init_app(app: Flask) -> None:
    """Give every page its menu."""
    settings = app.config["SETTINGS"]
    app.context_processor(
        lambda: {
            "menu": menu(),
            "language_link": language_link,
            "demo": settings.demo,
            "park_zone": settings.timezone,
        }
    )
    app.register_blueprint(bp)
