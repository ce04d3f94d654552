"""A platform with a tool, a firm with two engineers, a rival, operators here and elsewhere."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from flask import Flask

from platform_booking.accounts.models import Member, Organisation
from platform_booking.audit import AuditEntry
from platform_booking.bookings.models import Booking, Usage
from platform_booking.bookings.states import BookingState
from platform_booking.catalog.models import Platform, Resource
from platform_booking.clock import utcnow
from platform_booking.notices.models import Notice
from tests.bookings.callers import Browser, Program, make_token
from tests.factories import (
    make_booking,
    make_member,
    make_operator,
    make_organisation,
    make_platform,
    make_resource,
    writing,
)

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def on_grid(moment: datetime) -> datetime:
    """Return a moment at the whole five minutes before it."""
    return moment.replace(minute=moment.minute // 5 * 5, second=0, microsecond=0)


@dataclass
class Place:
    app: Flask
    now: datetime
    platform: Platform
    tool: Resource
    firm: Organisation
    engineer: Member
    colleague: Member
    rival: Member
    operator: Member
    stranger: Member  # operates another platform

    def policy(self, **policy: Any) -> None:
        with writing() as session:
            session.get_one(Resource, self.tool.id).policy = policy

    def booking(self, *, at: datetime, hours: float = 1, **given: Any) -> Booking:
        with writing() as session:
            given.setdefault("member_id", self.engineer.id)
            given.setdefault("resource", self.tool)
            return make_booking(
                session,
                organisation=self.firm,
                starts_at=at,
                minutes=int(hours * 60),
                **given,
            )

    def again(self, booking: Booking) -> Booking:
        with writing() as session:
            return session.get_one(Booking, booking.id)

    def state(self, booking: Booking) -> BookingState:
        return self.again(booking).state

    def usage(self, booking: Booking) -> Usage | None:
        with writing() as session:
            return session.scalars(
                sa.select(Usage).filter_by(booking_id=booking.id)
            ).one_or_none()

    def deeds(self, booking: Booking) -> list[str]:
        with writing() as session:
            return list(
                session.scalars(
                    sa.select(AuditEntry.act)
                    .filter_by(subject=f"booking {booking.public_id}")
                    .order_by(AuditEntry.id)
                )
            )

    def told(self) -> list[tuple[str, int | None]]:
        with writing() as session:
            rows = session.execute(
                sa.select(Notice.kind, Notice.member_id).order_by(Notice.id)
            )
            return [tuple(row) for row in rows]

    def program(self, member: Member) -> Program:
        with writing() as session:
            token = make_token(session, member)
        return Program(self.app.test_client(), token)

    def browser(self, member: Member) -> Browser:
        return Browser(self.app.test_client()).enter(member)


def made(app: Flask, **policy: Any) -> Place:
    with writing() as session:
        platform = make_platform(session)
        firm = make_organisation(session)
        return Place(
            app=app,
            now=utcnow(),
            platform=platform,
            tool=make_resource(session, platform_id=platform.id, policy=policy),
            firm=firm,
            engineer=make_member(session, organisation=firm),
            colleague=make_member(session, organisation=firm),
            rival=make_member(session),
            operator=make_operator(session, platform),
            stranger=make_operator(session, make_platform(session)),
        )
