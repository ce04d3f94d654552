"""Calendars by program: made, listed, revoked."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from flask import Flask

from platform_booking.accounts.models import Member
from tests.bookings.callers import Program, make_token
from tests.factories import writing
from tests.feeds.reading import Feeds, events
from tests.visitor import Visitor

ABSENT = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def feeds(app: Flask, client: Visitor) -> Feeds:
    return Feeds(client)


def calling(feeds: Feeds, member: Member) -> Program:
    with writing() as session:
        return Program(feeds.client, make_token(session, member))


def test_a_program_makes_lists_and_revokes_calendars(feeds: Feeds) -> None:
    park = feeds.park
    feeds.book()
    feeds.book_other(starts_at=park.soon + timedelta(hours=2))
    mine, other = calling(feeds, park.mine), calling(feeds, park.other)
    made = mine("POST", "/calendars", json={"resource_id": str(park.tool.public_id)})
    assert made.status_code == 201, made.text
    assert made.json["resource"]["code"] == park.tool.code
    path = urlsplit(made.json["address"]).path
    shown = {str(event["SUMMARY"]) for event in events(feeds.fetch(path))}
    assert len(shown) == 2, "others' bookings are shown, too"
    assert park.tool.name_zh in shown, "one's own by its name"

    listed = mine("GET", "/calendars").json
    assert [item["id"] for item in listed["items"]] == [made.json["id"]]
    assert "address" not in listed["items"][0]
    assert listed["items"][0]["prefix"] in path

    calendar = f"/calendars/{made.json['id']}"
    assert other("GET", "/calendars").json["total"] == 0
    assert other("DELETE", calendar).status_code == 404
    assert mine("DELETE", calendar).status_code == 204
    assert feeds.fetch(path).status_code == 404
    assert mine("GET", "/calendars").json["total"] == 0


def test_no_calendar_is_made_of_a_resource_that_is_none(feeds: Feeds) -> None:
    mine = calling(feeds, feeds.park.mine)
    answer = mine("POST", "/calendars", json={"resource_id": ABSENT})
    assert answer.status_code == 404
    assert mine("GET", "/calendars").json["total"] == 0
