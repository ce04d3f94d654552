"""What is counted before a slot is picked: stays of a member, quotas of a firm, buddies.

Rivals wait for one another before they count, so that two cannot both take what is left.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta

import psycopg
import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking.accounts.models import Organisation, Purpose
from platform_booking.bookings import services
from platform_booking.bookings.asking import AskedMove, AskedPart, AskedSlot
from platform_booking.bookings.models import Booking, Period, Quota
from platform_booking.bookings.states import BookingState
from platform_booking.catalog.models import (
    MemberQualification,
    Outage,
    OutageKind,
    Qualification,
)
from platform_booking.clock import utcnow
from platform_booking.db import acting_as, db
from platform_booking.embedded import Urls
from platform_booking.errors import RulesBroken
from platform_booking.web.actor import Actor
from tests.bookings.callers import Program, make_token
from tests.bookings.test_facts import (
    DAY,
    HOUR,
    NOW,
    SHANGHAI,
    actor_for,
    book,
    broken,
)
from tests.factories import (
    ALWAYS_OPEN,
    MONDAY,
    make_booking,
    make_calendar,
    make_capability,
    make_member,
    make_occurrence,
    make_operator,
    make_organisation,
    make_platform,
    make_project,
    make_resource,
    writing,
)
from tests.visitor import Visitor

NIGHTS = {
    day: [["00:00", "08:00"], ["18:00", "24:00"]]
    for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
}
LATE = {"at": 11 * HOUR, "hours": 1}  # 19:00 in the park


@pytest.fixture
def engineer(app: Flask) -> Actor:
    with writing() as session:
        return actor_for(make_member(session))


def colleague_of(session, actor: Actor) -> Actor:
    return actor_for(make_member(session, organisation_id=actor.organisation_id))


def make_quota(session, minutes: int, **given) -> Quota:
    quota = Quota(**{"period": Period.WEEK, "minutes": minutes, **given})
    session.add(quota)
    session.flush()
    return quota


def at_once(app: Flask, database: Urls, held: list[int], *asks: Callable[[], set[str]]):
    """Let all ask while the rows of the resources are held, until all of them wait."""
    found: list[set[str]] = []

    def run(ask: Callable[[], set[str]]) -> None:
        with app.app_context():
            found.append(ask())

    threads = [threading.Thread(target=run, args=(ask,)) for ask in asks]
    with psycopg.connect(database.job.replace("+psycopg", "", 1)) as holding:
        holding.execute(
            "UPDATE resource SET guard_seq = guard_seq + 1 WHERE id = ANY (%s)", (held,)
        )
        for thread in threads:
            thread.start()
        _until_waiting(database, len(threads))
        holding.commit()
    for thread in threads:
        thread.join()
    return sorted(found, key=len)


def _until_waiting(database: Urls, number: int) -> None:
    with psycopg.connect(
        database.superuser.replace("+psycopg", "", 1), autocommit=True
    ) as looking:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            waiting = looking.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            ).fetchone()
            if waiting == (number,):
                return
    raise AssertionError("they do not wait")


def test_two_requests_of_one_member_cannot_both_pass_a_cap(
    app: Flask, database: Urls, engineer: Actor
) -> None:
    with writing() as session:
        tool = make_resource(session, self_run=True, policy={"per_day": 1})
    found = at_once(
        app,
        database,
        [tool.id],
        lambda: broken(engineer, tool),
        lambda: broken(engineer, tool, at=4 * HOUR),
    )
    assert found == [set(), {"per_day"}]


def test_two_colleagues_cannot_both_spend_the_last_hour_of_a_quota(
    app: Flask, database: Urls, engineer: Actor
) -> None:
    with writing() as session:
        platform = make_platform(session)
        one, other = (make_resource(session, platform_id=platform.id) for _ in range(2))
        friend = colleague_of(session, engineer)
        make_quota(session, 60, organisation_id=engineer.organisation_id)
    found = at_once(
        app,
        database,
        [one.id, other.id],
        lambda: broken(engineer, one),
        lambda: broken(friend, other),
    )
    assert found == [set(), {"quota"}]


def test_one_person_is_not_buddy_on_two_platforms_at_once(
    app: Flask, database: Urls, engineer: Actor
) -> None:
    with writing() as session:
        hours = make_calendar(session, weekly=ALWAYS_OPEN, offhours=NIGHTS)
        one, other = (
            make_resource(session, self_run=True, calendar_id=hours.id) for _ in range(2)
        )
        rival = colleague_of(session, engineer)
        friend = colleague_of(session, engineer)
    found = at_once(
        app,
        database,
        [one.id, other.id],
        lambda: broken(engineer, one, buddy_id=friend.public_id, **LATE),
        lambda: broken(rival, other, buddy_id=friend.public_id, **LATE),
    )
    assert found == [set(), {"buddy_elsewhere"}]


def test_a_quota_is_pooled_over_members_and_counted_by_local_periods(
    engineer: Actor,
) -> None:
    """The week begins on Monday at midnight in the park, which is Sunday 16:00 in UTC."""
    with writing() as session:
        tool = make_resource(session)
        friend = colleague_of(session, engineer)
        firm = session.get(Organisation, engineer.organisation_id)
        make_quota(session, 120, organisation_id=firm.id, platform_id=tool.platform_id)
        make_booking(
            session,
            resource=tool,
            organisation=firm,
            member_id=friend.member_id,
            starts_at=MONDAY - 9 * HOUR,  # Sunday 23:00 until Monday 01:00
            minutes=120,
        )
    assert broken(engineer, tool, at=HOUR, hours=2) == {"quota"}
    assert broken(engineer, tool, at=HOUR, hours=1) == set()
    assert broken(friend, tool, at=4 * HOUR) == {"quota"}
    assert broken(friend, tool, at=7 * DAY, hours=2) == set()  # the week after
    with writing() as session:
        elsewhere = make_resource(session)
        stranger = actor_for(make_member(session))
    assert broken(friend, elsewhere, at=4 * HOUR) == set()
    assert broken(stranger, tool, at=4 * HOUR) == set()


def test_a_quota_counts_units_of_pools_and_what_was_missed(engineer: Actor) -> None:
    with writing() as session:
        seats = make_resource(session, kind="pooled")
        firm = session.get(Organisation, engineer.organisation_id)
        make_quota(session, 240, organisation_id=None, period=Period.MONTH)
        make_booking(
            session,
            resource=seats,
            organisation=firm,
            state=BookingState.NO_SHOW,
            quantity=2,
        )
    assert broken(engineer, seats, at=2 * HOUR, quantity=3) == {"quota"}
    assert broken(engineer, seats, at=2 * HOUR, quantity=2) == set()


def test_a_quota_of_a_project_binds_its_bookings_alone(engineer: Actor) -> None:
    with writing() as session:
        tool = make_resource(session)
        firm = session.get(Organisation, engineer.organisation_id)
        small, other = make_project(session, firm), make_project(session, firm)
        make_quota(session, 30, organisation_id=firm.id, project_id=small.id)
        make_quota(session, 0, organisation_id=firm.id, active=False)
    assert broken(engineer, tool, project_id=small.public_id) == {"quota"}
    assert broken(engineer, tool, project_id=other.public_id) == set()
    assert broken(engineer, tool, at=2 * HOUR) == set()


def test_staff_who_see_one_platform_keep_to_a_quota_of_the_park(app: Flask) -> None:
    with writing() as session:
        platform = make_platform(session)
        tool, elsewhere = (
            make_resource(session, platform_id=platform.id),
            make_resource(session),
        )
        firm = make_organisation(session)
        make_booking(session, resource=elsewhere, organisation=firm)
        make_quota(session, 100)
        operator = actor_for(make_operator(session, platform), platform)
    assert broken(operator, tool, organisation_id=firm.public_id) == {"quota"}


def test_a_buddy_is_a_qualified_colleague_or_an_operator(engineer: Actor) -> None:
    with writing() as session:
        needed = Qualification(code="Q", name_zh="刻蚀", name_en="Etching")
        session.add(needed)
        session.flush()
        platform = make_platform(session)
        hours = make_calendar(session, weekly=ALWAYS_OPEN, offhours=NIGHTS)
        tool = make_resource(
            session,
            platform_id=platform.id,
            self_run=True,
            calendar_id=hours.id,
            qualification_id=needed.id,
        )
        friend, novice = (colleague_of(session, engineer) for _ in range(2))
        stranger = make_member(session)
        operator = make_operator(session, platform)
        for member, until in (
            (engineer, None),
            (friend, None),
            (stranger, None),
            (operator, None),
        ):
            session.add(
                MemberQualification(
                    member_id=getattr(member, "member_id", None) or member.id,
                    qualification_id=needed.id,
                    organisation_id=member.organisation_id,
                    expires_on=until,
                )
            )
    assert broken(engineer, tool, **LATE) == {"buddy_needed"}
    for buddy, named in (
        (stranger.public_id, {"buddy_unknown"}),
        (novice.public_id, {"buddy_not_qualified"}),
        (engineer.public_id, {"buddy_is_runner"}),
        (operator.public_id, set()),
    ):
        assert broken(engineer, tool, buddy_id=buddy, **LATE) == named
    line = book(engineer, tool, at=13 * HOUR, buddy_id=friend.public_id)
    assert line.booking.buddy_id == friend.member_id


def test_a_level_of_a_qualification_holds_at_its_hours(engineer: Actor) -> None:
    levels = {
        "day": {"zh": "日间", "en": "daytime", "hours": {"mon": [["08:00", "18:00"]]}}
    }
    with writing() as session:
        needed = Qualification(code="Q", name_zh="刻", name_en="Etching", levels=levels)
        session.add(needed)
        session.flush()
        tool = make_resource(session, self_run=True, qualification_id=needed.id)
        session.add(
            MemberQualification(
                member_id=engineer.member_id,
                qualification_id=needed.id,
                organisation_id=engineer.organisation_id,
                expires_on=date(2028, 1, 1),
                level="day",
            )
        )
    assert broken(engineer, tool) == set()
    assert broken(engineer, tool, **LATE) == {"level_hours"}


def test_an_area_is_held_for_the_whole_time(engineer: Actor) -> None:
    with writing() as session:
        make_capability(session, "AREA.WET")
        area = make_resource(session, kind="pooled", capabilities=("AREA.WET",))
        bench = make_resource(session, self_run=True, policy={"requires": ["AREA.WET"]})
    assert broken(engineer, bench, hours=2) == {"area_needed"}
    book(engineer, area, hours=1)
    assert broken(engineer, bench, hours=2) == {"area_needed"}
    book(engineer, area, at=HOUR, hours=1)
    assert broken(engineer, bench, hours=2) == set()


def test_an_area_is_asked_for_by_capability_in_the_same_go(engineer: Actor) -> None:
    with writing() as session:
        for code in ("AREA.WET", "BENCH"):
            make_capability(session, code)
        area = make_resource(session, kind="pooled", capabilities=("AREA.WET",))
        bench = make_resource(
            session,
            self_run=True,
            policy={"requires": ["AREA.WET"]},
            capabilities=("BENCH",),
        )
    for at, which in enumerate(({"resource_id": bench.public_id}, {"capability": "BENCH"})):
        asked = AskedSlot(
            **which,
            starts_at=MONDAY + at * HOUR,
            ends_at=MONDAY + (at + 1) * HOUR,
            parts=(AskedPart(capability="AREA.WET"),),
        )
        with acting_as(engineer.identity):
            line = services.book(asked, actor=engineer, now=NOW, zone=SHANGHAI)
        assert line.parts[0].resource.id == area.id
        assert line.booking.group_id == line.parts[0].booking.group_id


def test_a_member_sits_in_a_class_once(engineer: Actor) -> None:
    with writing() as session:
        room = make_resource(session, kind="event", capacity=9, policy={"grants": "Q"})
        run = make_occurrence(session, room)
    seat = {"hours": 2, "occurrence_id": run.public_id}
    book(engineer, room, **seat)
    assert broken(engineer, room, **seat) == {"one_seat"}


def test_a_licence_serves_the_purposes_that_it_is_for(engineer: Actor) -> None:
    with writing() as session:
        seats = make_resource(session, policy={"licence_use": ["teaching"]})
        firm = session.get(Organisation, engineer.organisation_id)
        course = make_project(session, firm, purpose=Purpose.TEACHING)
        work = make_project(session, firm)
    assert broken(engineer, seats) == {"licence_use"}
    assert broken(engineer, seats, project_id=work.public_id) == {"licence_use"}
    assert broken(engineer, seats, project_id=course.public_id) == set()


def test_who_misses_bookings_is_barred_from_the_platform(engineer: Actor) -> None:
    policy = {"no_show_limit": 2, "no_show_days": 30, "ban_days": 20}
    with writing() as session:
        platform = make_platform(session)
        tool, sister = (
            make_resource(session, platform_id=platform.id, self_run=True, policy=policy)
            for _ in range(2)
        )
        for days in (5, 20):
            make_booking(
                session,
                resource=sister,
                organisation=session.get(Organisation, engineer.organisation_id),
                member_id=engineer.member_id,
                starts_at=NOW - days * DAY,
                state=BookingState.NO_SHOW,
            )
    assert broken(engineer, tool) == {"banned"}
    assert broken(engineer, tool, at=16 * DAY, now=NOW + 15 * DAY) == set()


def test_stays_that_are_over_count_on_their_day(engineer: Actor) -> None:
    with writing() as session:
        tool = make_resource(session, self_run=True, policy={"per_day": 1})
        make_booking(
            session,
            resource=tool,
            organisation=session.get(Organisation, engineer.organisation_id),
            member_id=engineer.member_id,
            state=BookingState.COMPLETED,
        )
    assert broken(engineer, tool, at=3 * HOUR, now=MONDAY + 2 * HOUR) == {"per_day"}


def test_what_its_owner_takes_back_he_alone_books(engineer: Actor) -> None:
    with writing() as session:
        tool = make_resource(session, owner_id=engineer.organisation_id)
        session.add(
            Outage(
                resource_id=tool.id,
                starts_at=MONDAY,
                ends_at=MONDAY + 4 * HOUR,
                kind=OutageKind.SCHEDULED,
                taken_back_by=engineer.organisation_id,
            )
        )
        stranger = actor_for(make_member(session))
    assert broken(stranger, tool) == {"taken_back"}
    assert broken(engineer, tool) == set()


def test_a_move_keeps_to_the_windows_of_what_was_declared(engineer: Actor) -> None:

    window = {"flags": ["AU"], "hours": {"mon": [["08:00", "12:00"]]}}
    with writing() as session:
        tool = make_resource(session, policy={"class_windows": [window]})
    line = book(engineer, tool, flags=("AU",))
    with acting_as(engineer.identity), pytest.raises(RulesBroken) as refusal:
        services.move(
            line.booking.public_id,
            AskedMove(starts_at=MONDAY + 5 * HOUR, ends_at=MONDAY + 6 * HOUR),
            expected_version=None,
            actor=engineer,
            now=NOW,
            zone=SHANGHAI,
        )
    assert [v.rule for v in refusal.value.violations] == ["class_window"]


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect what is sent to the database, but for the frame of each transaction."""
    said: list[str] = []

    def listen(_connection, _cursor, statement, *_rest) -> None:
        if "set_config" not in statement and "SAVEPOINT" not in statement:
            said.append(statement)

    sa.event.listen(db.engine, "before_cursor_execute", listen)
    yield said
    sa.event.remove(db.engine, "before_cursor_execute", listen)


def test_a_booking_over_http_takes_ten_statements_at_most(
    app: Flask, client: Visitor
) -> None:
    """With every rule that reads something in force, and a key against doubling."""

    now = utcnow()
    start = (now + DAY).replace(hour=12, minute=0, second=0, microsecond=0)  # 20:00
    with writing() as session:
        make_capability(session, "AREA.WET")
        hours = make_calendar(session, weekly=ALWAYS_OPEN, offhours=NIGHTS)
        tool = make_resource(
            session,
            self_run=True,
            calendar_id=hours.id,
            policy={
                "per_day": 3,
                "gap_minutes": 5,
                "rolling": [{"minutes": 600, "days": 7}],
                "no_show_limit": 3,
                "requires": ["AREA.WET"],
            },
        )
        area = make_resource(session, kind="pooled", capabilities=("AREA.WET",))
        member = make_member(session)
        friend = make_member(session, organisation_id=member.organisation_id)
        make_quota(session, 600)
        make_booking(
            session,
            resource=area,
            organisation=session.get(Organisation, member.organisation_id),
            member_id=member.id,
            starts_at=start,
            minutes=120,
        )
        call = Program(client, make_token(session, member))
    body = {
        "resource_id": str(tool.public_id),
        "starts_at": start.isoformat(),
        "ends_at": (start + timedelta(hours=1)).isoformat(),
        "buddy_id": str(friend.public_id),
    }
    with statements() as said:
        answer = call("POST", "/bookings", json=body, headers={"Idempotency-Key": "k-1"})
    assert answer.status_code == 201, answer.text
    assert len(said) <= 10, "\n".join(said)
    named = {"at": start - MONDAY, "buddy_id": friend.public_id, "now": now}
    with statements() as said:  # what would do instead is a search of its own, after it
        assert "gap" in broken(actor_for(member), tool, **named)
    assert len(said) <= 2, "\n".join(said)
    with writing() as session:
        assert session.scalar(sa.select(sa.func.count(Booking.id))) == 2
