"""The form of a slot: further resources for the same time, and slots that recur."""

import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from flask import Flask

from platform_booking.bookings import forms
from platform_booking.bookings.models import Series
from tests.bookings.asking import HOUR, rows
from tests.bookings.callers import Browser
from tests.bookings.test_changing import typed
from tests.factories import MONDAY, make_booking, make_member, make_resource, writing
from tests.visitor import Visitor

DAY, WEEK = timedelta(days=1), timedelta(days=7)


@pytest.fixture
def world(app: Flask):
    class World:
        pass

    w = World()
    with writing() as session:
        w.tool = make_resource(session)
        w.licence = make_resource(session, kind="pooled", capabilities=("SIM.TCAD",))
        w.engineer = make_member(session)
    w.browser = Browser(Visitor(app)).enter(w.engineer)
    w.path = f"/bookings/new?resource={w.tool.public_id}"
    return w


def form(**more) -> dict:
    return {
        "starts_at": typed(MONDAY),
        "ends_at": typed(MONDAY + HOUR),
        **{name.replace("__", "."): value for name, value in more.items()},
    }


def test_a_licence_and_any_of_a_capability_are_booked_beside(world) -> None:
    with writing() as session:
        make_resource(session, kind="pooled", capabilities=("ROOM",))
    fields = form() | {
        "with.0.resource_id": world.licence.code,
        "with.0.quantity": "2",
        "with.1.resource_id": "ROOM",
    }
    answer = world.browser.post(world.path, fields)
    assert answer.status_code == 302, answer.text
    assert sorted(b.quantity for b in rows()) == [1, 1, 2]
    assert len({b.group_id for b in rows()}) == 1


def test_what_is_wrong_beside_is_shown_at_its_field_and_kept(world) -> None:
    fields = form() | {
        "with.0.resource_id": world.licence.code,
        "with.0.quantity": "9",
        "with.1.resource_id": "NO.SUCH",
    }
    answer = world.browser.post(world.path, fields)
    assert answer.status_code == 422
    assert re.search(r'is-invalid" id="f-with.1.resource_id"', answer.text)
    fields.pop("with.1.resource_id")
    answer = world.browser.post(world.path, fields)
    assert answer.status_code == 422
    assert re.search(r'is-invalid" id="f-with.0.quantity"', answer.text)
    assert 'value="9"' in answer.text
    assert rows() == []


def test_a_series_is_shown_before_it_is_booked_and_conflicts_can_be_left_out(world) -> None:
    with writing() as session:
        make_booking(session, resource=world.tool, starts_at=MONDAY + WEEK)
    fields = form(repeat="weekly", every="1", times="3")
    answer = world.browser.post(world.path, fields)
    assert answer.status_code == 200, answer.text
    assert "What would be booked" in answer.text
    boxes = re.findall(r'name="left_out" value="(\d)"( checked)?', answer.text)
    assert boxes == [("1", ""), ("2", " checked"), ("3", "")]
    assert len(rows()) == 1
    seen = re.search(r'name="previewed" value="([^"]*)"', answer.text)
    assert seen
    sure = fields | {"sure": "yes", "previewed": seen[1].replace("&#43;", "+")}
    refused = world.browser.post(world.path, sure)
    assert refused.status_code == 422
    assert "no. 2" in refused.text
    made = world.browser.post(world.path, sure | {"left_out": "2"})
    assert made.status_code == 302, made.text
    assert sorted(b.starts_at for b in rows() if b.series_id) == [MONDAY, MONDAY + 2 * WEEK]
    assert 'name="take" value="2 ' in answer.text
    assert "2 occurrences" in world.browser.get(made.headers["Location"]).text


def test_a_suggestion_is_taken_with_a_tick_and_weekdays_are_ticked(world) -> None:
    with writing() as session:
        make_booking(session, resource=world.tool, starts_at=MONDAY + 2 * DAY)
    fields = form(repeat="weekly", every="1", times="3") | {"on.MO": "yes", "on.WE": "yes"}
    seen = world.browser.post(world.path, fields).text
    take = re.search(r'name="take" value="(2 [^"]*)"', seen)
    previewed = re.search(r'name="previewed" value="([^"]*)"', seen)
    assert take
    assert previewed
    sure = {"sure": "yes", "previewed": previewed[1], "left_out": "2"}
    sure["take"] = take[1].replace("&#43;", "+")
    assert world.browser.post(world.path, fields | sure).status_code == 302
    assert sorted(b.starts_at for b in rows() if b.series_id) == [
        MONDAY, MONDAY + 2 * DAY + HOUR, MONDAY + WEEK,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("by", "rule"),
    [
        ("", ""),
        ("nth", ";BYDAY=2MO"),
        ("last", ";BYDAY=-1MO"),
        ("last_workday", ";BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"),
    ],
)
def test_a_month_goes_by_date_or_by_weekday(world, by, rule) -> None:
    given = form(repeat="monthly", every="1", times="2", monthly_by=by)
    reading = forms.read(
        given, (), resource=world.tool, runs=(), zone=ZoneInfo("Asia/Shanghai")
    )
    assert forms.rule_of(reading) == f"FREQ=MONTHLY;INTERVAL=1{rule};COUNT=2"


def test_what_was_changed_after_the_look_is_shown_anew(world) -> None:
    fields = form(repeat="daily", every="1", times="2", sure="yes", previewed="other")
    answer = world.browser.post(world.path, fields)
    assert answer.status_code == 200
    assert "What would be booked" in answer.text
    assert rows(Series) == []


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({}, "times"),
        ({"times": "3", "until": "2027-04-01"}, "times"),
        ({"times": "many"}, "times"),
        ({"times": "101"}, "times"),
        ({"until": "soon"}, "until"),
        ({"every": "x", "times": "2"}, "every"),
        ({"every": "0", "times": "2"}, "times"),
    ],
)
def test_a_recurrence_that_cannot_be_read_is_named_at_its_field(
    world, given, where
) -> None:
    answer = world.browser.post(world.path, form(repeat="weekly") | given)
    assert answer.status_code == 422
    assert f'is-invalid" id="f-{where}"' in answer.text
