"""Requests to the application in this process, and what they cost."""

import contextvars
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from benchmarks.tools import Person
from platform_booking.db import db

_FRAME = ("SAVEPOINT", "RELEASE", "ROLLBACK TO")


@dataclass(slots=True)
class Cost:
    """What requests of one sort have cost so far."""

    cpu_ms: list[float] = field(default_factory=list)
    wall_ms: list[float] = field(default_factory=list)
    statements: list[int] = field(default_factory=list)  # BEGIN, COMMIT, set_config apart
    savepoints: list[int] = field(default_factory=list)  # and their ends

    @property
    def mean_cpu_ms(self) -> float:
        """Processor time of one request, on average: what a server must have."""
        return statistics.fmean(self.cpu_ms)

    @property
    def median_wall_ms(self) -> float:
        """Time until the answer, PostgreSQL's work included."""
        return statistics.median(self.wall_ms)


class Client:
    """Asks as a program with a token, or as a browser with a session."""

    def __init__(self, app: Flask, person: Person, *, browser: bool = False) -> None:
        self._client: FlaskClient = app.test_client()
        self._headers: dict[str, str] = {}
        if browser:
            with self._client.session_transaction() as session:
                session["member"], session["epoch"] = person.member_id, person.epoch
        else:
            self._headers["Authorization"] = f"Bearer {person.token}"

    def __call__(self, method: str, path: str, **more: Any) -> TestResponse:
        """Ask, in a context of its own as a server would."""
        headers = {**self._headers, **more.pop("headers", {})}
        return contextvars.Context().run(
            self._client.open, path, method=method, headers=headers, **more
        )


def slot(tool: UUID, starts_at: datetime, *, minutes: int = 30) -> dict[str, str]:
    """Return the body of a wish for a tool."""
    return {
        "resource_id": str(tool),
        "starts_at": starts_at.isoformat(),
        "ends_at": (starts_at + timedelta(minutes=minutes)).isoformat(),
    }


def measure(asks: Iterable[Callable[[], TestResponse]], *, status: int) -> Cost:
    """Make requests one after another; each must be answered with that status."""
    cost = Cost()
    for ask in asks:
        with statements() as said:
            wall, cpu = time.perf_counter(), time.process_time()
            answer = ask()
            cost.cpu_ms.append(1000 * (time.process_time() - cpu))
            cost.wall_ms.append(1000 * (time.perf_counter() - wall))
        if answer.status_code != status:
            raise RuntimeError(f"{answer.status}: {answer.get_data(as_text=True)[:500]}")
        frame = sum(s.startswith(_FRAME) for s in said)
        cost.statements.append(len(said) - frame)
        cost.savepoints.append(frame)
    return cost


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect what is said to the database; who asks is told to it apart."""
    said: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if not statement.startswith("SELECT set_config"):
            said.append(statement)

    sa.event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield said
    finally:
        sa.event.remove(db.engine, "before_cursor_execute", note)
