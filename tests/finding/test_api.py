"""Free time by program."""

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from platform_booking.clock import utcnow
from tests.bookings.callers import Program, make_token
from tests.factories import (
    MONDAY,
    make_booking,
    make_member,
    make_organisation,
    make_platform,
    make_resource,
    writing,
)

HOUR = timedelta(hours=1)


class World:
    """Two etchers and seats, and a program that looks for time on them."""


@pytest.fixture
def world(app: Flask, client: FlaskClient) -> World:
    w = World()
    with writing() as session:
        w.platform = make_platform(session)
        given = {"platform_id": w.platform.id, "capabilities": ("ETCH.DRIE",)}
        w.etcher = make_resource(session, code="DRIE-1", **given)
        w.second = make_resource(session, code="DRIE-2", **given)
        w.seats = make_resource(
            session, code="SEATS", kind="pooled", capabilities=("EDA.SIM",), capacity=5
        )
        w.firm = make_organisation(session)
        w.engineer = make_member(session, organisation=w.firm)
        w.rival = make_organisation(session, name_en="RIVAL", name_zh="RIVAL")
        token = make_token(session, w.engineer)
    w.call = Program(client, token)
    return w


def looked(world, **query):
    usual = {"from": MONDAY.isoformat(), "to": (MONDAY + 24 * HOUR).isoformat()}
    return world.call("GET", "/availability", query_string={**usual, **query})


def test_free_time_is_listed_with_reasons_and_what_goes_with_it(world) -> None:
    with writing() as session:
        make_booking(session, resource=world.etcher, organisation=world.rival, minutes=90)
    answer = looked(world, capability="ETCH.DRIE", minutes=60, **{"with": ["EDA.SIM:2"]})
    assert answer.status_code == 200, answer.text
    first, second, *_next_day = answer.json["items"]
    assert first["resource"]["code"] == "DRIE-2"
    assert first["starts_at"] == MONDAY.isoformat()
    assert first["why"]
    assert first["with"][0]["asked"] == "EDA.SIM"
    assert first["with"][0]["quantity"] == 2
    assert first["with"][0]["resource"]["code"] == "SEATS"
    assert second["resource"]["code"] == "DRIE-1"
    assert second["starts_at"] == (MONDAY + 1.5 * HOUR).isoformat()
    assert answer.json["total"] == len(answer.json["items"])
    assert "RIVAL" not in answer.text


def test_an_offer_is_a_body_to_book_with(world) -> None:
    (offer, *_rest) = looked(world, resource="DRIE-1").json["items"]
    slot = {
        "resource_id": offer["resource"]["id"],
        "starts_at": offer["starts_at"],
        "ends_at": offer["ends_at"],
        "quantity": offer["quantity"],
    }
    assert world.call("POST", "/bookings", json=slot).status_code == 201
    (after, *_rest) = looked(world, resource="DRIE-1").json["items"]
    assert after["starts_at"] == offer["ends_at"]


def test_an_unknown_name_is_told_with_the_nearest(world) -> None:
    answer = looked(world, capability="ETCH.DIRE")
    assert answer.status_code == 422
    (told,) = answer.json["violations"]
    assert (told["rule"], told["where"]) == ("unknown_capability", "capability")
    assert "ETCH.DRIE" in told["message"]


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ({}, "capability"),
        ({"resource": "DRIE-1", "with": "SEATS:x"}, "with"),
        ({"resource": "DRIE-1", "with": ":2"}, "with"),
        ({"resource": "DRIE-1", "with": "SEATS:0"}, "with[0]"),
        ({"resource": "DRIE-1", "minutes": "x"}, "minutes"),
        ({"resource": "DRIE-1", "minutes": 10**30}, "minutes"),
        ({"resource": "DRIE-1", "quantity": 0}, "quantity"),
        ({"resource": "DRIE-1", "from": "9999-12-31T23:59:59Z"}, "to"),
        ({"resource": "DRIE-1", "from": "0001-01-01T00:00:00Z"}, "to"),
        ({"resource": "DRIE-1", "to": "2027-03-08"}, "to"),
        ({"resource": "DRIE-1", "to": "2027-03-01T00:00:00Z"}, "to"),
        ({"resource": "DRIE-1", "limit": 0}, "limit"),
        ({"resource": "DRIE-1", "class": "a"}, "class"),
        ({"resource": "\x00"}, "resource"),
    ],
)
def test_what_makes_no_sense_is_named(world, query, where) -> None:
    answer = looked(world, **query)
    assert answer.status_code == 422, answer.text
    assert any(v["where"].startswith(where) for v in answer.json["violations"])


def test_without_a_window_a_fortnight_from_now_is_searched(world) -> None:
    answer = world.call("GET", "/availability", query_string={"resource": "SEATS"})
    (first, *_rest) = answer.json["items"]
    assert first["starts_at"] >= utcnow().isoformat()[:16]
    assert first["room"] == 5


def test_who_may_not_book_is_told_why_nothing_is_offered(world, client) -> None:
    with writing() as session:
        firm = make_organisation(session, contract_ref="", nda_ref="")
        token = make_token(session, make_member(session, organisation=firm))
    answer = Program(client, token)(
        "GET", "/availability", query_string={"capability": "ETCH.DRIE"}
    )
    assert answer.json["items"] == []
    assert answer.json["left_out"][0]["violations"][0]["rule"] == "no_contract"
