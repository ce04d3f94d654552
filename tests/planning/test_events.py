"""How far a night is, told by the server as it happens: events over one connection."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask

from platform_booking.planning.models import Plan
from platform_booking.planning.states import PlanState
from tests.bookings.callers import cookie_of
from tests.factories import writing
from tests.planning.reviewed import Reviewed


@pytest.fixture
def plan(app: Flask) -> Reviewed:
    return Reviewed(app)


def set_state(plan: Reviewed, state: PlanState, **progress: object) -> None:
    with writing() as session:
        row = session.get_one(Plan, plan.row_id)
        row.state, row.progress = state, progress


def listening(stack: ExitStack, url: str, cookie: str, plan: Reviewed) -> HTTPResponse:
    connection = HTTPConnection(urlsplit(url).netloc, timeout=30)
    stack.enter_context(closing(connection))
    connection.request(
        "GET", f"{plan.path}/events", headers={"Cookie": f"session={cookie}"}
    )
    return connection.getresponse()


def events(answer: HTTPResponse) -> Iterator[dict[str, Any]]:
    for line in answer:
        if line.startswith(b"data: "):
            yield json.loads(line.removeprefix(b"data: "))


def test_a_running_plan_tells_by_events_until_it_is_done(
    app: Flask, live_url: str, plan: Reviewed
) -> None:
    set_state(plan, PlanState.RUNNING, phase="improve", value=7)
    with ExitStack() as stack:
        answer = listening(stack, live_url, cookie_of(app, plan.operator), plan)
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        told = events(answer)
        assert next(told) == {
            "under_way": "search",
            "progress": {"phase": "improve", "value": 7},
        }
        set_state(plan, PlanState.RUNNING, phase="bound", value=9)
        assert next(told)["progress"] == {"phase": "bound", "value": 9}
        set_state(plan, PlanState.DRAFT)
        assert next(told)["under_way"] == ""
        assert list(told) == []  # and the connection ends


def test_who_comes_when_too_many_watch_is_asked_to_look_now_and_then(
    app: Flask, live_url: str, plan: Reviewed
) -> None:
    set_state(plan, PlanState.RUNNING)
    cookie = cookie_of(app, plan.operator)
    with ExitStack() as stack:
        answers = [listening(stack, live_url, cookie, plan) for _ in range(8)]
        refused = [a for a in answers if a.status == 503]
        assert 4 <= len(refused) <= 6  # two a process are listened to
        assert {a.headers["Retry-After"] for a in refused} == {"2"}
        assert {a.status for a in answers} == {200, 503}
