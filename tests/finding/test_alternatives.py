"""What a refusal offers instead; each can be booked, and none tells of others."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from platform_booking.db import db
from tests.bookings.callers import Browser, Program, make_token
from tests.bookings.test_pages import form_of
from tests.factories import (
    MONDAY,
    make_booking,
    make_calendar,
    make_member,
    make_occurrence,
    make_organisation,
    make_platform,
    make_recipe,
    make_resource,
    writing,
)

HOUR = timedelta(hours=1)
SHIFT = {
    day: [["08:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
}


class World:
    """An etcher taken from 10 to 12, another one of its kind, and an engineer."""


@pytest.fixture
def world(app: Flask, client: FlaskClient) -> World:
    w = World()
    with writing() as session:
        w.platform = make_platform(session)
        w.shift = make_calendar(session, weekly=SHIFT)
        w.given = {
            "platform_id": w.platform.id,
            "capabilities": ("ETCH",),
            "calendar_id": w.shift.id,
        }
        w.etcher = make_resource(session, code="E1", **w.given)
        w.other = make_resource(session, code="E2", **w.given)
        w.firm = make_organisation(session)
        w.engineer = make_member(session, organisation=w.firm)
        w.rival = make_organisation(session, name_zh="CANARY", name_en="CANARY")
        make_booking(
            session,
            resource=w.etcher,
            organisation=w.rival,
            starts_at=MONDAY + 2 * HOUR,
            minutes=120,
        )
        token = make_token(session, w.engineer)
    w.call = Program(client, token)
    w.browser = Browser(client)
    return w


def slot(resource, start: float, hours: float, **more) -> dict:
    return {
        "resource_id": str(resource.public_id),
        "starts_at": (MONDAY + start * HOUR).isoformat(),
        "ends_at": (MONDAY + (start + hours) * HOUR).isoformat(),
        **more,
    }


def refused(world, status: int, asked: dict) -> dict[str, list[tuple[str, str, str]]]:
    answer = world.call("POST", "/bookings", json=asked)
    assert answer.status_code == status, answer.text
    assert "CANARY" not in answer.text
    found: dict[str, list[tuple[str, str, str]]] = {}
    for one in answer.json["alternatives"]:
        again = asked | {
            "resource_id": one["resource"]["id"],
            "starts_at": one["starts_at"],
            "ends_at": one["ends_at"],
            "recipe_id": one["recipe"] and one["recipe"]["id"],
            "occurrence_id": one["occurrence"] and one["occurrence"]["id"],
        }
        made = world.call("POST", "/bookings", json=again)
        assert made.status_code == 201, (one, made.text)  # each is accepted
        with writing() as session:
            session.execute(
                sa.text("DELETE FROM booking WHERE organisation_id = :firm"),
                {"firm": world.firm.id},
            )
        found.setdefault(one["kind"], []).append(
            (one["resource"]["code"], one["starts_at"][8:16], one["ends_at"][8:16])
        )
    return found


def test_a_taken_slot_comes_with_earlier_later_another_tool_and_shorter(world) -> None:
    assert refused(world, 409, slot(world.etcher, 1, 2)) == {
        "earlier": [("E1", "08T00:00", "08T02:00")],
        "later": [("E1", "08T04:00", "08T06:00")],
        "other_tool": [("E2", "08T01:00", "08T03:00")],
        "shorter": [("E1", "08T01:00", "08T02:00")],
    }


def test_a_closed_time_comes_with_what_is_open(world) -> None:
    found = refused(world, 422, slot(world.etcher, 8, 4))
    assert found["earlier"] == [("E1", "08T06:00", "08T10:00")]
    assert found["later"] == [("E1", "09T00:00", "09T04:00")]
    assert found["shorter"] == [("E1", "08T08:00", "08T10:00")]


def test_rules_of_the_tool_bind_its_alternatives_too(world) -> None:
    with writing() as session:
        tool = make_resource(
            session,
            code="S1",
            self_run=True,
            policy={"max_minutes": 120, "horizon_days": 500},
            **world.given | {"capabilities": ("SELF",)},
        )
    found = refused(world, 422, slot(tool, 1, 4))
    assert found == {"shorter": [("S1", "08T01:00", "08T03:00")]}


def test_a_full_run_comes_with_the_next_one_that_has_room(world) -> None:
    with writing() as session:
        given = world.given | {"capabilities": ("OX",)}
        furnace = make_resource(session, code="F1", kind="batch", capacity=25, **given)
        recipe = make_recipe(session, furnace)
        for start, loaded in ((2, 24), (5, 10)):
            make_booking(
                session,
                resource=furnace,
                recipe_id=recipe.id,
                starts_at=MONDAY + start * HOUR,
                quantity=loaded,
            )
    asked = slot(furnace, 2, 1, recipe_id=str(recipe.public_id), quantity=5)
    found = refused(world, 409, asked)
    assert found["later"] == [("F1", "08T03:00", "08T04:00")]
    asked = slot(furnace, 4.5, 1, recipe_id=str(recipe.public_id), quantity=5)
    assert refused(world, 409, asked)["later"] == [("F1", "08T05:00", "08T06:00")]
    for hours, kind in ((0.5, "longer"), (3, "shorter")):
        asked = slot(furnace, 0, hours, recipe_id=str(recipe.public_id))
        assert refused(world, 422, asked)[kind] == [("F1", "08T00:00", "08T01:00")]


def test_a_sold_out_run_comes_with_other_runs(world) -> None:
    with writing() as session:
        shuttle = make_resource(session, code="M1", kind="event", capacity=10)
        runs = [
            make_occurrence(session, shuttle, starts_at=MONDAY + n * 48 * HOUR)
            for n in range(2)
        ]
        make_booking(
            session,
            resource=shuttle,
            occurrence_id=runs[0].id,
            minutes=120,
            quantity=8,
        )
    asked = slot(shuttle, 0, 2, occurrence_id=str(runs[0].public_id), quantity=5)
    assert refused(world, 409, asked) == {"later": [("M1", "10T00:00", "10T02:00")]}


def test_a_stay_that_is_too_short_is_offered_as_long_as_it_must_be(world) -> None:
    with writing() as session:
        tool = make_resource(
            session, code="S1", self_run=True, policy={"min_minutes": 30}, **world.given
        )
    found = refused(world, 422, slot(tool, 5, 0.25))
    assert found["longer"] == [("S1", "08T05:00", "08T05:30")]


def test_a_change_that_is_refused_is_told_other_times_of_its_own_resource(world) -> None:
    booked = world.call("POST", "/bookings", json=slot(world.etcher, 5, 1)).json
    asked = slot(world.etcher, 2.5, 1)
    asked.pop("resource_id")
    path = f"/bookings/{booked['id']}"
    answer = world.call("PATCH", path, json=asked, headers={"If-Match": "*"})
    assert answer.status_code == 409, answer.text
    others = answer.json["alternatives"]
    assert {one["kind"] for one in others} >= {"earlier", "later"}
    assert {one["resource"]["id"] for one in others} == {str(world.etcher.public_id)}
    later = next(one for one in others if one["kind"] == "later")
    times = {name: later[name] for name in ("starts_at", "ends_at")}
    assert (
        world.call("PATCH", path, json=times, headers={"If-Match": "*"}).status_code == 200
    )


def test_what_no_other_time_mends_has_no_alternatives(world) -> None:
    answer = world.call("POST", "/bookings", json=slot(world.etcher, 5, 1, quantity=7))
    assert answer.status_code == 422
    assert "alternatives" not in answer.json


@pytest.mark.parametrize("hours", [0, -1, 24 * 400])
def test_nonsense_is_refused_without_a_search(world, hours) -> None:
    answer = world.call("POST", "/bookings", json=slot(world.etcher, 1, hours))
    assert answer.status_code == 422
    assert answer.json.get("alternatives", []) == []


@pytest.mark.parametrize("year", ["0001", "9999"])
def test_the_ends_of_the_calendar_are_refused_like_any_other_time(world, year) -> None:
    asked = slot(world.etcher, 0, 1) | {
        "starts_at": f"{year}-12-30T00:00:00Z",
        "ends_at": f"{year}-12-30T01:00:00Z",
    }
    answer = world.call("POST", "/bookings", json=asked)
    assert answer.status_code == 422
    assert {one["kind"] for one in answer.json["alternatives"]} <= {
        "earlier",
        "later",
        "other_tool",
    }


def test_an_accepted_slot_costs_no_search(world) -> None:
    said: list[str] = []

    def note(_connection, _cursor, statement, *_rest) -> None:
        said.append(statement)

    sa.event.listen(db.engine, "before_cursor_execute", note)
    try:
        assert (
            world.call("POST", "/bookings", json=slot(world.etcher, 5, 1)).status_code
            == 201
        )
        assert not [one for one in said if "busy(" in one]
        said.clear()
        world.call("POST", "/bookings", json=slot(world.etcher, 5, 1))
        assert len([one for one in said if "busy(" in one]) == 1
    finally:
        sa.event.remove(db.engine, "before_cursor_execute", note)


def test_a_retry_under_the_same_key_is_refused_anew_with_alternatives(world) -> None:
    asked = slot(world.etcher, 1, 2)
    for _n in range(2):
        answer = world.call(
            "POST", "/bookings", json=asked, headers={"Idempotency-Key": "one"}
        )
        assert answer.status_code == 409
        assert len(answer.json["alternatives"]) == 4


def test_the_form_shows_alternatives_as_buttons(world) -> None:
    world.browser.enter(world.engineer)
    path = f"/bookings/new?resource={world.etcher.public_id}"
    form = form_of(world.browser.get(path).text) | {
        "starts_at": "2027-03-08T09:00",
        "ends_at": "2027-03-08T11:00",
    }
    answer = world.browser.post(path, form)
    assert answer.status_code == 409
    assert "another tool: " in answer.text
    assert "CANARY" not in answer.text
    again = world.browser.get(path).text
    assert "This would do" not in again


def test_several_resources_come_with_the_next_time_when_all_are_free(world) -> None:
    with writing() as session:
        seats = make_resource(
            session, code="SEATS", kind="pooled", capacity=5, capabilities=("SIM",)
        )
        make_booking(session, resource=seats, starts_at=MONDAY + 4 * HOUR, quantity=4)
    part = {"capability": "SIM", "quantity": 2}
    found = refused(world, 409, slot(world.etcher, 3, 1, **{"with": [part]}))
    assert found["later"][0] == ("E1", "08T05:00", "08T06:00")
