"""A small park to look at, and who looks at it."""

from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask
from sqlalchemy.orm import Session

from platform_booking.accounts.models import Member, Organisation
from platform_booking.catalog.models import CatalogueLoad, Outage, OutageKind, Resource
from platform_booking.clock import utcnow
from tests.factories import (
    LONG_AGO,
    make_booking,
    make_calendar,
    make_member,
    make_occurrence,
    make_operator,
    make_organisation,
    make_park_admin,
    make_platform,
    make_recipe,
    make_resource,
    writing,
)
from tests.visitor import Visitor

ZONE = ZoneInfo("Asia/Shanghai")
RIVAL = "Rival Ltd"


def today_at(hour: float, *, days: int = 0) -> datetime:
    """Return an hour of the park's today, or of a day after it."""
    day = utcnow().astimezone(ZONE).date() + timedelta(days=days)
    return datetime.combine(day, time(), ZONE) + timedelta(hours=hour)


class Park:
    """Two platforms; on the first one resource of each kind, all of them in use."""

    def __init__(self) -> None:
        with writing() as session:
            self.fab = make_platform(session, code="FAB", name_en="Fab", name_zh="平台")
            self.lab = make_platform(session, code="LAB", name_en="Lab", name_zh="测试")
            self.rival = make_organisation(session, name_en=RIVAL, name_zh=RIVAL)
            self.engineer = make_member(session)
            self.operator = make_operator(session, self.fab)
            self.stranger = make_operator(session, self.lab)
            self.park = make_park_admin(session)
            self.calendar = make_calendar(session, code="ALL", name_en="Always")
            self.etcher = self._resource(
                session, "ETCH-1", capabilities=("ETCH.DRIE",), name_en="Deep etcher"
            )
            self.pool = self._resource(
                session, "POOL-1", kind="pooled", capacity=4, unit="seat"
            )
            self.furnace = self._resource(
                session, "FURN-1", kind="batch", capacity=25, wafer_mm=[100, 150]
            )
            self.shuttle = self._resource(
                session, "MPW-1", kind="event", capacity=9000, unit="0.01 mm2"
            )
            self.probe = self._resource(session, "PROBE-1", platform_id=self.lab.id)
            self.retired = self._resource(session, "OLD-1", active=False)
            self.recipe = make_recipe(session, self.furnace, wafer_mm=100, capacity=25)
            self.run = make_occurrence(
                session, self.shuttle, starts_at=today_at(9, days=3), capacity=9000
            )
            make_recipe(session, self.furnace, code="GONE", active=False)
            # Of the fortnight's 336 h: 84 h of the etcher, 168 h of 2 of 4 seats.
            self._book(session, self.etcher, days=2, minutes=84 * 60)
            self._book(session, self.pool, days=2, minutes=168 * 60, quantity=2)
            self._book(session, self.furnace, days=1, minutes=60, recipe_id=self.recipe.id)
            self._book(
                session,
                self.shuttle,
                starts_at=self.run.starts_at,
                minutes=120,
                quantity=2250,
                occurrence_id=self.run.id,
            )

    def _resource(self, session: Session, code: str, **given: Any) -> Resource:
        options = {"platform_id": self.fab.id, "calendar_id": self.calendar.id} | given
        return make_resource(session, code=code, **options)

    def _book(self, session: Session, of: Resource, days: int = 0, **given: Any) -> None:
        given.setdefault("starts_at", today_at(0, days=days))
        rival = session.get_one(Organisation, self.rival.id)
        make_booking(session, resource=of, organisation=rival, **given)

    def more(self, number: int) -> None:
        """Add resources with bookings, outages, recipes, capabilities, runs."""
        with writing() as session:
            for n in range(number):
                kind = ("unary", "pooled", "batch", "event")[n % 4]
                given: dict[str, Any] = {"capabilities": (f"MORE.{n}",)}
                if n % 2:
                    given["calendar_id"] = make_calendar(session).id
                of = self._resource(session, f"MORE-{n}", kind=kind, **given)
                if kind == "event":
                    make_occurrence(session, of, starts_at=today_at(9, days=5))
                    continue
                options: dict[str, Any] = {}
                if kind == "batch":
                    options["recipe_id"] = make_recipe(session, of).id
                for day in range(3):
                    self._book(session, of, days=day, **options)
                session.add(
                    Outage(
                        resource_id=of.id,
                        starts_at=today_at(9, days=4),
                        ends_at=today_at(12, days=4),
                        kind=OutageKind.SCHEDULED,
                    )
                )

    def outage(self, of: Resource, **given: Any) -> Outage:
        """Declare an outage behind the service's back."""
        row = Outage(
            **{
                "resource_id": of.id,
                "starts_at": today_at(0, days=6),
                "ends_at": today_at(0, days=7),
                "kind": OutageKind.SCHEDULED,
                "reason": "service",
                **given,
            }
        )
        with writing() as session:
            session.add(row)
        return row


def loaded_once(**given: Any) -> None:
    """Remember a load of a catalogue."""
    with writing() as session:
        session.add(
            CatalogueLoad(
                **{
                    "loaded_at": LONG_AGO,
                    "title": "x",
                    "version": "1",
                    "demo": False,
                    "content_hash": "x",
                    "extras": {},
                    **given,
                }
            )
        )


def looks(app: Flask, member: Member) -> Visitor:
    """Return a visitor who is signed in."""
    visitor = Visitor(app)
    return visitor.enter(member)
