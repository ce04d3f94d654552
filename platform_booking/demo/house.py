"""What the demo stands on: a port, a data folder with a secret, a database."""

import os
import secrets
import shlex
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import sql

from platform_booking.embedded import DATABASE, EmbeddedPostgres, Urls

DEMO_JOB = "demo"
"""The job whose row in `job_run` says that the demo data are whole."""

_HOST = "127.0.0.1"
_GIVEN = ("DATABASE_URL", "OWNER_DATABASE_URL", "JOB_DATABASE_URL")


class CannotStart(Exception):
    """The demo cannot start; the message says why and what to do."""


class Standing(StrEnum):
    """What a database holds of the demo's data."""

    EMPTY = "empty"
    READY = "ready"  # all of them
    UNFINISHED = "unfinished"  # a part: an earlier start was interrupted


@contextmanager
def reserved_port(port: int) -> Iterator[socket.socket]:
    """Hold a port of this machine for the web service; 0 takes any that is free.

    Raises
    ------
    CannotStart
        If somebody else has it.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held.bind((_HOST, port))
        except PermissionError:
            raise CannotStart(
                f"Port {port} is for the administrator alone. Choose one above 1023: "
                "make run PORT=8000"
            ) from None
        except OSError:
            raise CannotStart(
                f"Port {port} is in use. Choose another: make run PORT={_another(port)}"
            ) from None
        yield held


def address(held: socket.socket) -> str:
    """Return the address that the service answers at."""
    return f"http://{_HOST}:{held.getsockname()[1]}"


def secret_key(var: Path) -> str:
    """Return the secret that signs sessions; made once, readable by its owner alone."""
    path = var / "secret-key"
    if not path.exists():
        _write_secret(path, secrets.token_urlsafe(48))
    path.chmod(0o600)
    return path.read_text(encoding="ascii").strip()


def keep_settings(var: Path, settings: Mapping[str, str]) -> None:
    """Write what commands by hand need to `settings.env`, for its owner's shell alone."""
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in settings.items()]
    _write_secret(var / "settings.env", "".join(lines))


def _write_secret(path: Path, text: str) -> None:
    """Write a file whole or not at all, readable by its owner alone."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    number = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(number, "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)


@dataclass(frozen=True, slots=True)
class Database:
    """Where the demo's rows are."""

    urls: Urls
    standing: Standing
    server: EmbeddedPostgres | None  # None: somebody else's server

    def refuse_dead(self) -> None:
        """Tell when the embedded PostgreSQL has ended of itself.

        Raises
        ------
        CannotStart
        """
        if self.server is not None and (words := self.server.last_words) is not None:
            raise CannotStart(f"PostgreSQL has ended. Its last words:\n  {words}")


@contextmanager
def database(var: Path, environ: Mapping[str, str]) -> Iterator[Database]:
    """Run the embedded PostgreSQL, or use the server that DATABASE_URL names.

    Of the embedded one's data an unfinished beginning is thrown away, so that the demo
    begins anew. On a server that was given nothing is ever thrown away.

    Raises
    ------
    CannotStart
        If the database holds anything else than the demo, or if an address is missing.
    EmbeddedFailed
        If the embedded PostgreSQL cannot run.
    """
    if environ.get("DATABASE_URL"):
        urls = _given_urls(environ)
        standing = _standing(urls.job)
        if standing is Standing.UNFINISHED:
            raise CannotStart(
                "An earlier start was interrupted while it filled the database of "
                "DATABASE_URL. Empty that database, then start again."
            )
        yield Database(urls, standing, None)
        return
    with EmbeddedPostgres(var) as server:
        server.ensure_database()
        urls = server.urls()
        standing = _standing(urls.job)
        if standing is Standing.UNFINISHED:
            _drop(server.urls("postgres").superuser)
            server.ensure_database()
            standing = Standing.EMPTY
        yield Database(urls, standing, server)


def _another(port: int) -> int:
    return port + 1 if port < 65535 else 8000


def _given_urls(environ: Mapping[str, str]) -> Urls:
    missing = [name for name in _GIVEN if not environ.get(name)]
    if missing:
        raise CannotStart(
            f"DATABASE_URL is set, but not {' and '.join(missing)}. Set all three to use "
            "that server, or unset DATABASE_URL to use the embedded PostgreSQL."
        )
    web, owner, job = (environ[name] for name in _GIVEN)
    return Urls(web=web, owner=owner, job=job, superuser="")


def _standing(url: str) -> Standing:
    try:
        connection = psycopg.connect(_plain(url))
    except psycopg.OperationalError as fault:
        raise CannotStart(f"The database does not answer: {fault}".strip()) from None
    with connection:
        if _value(connection, "SELECT to_regclass('job_run') IS NULL"):
            return Standing.EMPTY
        if _value(
            connection,
            "SELECT EXISTS (SELECT FROM job_run"
            " WHERE job = %s AND finished_at IS NOT NULL)",
            DEMO_JOB,
        ):
            return Standing.READY
        if _value(
            connection,
            "SELECT EXISTS (SELECT FROM organisation WHERE NOT demo)"
            " OR EXISTS (SELECT FROM catalogue_load WHERE NOT demo)",
        ):
            raise CannotStart(
                "The database holds data that are not the demo's, so nothing was touched. "
                "Unset DATABASE_URL, or choose another data folder: make run VAR=demo"
            )
        if _value(
            connection,
            "SELECT EXISTS (SELECT FROM member) OR EXISTS (SELECT FROM catalogue_load)",
        ):
            return Standing.UNFINISHED
    return Standing.EMPTY


def _value(connection: psycopg.Connection, question: LiteralString, *given: str) -> bool:
    row = connection.execute(question, given).fetchone()
    return row is not None and bool(row[0])


def _drop(superuser_url: str) -> None:
    with psycopg.connect(_plain(superuser_url), autocommit=True) as connection:
        connection.execute(
            sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(DATABASE))
        )


def _plain(url: str) -> str:
    return url.replace("+psycopg", "", 1)
