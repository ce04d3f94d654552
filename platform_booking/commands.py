"""What every group of commands shares: trouble with the database becomes one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
import sqlalchemy as sa
from flask import current_app
from flask.cli import AppGroup, ScriptInfo
from sqlalchemy.exc import DBAPIError, OperationalError

from platform_booking.db import JOB, acting_as
from platform_booking.errors import Misconfigured

_JOB_URL = "JOB_DATABASE_URL"
_MEND = "run: flask --app wsgi db upgrade"
_ABSENT = {"42P01", "42703", "42883", "3F000"}  # no such table, column, function, schema
_FORBIDDEN = "42501"
_CLOSED = ("08", "28", "3D", "53", "57P")  # SQLSTATEs of a server that lets nobody in


class Commands(AppGroup):
    """A group of commands that speak to the database as pb_job."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what the database or a guard refuses ends it with a sentence."""
        try:
            return super().invoke(ctx)
        except Misconfigured as refusal:
            raise click.ClickException(str(refusal)) from None
        except DBAPIError as fault:
            app = ctx.ensure_object(ScriptInfo).load_app()
            url = app.config["SETTINGS"].job_database_url or ""
            if (sentence := _sentence(fault, url)) is None:
                raise
            raise click.ClickException(sentence) from None


@contextmanager
def as_job() -> Iterator[None]:
    """Act as pb_job within the block.

    Raises
    ------
    Misconfigured
        If no address is set for it.
    """
    if current_app.config["SETTINGS"].job_database_url is None:
        raise Misconfigured(f"{_JOB_URL} is not set; this command acts as pb_job")
    with acting_as(JOB):
        yield


def counted(n: int, word: str) -> str:
    """Say how many there are, in English as all of the command line."""
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def no_answer(variable: str, url: str, fault: DBAPIError) -> str:
    """Say that a database cannot be reached, and what to check; never a password."""
    return (
        f"the database does not answer: check {variable} ({_shown(url)}), and that"
        f" PostgreSQL runs there; it says: {_reason(fault)}"
    )


def _sentence(fault: DBAPIError, url: str) -> str | None:
    state = getattr(fault.orig, "sqlstate", None)
    if state in _ABSENT:
        return f"the schema is missing or of another version; {_MEND}"
    if state == _FORBIDDEN:
        return f"{_reason(fault)}: check that {_JOB_URL} ({_shown(url)}) signs in as pb_job"
    if not isinstance(fault, OperationalError):
        return None
    if state is None or state.startswith(_CLOSED):
        return no_answer(_JOB_URL, url, fault)
    return f"the database gave up ({_reason(fault)}); nothing was written, so try again"


def _reason(fault: DBAPIError) -> str:
    """Return what PostgreSQL says, on one line: the last of several hosts' answers."""
    lines = [line for line in str(fault.orig).splitlines() if "failed: " in line]
    said = lines[-1].rpartition("failed: ")[2] if lines else str(fault.orig)
    return " ".join(said.partition("\n")[0].split())


def _shown(url: str) -> str:
    address = sa.make_url(url)
    secret = [name for name in address.query if "password" in name]
    return address.difference_update_query(secret).render_as_string(hide_password=True)
