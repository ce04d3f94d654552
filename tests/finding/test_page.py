"""The page that finds free time."""

import html
import re
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.bookings.callers import Browser
from tests.factories import (
    make_booking,
    make_member,
    make_organisation,
    make_platform,
    make_resource,
    writing,
)

HOUR = timedelta(hours=1)
WEEK = {"from": "2027-03-08T08:00", "to": "2027-03-10T08:00"}


class World:
    """Two etchers, seats, and an engineer at his browser."""


@pytest.fixture
def world(app: Flask, client: FlaskClient) -> World:
    w = World()
    with writing() as session:
        platform = make_platform(session)
        given = {"platform_id": platform.id, "capabilities": ("ETCH.DRIE",)}
        w.etcher = make_resource(session, code="DRIE-1", wafer_mm=[150], **given)
        w.second = make_resource(session, code="DRIE-2", wafer_mm=[200], **given)
        make_resource(
            session, code="SEATS", kind="pooled", capabilities=("EDA.SIM",), capacity=5
        )
        firm = make_organisation(session)
        w.engineer = make_member(session, organisation=firm)
        rival = make_organisation(session, name_zh="CANARY", name_en="CANARY")
        make_booking(session, resource=w.etcher, organisation=rival, minutes=60)
    w.browser = Browser(client).enter(w.engineer)
    return w


def found(world, status: int = 200, **query) -> str:
    answer = world.browser.get("/find?" + urlencode({**WEEK, **query}, doseq=True))
    assert answer.status_code == status, answer.text
    return answer.text


def buttons(page: str) -> list[str]:
    return [html.unescape(a) for a in re.findall(r'href="(/bookings/new[^"]+)"', page)]


def test_the_button_leads_to_the_form_filled_in(world) -> None:
    page = found(
        world, capability="ETCH.DRIE", minutes="60", wafer_mm="150", **{"class": "3"}
    )
    first = buttons(page)[0]
    form = world.browser.get(first).text
    assert 'value="2027-03-08T09:00"' in form
    assert 'value="2027-03-08T10:00"' in form
    assert re.search(r'value="150" selected', form)
    assert re.search(r'value="3" selected', form)
    assert "CANARY" not in page


def test_results_stand_by_day_with_what_goes_with_them(world) -> None:
    page = found(world, resource="DRIE-2", minutes="60", wafer_mm="200",
                 **{"class": "3", "with": "EDA.SIM", "with_quantity": "2"})  # fmt: skip
    assert re.findall(r"<h3[^>]*>(.+?)</h3>", page) == [
        "Mon 2027-03-08",
        "Tue 2027-03-09",
        "Wed 2027-03-10",
    ]
    assert "(SEATS × 2)" in page


def test_what_is_left_out_is_told_with_the_reason(world) -> None:
    page = found(
        world, capability="ETCH.DRIE", minutes="60", wafer_mm="150", **{"class": "3"}
    )
    assert "takes wafers of 200 mm, not of 150 mm" in page


def test_rows_can_be_added_without_a_script(world) -> None:
    page = found(world, resource="SEATS", **{"with": "EDA.SIM", "more": "1"})
    assert page.count('name="with"') == 3
    assert not buttons(page)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"capability": "ETCH.DRYE"}, "did you mean ETCH.DRIE"),
        ({"resource": "SEATS", "minutes": "x"}, "not a whole number"),
        ({"resource": "SEATS", "minutes": "-1"}, "between a minute and a year"),
        ({"resource": "SEATS", "from": "never"}, "not a date and time"),
        ({"resource": "SEATS", "to": "2026-01-01T00:00"}, "ends after it begins"),
        ({"resource": "SEATS", "with": "EDA.SIM", "with_quantity": "0"}, "at least 1"),
        ({"resource": "SEATS", "from": "9999-12-31T23:59"}, "not a date"),
    ],
)
def test_what_makes_no_sense_is_told_beside_the_form(world, query, told) -> None:
    assert told in found(world, 422, **query)


def test_the_bare_page_asks_nothing_of_the_search(world) -> None:
    page = world.browser.get("/find").text
    assert "Say what you need" in page
    assert not buttons(page)
