"""Pages that change bookings: moved and resized, their history, the end of a series."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from flask import Flask

from platform_booking.bookings.models import Source
from platform_booking.bookings.states import BookingState
from platform_booking.clock import utcnow
from tests.bookings.asking import HOUR, rows, slot
from tests.bookings.callers import Browser, Program, make_token
from tests.factories import (
    MONDAY,
    make_booking,
    make_member,
    make_operator,
    make_organisation,
    make_platform,
    make_resource,
    writing,
)
from tests.visitor import Visitor

SHANGHAI = ZoneInfo("Asia/Shanghai")


def typed(moment) -> str:
    return moment.astimezone(SHANGHAI).strftime("%Y-%m-%dT%H:%M")


@pytest.fixture
def world(app: Flask):
    class World:
        pass

    w = World()
    with writing() as session:
        w.platform = make_platform(session)
        w.pool = make_resource(session, kind="pooled", platform_id=w.platform.id)
        w.firm = make_organisation(session)
        w.engineer = make_member(session, organisation=w.firm, name="ENGINEER")
        w.colleague = make_member(session, organisation=w.firm)
        w.rival = make_member(session)
        w.operator = make_operator(session, w.platform, name="OPERATOR")
        w.call = Program(app.test_client(), make_token(session, w.engineer))
        w.staff = Program(app.test_client(), make_token(session, w.operator))
    w.enter = lambda member: Browser(Visitor(app)).enter(member)
    w.browser = w.enter(w.engineer)
    return w


def booked(world, **more) -> str:
    answer = world.call("POST", "/bookings", json=slot(world.pool, **more))
    assert answer.status_code == 201, answer.text
    return f"/bookings/{answer.json['id']}"


def change(**more) -> dict[str, str]:
    return {
        "version": "1",
        "starts_at": typed(MONDAY + 2 * HOUR),
        "ends_at": typed(MONDAY + 4 * HOUR),
        "quantity": "2",
        "note": "the wafers come later",
        **more,
    }


def test_a_booking_is_moved_and_resized_on_its_page(world) -> None:
    path = booked(world)
    form = world.browser.get(f"{path}/move")
    assert form.status_code == 200
    assert typed(MONDAY) in form.text
    answer = world.browser.post(f"{path}/move", change())
    assert answer.status_code == 302
    (moved,) = rows()
    assert (moved.starts_at, moved.ends_at) == (MONDAY + 2 * HOUR, MONDAY + 4 * HOUR)
    assert moved.quantity == 2
    shown = world.browser.get(path).text
    assert "it was 2027-03-08 08:00" in shown
    assert "the wafers come later" in shown
    assert "quantity 1 → 2" in shown
    assert "ENGINEER" in shown


def test_what_was_typed_is_kept_when_the_change_is_refused(world) -> None:
    path = booked(world)
    with writing() as session:
        make_booking(session, resource=world.pool, quantity=3, starts_at=MONDAY + 2 * HOUR)
    answer = world.browser.post(f"{path}/move", change())
    assert answer.status_code == 409
    assert "no room in that time" in answer.text
    assert typed(MONDAY + 2 * HOUR) in answer.text
    assert "the wafers come later" in answer.text
    answer = world.browser.post(f"{path}/move", change(quantity="9", ends_at="soon"))
    assert answer.status_code == 422
    assert "soon" in answer.text
    answer = world.browser.post(f"{path}/move", change(quantity="9"))
    assert answer.status_code == 422
    assert 'value="9"' in answer.text
    assert rows()[0].starts_at == MONDAY


def test_a_booking_that_changed_meanwhile_is_shown_as_it_stands(world) -> None:
    path = booked(world)
    world.browser.post(f"{path}/move", change())
    answer = world.browser.post(f"{path}/move", change(quantity="3"))
    assert answer.status_code == 409
    assert "has changed since you opened this page" in answer.text
    assert 'name="version" value="2"' in answer.text
    assert rows()[0].quantity == 2


def test_staff_move_a_firms_booking_and_are_not_named_to_it(world) -> None:
    path = booked(world)
    staff = world.enter(world.operator)
    assert staff.get(f"{path}/move").status_code == 200
    assert staff.post(f"{path}/move", change()).status_code == 302
    shown = world.browser.get(path).text
    assert "platform staff" in shown
    assert "OPERATOR" not in shown
    assert "OPERATOR" in staff.get(path).text


def test_who_may_not_change_a_booking_does_not_get_the_page(world) -> None:
    path = booked(world)
    assert world.enter(world.colleague).get(f"{path}/move").status_code == 403
    assert world.enter(world.rival).get(f"{path}/move").status_code == 404
    assert world.enter(world.rival).post(f"{path}/move", change()).status_code == 404


def test_what_is_over_or_of_a_plan_leads_back_to_its_page(world) -> None:
    path = booked(world)
    world.call("POST", f"{path}/cancel")
    answer = world.browser.get(f"{path}/move")
    assert answer.status_code == 302
    with writing() as session:
        planned = make_booking(
            session,
            resource=world.pool,
            organisation=world.firm,
            member_id=world.engineer.id,
            source=Source.PLAN,
        )
    answer = world.browser.get(f"/bookings/{planned.public_id}/move")
    assert answer.status_code == 302


def test_the_page_says_until_when_a_cancellation_is_in_time(world) -> None:
    soon = utcnow().replace(minute=0, second=0, microsecond=0) + timedelta(hours=5)
    with writing() as session:
        strict = make_resource(session, policy={"late_cancel_hours": 24})
        make = {"organisation": world.firm, "member_id": world.engineer.id}
        late = make_booking(session, resource=strict, starts_at=soon, **make)
        early = make_booking(session, resource=strict, **make)
    shown = world.browser.get(f"/bookings/{late.public_id}").text
    assert "counts as a late cancellation: in time it was until" in shown
    shown = world.browser.get(f"/bookings/{early.public_id}").text
    assert "In time until 2027-03-07 08:00" in shown


def test_parts_are_shown_with_the_whole_and_move_together(world) -> None:
    with writing() as session:
        room = make_resource(session, platform_id=world.platform.id, name_en="ROOM")
    path = booked(world, **{"with": [{"resource_id": str(room.public_id)}]})
    assert "ROOM" in world.browser.get(path).text
    assert "All of them go" in world.browser.get(f"{path}/move").text
    assert world.browser.post(f"{path}/move", change()).status_code == 302
    assert {b.starts_at for b in rows()} == {MONDAY + 2 * HOUR}


@pytest.mark.parametrize(("scope", "left"), [("following", 1), ("all", 0)])
def test_more_of_a_series_is_cancelled_from_one_of_its_bookings(world, scope, left) -> None:
    ask = slot(world.pool) | {"rrule": "FREQ=WEEKLY;COUNT=3"}
    made = world.call("POST", "/bookings/series", json=ask).json["occurrences"]
    path = f"/bookings/{made[1]['booking']['id']}"
    assert "FREQ=WEEKLY;COUNT=3" in world.browser.get(path).text
    assert world.browser.post(f"{path}/cancel-series", {"scope": scope}).status_code == 302
    confirmed = [b for b in rows() if b.state is BookingState.CONFIRMED]
    assert len(confirmed) == left
    rival = world.enter(world.rival)
    assert rival.post(f"{path}/cancel-series", {"scope": "all"}).status_code == 404
