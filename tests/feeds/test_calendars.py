"""Calendars at secret addresses: what they show, to whom, and for how long."""

import os
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import icalendar
import pytest
import recurring_ical_events
import sqlalchemy as sa
from flask import Flask
from structlog.testing import capture_logs

from platform_booking.accounts.models import Member, OrganisationState
from platform_booking.bookings.models import Booking, Feed
from platform_booking.bookings.states import BookingState
from platform_booking.db import db
from platform_booking.embedded import Urls
from platform_booking.feeds import services
from tests.board.viewing import statements
from tests.factories import (
    make_booking,
    make_member,
    make_operator,
    make_organisation,
    make_project,
    make_recipe,
    make_resource,
    writing,
)
from tests.feeds.reading import Feeds, events, read
from tests.service import Service
from tests.visitor import Visitor

CANARY = "CANARY"


@pytest.fixture
def feeds(app: Flask, client: Visitor) -> Feeds:
    return Feeds(client)


def test_a_member_reads_his_bookings_in_the_parks_zone(feeds: Feeds) -> None:
    park = feeds.park
    feeds.book()
    feeds.client.enter(park.mine)
    (event,) = events(feeds.fetch(feeds.make()))
    assert event["SUMMARY"] == park.tool.name_zh
    assert event["SEQUENCE"] == 1
    assert event["STATUS"] == "CONFIRMED"
    assert event["DTSTART"].params["TZID"] == "Asia/Shanghai"
    assert event.start == park.soon
    assert event.end - event.start == timedelta(hours=1)
    assert str(event["UID"]).endswith("@platform-booking")


def test_it_carries_the_zone_and_says_how_often_to_come_back(feeds: Feeds) -> None:
    feeds.book()
    feeds.client.enter(feeds.park.mine)
    answer = feeds.fetch(feeds.make())
    assert answer.mimetype == "text/calendar"
    assert answer.headers["Cache-Control"] == "private, max-age=300"
    whole = read(answer)
    assert [zone["TZID"] for zone in whole.walk("VTIMEZONE")] == ["Asia/Shanghai"]
    assert whole["REFRESH-INTERVAL"].dt == timedelta(minutes=30)
    assert whole["REFRESH-INTERVAL"].params["VALUE"] == "DURATION"


def test_a_zone_with_summer_time_is_told_with_its_changes(make_app, database: Urls) -> None:
    app = make_app(timezone="Europe/Berlin")
    with app.app_context():
        feeds = Feeds(app.test_client())
        feeds.book()
        feeds.client.enter(feeds.park.mine)
        whole = read(feeds.fetch(feeds.make()))
        db.session.remove()
    (zone,) = whole.walk("VTIMEZONE")
    assert {part.name for part in zone.subcomponents} == {"STANDARD", "DAYLIGHT"}
    (event,) = whole.walk("VEVENT")
    assert event.start == feeds.park.soon
    rules = zone.to_tz()
    assert event.start.replace(tzinfo=rules).utcoffset() == event.start.utcoffset()


def test_another_client_expands_it_to_the_same_times(feeds: Feeds) -> None:
    park = feeds.park
    for days in range(3):
        feeds.book(starts_at=park.soon + timedelta(days=days))
    feeds.client.enter(park.mine)
    whole = read(feeds.fetch(feeds.make()))
    found = recurring_ical_events.of(whole).between(
        park.soon, park.soon + timedelta(days=1, hours=12)
    )
    assert [event.start for event in found] == [park.soon, park.soon + timedelta(days=1)]


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (BookingState.OFFERED, "TENTATIVE"),
        (BookingState.REQUESTED, "TENTATIVE"),
        (BookingState.CONFIRMED, "CONFIRMED"),
        (BookingState.IN_USE, "CONFIRMED"),
        (BookingState.COMPLETED, "CONFIRMED"),
        (BookingState.CANCELLED, "CANCELLED"),
        (BookingState.LATE_CANCELLED, "CANCELLED"),
        (BookingState.DECLINED, "CANCELLED"),
        (BookingState.LAPSED, "CANCELLED"),
        (BookingState.DISPLACED, "CANCELLED"),
    ],
)
def test_the_status_says_how_sure_it_is(
    feeds: Feeds, state: BookingState, status: str
) -> None:
    feeds.book(state=state, updated_at=datetime.now(UTC))
    feeds.client.enter(feeds.park.mine)
    (event,) = events(feeds.fetch(feeds.make()))
    assert event["STATUS"] == status


def test_a_booking_cancelled_long_ago_is_gone(feeds: Feeds) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=20)
    feeds.book(state=BookingState.CANCELLED, updated_at=long_ago)
    feeds.client.enter(feeds.park.mine)
    assert events(feeds.fetch(feeds.make())) == []


def test_only_a_month_back_and_a_year_ahead_are_shown(feeds: Feeds) -> None:
    now = datetime.now(UTC)
    for days in (-40, -20, 300, 400):
        feeds.book(starts_at=now + timedelta(days=days))
    feeds.client.enter(feeds.park.mine)
    assert len(events(feeds.fetch(feeds.make()))) == 2


def test_the_same_booking_keeps_its_uid_and_counts_its_changes(
    feeds: Feeds, app: Flask
) -> None:
    booking = feeds.book()
    feeds.client.enter(feeds.park.mine)
    address = feeds.make()
    (before,) = events(feeds.fetch(address))
    with writing() as session:
        there = session.get(Booking, booking.id)
        assert there is not None
        there.starts_at += timedelta(hours=2)
        there.ends_at += timedelta(hours=2)
        there.updated_at = datetime.now(UTC)
    (after,) = events(feeds.fetch(address))
    assert after["UID"] == before["UID"]
    assert after["SEQUENCE"] == before["SEQUENCE"] + 1
    assert after["LAST-MODIFIED"].dt > before["LAST-MODIFIED"].dt


def test_a_colleagues_bookings_are_shown_to_whoever_asks_for_the_firms(
    feeds: Feeds,
) -> None:
    park = feeds.park
    feeds.book()
    feeds.book(member_id=park.colleague.id, starts_at=park.soon + timedelta(days=1))
    feeds.client.enter(park.mine)
    assert len(events(feeds.fetch(feeds.make()))) == 1
    assert len(events(feeds.fetch(feeds.make(whose="firm")))) == 2


def test_the_calendar_of_a_resource_shows_others_as_busy_only(feeds: Feeds) -> None:
    park = feeds.park
    feeds.book()
    feeds.book_other(starts_at=park.soon + timedelta(hours=3))
    feeds.book_other(starts_at=park.soon + timedelta(hours=4))
    feeds.client.enter(park.mine)
    answer = feeds.fetch(feeds.make(resource=park.tool))
    mine, busy = sorted(events(answer), key=lambda e: e.start)
    assert mine["SUMMARY"] == park.tool.name_zh
    assert busy["SUMMARY"] == "占用"
    # Two stays without a gap are one: whose they are, and how many, is not to be told.
    assert (busy.start, busy.end) == (
        park.soon + timedelta(hours=3),
        park.soon + timedelta(hours=5),
    )
    assert set(busy) == {
        "UID", "DTSTAMP", "LAST-MODIFIED", "SEQUENCE", "DTSTART", "DTEND", "SUMMARY",
        "STATUS",
    }  # fmt: skip


def test_ones_own_load_in_a_shared_run_is_told_from_the_others(feeds: Feeds) -> None:
    park = feeds.park
    with writing() as session:
        furnace = make_resource(session, kind="batch", platform_id=park.tool.platform_id)
        recipe = make_recipe(session, furnace)
        for member, firm in ((park.mine, park.firm), (park.other, park.other_firm)):
            make_booking(
                session, resource=furnace, organisation=firm, member_id=member.id,
                recipe_id=recipe.id, starts_at=park.soon,
            )  # fmt: skip
    feeds.client.enter(park.mine)
    found = events(feeds.fetch(feeds.make(resource=furnace)))
    assert sorted(str(e["SUMMARY"]) for e in found) == sorted([furnace.name_zh, "占用"])


def test_b18_an_address_shows_what_its_owner_may_see_and_ends_when_it_is_revoked(
    feeds: Feeds, app: Flask
) -> None:
    park = feeds.park
    feeds.book()
    feeds.client.enter(park.mine)
    address = feeds.make()
    secret = address.rpartition("/")[2].removesuffix(".ics")
    assert len(secret) >= 43  # 256 bits
    page = feeds.client.get("/calendars").text
    assert secret not in page, "shown a second time"
    assert secret[:6] in page
    with writing() as session:
        rows = session.execute(sa.text("SELECT feed::text FROM feed")).scalars().all()
        assert not any(secret in row for row in rows), "kept in clear"
        own = session.scalars(sa.select(Feed)).one()
    feeds.client.enter(park.other)
    assert secret[:6] not in feeds.client.get("/calendars").text
    foreign = feeds.client.submit(f"/calendars/{own.public_id}/revoke")
    assert foreign.status_code == 404
    assert feeds.fetch(address).status_code == 200
    feeds.client.enter(park.mine)
    assert feeds.client.submit(f"/calendars/{own.public_id}/revoke").status_code == 302
    assert feeds.fetch(address).status_code == 404


def test_b18_a_member_who_is_out_takes_his_addresses_along(feeds: Feeds) -> None:
    park = feeds.park
    feeds.book()
    feeds.client.enter(park.mine)
    address = feeds.make()
    with writing() as session:
        session.execute(sa.update(Member).filter_by(id=park.mine.id).values(active=False))
    assert feeds.fetch(address).status_code == 404
    with writing() as session:
        session.execute(sa.update(Member).filter_by(id=park.mine.id).values(active=True))
    assert feeds.fetch(address).status_code == 200
    with writing() as session:
        firm = session.merge(park.firm)
        firm.state = OrganisationState.SUSPENDED
    assert feeds.fetch(address).status_code == 404


def test_b19_no_calendar_shows_anything_of_another_firm(feeds: Feeds) -> None:
    park = feeds.park
    with writing() as session:
        other = make_organisation(
            session, name_zh=f"{CANARY}-firm", name_en=f"{CANARY}-firm"
        )
        spy = make_member(session, organisation=other, name=f"{CANARY}-person")
        project = make_project(
            session, other, code=f"{CANARY}-code", name=f"{CANARY}-project"
        )
        furnace = make_resource(session, kind="batch", platform_id=park.tool.platform_id)
        recipe = make_recipe(session, furnace, code=f"{CANARY}-recipe")
        secret_ones = [
            make_booking(
                session, resource=resource, organisation=other, member_id=spy.id,
                project_id=project.id, starts_at=park.soon + timedelta(hours=3), **more,
            )
            for resource, more in ((park.tool, {}), (furnace, {"recipe_id": recipe.id}))
        ]  # fmt: skip
        operator = make_operator(session, session.merge(park.tool).platform)
    for reader in (park.mine, park.colleague, operator):
        feeds.client.enter(reader)
        for resource in (None, park.tool, furnace):
            for whose in ("mine", "firm"):
                text = feeds.fetch(feeds.make(resource=resource, whose=whose)).text
                assert "BEGIN:VCALENDAR" in text
                assert ("占用" in text) == (resource is not None)
                assert CANARY not in text, (reader.name, resource, whose)
                for booking in secret_ones:
                    assert str(booking.public_id) not in text
    feeds.client.enter(park.mine)
    for booking in secret_ones:
        foreign = feeds.client.get(f"/api/v1/bookings/{booking.public_id}.ics")
        assert foreign.status_code == 404


def test_nothing_is_sent_again_until_something_changes(feeds: Feeds) -> None:
    feeds.book()
    feeds.client.enter(feeds.park.mine)
    address = feeds.make()
    first = feeds.fetch(address)
    again = feeds.fetch(address, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    feeds.book(starts_at=feeds.park.soon + timedelta(days=1))
    changed = feeds.fetch(address, headers={"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200


def test_a_calendar_costs_as_many_statements_however_many_its_entries(
    feeds: Feeds, app: Flask
) -> None:
    park = feeds.park
    feeds.client.enter(park.mine)
    address = feeds.make(resource=park.tool, whose="firm")
    cost = []
    for hours in (range(1), range(1, 60)):
        for n in hours:
            feeds.book(starts_at=park.soon + timedelta(hours=4 * n))
            feeds.book_other(starts_at=park.soon + timedelta(hours=4 * n + 2))
        with statements(db.engine) as asked:
            assert len(events(feeds.fetch(address))) == 2 * (hours.stop)
        cost.append(len(asked) + 1)  # who the member is now, which is not counted there
    assert cost[0] == cost[1] <= 6


def test_an_address_that_is_none_says_nothing_and_guessing_is_slowed_down(
    feeds: Feeds,
) -> None:
    feeds.book()
    feeds.client.enter(feeds.park.mine)
    address = feeds.make()
    answers = [feeds.fetch(f"/calendar/wrong-{n}.ics").status_code for n in range(12)]
    assert answers == [404] * 10 + [429] * 2
    late = feeds.fetch("/calendar/wrong.ics")
    assert int(late.headers["Retry-After"]) > 0
    # A colleague behind the same address, who knows his own, is not shut out.
    assert feeds.fetch(address).status_code == 200


def test_no_log_holds_a_secret_address(
    feeds: Feeds, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    feeds.client.enter(feeds.park.mine)
    address = feeds.make()
    secret = address.rpartition("/")[2]
    app.testing = False
    app.config["PROPAGATE_EXCEPTIONS"] = False
    with writing() as session:  # what nobody has foreseen: a calendar that cannot be read
        session.execute(sa.update(Member).values(locale="no such language"))
    with capture_logs() as said:
        assert feeds.fetch(address).status_code == 500
    assert [line["route"] for line in said] == ["/calendar/<secret>.ics"]
    assert secret not in repr(said)


def test_no_log_of_the_server_holds_one_even_with_its_access_log_on(
    database: Urls, feeds: Feeds
) -> None:
    feeds.book()
    feeds.client.enter(feeds.park.mine)
    path = feeds.make()
    with Service(database, GUNICORN_CMD_ARGS="--access-logfile -") as service:
        whole = icalendar.Calendar.from_ical(_get(service.url + path))
        assert len(whole.walk("VEVENT")) == 1
        log = service.log()
    assert "GET 200" in log
    assert path.rpartition("/")[2] not in log


def test_a_real_client_synchronises_it_and_sees_a_cancellation(
    database: Urls, feeds: Feeds, tmp_path: Path
) -> None:
    park = feeds.park
    booking = feeds.book()
    feeds.book_other(starts_at=park.soon + timedelta(hours=3))
    feeds.client.enter(park.mine)
    path = feeds.make(resource=park.tool)
    with Service(database) as service:
        config = tmp_path / "config"
        config.write_text(
            f"""[general]
status_path = "{tmp_path}/status/"
[pair park]
a = "ours"
b = "theirs"
collections = null
conflict_resolution = "b wins"
partial_sync = "ignore"
[storage ours]
type = "filesystem"
path = "{tmp_path}/calendar/"
fileext = ".ics"
[storage theirs]
type = "http"
url = "{service.url}{path}"
"""
        )
        (tmp_path / "calendar").mkdir()
        _sync(config)
        assert _kept(tmp_path) == {"CONFIRMED": 2}
        with writing() as session:
            there = session.get(Booking, booking.id)
            assert there is not None
            there.state = BookingState.CANCELLED
            there.updated_at = datetime.now(UTC)
        _sync(config)
        assert _kept(tmp_path) == {"CONFIRMED": 1, "CANCELLED": 1}


def test_one_booking_goes_into_a_calendar_by_itself(feeds: Feeds) -> None:
    park = feeds.park
    booking = feeds.book()
    feeds.client.enter(park.mine)
    page = feeds.client.get(f"/bookings/{booking.public_id}").text
    path = f"/api/v1/bookings/{booking.public_id}.ics"
    assert path in page
    answer = feeds.client.get(path)
    assert answer.mimetype == "text/calendar"
    assert "attachment" in answer.headers["Content-Disposition"]
    (event,) = events(answer)
    (same,) = events(feeds.fetch(feeds.make()))
    assert event["UID"] == same["UID"]
    assert event.start == park.soon


def test_a_member_has_twenty_calendars_at_most(feeds: Feeds) -> None:
    feeds.client.enter(feeds.park.mine)
    for _ in range(services.MOST_FEEDS):
        feeds.make()
    refused = feeds.client.submit("/calendars", {"whose": "mine"})
    assert refused.status_code == 422


def test_a_calendar_speaks_its_members_language(feeds: Feeds) -> None:
    park = feeds.park
    with writing() as session:
        session.execute(sa.update(Member).filter_by(id=park.mine.id).values(locale="en"))
    feeds.book_other()
    feeds.client.enter(park.mine)
    (event,) = events(feeds.fetch(feeds.make(resource=park.tool)))
    assert event["SUMMARY"] == "busy"


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return bytes(answer.read())


def _sync(config: Path) -> None:
    client = Path(sys.executable).parent / "vdirsyncer"
    environment = {**os.environ, "VDIRSYNCER_CONFIG": str(config)}
    for words in (["discover"], ["sync"]):
        done = subprocess.run(
            [client, *words], env=environment, input="y\n", text=True, timeout=60,
            capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


def _kept(folder: Path) -> dict[str, int]:
    found: dict[str, int] = {}
    for path in (folder / "calendar").glob("*.ics"):
        whole = icalendar.Calendar.from_ical(path.read_bytes())
        for event in whole.walk("VEVENT"):
            found[str(event["STATUS"])] = found.get(str(event["STATUS"]), 0) + 1
    return found
