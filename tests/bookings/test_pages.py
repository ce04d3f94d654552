"""Pages of bookings: one's own, a platform's day, the form of a slot, one booking."""

import html
import re
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from platform_booking.bookings.models import Booking, Source
from platform_booking.bookings.states import BookingState
from platform_booking.clock import utcnow
from platform_booking.embedded import Urls
from tests.bookings.callers import Browser, cookie_of
from tests.factories import (
    MONDAY,
    make_booking,
    make_calendar,
    make_member,
    make_occurrence,
    make_operator,
    make_organisation,
    make_platform,
    make_project,
    make_recipe,
    make_resource,
    writing,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page

HOUR = timedelta(hours=1)
SHANGHAI = ZoneInfo("Asia/Shanghai")
# MONDAY is 08:00 in the park.
NINE, TEN = "2027-03-08T09:00", "2027-03-08T10:00"


class World:
    """A platform with an etcher, a firm with an engineer, a rival, an operator."""


@pytest.fixture
def world(app: Flask, client: FlaskClient) -> World:
    w = World()
    with writing() as session:
        w.platform = make_platform(session)
        w.etcher = make_resource(session, platform_id=w.platform.id)
        w.firm = make_organisation(session)
        w.engineer = make_member(session, organisation=w.firm)
        w.rival = make_member(session)
        w.operator = make_operator(session, w.platform)
    w.browser = Browser(client).enter(w.engineer)
    return w


def form_of(page: str) -> dict[str, str]:
    """Return what a form's inputs hold."""
    return {
        name: html.unescape(value)
        for name, value in re.findall(
            r'<input[^>]* name="([^"]+)"[^>]* value="([^"]*)"', page
        )
    }


def address(resource) -> str:
    return f"/bookings/new?resource={resource.public_id}"


def rows() -> list[Booking]:
    with writing() as session:
        return list(session.scalars(sa.select(Booking).order_by(Booking.id)))


def test_a_slot_is_picked_in_the_parks_time(world: World) -> None:
    answer = world.browser.post(
        address(world.etcher), {"starts_at": NINE, "ends_at": TEN, "token": str(uuid4())}
    )
    assert answer.status_code == 302
    (booking,) = rows()
    assert answer.headers["Location"] == f"/bookings/{booking.public_id}"
    assert (booking.starts_at, booking.ends_at) == (MONDAY + HOUR, MONDAY + 2 * HOUR)
    shown = world.browser.get(answer.headers["Location"]).text
    assert "Booked." in shown
    assert "2027-03-08 09:00 –" in shown
    assert world.engineer.name in shown


def test_the_same_form_handed_in_twice_makes_one_booking(world: World) -> None:
    with writing() as session:
        pool = make_resource(session, kind="pooled")
    form = {"starts_at": NINE, "ends_at": TEN, "quantity": "1", "token": str(uuid4())}
    first = world.browser.post(address(pool), form)
    second = world.browser.post(address(pool), form)
    assert first.headers["Location"] == second.headers["Location"]
    assert len(rows()) == 1
    assert "handed in already" in world.browser.get(second.headers["Location"]).text


def test_what_was_typed_stays_and_every_fault_stands_beside_its_field(world: World) -> None:
    with writing() as session:
        pool = make_resource(session, kind="pooled", capacity=4)
    answer = world.browser.post(
        address(pool),
        {"starts_at": TEN, "ends_at": NINE, "quantity": "9", "token": str(uuid4())},
    )
    assert answer.status_code == 422
    typed = form_of(answer.text)
    assert (typed["starts_at"], typed["ends_at"], typed["quantity"]) == (TEN, NINE, "9")
    assert 'id="h-ends_at"' in answer.text
    assert 'id="h-quantity"' in answer.text
    assert answer.text.count("the end must lie after the start") == 2  # above and beside
    assert rows() == []


STRANGE = (
    {"starts_at": ""},
    {"starts_at": "soon"},
    {"starts_at": "0001-01-01T00:00"},
    {"ends_at": "9999-12-31T23:59"},
    {"ends_at": "99999-12-31T23:59"},
    {"quantity": "many"},
    {"quantity": "1" * 40},
    {"recipe_id": "7"},
    {"project_id": "x" * 5_000},
    {"starts_at": "<script>alert(1)</script>"},
)


def test_strange_forms_come_back_with_what_is_wrong(world: World) -> None:
    for changed in STRANGE:
        form = {"starts_at": NINE, "ends_at": TEN, "token": "not a token", **changed}
        answer = world.browser.post(address(world.etcher), form)
        assert answer.status_code == 422, changed
        assert "alert-danger" in answer.text
        assert "<script>alert" not in answer.text
    assert rows() == []


def test_a_taken_slot_says_so_and_keeps_the_form(world: World) -> None:
    with writing() as session:
        make_booking(session, resource=world.etcher, starts_at=MONDAY + HOUR)
    answer = world.browser.post(
        address(world.etcher), {"starts_at": NINE, "ends_at": TEN, "token": str(uuid4())}
    )
    assert answer.status_code == 409
    assert "no room left in that time" in answer.text
    assert form_of(answer.text)["starts_at"] == NINE
    assert "why-full" in answer.text


def test_a_slot_taken_by_ones_own_organisation_says_so(world: World) -> None:
    slot = {"starts_at": NINE, "ends_at": TEN}
    first = world.browser.post(address(world.etcher), slot | {"token": str(uuid4())})
    assert first.status_code == 303 or first.status_code == 302
    answer = world.browser.post(address(world.etcher), slot | {"token": str(uuid4())})
    assert answer.status_code == 409
    assert "Your organisation has a booking there already" in answer.text
    assert "no room left in that time" not in answer.text


def test_the_week_shows_what_is_busy_and_not_by_whom(world: World) -> None:
    with writing() as session:
        hours = make_calendar(session, weekly={"mon": [["08:00", "18:00"]]})
        tool = make_resource(session, calendar_id=hours.id)
        rival = make_organisation(session, name_zh="CANARY", name_en="CANARY")
        make_booking(session, resource=tool, organisation=rival, starts_at=MONDAY + HOUR)
    shown = world.browser.get(
        "/bookings/new", resource=str(tool.public_id), day="2027-03-08"
    ).text
    assert "taken: 2027-03-08 09:00 – 2027-03-08 10:00" in shown
    assert "closed: 2027-03-08 18:00" in shown
    assert "CANARY" not in shown
    # The first free hour is suggested; the tool opens at 08:00.
    assert form_of(shown)["starts_at"] == "2027-03-08T08:00"
    assert form_of(shown)["ends_at"] == NINE


def test_a_run_of_the_chosen_recipe_can_be_joined_and_others_stay_unknown(
    world: World,
) -> None:
    with writing() as session:
        oven = make_resource(session, kind="batch")
        mine, other = make_recipe(session, oven, capacity=6), make_recipe(session, oven)
        make_booking(session, resource=oven, recipe_id=mine.id, quantity=2)
        make_booking(
            session, resource=oven, recipe_id=other.id, starts_at=MONDAY + 4 * HOUR
        )
    shown = world.browser.get(
        "/bookings/new",
        resource=str(oven.public_id),
        day="2027-03-08",
        recipe_id=str(mine.public_id),
    ).text
    assert "4 left" in shown
    assert shown.count('class="why-join"') == 2  # in the week, and in its key
    assert shown.count('class="why-full"') == 2
    answer = world.browser.post(
        address(oven),
        {
            "starts_at": "2027-03-08T08:00",
            "ends_at": NINE,
            "quantity": "4",
            "recipe_id": str(mine.public_id),
            "token": str(uuid4()),
        },
    )
    assert answer.status_code == 302


def test_a_dated_run_is_chosen_without_typing_times(world: World) -> None:
    with writing() as session:
        shuttle = make_resource(session, kind="event")
        run = make_occurrence(session, shuttle, capacity=10)
        make_booking(
            session, resource=shuttle, occurrence_id=run.id, minutes=120, quantity=3
        )
    shown = world.browser.get(address(shuttle)).text
    assert "7 of 10 left" in shown
    none = world.browser.post(address(shuttle), {"quantity": "1", "token": str(uuid4())})
    assert none.status_code == 422
    assert 'id="h-occurrence_id"' in none.text
    form = {"occurrence_id": str(run.public_id), "quantity": "7", "token": str(uuid4())}
    assert world.browser.post(address(shuttle), form).status_code == 302


def test_a_resource_is_chosen_first_and_may_be_named_by_its_code(world: World) -> None:
    assert world.etcher.code in world.browser.get("/bookings/new").text
    by_code = world.browser.get("/bookings/new", resource=world.etcher.code)
    assert world.etcher.name_en in by_code.text
    for unknown in (str(uuid4()), "nothing", "\x00x", "7" * 500):
        answer = world.browser.get("/bookings/new", resource=unknown)
        assert answer.status_code == 404


def test_a_link_may_bring_a_time_along(world: World) -> None:
    shown = world.browser.get(
        "/bookings/new",
        resource=str(world.etcher.public_id),
        start="2027-03-08T01:00:00Z",
        end="2027-03-08T02:00:00Z",
    ).text
    assert (form_of(shown)["starts_at"], form_of(shown)["ends_at"]) == (NINE, TEN)
    for strange in ("never", "0001-01-01T00:00Z", "9999-12-31T23:59Z", "9999-12-31"):
        answer = world.browser.get(
            "/bookings/new",
            resource=str(world.etcher.public_id),
            start=strange,
            end=strange,
            day=strange,
        )
        assert answer.status_code == 200, strange


def test_ones_own_bookings_ahead_and_past(world: World) -> None:
    with writing() as session:
        project = make_project(session, world.firm, name="SECRET-1")
        make_booking(
            session,
            resource=world.etcher,
            organisation=world.firm,
            project_id=project.id,
            member_id=world.engineer.id,
        )
        long_past = make_booking(
            session,
            resource=make_resource(session, name_en="Old tool"),
            organisation=world.firm,
            starts_at=utcnow() - timedelta(days=9),
        )
        make_booking(session, resource=make_resource(session, name_en="Rival tool"))
    ahead = world.browser.get("/bookings").text
    assert "SECRET-1" in ahead
    assert "Old tool" not in ahead
    assert "Rival tool" not in ahead
    past = world.browser.get("/bookings", show="past").text
    assert str(long_past.public_id) in past
    assert "SECRET-1" not in past


def test_nothing_booked_yet_leads_to_the_first_booking(world: World) -> None:
    shown = world.browser.get("/bookings").text
    assert "Nothing is booked ahead" in shown
    assert 'href="/bookings/new"' in shown
    assert (
        "Nothing has been booked so far" in world.browser.get("/bookings", show="past").text
    )


def test_an_operator_sees_his_platforms_day_without_projects(world: World) -> None:
    with writing() as session:
        project = make_project(session, world.firm, name="SECRET-1")
        mine = make_booking(
            session,
            resource=world.etcher,
            organisation=world.firm,
            project_id=project.id,
            member_id=world.engineer.id,
        )
        make_booking(
            session, resource=make_resource(session, name_en="Elsewhere"), starts_at=MONDAY
        )
    operator = world.browser.enter(world.operator)
    day = operator.get("/bookings", day="2027-03-08").text
    assert world.firm.name_en in day
    assert world.engineer.name in day
    assert "SECRET-1" not in day
    assert "Elsewhere" not in day
    assert (
        "Nothing is booked on that day" in operator.get("/bookings", day="2027-03-09").text
    )
    assert "SECRET-1" not in operator.get(f"/bookings/{mine.public_id}").text
    for strange in ("soon", "0001-01-01", "9999-12-31"):
        assert operator.get("/bookings", day=strange, platform="x").status_code == 200


def test_an_operator_books_for_a_firm_and_only_on_his_platform(world: World) -> None:
    operator = world.browser.enter(world.operator)
    form = {"starts_at": NINE, "ends_at": TEN, "token": str(uuid4())}
    nobody = operator.post(address(world.etcher), form)
    assert nobody.status_code == 422
    assert 'id="h-organisation_id"' in nobody.text
    made = operator.post(
        address(world.etcher), form | {"organisation_id": str(world.firm.public_id)}
    )
    assert made.status_code == 302
    assert rows()[0].organisation_id == world.firm.id
    with writing() as session:
        elsewhere = make_resource(session)
    assert operator.get(address(elsewhere)).status_code == 403
    assert elsewhere.code not in operator.get("/bookings/new").text


def test_a_booking_is_cancelled_once(world: World) -> None:
    with writing() as session:
        booking = make_booking(
            session,
            resource=world.etcher,
            organisation=world.firm,
            member_id=world.engineer.id,
        )
    path = f"/bookings/{booking.public_id}"
    form = {"version": form_of(world.browser.get(path).text)["version"]}
    first = world.browser.post(f"{path}/cancel", form)
    assert first.headers["Location"] == path
    shown = world.browser.get(path).text
    assert "Cancelled. The place is free for others." in shown
    assert f'action="{path}/cancel"' not in shown
    stale = world.browser.post(f"{path}/cancel", form)
    assert stale.status_code == 412
    world.browser.post(f"{path}/cancel", {})
    assert "over or cancelled already" in world.browser.get(path).text
    assert rows()[0].state is BookingState.CANCELLED


def test_what_cannot_be_cancelled_says_why(world: World) -> None:
    with writing() as session:
        colleague = make_member(session, organisation=world.firm)
        of_order = make_booking(
            session, resource=world.etcher, organisation=world.firm, source=Source.PLAN
        )
        theirs = make_booking(
            session,
            resource=world.etcher,
            organisation=world.firm,
            member_id=colleague.id,
            starts_at=MONDAY + 2 * HOUR,
        )
    for booking, sentence in (
        (of_order, "withdraw or amend the order instead"),
        (theirs, "your organisation’s administrator"),
    ):
        path = f"/bookings/{booking.public_id}"
        shown = world.browser.get(path).text
        assert sentence in shown
        assert f'action="{path}/cancel"' not in shown
    refused = world.browser.post(f"/bookings/{of_order.public_id}/cancel", {})
    assert refused.status_code == 302
    assert {b.state for b in rows()} == {BookingState.CONFIRMED}


def test_a_foreign_booking_is_not_there(world: World) -> None:
    with writing() as session:
        foreign = make_booking(session, resource=world.etcher)
    for booking_id in (foreign.public_id, uuid4()):
        assert world.browser.get(f"/bookings/{booking_id}").status_code == 404
        cancel = world.browser.post(f"/bookings/{booking_id}/cancel", {})
        assert cancel.status_code == 404


def test_the_pages_speak_chinese(world: World) -> None:
    shown = world.browser.get(address(world.etcher), lang="zh").text
    assert "占用情况" in shown
    for english in ("What is busy", "Start", ">Book<"):
        assert english not in shown


@pytest.mark.browser
def test_a_click_on_a_free_place_and_a_double_click_on_book_make_one_booking(
    world: World, app: Flask, database: Urls, live_url: str, page: "Page"
) -> None:
    with writing() as session:
        pool = make_resource(session, kind="pooled", typical_minutes=120)
    page.context.add_cookies(
        [{"name": "session", "value": cookie_of(app, world.engineer), "url": live_url}]
    )
    page.goto(f"{live_url}{address(pool)}&day=2027-03-08")
    strip = page.locator("[data-day='2027-03-09']")
    box = strip.bounding_box()
    strip.click(position={"x": box["width"] * 10.1 / 24, "y": 8})
    assert page.input_value("[name=starts_at]") == "2027-03-09T10:00"
    assert page.input_value("[name=ends_at]") == "2027-03-09T12:00"
    assert strip.locator(".why-picked").count() == 1
    page.fill("[name=quantity]", "2")
    page.click("[rel=next]")  # a week on: what was typed comes along
    page.wait_for_url("**day=2027-03-15**")
    assert page.input_value("[name=starts_at]") == "2027-03-09T10:00"
    assert page.input_value("[name=quantity]") == "2"
    page.dblclick("form[data-booking-form] button.btn-primary")
    page.wait_for_url(re.compile(r"/bookings/[0-9a-f-]{36}$"))
    (booking,) = rows()
    assert UUID(page.url.rpartition("/")[2]) == booking.public_id
    assert booking.starts_at.astimezone(SHANGHAI).isoformat() == "2027-03-09T10:00:00+08:00"
    assert booking.quantity == 2
