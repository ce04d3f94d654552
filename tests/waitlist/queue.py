"""A tool that somebody holds, and those who wait for it."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from platform_booking.accounts.models import Member
from platform_booking.bookings.models import Booking, Waiting
from platform_booking.clock import utcnow
from platform_booking.db import JOB, acting_as
from platform_booking.waitlist.offering import Watch, tend
from tests.attendance.place import Place, on_grid
from tests.factories import writing

HOUR = timedelta(hours=1)
ZONE = ZoneInfo("Asia/Shanghai")


def tomorrow():
    return on_grid(utcnow()) + timedelta(days=1)


def wait(place: Place, member: Member, *, at=None, hours=1, window=1, **body: Any):
    """Join the waiting list over HTTP."""
    at = at or tomorrow()
    asked = {
        "resource_id": str(place.tool.public_id),
        "from": at.isoformat(),
        "to": (at + window * HOUR).isoformat(),
        "minutes": hours * 60,
    }
    return place.program(member)("POST", "/waiting", json=asked | body)


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
