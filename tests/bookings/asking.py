"""How tests ask for bookings by program, and look at what came of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from platform_booking.accounts.models import Member
from platform_booking.bookings.models import Booking
from platform_booking.db import db
from tests.bookings.callers import Program, make_token
from tests.factories import MONDAY, make_member, writing

HOUR = timedelta(hours=1)
_FRAME = ("SAVEPOINT", "RELEASE", "SELECT set_config")


@dataclass
class Caller(Program):
    """A member who calls by program."""

    member: Member

    @classmethod
    def make(cls, client: FlaskClient, **given: Any) -> "Caller":
        with writing() as session:
            member = make_member(session, **given)
            return cls(client=client, token=make_token(session, member), member=member)


def iso(moment: datetime) -> str:
    return moment.isoformat()


def slot(resource, *, at: datetime = MONDAY, hours: float = 1, **more) -> dict:
    return {
        "resource_id": str(resource.public_id),
        "starts_at": iso(at),
        "ends_at": iso(at + hours * HOUR),
        **more,
    }


def rules_of(answer) -> set[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    return {(v["rule"], v["where"]) for v in answer.json["violations"]}


def rows(table=Booking) -> list:
    with writing() as session:
        return list(session.scalars(sa.select(table).order_by(table.id)))


@contextmanager
def statements(app: Flask) -> Iterator[list[str]]:
    """Collect what is said to the database, the frame of transactions apart."""
    said: list[str] = []

    def note(_connection, _cursor, statement, *_more) -> None:
        if not statement.startswith(_FRAME):
            said.append(statement)

    sa.event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield said
    finally:
        sa.event.remove(db.engine, "before_cursor_execute", note)
