"""The whole path, through HTTP alone: an order by day, the night, the morning, a booking.

Gunicorn serves, a scheduler runs beside it, and everybody is a program with a token.
"""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from flask import Flask

from platform_booking.clock import utcnow
from platform_booking.embedded import Urls
from tests.bookings.callers import make_token
from tests.factories import (
    make_capability,
    make_member,
    make_operator,
    make_platform,
    make_recipe,
    make_resource,
    writing,
)
from tests.planning.schedulers import Scheduler

PARK = ZoneInfo("Asia/Shanghai")
HOUR = timedelta(hours=1)


@dataclass
class Caller:
    """Somebody who calls the service from outside, with a token."""

    url: str
    token: str

    def __call__(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Return the status and what was answered."""
        headers = {"Authorization": f"Bearer {self.token}", "Accept-Language": "en"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if method == "POST":
            headers["Idempotency-Key"] = str(uuid4())
        request = urllib.request.Request(
            f"{self.url}/api/v1{path}",
            method=method,
            headers=headers,
            data=None if body is None else json.dumps(body).encode(),
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, json.load(refusal)

    def get(self, path: str) -> Any:
        status, body = self("GET", path)
        assert status == 200, body
        return body

    def post(self, path: str, body: object = None, *, status: int) -> Any:
        answered, found = self("POST", path, body)
        assert answered == status, found
        return found

    def until(self, path: str, true: Callable[[Any], bool]) -> Any:
        """Ask again and again until the answer is as wished."""
        deadline = time.monotonic() + 120
        while not true(found := self.get(path)):
            assert time.monotonic() < deadline, found
            time.sleep(0.2)
        return found


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_from_an_order_to_a_published_booking(
    app: Flask, database: Urls, live_url: str
) -> None:
    with writing() as session:
        fab, lab = make_platform(session), make_platform(session)
        oven = make_resource(
            session, kind="batch", platform_id=fab.id, capabilities=("OXID.DRY",)
        )
        make_capability(session, "OXID.DRY")
        make_recipe(session, oven, duration_min=120)
        make_resource(session, platform_id=lab.id, capabilities=("MET.SEM",))
        people = {
            "engineer": make_member(session),
            "rival": make_member(session),
            "fab": make_operator(session, fab),
            "lab": make_operator(session, lab),
        }
        engineer, rival, of_fab, of_lab = (
            Caller(live_url, make_token(session, member)) for member in people.values()
        )

    # By day: an order of two steps, across two platforms.
    from_at = (utcnow() + 72 * HOUR).replace(minute=0, second=0, microsecond=0)
    handed = engineer.post(
        "/orders",
        {
            "title": "氧化与检查",
            "earliest_at": from_at.isoformat(),
            "deadline_at": (from_at + 48 * HOUR).isoformat(),
            "lot_size": 3,
            "steps": [
                {"capability": "OXID.DRY", "quantity": 3},
                {"capability": "MET.SEM", "duration_min": 45, "lag_max_min": 240},
            ],
        },
        status=201,
    )
    order = f"/orders/{handed['id']}"
    assert handed["state"] == "submitted"
    assert moment(handed["earliest"]["starts_at"]) == from_at
    assert rival("GET", order)[0] == 404
    assert engineer.get("/bookings")["items"] == []

    # By night: an operator asks for it, the scheduler runs it.
    tonight = utcnow().astimezone(PARK).date().isoformat()
    assert rival("POST", "/plans", {"night": tonight})[0] == 403
    asked = of_fab.post("/plans", {"night": tonight}, status=202)
    assert of_fab("POST", "/plans", {"night": tonight})[0] == 409
    with Scheduler(database, PB_NIGHT_SECONDS="1"):
        served = of_fab.until(
            f"/plans/requests/{asked['id']}", lambda r: r["state"] in ("done", "failed")
        )
        assert served["outcome"] == "1 of 1 placed"
        (plan,) = of_fab.get("/plans")["items"]
        path = f"/plans/{plan['id']}"
        assert (plan["state"], plan["placed"], plan["asked"]) == ("draft", 1, 1)
        assert plan["value"] <= plan["bound"]
        assert engineer.get(order)["state"] == "placed"

        # In the morning: each platform sees its part and approves; then it is published.
        placed = [who.get(f"{path}/placements")["items"] for who in (of_fab, of_lab)]
        assert [len(items) for items in placed] == [1, 1]
        assert of_fab("POST", f"{path}/publish")[0] == 422
        assert of_fab.post(f"{path}/approve", {}, status=200) == {"decided": 1}
        assert of_fab("POST", f"{path}/publish")[0] == 422  # one platform is not enough
        assert of_lab.post(f"{path}/approve", {"note": "好"}, status=200)["decided"] == 1
        asked = of_lab.post(f"{path}/publish", status=202)
        served = of_lab.until(
            f"/plans/requests/{asked['id']}", lambda r: r["state"] in ("done", "failed")
        )
        assert served["outcome"] == "1 booked, 0 overtaken"
        assert of_lab.get(path)["state"] == "published"

    # The engineer has two bookings, just where the plan said; nobody else sees whose.
    booked = engineer.get("/bookings")["items"]
    assert sorted((b["starts_at"], b["ends_at"], b["quantity"]) for b in booked) == sorted(
        (p["starts_at"], p["ends_at"], p["quantity"]) for (p,) in placed
    )
    assert {(b["state"], b["source"]) for b in booked} == {("confirmed", "plan")}
    first, second = sorted(booked, key=lambda b: b["starts_at"])
    lag = moment(second["starts_at"]) - moment(first["ends_at"])
    assert timedelta() <= lag <= 4 * HOUR
    shown = engineer.get(order)
    assert shown["state"] == "booked"
    assert [len(step["bookings"]) for step in shown["steps"]] == [1, 1]
    assert rival.get("/bookings")["items"] == []
    busy = f"/resources/{first['resource']['id']}/busy?from={from_at:%Y-%m-%dT%H:%MZ}"
    taken = rival.get(f"{busy}&to={from_at + 48 * HOUR:%Y-%m-%dT%H:%MZ}")
    assert [t["starts_at"] for t in taken["busy"]] == [first["starts_at"]]
    assert handed["id"] not in json.dumps(taken)

    # What is published is not published again, nor its night run again.
    assert of_fab("POST", f"{path}/publish")[0] == 422
    assert of_fab("POST", "/plans", {"night": tonight})[0] == 422
    assert len(engineer.get("/bookings")["items"]) == 2
