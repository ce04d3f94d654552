"""The application factory: settings, database, features, and nothing else."""

import os

from flask import Flask
from flask_migrate import Migrate

from platform_booking import cli, config, models  # noqa: F401 - models fill the metadata
from platform_booking.db import db


def create_app(settings: config.Settings | None = None) -> Flask:
    """Make the application.

    Raises
    ------
    Misconfigured
        If `settings` is None and the environment's are missing or wrong.
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
        TRUSTED_HOSTS=list(settings.trusted_hosts) or None,
    )
    db.init_app(app)
    Migrate(app, db, directory="migrations")
    cli.init_app(app)
    return app
