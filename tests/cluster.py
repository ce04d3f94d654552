"""Databases for tests: one migrated template, cloned for whoever asks."""

import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
import sqlalchemy as sa
from flask_migrate import upgrade
from psycopg import sql

from platform_booking.app import create_app
from platform_booking.config import Settings
from platform_booking.db import db
from platform_booking.embedded import ROLES_SQL, Urls

MIGRATIONS = str(Path(__file__).parent.parent / "migrations")
PATIENCE = 0.1  # seconds that who leaves a database is waited for
TEST_SECRET = "a secret of the tests, known to everybody"


def settings_for(urls: Urls, **changed: object) -> Settings:
    """Return the settings of an application on a test's database."""
    chosen: dict[str, object] = {
        "database_url": urls.web,
        "owner_database_url": urls.owner,
        "job_database_url": urls.job,
        "secret_key": TEST_SECRET,
        "secure_cookies": False,
        "fairness": 0,  # values are then the sums that a test can derive
        **changed,
    }
    return Settings(**chosen)  # type: ignore[arg-type]


class Cluster:
    """A PostgreSQL with the service's roles; `urls` addresses a database of it by name."""

    def __init__(self, urls: Callable[[str], Urls]) -> None:
        self._urls = urls
        self._prefix = f"pb_test_{os.getpid()}"
        self._numbers = itertools.count(1)
        self._templates: list[str] = []
        self._lasting: psycopg.Connection | None = None

    @classmethod
    def on_server(cls, superuser_url: str) -> Self:
        """Use a running server; its roles get the password of the address, if it has one."""
        base = sa.make_url(superuser_url).set(drivername="postgresql+psycopg")

        def address(role: str, database: str) -> str:
            url = base.set(username=role, database=database)
            return url.render_as_string(hide_password=False)

        def urls(database: str) -> Urls:
            return Urls(
                web=address("pb_web", database),
                owner=address("pb_owner", database),
                job=address("pb_job", database),
                superuser=address(str(base.username), database),
            )

        cluster = cls(urls)
        cluster._administration.execute(ROLES_SQL.read_bytes())
        for role in ("pb_owner", "pb_web", "pb_job"):
            if base.password:
                cluster._administration.execute(
                    sql.SQL("ALTER ROLE {} PASSWORD {}").format(
                        sql.Identifier(role), sql.Literal(str(base.password))
                    )
                )
        return cluster

    def __enter__(self) -> Self:
        """Use the cluster within the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Drop the templates."""
        for name in self._templates:
            self._drop(name)
        self._administration.close()

    @contextmanager
    def empty_database(self) -> Iterator[Urls]:
        """Give a database without any table, for tests of the migrations themselves."""
        with self._database("template0") as name:
            yield self._urls(name)

    @contextmanager
    def fresh_database(self, name: str | None = None) -> Iterator[Urls]:
        """Give a migrated database without rows, and drop it afterwards.

        Under the same `name` an application finds one after another.
        """
        with self._database(self._migrated_template(), name) as made:
            yield self._urls(made)

    def _migrated_template(self) -> str:
        if not self._templates:
            name = f"{self._prefix}_template"
            self._create(name, "template0")
            self._templates.append(name)
            migrate(self._urls(name))
        return self._templates[0]

    @contextmanager
    def _database(self, template: str, named: str | None = None) -> Iterator[str]:
        name = f"{self._prefix}_{named or next(self._numbers)}"
        self._create(name, template)
        try:
            yield name
        finally:
            self._drop(name)

    def _create(self, name: str, template: str) -> None:
        self._administration.execute(
            sql.SQL(
                "CREATE DATABASE {} TEMPLATE {} OWNER pb_owner STRATEGY FILE_COPY"
            ).format(sql.Identifier(name), sql.Identifier(template))
        )

    def _drop(self, name: str) -> None:
        """Drop a database, and end whoever still uses it.

        Who has just left is seen by DROP for some milliseconds more, and then it waits
        for 100: so it is asked for only when they are gone, or do not go.
        """
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            there = self._administration.execute(
                "SELECT FROM pg_stat_activity WHERE datname = %s", [name]
            )
            if not there.rowcount:
                break
            time.sleep(0.002)
        self._administration.execute(
            sql.SQL("DROP DATABASE {} (FORCE)").format(sql.Identifier(name))
        )

    @property
    def _administration(self) -> psycopg.Connection:
        """One connection for the whole run: a new one costs as much as a small test."""
        if self._lasting is None or self._lasting.closed:
            address = self._urls("postgres").superuser.replace("+psycopg", "", 1)
            self._lasting = psycopg.connect(address, autocommit=True)
        return self._lasting


def migrate(urls: Urls, revision: str = "head") -> None:
    """Bring a database's schema up to `revision`, as pb_owner."""
    app = create_app(settings_for(urls))
    with app.app_context():
        upgrade(directory=MIGRATIONS, revision=revision)
        for engine in db.engines.values():
            engine.dispose()
