"""What a refusal costs: statements counted over HTTP, with every rule that reads in force."""

import time
from datetime import timedelta
from statistics import median

import pytest
from flask import Flask

from platform_booking.accounts.models import Organisation
from platform_booking.clock import utcnow
from tests.bookings.callers import Program, make_token
from tests.bookings.test_counted import NIGHTS, make_quota, statements
from tests.factories import (
    ALWAYS_OPEN,
    make_booking,
    make_calendar,
    make_capability,
    make_member,
    make_organisation,
    make_platform,
    make_resource,
    writing,
)
from tests.visitor import Visitor

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
POLICY = {
    "per_day": 3,
    "future_minutes": 6000,
    "future_bookings": 20,
    "gap_minutes": 30,
    "rolling": [{"minutes": 600, "days": 7}],
    "no_show_limit": 3,
    "requires": ["AREA.WET"],
}
KINDS = {"earlier", "later", "other_tool", "shorter"}


class World:
    """Three tools of a kind at off-hours, an area held all day, a member and his buddy.

    The first of the tools is taken from 21:00 to 22:00.
    """


@pytest.fixture
def world(app: Flask, client: Visitor) -> World:
    w = World()
    w.start = (utcnow() + DAY).replace(hour=12, minute=0, second=0, microsecond=0)  # 20:00
    with writing() as session:
        make_capability(session, "AREA.WET")
        platform = make_platform(session)
        hours = make_calendar(session, weekly=ALWAYS_OPEN, offhours=NIGHTS)
        w.tool, w.other, w.third = (
            make_resource(
                session,
                code=code,
                platform_id=platform.id,
                self_run=True,
                calendar_id=hours.id,
                capabilities=("ETCH",),
                policy=POLICY,
            )
            for code in ("E1", "E2", "E3")
        )
        area = make_resource(session, kind="pooled", capabilities=("AREA.WET",))
        w.member = make_member(session)
        w.friend = make_member(session, organisation_id=w.member.organisation_id)
        firm = session.get(Organisation, w.member.organisation_id)
        make_quota(session, 6000)
        make_quota(session, 3000, period="day", organisation_id=firm.id)
        make_booking(
            session,
            resource=area,
            organisation=firm,
            member_id=w.member.id,
            starts_at=w.start - 12 * HOUR,
            minutes=24 * 60,
        )
        make_booking(
            session,
            resource=w.tool,
            organisation=make_organisation(session),
            starts_at=w.start + HOUR,
            minutes=60,
        )
        w.firm = firm
        w.call = Program(client, make_token(session, w.member))
    return w


def body(world, *, hours: float = 2) -> dict[str, str]:
    return {
        "resource_id": str(world.tool.public_id),
        "starts_at": world.start.isoformat(),
        "ends_at": (world.start + hours * HOUR).isoformat(),
        "buddy_id": str(world.friend.public_id),
    }


def book(world, asked: dict[str, str], key: str):
    headers = {"Idempotency-Key": key}
    return world.call("POST", "/bookings", json=asked, headers=headers)


@pytest.mark.parametrize("status", [409, 422])
def test_a_refusal_takes_ten_statements_at_most(world, status: int) -> None:
    if status == 422:
        with writing() as session:  # one's own stay is too near
            make_booking(
                session,
                resource=world.tool,
                organisation=session.get(Organisation, world.firm.id),
                member_id=world.member.id,
                starts_at=world.start - HOUR,
                minutes=50,
            )
    with statements() as said:
        answer = book(world, body(world), "first")
    assert answer.status_code == status, answer.text
    assert len(said) <= 10, "\n\n".join(said)
    found = answer.json["alternatives"]
    offered = {one["kind"] for one in found}
    assert offered == KINDS if status == 409 else KINDS - {"shorter"}
    costs = []
    for n in range(12):
        before = time.process_time()
        book(world, body(world), f"again {n}")
        costs.append(time.process_time() - before)
    print(f"{status}: {len(said)} statements, {1000 * median(costs[4:]):.1f} ms CPU")
    for n, one in enumerate(found):  # the rules that were read for all accept each
        asked = body(world) | {name: one[name] for name in ("starts_at", "ends_at")}
        asked["resource_id"] = one["resource"]["id"]
        made = book(world, asked, f"instead {n}")
        assert made.status_code == 201, (one, made.text)
        where = f"/bookings/{made.json['id']}/cancel"
        assert world.call("POST", where).status_code == 200


def test_nothing_is_offered_while_the_buddy_is_elsewhere(world) -> None:
    """He runs a tool of another platform from 22:00 to 02:00."""
    away_from, away_until = world.start + 2 * HOUR, world.start + 6 * HOUR
    with writing() as session:
        away = make_resource(session, self_run=True, calendar_id=world.tool.calendar_id)
        make_booking(
            session,
            resource=away,
            organisation=session.get(Organisation, world.firm.id),
            member_id=world.friend.id,
            source="person",
            starts_at=away_from,
            minutes=(away_until - away_from) // timedelta(minutes=1),
        )
    answer = book(world, body(world), "k")
    assert answer.status_code == 409, answer.text
    (later,) = (a for a in answer.json["alternatives"] if a["kind"] == "later")
    assert later["starts_at"] == away_until.isoformat()
