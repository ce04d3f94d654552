"""Answers of the API are in the language that the caller asks for."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.bookings.callers import Program, make_token
from tests.factories import (
    make_capability,
    make_member,
    make_organisation,
    make_resource,
    writing,
)
from tests.orders.asked import make_route

ENGLISH, CHINESE = "en-GB,en;q=0.8", "zh-CN"
STEPS = {ENGLISH: ["Step 1", "Step 2"], CHINESE: ["工序1", "工序2"]}


@pytest.fixture(autouse=True)
def _before_that_monday(time_machine: Any) -> None:
    time_machine.move_to("2027-03-05T00:00:00+00:00", tick=True)


@pytest.fixture
def call(client: FlaskClient) -> Program:
    """Act for a member whose own language is Chinese."""
    with writing() as session:
        one = make_capability(session, "ETCH")
        one.name_zh, one.name_en = "刻蚀", "Etching"
        make_resource(session, capabilities=("ETCH",))
        make_route(session, {"capability": "ETCH"}, {"capability": "ETCH"}, code="RT-1")
        firm = make_organisation(session, name_zh="晶芯", name_en="Crystal Chips")
        return Program(client, make_token(session, make_member(session, organisation=firm)))


def asking(**given: Any) -> dict[str, Any]:
    return {
        "title": "x",
        "earliest_at": "2027-03-08T08:00:00+08:00",
        "deadline_at": "2027-03-12T08:00:00+08:00",
        **given,
    }


def test_names_in_an_order_are_in_the_language_asked_for(call: Program) -> None:
    made = call("POST", "/orders", json=asking(route="RT-1"))
    assert made.status_code == 201, made.text
    for language, firm in ((ENGLISH, "Crystal Chips"), (CHINESE, "晶芯")):
        headers = {"Accept-Language": language}
        found = call("GET", f"/orders/{made.json['id']}", headers=headers).json
        assert [s["name"] for s in found["steps"]] == STEPS[language]
        assert found["organisation"] == firm
        (line,) = call("GET", "/orders", headers=headers).json["items"]
        assert (line["organisation"], line["next_step"]) == (firm, STEPS[language][0])


def test_a_step_of_ones_own_is_named_after_its_capability_or_as_one_says(
    call: Program,
) -> None:
    steps = [{"capability": "ETCH"}, {"capability": "ETCH", "name": "我的"}]
    made = call("POST", "/orders", json=asking(steps=steps))
    for language, name in ((ENGLISH, "Etching"), (CHINESE, "刻蚀")):
        headers = {"Accept-Language": language}
        found = call("GET", f"/orders/{made.json['id']}", headers=headers).json
        assert [s["name"] for s in found["steps"]] == [name, "我的"]


def test_names_in_a_refusal_are_in_the_language_asked_for(call: Program) -> None:
    soon = {"deadline_at": "2027-03-08T09:30:00+08:00"}
    late = asking(route="RT-1", **soon)
    by_steps = asking(steps=[{"capability": "ETCH", "duration_min": 120}], **soon)
    for language, of_route, of_capability in (
        (ENGLISH, "Step 2", "Etching"),
        (CHINESE, "工序2", "刻蚀"),
    ):
        headers = {"Accept-Language": language}
        for body, name in ((late, of_route), (by_steps, of_capability)):
            answer = call("POST", "/orders/check", json=body, headers=headers)
            (told,) = answer.json["violations"]
            assert name in told["message"]


def test_who_says_nothing_gets_the_language_of_the_account(call: Program) -> None:
    for headers in ({}, {"Accept-Language": "*"}, {"Accept-Language": "fr"}):
        answer = call("POST", "/orders/check", json=asking(), headers=headers)
        assert (
            answer.json["violations"][0]["message"] == "请选择工艺路线，或至少添加一道工序"
        )
