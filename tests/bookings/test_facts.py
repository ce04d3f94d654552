"""A slot against what the database knows: hours, qualifications, caps, outages."""

import threading
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import psycopg
import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking.accounts.models import Organisation
from platform_booking.audit import AuditEntry
from platform_booking.bookings import services
from platform_booking.bookings.asking import AskedMove, AskedSlot
from platform_booking.bookings.models import Booking
from platform_booking.catalog.models import (
    CalendarException,
    MemberQualification,
    Qualification,
    StayRule,
)
from platform_booking.db import acting_as
from platform_booking.embedded import Urls
from platform_booking.errors import RulesBroken
from platform_booking.web.actor import Actor
from tests.factories import (
    MONDAY,
    make_booking,
    make_calendar,
    make_member,
    make_operator,
    make_organisation,
    make_platform,
    make_resource,
    writing,
)

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NOW = MONDAY - 3 * DAY
SHANGHAI = ZoneInfo("Asia/Shanghai")
WEEKDAYS = {day: [["08:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}


def actor_for(member, *platforms, roles=("engineer",)) -> Actor:
    return Actor(
        member_id=member.id,
        public_id=member.public_id,
        name=member.name,
        locale="en",
        organisation_id=member.organisation_id,
        organisation_name=None,
        roles=frozenset(roles),
        platform_ids=tuple(p.id for p in platforms),
    )


def book(actor: Actor, resource, *, at=timedelta(), hours: float = 1, now=NOW, **more):
    asked = AskedSlot(
        resource_id=resource.public_id,
        starts_at=MONDAY + at,
        ends_at=MONDAY + at + hours * HOUR,
        **more,
    )
    with acting_as(actor.identity):
        return services.book(asked, actor=actor, now=now, zone=SHANGHAI)


def broken(actor: Actor, resource, **more) -> set[str]:
    """Return the rules that a slot breaks; it is booked when there are none."""
    try:
        book(actor, resource, **more)
    except RulesBroken as refusal:
        return {v.rule for v in refusal.violations}
    return set()


@pytest.fixture
def engineer(app: Flask) -> Actor:
    with writing() as session:
        return actor_for(make_member(session))


def test_opening_hours_are_those_of_the_park_with_their_exceptions(engineer: Actor) -> None:
    with writing() as session:
        hours = make_calendar(session, weekly=WEEKDAYS, keeps_holidays=True)
        hours.exceptions = [
            CalendarException(on_date=date(2027, 3, 10), hours=[]),
            CalendarException(on_date=date(2027, 3, 13), hours=[["10:00", "12:00"]]),
        ]
        tool = make_resource(session, calendar_id=hours.id)
    assert broken(engineer, tool) == set()  # Monday, 08:00 in the park
    assert broken(engineer, tool, at=-HOUR) == {"closed"}
    assert broken(engineer, tool, at=9 * HOUR, hours=2) == {"closed"}
    assert broken(engineer, tool, at=2 * DAY) == {"closed"}  # the tenth is shut
    assert broken(engineer, tool, at=5 * DAY + 2 * HOUR, hours=2) == set()  # that Saturday
    assert broken(engineer, tool, at=6 * DAY) == {"closed"}  # Sunday
    labour_day = datetime(2027, 4, 30, 16, tzinfo=UTC) - MONDAY
    assert broken(engineer, tool, at=labour_day + 9 * HOUR) == {"closed"}


def test_a_stay_attended_at_its_ends_may_run_through_the_night(engineer: Actor) -> None:
    with writing() as session:
        always = {day: [["00:00", "24:00"]] for day in (*WEEKDAYS, "sat", "sun")}
        hours = make_calendar(session, weekly=always, attended=WEEKDAYS)
        chamber = make_resource(
            session, calendar_id=hours.id, stay_rule=StayRule.ENDS, kind="pooled"
        )
        inside = make_resource(session, calendar_id=hours.id)
    assert broken(engineer, chamber, at=8 * HOUR, hours=20) == set()  # 16:00 to 12:00
    assert broken(engineer, chamber, at=8 * HOUR, hours=8) == {"closed"}  # to midnight
    assert broken(engineer, inside, at=8 * HOUR, hours=8) == set()


def test_a_tool_that_is_run_oneself_asks_for_a_qualification_that_holds(
    engineer: Actor,
) -> None:
    with writing() as session:
        needed = Qualification(code="Q", name_zh="刻蚀", name_en="Etching")
        session.add(needed)
        session.flush()
        tool = make_resource(session, self_run=True, qualification_id=needed.id)
        staffed = make_resource(session, qualification_id=needed.id)
    assert broken(engineer, tool) == {"not_qualified"}
    assert broken(engineer, staffed) == set()  # the staff run it
    with writing() as session:
        held = MemberQualification(
            member_id=engineer.member_id,
            qualification_id=needed.id,
            organisation_id=engineer.organisation_id,
            expires_on=date(2027, 3, 7),
        )
        session.add(held)
    assert broken(engineer, tool) == {"qualification_expires"}
    with writing() as session:
        session.get(MemberQualification, (engineer.member_id, needed.id)).expires_on = date(
            2027, 3, 8
        )
    assert broken(engineer, tool) == set()


def test_the_caps_of_a_resource_are_those_of_its_policy(engineer: Actor) -> None:
    policy = {
        "min_minutes": 60,
        "max_minutes": 240,
        "horizon_days": 14,
        "notice_days": 1,
        "per_day": 2,
        "future_minutes": 420,
        "gap_minutes": 60,
    }
    with writing() as session:
        tool = make_resource(session, self_run=True, policy=policy)
        staffed = make_resource(session, policy=policy)
    assert broken(engineer, tool, hours=0.5) == {"too_short"}
    assert broken(engineer, tool, hours=5) == {"too_long"}
    assert broken(engineer, tool, at=12 * DAY) == {"beyond_horizon"}
    assert broken(engineer, tool, at=-2.5 * DAY) == {"short_notice"}
    assert broken(engineer, tool, hours=2) == set()
    assert broken(engineer, tool, at=2.5 * HOUR) == {"gap"}
    assert broken(engineer, tool, at=4 * HOUR, hours=2) == set()
    assert broken(engineer, tool, at=8 * HOUR) == {"per_day"}
    assert broken(engineer, tool, at=DAY, hours=4) == {"future_minutes"}
    assert broken(engineer, tool, at=DAY, hours=3) == set()
    assert broken(engineer, staffed, hours=5) == {"too_long"}, "staff run it, he books it"
    staff = replace(engineer, platform_ids=(staffed.platform_id,))
    assert broken(staff, staffed, hours=5) == set()


def test_what_a_colleague_holds_does_not_count_against_oneself(engineer: Actor) -> None:
    with writing() as session:
        tool = make_resource(session, self_run=True, policy={"per_day": 1})
        colleague = make_member(session, organisation_id=engineer.organisation_id)
        make_booking(
            session,
            resource=tool,
            organisation=session.get(Organisation, engineer.organisation_id),
            member_id=colleague.id,
        )
    assert broken(engineer, tool, at=3 * HOUR) == set()
    assert broken(engineer, tool, at=5 * HOUR) == {"per_day"}


def test_a_move_is_not_held_up_by_its_own_old_place(engineer: Actor) -> None:
    with writing() as session:
        policy = {"per_day": 1, "future_minutes": 120, "gap_minutes": 60}
        tool = make_resource(session, self_run=True, policy=policy, wafer_mm=[150])
    line = book(engineer, tool, hours=2, wafer_mm=150, class_rank=3)
    later = AskedMove(starts_at=MONDAY + HOUR, ends_at=MONDAY + 3 * HOUR)
    with acting_as(engineer.identity):
        moved = services.move(
            line.booking.public_id,
            later,
            expected_version=1,
            actor=engineer,
            now=NOW,
            zone=SHANGHAI,
        )
    assert (moved.booking.starts_at, moved.booking.version) == (MONDAY + HOUR, 2)


def test_staff_set_soft_rules_aside_with_a_reason_that_is_kept(app: Flask) -> None:
    with writing() as session:
        platform = make_platform(session)
        hours = make_calendar(session, weekly=WEEKDAYS)
        needed = Qualification(code="Q", name_zh="刻蚀", name_en="Etching")
        session.add(needed)
        session.flush()
        tool = make_resource(
            session,
            platform_id=platform.id,
            calendar_id=hours.id,
            self_run=True,
            qualification_id=needed.id,
            policy={"max_minutes": 60},
        )
        firm = make_organisation(session)
        operator = actor_for(
            make_operator(session, platform), platform, roles=("operator",)
        )
    on_behalf = {"organisation_id": firm.public_id}
    assert broken(operator, tool, hours=5, **on_behalf) == {"too_long"}
    on_behalf["override_reason"] = "a demonstration for the firm's investors"
    line = book(operator, tool, hours=5, **on_behalf)
    assert line.booking.override_reason == on_behalf["override_reason"]
    with writing() as session:
        told = session.scalars(
            sa.select(AuditEntry.detail).where(AuditEntry.act == "booking.book")
        ).one()
        assert (told["set_aside"], told["reason"]) == (
            ["too_long"],
            on_behalf["override_reason"],
        )
    late = book(operator, tool, at=11 * HOUR, hours=1, **on_behalf)  # after hours, too
    assert late.booking.override_reason
    assert broken(operator, tool, at=DAY, quantity=2, **on_behalf) == {"quantity"}


def test_nobody_else_sets_rules_aside(engineer: Actor) -> None:
    with writing() as session:
        tool = make_resource(session, self_run=True, policy={"max_minutes": 60})
    reason = {"override_reason": "I need it"}
    assert broken(engineer, tool, hours=2, **reason) == {"too_long", "not_staff"}
    assert broken(engineer, tool, hours=1, **reason) == {"not_staff"}


def test_a_firm_without_contract_or_agreement_books_nothing(app: Flask) -> None:
    with writing() as session:
        bare = make_organisation(session, contract_ref="", nda_ref="")
        engineer = actor_for(make_member(session, organisation=bare))
        tool = make_resource(session)
    assert broken(engineer, tool) == {"no_contract"}


def test_an_outage_declared_while_a_booking_is_under_way_is_seen(
    app: Flask, database: Urls, engineer: Actor
) -> None:
    """The booking has read that nothing is down, and waits for whoever declares an outage."""
    with writing() as session:
        tool = make_resource(session)
    found: list[set[str]] = []

    def ask() -> None:
        with app.app_context():
            found.append(broken(engineer, tool))

    asking = threading.Thread(target=ask)
    with psycopg.connect(database.job.replace("+psycopg", "", 1)) as declaring:
        declaring.execute(
            "UPDATE resource SET guard_seq = guard_seq + 1 WHERE id = %s", (tool.id,)
        )
        asking.start()
        _wait_until_somebody_waits(database)
        declaring.execute(
            "INSERT INTO outage (public_id, resource_id, starts_at, ends_at, kind, reason)"
            " VALUES (gen_random_uuid(), %s, %s, %s, 'unscheduled_down', '')",
            (tool.id, MONDAY, MONDAY + HOUR),
        )
        declaring.commit()
    asking.join()
    assert found == [{"outage"}]
    with writing() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Booking)) == 0


def _wait_until_somebody_waits(database: Urls) -> None:
    with psycopg.connect(
        database.superuser.replace("+psycopg", "", 1), autocommit=True
    ) as looking:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            waiting = looking.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            ).fetchone()
            if waiting != (0,):
                return
    raise AssertionError("nobody waits for the resource's row")
