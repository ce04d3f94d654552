"""What others who book have got wrong, by the numbers of the list of such failures.

B1 two at once both succeed · B2 the test of that was skipped · B3 what waits for approval is
overlooked, two approvals both count · B4 a lock that holds within one process · B5 overlaps
counted wrongly · B6 edges, series over themselves · B7 a chosen resource is chosen twice ·
B18 a calendar's address is everybody's · B19 one of many views shows what is private · B20
booking for whoever is typed in · B24 led elsewhere · B25 links to a forged host · B26 asking
an address that somebody gave · B27 formulas · B28 secrets in addresses and caches.

B4 and B7 also in `test_paths` and `test_race_any`, B5 and B6 in `test_guard_model` and
`test_series`, B18 and B19 in `tests/feeds`, B20 in `tests/attendance/test_kiosks`, B24, B25 and
B28 in `tests/security`, B27 in `tests/exchange`.
"""

import http.client
import json
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask

from platform_booking.accounts.models import Organisation
from platform_booking.bookings.states import BookingState
from platform_booking.catalog.models import Platform
from platform_booking.clock import utcnow
from platform_booking.embedded import Urls
from tests.attendance.place import made
from tests.bookings.asking import HOUR, iso, rows, slot
from tests.bookings.callers import Browser, make_token
from tests.factories import (
    MONDAY,
    make_booking,
    make_member,
    make_operator,
    make_organisation,
    make_resource,
    writing,
)
from tests.feeds.reading import Feeds
from tests.service import ROOT, Service
from tests.test_architecture import modules

CLIENTS = 32
Ask = tuple[str, str, Any]  # token, path, body


def at_once(url: str, asks: list[Ask]) -> Counter[int]:
    """Send requests at the same moment, each on a connection of its own."""
    ready, told = threading.Barrier(len(asks)), Counter[int]()
    counting = threading.Lock()

    def send(token: str, path: str, body: Any) -> None:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        connection.connect()
        ready.wait()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection.request("POST", f"/api/v1{path}", json.dumps(body), headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        with counting:
            told[answer.status] += 1

    threads = [threading.Thread(target=send, args=ask) for ask in asks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


@pytest.mark.race
def test_b1_b4_of_many_who_want_one_slot_at_once_one_gets_it(
    database: Urls, app: Flask
) -> None:
    """Thirty-two users of two firms, two processes; equal slots, then overlapping ones."""
    with writing() as session:
        tool = make_resource(session)
        firms = [make_organisation(session) for _ in range(2)]
        tokens = [
            make_token(session, make_member(session, organisation=firms[n % 2]))
            for n in range(CLIENTS)
        ]
    equal = [slot(tool)] * CLIENTS
    base = MONDAY + 10 * HOUR
    # Each begins five minutes later than the one before, and all hold the last of them.
    overlapping = [
        slot(tool, at=base + n * timedelta(minutes=5), hours=3) for n in range(CLIENTS)
    ]
    with Service(database, workers=2) as service:
        for bodies in (equal, overlapping):
            asks = [(t, "/bookings", body) for t, body in zip(tokens, bodies, strict=True)]
            assert at_once(service.url, asks) == {201: 1, 409: CLIENTS - 1}
    assert len(rows()) == 2


@pytest.mark.race
def test_b3_of_operators_who_approve_at_once_one_does(database: Urls, app: Flask) -> None:
    """What waits for approval holds its time; each request is approved once."""
    with writing() as session:
        tool = make_resource(session, policy={"approval_hours": 24})
        member, rival = make_member(session), make_member(session)
        token, rivals = make_token(session, member), make_token(session, rival)
        staff = [
            make_token(
                session, make_operator(session, session.get_one(Platform, tool.platform_id))
            )
            for _ in range(8)
        ]
    with Service(database, workers=2) as service:
        wanted = slot(tool)
        assert at_once(service.url, [(token, "/bookings", wanted)]) == {201: 1}
        (request,) = rows()
        assert request.state is BookingState.REQUESTED
        later = slot(tool, at=MONDAY + HOUR / 2)
        assert at_once(service.url, [(rivals, "/bookings", later)]) == {409: 1}
        approve = f"/bookings/{request.public_id}/approve"
        told = at_once(service.url, [(one, approve, {}) for one in staff])
    assert told == {200: 1, 422: len(staff) - 1}
    assert [(b.state, b.version) for b in rows()] == [(BookingState.CONFIRMED, 2)]


def test_b2_a_test_that_is_skipped_fails(tmp_path: Path) -> None:
    """The one that would have shown the race of a peer was skipped."""
    tried = tmp_path / "test_of_a_race.py"
    tried.write_text(
        "import pytest\n\n\n@pytest.mark.skip\ndef test_race():\n    pass\n",
        encoding="utf-8",
    )
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", str(tried)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1, answer.stdout + answer.stderr
    assert "A skipped test proves nothing" in answer.stdout


def test_b24_a_form_of_bookings_leads_nowhere_else(app: Flask) -> None:
    place = made(app)
    browser = place.browser(place.engineer)
    elsewhere = dict.fromkeys(("next", "back", "to", "url"), "//evil.example")
    for n, query in enumerate(("", "&next=//evil.example", "&back=https://evil.example")):
        at = MONDAY + n * HOUR
        form = {"starts_at": iso(at)[:16], "ends_at": iso(at + HOUR)[:16], "quantity": "1"}
        answer = browser.post(
            f"/bookings/new?resource={place.tool.public_id}{query}", form | elsewhere
        )
        assert answer.status_code == 302, answer.text
        assert re.fullmatch(r"/bookings/[0-9a-f-]{36}", answer.headers["Location"])
    booking = rows()[0]
    answer = browser.post(f"/bookings/{booking.public_id}/cancel", elsewhere)
    assert answer.status_code == 302
    assert "evil" not in answer.headers["Location"]


def test_b25_addresses_begin_with_the_configured_one_whatever_host_is_asked(
    make_app: Callable[..., Flask],
) -> None:
    app = make_app(base_url="https://book.example")
    forged = {"X-Forwarded-Host": "evil.example", "X-Host": "evil.example"}
    with app.app_context():
        feeds = Feeds(app.test_client())
        feeds.client.enter(feeds.park.mine)
        page = feeds.client.submit(
            "/calendars", {"resource": "", "whose": "mine"}, headers=forged
        ).text
        addresses = re.findall(r"(\w+://[^\s<\"]*/calendar/[^\s<\"]+)", page)
        assert addresses
        assert all(urlsplit(one).netloc == "book.example" for one in addresses)
        path = urlsplit(addresses[0]).path
        calendar = feeds.fetch(path, headers=forged)
        assert calendar.status_code == 200
        assert "evil" not in page + calendar.text + str(calendar.headers)
        assert feeds.fetch(path, headers={"Host": "evil.example"}).status_code == 400


def test_b26_no_part_of_the_service_asks_an_address_that_somebody_gave() -> None:
    """There is no client of HTTP in it; mails go to the server that the settings name."""
    clients = re.compile(
        r"^\s*(?:import|from) (urllib\.request|http\.client|requests|httpx|aiohttp|urllib3"
        r"|smtplib|ftplib|socket|telnetlib|xmlrpc)\b",
        re.MULTILINE,
    )
    found = {
        (path.removeprefix("platform_booking/"), module)
        for path, text, _tree in modules()
        for module in clients.findall(text)
    }
    assert found == {
        ("demo/house.py", "socket"),  # is the port free?
        ("demo/running.py", "http.client"),  # does the demo's own server answer?
        ("demo/running.py", "socket"),
        ("notices/delivery.py", "smtplib"),
        ("planning/nightly.py", "socket"),  # this machine's name
    }


def test_b28_secrets_are_in_no_address_but_those_made_to_be_given_away(app: Flask) -> None:
    secret = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if re.search(r"<(?:\w+:)?(secret|token|key|password)>", rule.rule)
    }
    assert secret == {
        "feeds.calendar",  # revocable
        "kiosk.enter",  # revocable, and gone from the bar after the first page
        "accounts.accept",  # serve once, and for a short time
        "accounts.demo_sign_in",
    }


def test_b28_what_is_known_of_bookings_is_kept_by_no_cache(app: Flask) -> None:
    with writing() as session:
        member = make_member(session)
        tool = make_resource(session)
        booking = make_booking(
            session,
            resource=tool,
            organisation=session.get_one(Organisation, member.organisation_id),
            member_id=member.id,
            starts_at=utcnow().replace(microsecond=0) + 24 * HOUR,
        )
    browser = Browser(app.test_client()).enter(member)
    for path in (
        "/bookings",
        f"/bookings/{booking.public_id}",
        f"/api/v1/bookings/{booking.public_id}.ics",
        "/bookings/export?format=csv",
        "/board/feed",
    ):
        answer = browser.get(path)
        assert answer.status_code in {200, 422}, path
        assert {"no-store", "private"} <= set(
            answer.headers["Cache-Control"].replace(" ", "").split(",")
        ), path
        assert "Cookie" in answer.headers["Vary"], path
