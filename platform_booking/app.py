"""The application factory: settings, database, features, and nothing else."""

import os
from datetime import timedelta

import structlog
from flask import Flask
from flask_bootstrap import Bootstrap5
from flask_migrate import Migrate
from werkzeug.middleware.proxy_fix import ProxyFix

from platform_booking import cli, config, guards, home, models  # noqa: F401 - metadata
from platform_booking.accounts import api as accounts_api
from platform_booking.accounts import views as accounts_views
from platform_booking.attendance import api as attendance_api
from platform_booking.attendance import kiosk_views, usage_views
from platform_booking.attendance import views as attendance_views
from platform_booking.board import views as board_views
from platform_booking.bookings import api as bookings_api
from platform_booking.bookings import change_views as booking_change_views
from platform_booking.bookings import taken
from platform_booking.bookings import views as bookings_views
from platform_booking.catalog import api as catalog_api
from platform_booking.catalog import services as catalog_services
from platform_booking.catalog import views as catalog_views
from platform_booking.catalog import wording as catalog_wording
from platform_booking.db import NOBODY, acting_as, db
from platform_booking.errors import Misconfigured
from platform_booking.events import api as events_api
from platform_booking.events import views as events_views
from platform_booking.exchange import api as exchange_api
from platform_booking.exchange import views as exchange_views
from platform_booking.feeds import api as feeds_api
from platform_booking.feeds import views as feeds_views
from platform_booking.finding import api as finding_api
from platform_booking.finding import refusals
from platform_booking.finding import views as finding_views
from platform_booking.limits import api as limits_api
from platform_booking.limits import views as limits_views
from platform_booking.orders import api as orders_api
from platform_booking.orders import displacing as orders_displacing
from platform_booking.orders import views as orders_views
from platform_booking.owning import api as owning_api
from platform_booking.owning import views as owning_views
from platform_booking.planning import api as plans_api
from platform_booking.planning import views as plans_views
from platform_booking.policy import POLICY
from platform_booking.qualifying import api as qualifying_api
from platform_booking.qualifying import views as qualifying_views
from platform_booking.quotas import api as quotas_api
from platform_booking.quotas import views as quotas_views
from platform_booking.waitlist import api as waitlist_api
from platform_booking.waitlist import displacing as waitlist_displacing
from platform_booking.waitlist import views as waitlist_views
from platform_booking.web import (
    actor,
    api,
    csrf,
    errors,
    headers,
    health,
    i18n,
    logs,
    permission,
)

_log = structlog.get_logger()

PAGES = (
    health.bp,
    accounts_views.bp,
    orders_views.bp,
    board_views.bp,
    catalog_views.bp,
    plans_views.bp,
    bookings_views.bp,
    waitlist_views.bp,
    booking_change_views.bp,
    attendance_views.bp,
    kiosk_views.bp,
    usage_views.bp,
    owning_views.bp,
    events_views.bp,
    qualifying_views.bp,
    quotas_views.bp,
    limits_views.bp,
    finding_views.bp,
    feeds_views.bp,
    exchange_views.bp,
)
"""Blueprints of pages, one a feature."""

APIS = (
    accounts_api.bp,
    catalog_api.bp,
    orders_api.bp,
    plans_api.bp,
    plans_api.reasons_bp,
    bookings_api.bp,
    finding_api.bp,
    attendance_api.bp,
    owning_api.bp,
    events_api.bp,
    qualifying_api.bp,
    quotas_api.bp,
    limits_api.bp,
    feeds_api.bp,
    exchange_api.bp,
    waitlist_api.bp,
)
"""Blueprints of the API, one a feature; each knows its own address below /api/v1."""


def create_app(settings: config.Settings | None = None, *, verified: bool = False) -> Flask:
    """Make the application.

    Parameters
    ----------
    verified
        Refuse to start when a guard of the schema is missing: for what serves people.

    Raises
    ------
    Misconfigured
        If `settings` is None and the environment's are missing or wrong; if a route is
        missing in the policy; if a guard is missing.
    """
    settings = settings or config.read(os.environ)
    app = Flask(__name__)
    app.config.update(
        SETTINGS=settings,
        SECRET_KEY=settings.secret_key,
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS={"pool_pre_ping": True},
        SQLALCHEMY_BINDS={"job": settings.job_database_url}
        if settings.job_database_url
        else {},
        MAX_CONTENT_LENGTH=1024 * 1024,
        TRUSTED_HOSTS=settings.hosts,
        SESSION_COOKIE_NAME="__Host-session" if settings.secure_cookies else "session",
        SESSION_COOKIE_SECURE=settings.secure_cookies,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=timedelta(hours=12),
        BOOTSTRAP_SERVE_LOCAL=True,
    )
    if settings.proxies:
        n = settings.proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=n, x_proto=n, x_host=n)  # type: ignore[method-assign]
    db.init_app(app)
    Migrate(app, db, directory="migrations")
    Bootstrap5(app)
    _web(app)
    cli.init_app(app)
    if verified:
        _verify_guards(app)
    return app


def _web(app: Flask) -> None:
    logs.init_app(app)
    actor.init_app(app)  # who asks comes first: everything after depends on it
    permission.init_app(app, POLICY)
    csrf.init_app(app)
    errors.init_app(app)
    headers.init_app(app)
    i18n.init_app(app)
    home.init_app(app)
    taken.init_app(app)
    refusals.init_app(app)
    for blueprint in PAGES:
        app.register_blueprint(blueprint)
    api.init_app(app, APIS)
    app.jinja_env.globals.update(
        amount_in_words=catalog_wording.amount,
        order_reasons=plans_views.order_reasons,
        order_plan=plans_views.order_plan,
        order_proposals=plans_views.order_proposals,
        attendance_of=attendance_views.attendance_of,
        quotas_of_ours=quotas_views.quotas_of_ours,
    )
    for displacer in (orders_displacing.displace, waitlist_displacing.displace):
        catalog_services.on_outage(displacer)
    permission.verify(app, POLICY)


def _verify_guards(app: Flask) -> None:
    with app.app_context(), acting_as(NOBODY):
        missing = list(guards.missing(db.session.connection()))
    if missing:
        raise Misconfigured("the service does not start: " + "; ".join(missing))
