"""The API's own description names headers and refusals as they are."""

from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator, FormatChecker

from tests.bookings.callers import Program, make_token
from tests.factories import (
    make_booking,
    make_organisation,
    make_park_admin,
    make_resource,
    writing,
)

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


def test_refusals_that_are_really_given_are_described(client: FlaskClient) -> None:
    with writing() as session:
        staff = Program(client, make_token(session, make_park_admin(session)))
        tool = make_resource(session)
        firm = make_organisation(session)
        taken = make_booking(session, resource=tool, organisation=firm)
        weak = make_token(session, make_park_admin(session), scopes=("read",))
    spec = staff("GET", "/openapi.json").get_json()
    slot = {
        "resource_id": str(tool.public_id),
        "organisation_id": str(firm.public_id),
        "starts_at": taken.starts_at.isoformat(),
        "ends_at": taken.ends_at.isoformat(),
    }
    one, absent = f"/bookings/{taken.public_id}", f"/bookings/{uuid4()}"
    plain, move = "/bookings", "/bookings/{booking_id}"
    given = [
        (staff("POST", plain, json=slot), "post", plain, 409),
        (staff("POST", plain, json={}), "post", plain, 422),
        (staff("POST", plain, data=b"{", content_type="application/json"), "post", plain, 400),
        (staff("POST", plain, data=b"{", content_type="text/x"), "post", plain, 415),
        (staff("GET", "/bookings?limit=0"), "get", plain, 422),
        (staff("GET", absent), "get", move, 404),
        (staff("PATCH", one, json={"quantity": 1}), "patch", move, 428),
        (
            staff("PATCH", one, json={"quantity": 1}, headers={"If-Match": '"99"'}),
            "patch", move, 412,
        ),
        (Program(client, weak)("POST", plain, json=slot), "post", plain, 403),
        (Program(client, "none")("GET", plain), "get", plain, 401),
    ]  # fmt: skip
    for answer, method, path, status in given:
        assert answer.status_code == status, answer.text
        told = spec["paths"][f"/api/v1{path}"][method]["responses"][str(status)]
        schema = told["content"][answer.content_type]["schema"]
        whole = schema | {"components": spec["components"]}
        Draft202012Validator(whole, format_checker=FormatChecker()).validate(answer.json)
        known = spec["components"]["schemas"]["Problem"]["properties"]
        assert set(answer.json) <= set(known)
    made = spec["paths"]["/api/v1/bookings"]["post"]["responses"]
    assert set(made["201"]["headers"]) == {"ETag", "Location"}
    assert set(made["503"]["headers"]) == {"Retry-After"}
    assert "default" not in made


def test_answers_beside_the_plain_one_are_described(paths: dict[str, Any]) -> None:
    export = paths["/api/v1/bookings/export"]["get"]["responses"]["200"]["content"]
    assert len(export) == 2
    assert "304" in paths["/api/v1/resources"]["get"]["responses"]
    assert "304" not in paths["/api/v1/bookings"]["get"]["responses"]
    reported = paths["/api/v1/resources/{resource_id}/faults"]["post"]["responses"]
    assert "Retry-After" in reported["429"]["headers"]
    assert "429" not in paths["/api/v1/bookings"]["post"]["responses"]
