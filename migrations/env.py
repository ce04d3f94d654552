"""How migrations run: as the owner of the schema, one transaction each."""

from typing import Any

import sqlalchemy as sa
from alembic import context, util
from alembic.autogenerate.api import AutogenContext
from flask import current_app
from sqlalchemy.exc import OperationalError

from platform_booking.commands import no_answer
from platform_booking.db import UtcDateTime, db


def render_item(kind: str, item: Any, _context: AutogenContext) -> str | bool:
    """Write plain types into migrations: they must not import the application."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def run() -> None:
    """Run the migrations over OWNER_DATABASE_URL."""
    url = current_app.config["SETTINGS"].owner_database_url
    if url is None:
        raise util.CommandError(
            "OWNER_DATABASE_URL is not set; migrations run as the owner"
        )
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    try:
        connected = engine.connect()
    except OperationalError as fault:
        raise util.CommandError(no_answer("OWNER_DATABASE_URL", url, fault)) from None
    with connected as connection:
        connection.execute(sa.text("SET lock_timeout = '10s'"))
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=db.metadata,
            render_item=render_item,
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run()
