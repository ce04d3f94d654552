"""A tool that somebody holds, and those who wait for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from platform_booking.accounts.models import Member
from platform_booking.bookings.models import Booking, Waiting
from platform_booking.catalog.models import Outage, OutageKind, Resource
from platform_booking.clock import utcnow
from platform_booking.db import JOB, acting_as
from platform_booking.waitlist.offering import Watch, tend
from tests.attendance.place import Place, on_grid
from tests.factories import ALWAYS_OPEN, make_calendar, writing

HOUR = timedelta(hours=1)
ZONE = ZoneInfo("Asia/Shanghai")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


_BEGAN = utcnow()


def tomorrow():
    """Return the same instant throughout a test, though a quarter of an hour begin in it."""
    now = utcnow()
    return on_grid(_BEGAN if abs(now - _BEGAN) < 3 * HOUR else now) + timedelta(days=1)


@contextmanager
def nothing_free(place: Place, *, at=None, hours: int = 24 * 14) -> Iterator[None]:
    """Keep the tool down while somebody joins: whoever waits for what is free is refused."""
    at = at or tomorrow()
    with writing() as session:
        down = Outage(
            resource_id=place.tool.id,
            starts_at=at,
            ends_at=at + hours * HOUR + HOUR / 60,
            kind=OutageKind.SCHEDULED,
            reason="while one joins",
        )
        session.add(down)
    yield
    with writing() as session:
        session.execute(sa.delete(Outage).where(Outage.id == down.id))


def wait(place: Place, member: Member, *, at=None, hours=1, window=1, **body: Any):
    """Join the waiting list over HTTP while nothing is free."""
    at = at or tomorrow()
    asked = {
        "resource_id": str(place.tool.public_id),
        "from": at.isoformat(),
        "to": (at + window * HOUR).isoformat(),
        "minutes": hours * 60,
    }
    with nothing_free(place, at=at, hours=window):
        return place.program(member)("POST", "/waiting", json=asked | body)


def nobody_works_alone_at_night(place: Place) -> None:
    """The tool is open at any hour, alone only from eight to six."""
    nights = [["00:00", "08:00"], ["18:00", "24:00"]]
    with writing() as session:
        tool = session.get_one(Resource, place.tool.id)
        tool.self_run = True
        tool.calendar_id = make_calendar(
            session, weekly=ALWAYS_OPEN, offhours=dict.fromkeys(WEEKDAYS, nights)
        ).id


def answer(place: Place, member: Member, entry: dict, deed: str):
    return place.program(member)("POST", f"/waiting/{entry['id']}/{deed}")


def show(place: Place, member: Member, entry: dict) -> dict:
    return place.program(member)("GET", f"/waiting/{entry['id']}").json


def run(watch: Watch | None = None, *, now=None) -> dict[str, int]:
    """Do what the scheduler does every few seconds."""
    with acting_as(JOB):
        return tend(watch or Watch(), zone=ZONE, now=now)


def offers() -> list[Booking]:
    with writing() as session:
        return list(session.scalars(sa.select(Booking).where(Booking.state == "offered")))


def entry_row(entry: dict) -> Waiting:
    with writing() as session:
        return session.scalars(sa.select(Waiting).filter_by(public_id=entry["id"])).one()
