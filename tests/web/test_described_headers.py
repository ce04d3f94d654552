"""The API's own description names the headers that its routes look at."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.bookings.callers import Program, make_token
from tests.factories import make_park_admin, writing

DEED, CHANGE, CACHED = "Idempotency-Key", "If-Match", "If-None-Match"


@pytest.fixture
def paths(client: FlaskClient) -> dict[str, Any]:
    with writing() as session:
        caller = Program(client, make_token(session, make_park_admin(session)))
    return dict(caller("GET", "/openapi.json").get_json()["paths"])


def test_the_headers_that_a_route_looks_at_are_described(paths: dict[str, Any]) -> None:
    told = {
        f"{method.upper()} {path.removeprefix('/api/v1')}": {
            p["name"]: p["required"]
            for p in operation.get("parameters", ())
            if p["in"] == "header"
        }
        for path, operations in paths.items()
        for method, operation in operations.items()
        if method != "parameters"
    }
    assert told["PUT /orders/{order_id}"] == {DEED: False, CHANGE: True}
    assert told["POST /orders/{order_id}/withdraw"] == {DEED: False, CHANGE: False}
    assert told["PATCH /bookings/{booking_id}"] == {CHANGE: True}
    assert told["POST /bookings/{booking_id}/cancel"] == {DEED: False, CHANGE: False}
    assert told["POST /plans/{plan_id}/approve"] == {DEED: False}
    assert told["GET /routes"] == {CACHED: False}
    assert told["GET /bookings"] == {}
    deeds = {what for what in told if what.startswith("POST ")}
    # One does nothing; the answers of the others hold a secret and are not kept.
    without = {"POST /orders/check", "POST /kiosks", "POST /calendars"}
    assert {what for what in deeds if DEED not in told[what]} == without


def test_what_is_described_beside_the_headers_stays(paths: dict[str, Any]) -> None:
    names = {p["name"] for p in paths["/api/v1/routes"]["get"]["parameters"]}
    assert {"limit", "offset", CACHED} <= names
    assert "requestBody" in paths["/api/v1/orders/{order_id}"]["put"]
