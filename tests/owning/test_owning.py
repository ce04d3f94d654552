"""An owner takes time of an opened resource back, with notice and nobody's consent."""

from datetime import timedelta

import pytest
from flask import Flask

from platform_booking.audit import AuditEntry
from platform_booking.bookings.models import Booking
from platform_booking.bookings.queries import in_the_way
from platform_booking.catalog.models import Outage
from platform_booking.clock import utcnow
from tests.bookings.callers import Browser, Program, make_token
from tests.factories import (
    make_booking,
    make_member,
    make_organisation,
    make_resource,
    writing,
)
from tests.visitor import Visitor

HOUR = timedelta(hours=1)


class World:
    """An owner, somebody else, and a tool that is opened."""


@pytest.fixture
def world(app: Flask, client: Visitor) -> World:
    w = World()
    w.start = (utcnow() + 60 * HOUR).replace(minute=0, second=0, microsecond=0)
    with writing() as session:
        w.firm, w.other = make_organisation(session), make_organisation(session)
        w.tool = make_resource(session, owner_id=w.firm.id, policy={"take_back_hours": 48})
        w.admin = make_member(
            session, organisation=w.firm, roles=("organisation_admin", "engineer")
        )
        w.guest = make_member(
            session, organisation=w.other, roles=("organisation_admin", "engineer")
        )
        w.call = Program(client, make_token(session, w.admin))
        w.guests = Program(client, make_token(session, w.guest))
    w.browser = Browser(client)
    return w


def take(world, call=None, **more):
    body = {
        "starts_at": world.start.isoformat(),
        "ends_at": (world.start + 4 * HOUR).isoformat(),
        **more,
    }
    path = f"/resources/{world.tool.public_id}/take-back"
    return (call or world.call)("POST", path, json=body)


def book(world, call):
    body = {
        "resource_id": str(world.tool.public_id),
        "starts_at": world.start.isoformat(),
        "ends_at": (world.start + HOUR).isoformat(),
    }
    return call("POST", "/bookings", json=body)


def test_what_is_taken_back_the_owner_alone_books(world) -> None:
    made = take(world, reason="our own campaign")
    assert made.status_code == 201, made.text
    assert made.json["hits"] == 0
    refused = book(world, world.guests)
    assert [v["rule"] for v in refused.json["violations"]] == ["taken_back"]
    assert book(world, world.call).status_code == 201
    (line,) = world.call("GET", "/taken-back").json["items"]
    assert line["id"] == made.json["id"]
    assert world.guests("GET", "/taken-back").json["total"] == 0
    with writing() as session:
        assert session.query(AuditEntry).filter_by(act="capacity.take_back").count() == 1


def test_the_notice_is_kept(world) -> None:
    early = {"starts_at": (utcnow() + 40 * HOUR).isoformat()}
    answer = take(world, **early)
    assert answer.status_code == 422
    (told,) = answer.json["violations"]
    assert (told["rule"], told["limit"]) == ("short_notice", 48)
    backwards = take(world, ends_at=world.start.isoformat())
    assert [v["rule"] for v in backwards.json["violations"]] == ["empty"]
    far = take(world, ends_at=(world.start + 9000 * HOUR).isoformat())
    assert [v["rule"] for v in far.json["violations"]] == ["over_a_year"]


def test_nobody_takes_back_what_is_not_his(world) -> None:
    assert take(world, world.guests).status_code == 404
    made = take(world).json
    assert world.guests("DELETE", f"/taken-back/{made['id']}").status_code == 404
    with writing() as session:
        assert session.query(Outage).count() == 1


def test_the_same_time_is_taken_back_once(world) -> None:
    first = take(world).json
    again = take(world)
    assert again.status_code == 409
    assert again.json["existing"] == first["id"]


def test_what_stands_in_the_way_is_counted_and_named_to_whoever_displaces(world) -> None:
    with writing() as session:
        for firm, at in ((world.other, 0), (world.firm, 1)):
            make_booking(
                session,
                resource=world.tool,
                organisation=firm,
                starts_at=world.start + at * HOUR,
            )
    assert take(world).json["hits"] == 2
    with writing() as session:
        outage = session.query(Outage).one()
        (hit,) = session.scalars(in_the_way(outage))
        assert hit.organisation_id == world.other.id  # its own booking stays
        assert session.query(Booking).filter_by(active=True).count() == 2


def test_what_is_given_back_others_book_again(world) -> None:
    made = take(world).json
    assert world.call("DELETE", f"/taken-back/{made['id']}").status_code == 204
    assert world.call("DELETE", f"/taken-back/{made['id']}").status_code == 404
    assert book(world, world.guests).status_code == 201


def test_an_owner_takes_and_gives_back_by_the_page(world) -> None:
    browser = world.browser.enter(world.admin)
    shown = browser.get("/opened").text
    assert world.tool.code in shown
    assert "notice of 48 h" in shown
    form = {
        "resource_id": str(world.tool.public_id),
        "starts_at": world.start.isoformat(),
        "ends_at": (world.start + HOUR).isoformat(),
        "reason": "our own campaign",
    }
    assert browser.post("/opened", {**form, "ends_at": "x"}).status_code == 422
    assert browser.post("/opened", {**form, "resource_id": "x"}).status_code == 422
    soon = utcnow().isoformat()
    assert "48 h ahead" in browser.post("/opened", {**form, "starts_at": soon}).text
    assert browser.post("/opened", form).status_code == 302
    assert "our own campaign" in browser.get("/opened").text
    with writing() as session:
        outage = session.query(Outage).one()
    answer = browser.post(f"/opened/{outage.public_id}/give-back", {})
    assert answer.status_code == 302
    assert "Nothing is taken back." in browser.get("/opened").text
    guests = world.browser.enter(world.guest)
    assert "opens no resource" in guests.get("/opened").text
