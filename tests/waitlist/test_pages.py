"""The pages of the waiting list."""

import pytest
from flask import Flask

from platform_booking.waitlist import queries
from tests.attendance.place import Place, made
from tests.factories import writing
from tests.waitlist.queue import HOUR, nothing_free, run, tomorrow


@pytest.fixture
def place(app: Flask) -> Place:
    return made(app)


def local(moment) -> str:
    return (moment + 8 * HOUR).strftime("%Y-%m-%dT%H:%M")


def slot(place: Place, **more: str) -> dict[str, str]:
    form = {
        "starts_at": local(tomorrow()),
        "ends_at": local(tomorrow() + HOUR),
        "quantity": "1",
        "token": "6f0e4a8e-9d6b-4c7a-8e5b-1f42a4c1d1c2",
    }
    return form | more


def entries():
    with writing() as session:
        return queries.lines(session, limit=10)[0]


def test_a_full_time_offers_to_wait_and_the_offer_is_accepted_on_the_page(place) -> None:
    place.booking(at=tomorrow())
    browser = place.browser(place.rival)
    path = f"/bookings/new?resource={place.tool.public_id}"
    refused = browser.post(path, slot(place))
    assert refused.status_code == 409
    assert "Wait for this time" in refused.text
    join = f"/waiting?resource={place.tool.public_id}"
    told = browser.post(join, slot(place, within_days="7"))
    assert "book that instead of waiting" in browser.get(told.location).text
    with nothing_free(place):
        for _twice in range(2):
            assert browser.post(join, slot(place, within_days="7")).status_code == 302
    [line] = entries()
    assert line.entry.to_at - line.entry.from_at == 169 * HOUR
    run()
    page = browser.get("/waiting")
    assert "Accept" in page.text
    answer = f"/waiting/{line.entry.public_id}/answer"
    done = browser.post(answer, {"act": "accept"})
    assert "/bookings/" in done.location
    assert "You wait for nothing" in browser.get("/waiting").text


def test_passing_and_withdrawing_by_the_page(place) -> None:
    browser = place.browser(place.rival)
    join = f"/waiting?resource={place.tool.public_id}"
    with nothing_free(place):
        browser.post(join, slot(place))
    [line] = entries()
    run()
    answer = f"/waiting/{line.entry.public_id}/answer"
    browser.post(answer, {"act": "pass"})
    assert "1 of 3 offers let go" in browser.get("/waiting").text
    browser.post(answer, {"act": "withdraw"})
    assert entries() == []


def test_who_cannot_wait_is_told_why_on_the_form(place) -> None:
    browser = place.browser(place.rival)
    join = f"/waiting?resource={place.tool.public_id}"
    back = browser.post(join, slot(place, ends_at=local(tomorrow() + HOUR / 20)))
    assert "/bookings/new" in back.location
    assert entries() == []
    assert browser.post(join, {}).status_code == 302


def test_operators_see_the_queue_of_each_tool_in_order(place) -> None:
    join = f"/waiting?resource={place.tool.public_id}"
    for member in (place.rival, place.engineer):
        with nothing_free(place):
            place.browser(member).post(join, slot(place))
    page = place.browser(place.operator).get("/waiting")
    assert "2 wait" in page.text
    assert "Nobody waits." in place.browser(place.stranger).get("/waiting").text
