"""Bad input that the tests of one path alone do not meet: clear errors, nothing half done.

Elsewhere: a slot's strange values and unknown ids in `test_api`, recurrence in `test_series`,
files in `tests/exchange`, bodies that are no slot at all in `tests/security/test_malformed`.
"""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient

from platform_booking.accounts.models import Organisation
from platform_booking.bookings.models import Waiting
from tests.bookings.asking import HOUR, Caller, iso, rows, rules_of, slot
from tests.bookings.callers import Browser
from tests.factories import (
    MONDAY,
    make_booking,
    make_member,
    make_resource,
    writing,
)

NOWHERE = "0001-01-01T00:00:00Z", "9999-12-31T23:55:00Z"
STRANGE = [
    ({"ends_at": iso(MONDAY - HOUR)}, "ends_at"),
    ({"starts_at": iso(MONDAY + 2 * HOUR)}, "ends_at"),
    ({"starts_at": NOWHERE[0]}, "starts_at"),
    ({"starts_at": NOWHERE[0], "ends_at": "0001-01-01T01:00:00Z"}, "starts_at"),
    ({"starts_at": "0001-01-01T00:00:00+14:00"}, "starts_at"),
    ({"ends_at": NOWHERE[1]}, "ends_at"),
    ({"starts_at": "9999-12-31T22:00:00Z", "ends_at": NOWHERE[1]}, "starts_at"),
    ({"ends_at": "9999-12-31T23:59:59-12:00"}, "ends_at"),
    ({"quantity": 0}, "quantity"),
    ({"quantity": -1}, "quantity"),
    ({"quantity": 10**9}, "quantity"),
    ({"quantity": 10**30}, "quantity"),
]


@pytest.fixture
def firm(app: Flask, client: FlaskClient) -> Caller:
    return Caller.make(client)


@pytest.mark.parametrize(("changed", "where"), STRANGE)
def test_a_move_to_nowhere_names_the_field_and_moves_nothing(
    firm: Caller, changed: dict, where: str
) -> None:
    with writing() as session:
        tool = make_resource(session, kind="pooled")
    made = firm("POST", "/bookings", json=slot(tool)).json
    answer = firm(
        "PATCH", f"/bookings/{made['id']}", json=changed, headers={"If-Match": '"1"'}
    )
    assert where in {place for _rule, place in rules_of(answer)}
    (still,) = rows()
    assert (still.starts_at, still.ends_at) == (MONDAY, MONDAY + HOUR)
    assert (still.quantity, still.version) == (1, 1)


@pytest.mark.parametrize(("changed", "where"), STRANGE)
def test_a_series_from_nowhere_books_no_occurrence(
    firm: Caller, changed: dict, where: str
) -> None:
    with writing() as session:
        tool = make_resource(session, kind="pooled")
    ask = slot(tool) | {"rrule": "FREQ=DAILY;COUNT=3", "on_conflict": "skip"} | changed
    answer = firm("POST", "/bookings/series", json=ask)
    places = {place.rpartition(".")[2] for _rule, place in rules_of(answer)}
    assert places & {where, "rrule"}
    assert rows() == []


@pytest.mark.parametrize(("changed", "where"), STRANGE)
def test_nobody_waits_for_nothing(firm: Caller, changed: dict, where: str) -> None:
    names = {"starts_at": "from", "ends_at": "to", "quantity": "quantity"}
    with writing() as session:
        tool = make_resource(session, kind="pooled")
    ask = {
        "resource_id": str(tool.public_id),
        "from": iso(MONDAY),
        "to": iso(MONDAY + HOUR),
        "quantity": 1,
    } | {names[name]: value for name, value in changed.items()}
    answer = firm("POST", "/waiting", json=ask)
    assert {place for _rule, place in rules_of(answer)} & {names[where], "from", "to"}
    assert rows(Waiting) == []


@pytest.fixture
def berlin(make_app: Callable[..., Flask]):
    """A park whose clocks change: on 28 March at 02:00, on 31 October 2027 at 03:00."""
    app = make_app(timezone="Europe/Berlin")
    with app.app_context():
        yield app


def test_a_time_that_the_clocks_skip_is_refused_on_the_page(berlin: Flask) -> None:
    with writing() as session:
        tool, member = make_resource(session), make_member(session)
    browser = Browser(berlin.test_client()).enter(member)

    def book(starts_at: str, ends_at: str):
        form = {"starts_at": starts_at, "ends_at": ends_at, "quantity": "1"}
        return browser.post(f"/bookings/new?resource={tool.public_id}", form)

    refused = book("2027-03-28T02:30", "2027-03-28T03:45")
    assert refused.status_code == 422
    assert "the clocks skip this time on that day; choose a later one" in refused.text
    assert rows() == []
    assert book("2027-03-28T01:30", "2027-03-28T03:30").status_code == 302
    (made,) = rows()
    assert made.ends_at - made.starts_at == HOUR


def test_a_time_that_comes_twice_is_the_first(berlin: Flask) -> None:
    with writing() as session:
        tool, member = make_resource(session), make_member(session)
    browser = Browser(berlin.test_client()).enter(member)
    form = {"starts_at": "2027-10-31T02:30", "ends_at": "2027-10-31T03:30", "quantity": "1"}
    assert browser.post(f"/bookings/new?resource={tool.public_id}", form).status_code == 302
    (made,) = rows()
    assert made.starts_at == datetime(2027, 10, 31, 0, 30, tzinfo=UTC)
    assert made.ends_at - made.starts_at == 2 * HOUR


def test_a_change_leaves_the_second_of_two_equal_times_where_it_is(berlin: Flask) -> None:
    second = datetime(2027, 10, 31, 1, 30, tzinfo=UTC)
    with writing() as session:
        pool, member = make_resource(session, kind="pooled"), make_member(session)
        made = make_booking(
            session,
            resource=pool,
            organisation=session.get_one(Organisation, member.organisation_id),
            member_id=member.id,
            starts_at=second,
        )
    browser = Browser(berlin.test_client()).enter(member)
    form = {
        "version": "1",
        "starts_at": "2027-10-31T02:30",
        "ends_at": "2027-10-31T03:30",
        "quantity": "2",
    }
    page = browser.get(f"/bookings/{made.public_id}/move").text
    assert form["starts_at"] in page
    assert form["ends_at"] in page
    answer = browser.post(f"/bookings/{made.public_id}/move", form)
    assert answer.status_code == 302, answer.text
    (still,) = rows()
    assert (still.starts_at, still.quantity) == (second, 2)


@pytest.mark.parametrize("length", [0, -30, 10**9, 10**30, 7])
def test_a_stay_grows_by_no_strange_length(firm: Caller, length: int) -> None:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    with writing() as session:
        tool = make_resource(session)
        made = make_booking(
            session,
            resource=tool,
            organisation=session.get_one(Organisation, firm.member.organisation_id),
            member_id=firm.member.id,
            starts_at=now,
            minutes=120,
            state="in_use",
        )
    answer = firm("POST", f"/bookings/{made.public_id}/extend", json={"minutes": length})
    assert answer.status_code == 422, answer.text
    (still,) = rows()
    assert still.ends_at == now + 2 * HOUR
