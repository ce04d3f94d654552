"""What a booking over HTTP takes: ten statements at most, and some for each part more."""

from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.bookings.asking import HOUR, Caller, iso, slot
from tests.bookings.test_counted import statements
from tests.factories import (
    MONDAY,
    make_booking,
    make_organisation,
    make_platform,
    make_resource,
    writing,
)

DRIE = ("ETCH.DRIE",)
PART = 3  # to lock another resource, to know it, to book it
TOOL = 2  # to lock and to know another one that might do
RULES = {"min_minutes": 120, "gap_minutes": 30, "per_day": 3, "no_show_limit": 3}


@pytest.fixture
def firm(app: Flask, client: FlaskClient) -> Caller:
    return Caller.make(client)


@pytest.fixture
def asks(app: Flask) -> dict[str, dict]:
    """What is asked, by the kind of its answer; rivals hold one tool and one licence."""
    with writing() as session:
        here = {"platform_id": make_platform(session).id}
        strict = here | {"self_run": True, "policy": RULES}
        free, taken, second = (
            make_resource(session, capabilities=DRIE, **here) for _ in range(3)
        )
        strict_one = make_resource(session, capabilities=("DEPO",), **strict)
        make_resource(session, capabilities=("DEPO",), **strict)
        only = make_resource(session, capabilities=("LITHO",), **here)
        licence = make_resource(session, **here)
        for held in (taken, only, licence):
            make_booking(
                session,
                resource=held,
                organisation=make_organisation(session),
                starts_at=MONDAY,
                minutes=60,
            )
    hour = {"starts_at": iso(MONDAY), "ends_at": iso(MONDAY + HOUR)}
    taken_part = {"resource_id": str(licence.public_id)}
    ruled_part = {"resource_id": str(strict_one.public_id)}
    return {
        "accepted": slot(free),
        "any tool": hour | {"capability": "ETCH.DRIE"},
        "with a part": slot(free, **{"with": [{"resource_id": str(second.public_id)}]}),
        "one rule": slot(free, project_id=str(uuid4())),
        "several rules": slot(strict_one, project_id=str(uuid4())),
        "taken": slot(taken),
        "no tool free": hour | {"capability": "LITHO"},
        "no tool allowed": hour | {"capability": "DEPO"},
        "a part taken": slot(free, **{"with": [taken_part]}),
        "a part refused": slot(free, **{"with": [ruled_part]}),
    }


@pytest.mark.parametrize(
    ("kind", "status", "most"),
    [
        ("accepted", 201, 9),
        ("any tool", 201, 10),
        ("with a part", 201, 9 + PART),
        ("one rule", 422, 4),
        ("several rules", 422, 8),
        ("taken", 409, 9),
        ("no tool free", 409, 9),
        ("no tool allowed", 422, 9 + TOOL),
        ("a part taken", 409, 9 + PART),
        ("a part refused", 422, 10),
    ],
)
def test_a_booking_of_each_kind_takes_no_more_statements_than_this(
    firm: Caller, asks: dict[str, dict], kind: str, status: int, most: int
) -> None:
    with statements() as said:
        answer = firm(
            "POST", "/bookings", json=asks[kind], headers={"Idempotency-Key": "k"}
        )
    assert answer.status_code == status, answer.text
    assert len(said) <= most, "\n\n".join(said)
