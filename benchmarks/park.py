"""The demo park and a fortnight of its demand, as a night reads them from PostgreSQL."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from flask import Flask
from flask_migrate import upgrade

from benchmarks.sizes import Size, demand_of, park_of
from platform_booking.app import create_app
from platform_booking.catalog import loader
from platform_booking.catalog.loader import demo_text, parsed
from platform_booking.config import Settings
from platform_booking.db import JOB, acting_as, db, transaction
from platform_booking.embedded import EmbeddedPostgres, Urls
from platform_booking.orders.seeding import seed as seed_demand
from platform_booking.planning.snapshot import read
from solver.problem import Problem

ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2027, 3, 8, 1, 0, tzinfo=ZONE)
"""A Monday night with no holiday near: the same problem whenever it is made."""

SECRET = "known to everybody, for a database of some minutes"
_MIGRATIONS = str(Path(__file__).parent.parent / "migrations")
BRIEF = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""Settings of a server whose data nobody will miss."""


@dataclass(frozen=True, slots=True)
class Night:
    """One night of the demo park."""

    problem: Problem
    asked: int  # orders of the demand
    skipped: Mapping[str, int]  # those that no resource can serve, by reason


def make_night(size: Size, *, seed: int, load: float) -> Night:
    """Fill an empty, migrated database with a park and its demand, and read its night.

    Needs an application context. `seed` and `load` are those of `benchmarks.sizes`.
    """
    content = parsed(demo_text())
    wishes = demand_of(content, size, seed=seed, load=load, today=NOW, zone=ZONE)
    with acting_as(JOB), transaction() as session:
        loader.load(session, park_of(content, size), now=NOW, zone=ZONE)
        session.flush()  # the catalogue, before orders refer to it
        seeded = seed_demand(session, wishes, now=NOW)
    with acting_as(JOB), transaction() as session:
        problem = read(session, now=NOW, zone=ZONE).problem
    return Night(problem=problem, asked=len(wishes.wishes), skipped=seeded.skipped)


@contextmanager
def server(settings: Mapping[str, str] = BRIEF) -> Iterator[EmbeddedPostgres]:
    """Run a PostgreSQL that leaves nothing behind."""
    home = Path(tempfile.mkdtemp(prefix="pb-bench-"))
    home.chmod(0o711)  # the server's unprivileged user must pass through
    try:
        with EmbeddedPostgres(home, server_settings=settings) as running:
            yield running
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def empty_service(postgres: EmbeddedPostgres, name: str) -> Iterator[Flask]:
    """Make a migrated database of that name; within the block the application is on it."""
    postgres.ensure_database(name)
    app = create_app(_settings(postgres.urls(name)))
    with app.app_context():
        upgrade(directory=_MIGRATIONS)
        try:
            yield app
        finally:
            db.session.remove()
            for engine in db.engines.values():
                engine.dispose()


def _settings(urls: Urls) -> Settings:
    return Settings(
        database_url=urls.web,
        owner_database_url=urls.owner,
        job_database_url=urls.job,
        secret_key=SECRET,
        secure_cookies=False,
    )
