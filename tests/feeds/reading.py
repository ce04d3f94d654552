"""A small park for tests of calendars, and how one is read back."""

import html
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import icalendar
from werkzeug.test import TestResponse

from platform_booking.accounts.models import Member, Organisation
from platform_booking.bookings.models import Booking
from platform_booking.catalog.models import Resource
from tests.factories import (
    make_booking,
    make_member,
    make_organisation,
    make_resource,
    writing,
)
from tests.visitor import Visitor


@dataclass(frozen=True)
class Park:
    """Two firms and a tool. `soon` is the full hour a day from now."""

    firm: Organisation
    other_firm: Organisation
    mine: Member
    colleague: Member
    other: Member
    tool: Resource
    soon: datetime


def small_park() -> Park:
    now = datetime.now(UTC)
    with writing() as session:
        firm, other_firm = make_organisation(session), make_organisation(session)
        return Park(
            firm=firm,
            other_firm=other_firm,
            mine=make_member(session, organisation=firm),
            colleague=make_member(session, organisation=firm),
            other=make_member(session, organisation=other_firm),
            tool=make_resource(session),
            soon=now.replace(minute=0, second=0, microsecond=0) + timedelta(days=1),
        )


class Feeds:
    """Makes calendars on the page and reads them as a calendar program does."""

    def __init__(self, client: Visitor) -> None:
        self.client = client
        self.park = small_park()

    def book(self, **given: Any) -> Booking:
        return self._book(self.park.firm, {"member_id": self.park.mine.id, **given})

    def book_other(self, **given: Any) -> Booking:
        return self._book(self.park.other_firm, {"member_id": self.park.other.id, **given})

    def _book(self, firm: Organisation, given: dict[str, Any]) -> Booking:
        given = {"starts_at": self.park.soon, "resource": self.park.tool, **given}
        with writing() as session:
            return make_booking(session, organisation=firm, **given)

    def make(self, *, resource: Resource | None = None, whose: str = "mine") -> str:
        """Make a calendar on the page; return the path of its address."""
        chosen = str(resource.public_id) if resource else ""
        page = self.client.submit("/calendars", {"resource": chosen, "whose": whose})
        assert page.status_code == 200, page.text
        found = re.search(r"<code class=\"user-select-all[^>]*>([^<]+)</code>", page.text)
        assert found is not None
        return urlsplit(html.unescape(found[1])).path

    def fetch(self, path: str, **options: Any) -> TestResponse:
        """Read an address without any session."""
        return self.client.application.test_client().get(path, **options)


def read(answer: TestResponse) -> icalendar.Calendar:
    assert answer.status_code == 200, answer.text
    whole = icalendar.Calendar.from_ical(answer.data)
    assert isinstance(whole, icalendar.Calendar)
    return whole


def events(answer: TestResponse) -> list[Any]:
    return read(answer).walk("VEVENT")
