"""Outages are declared and ended by those who run the platform."""

import threading
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking.audit import AuditEntry
from platform_booking.catalog import services
from platform_booking.catalog.models import Outage, OutageKind, Resource
from platform_booking.catalog.rules import NewOutage, outage_violations
from platform_booking.clock import utcnow
from platform_booking.db import JOB, acting_as, db, transaction
from platform_booking.errors import (
    AlreadyThere,
    Forbidden,
    IllegalMove,
    NotFound,
    RulesBroken,
)
from platform_booking.web.actor import Actor
from tests.catalog.looking import RIVAL, Park, looks, today_at
from tests.factories import identity_of, writing

HOUR = timedelta(hours=1)


@pytest.fixture
def park(app: Flask) -> Park:
    return Park()


def new(**given: Any) -> NewOutage:
    """Return an outage of the day after tomorrow's first three hours."""
    values: dict[str, Any] = {
        "starts_at": today_at(0, days=2),
        "ends_at": today_at(3, days=2),
        "kind": OutageKind.UNSCHEDULED,
        "reason": "pump",
    }
    return NewOutage(**values | given)


def form(**given: str) -> dict[str, str]:
    values = {
        "starts_at": today_at(0, days=2).strftime("%Y-%m-%dT%H:%M"),
        "ends_at": today_at(3, days=2).strftime("%Y-%m-%dT%H:%M"),
        "kind": "scheduled_down",
        "reason": "quarterly service",
    }
    return values | given


def actor_of(member: Any) -> Actor:
    with writing() as session:
        who = identity_of(session, member)
    return Actor(
        member_id=member.id,
        public_id=member.public_id,
        name=member.name,
        locale="en",
        organisation_id=who.organisation_id,
        organisation_name=None,
        roles=frozenset({"park_admin"} if who.park else {"operator"}),
        platform_ids=who.platform_ids,
    )


def stored(table: type[Any] = Outage) -> list[Any]:
    with acting_as(JOB):
        return list(db.session.scalars(sa.select(table)))


def guard_of(resource: Resource) -> int:
    return next(r.guard_seq for r in stored(Resource) if r.id == resource.id)


# Rules.


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ({}, []),
        ({"starts_at": today_at(3, days=2)}, [("empty", "ends_at")]),
        ({"ends_at": today_at(0, days=1)}, [("empty", "ends_at")]),
        ({"ends_at": today_at(0, days=400)}, [("too_long", "ends_at")]),
        (
            {"starts_at": today_at(0, days=-2), "ends_at": today_at(0, days=-1)},
            [("over", "ends_at")],
        ),
        ({"starts_at": today_at(0, days=-10)}, []),
        ({"starts_at": today_at(0, days=-40)}, [("too_late", "starts_at")]),
        ({"reason": "  "}, [("reason", "reason")]),
        (
            {"starts_at": today_at(0, days=-40), "ends_at": today_at(0, days=-41), "reason": ""},
            [("empty", "ends_at"), ("over", "ends_at"), ("too_late", "starts_at"),
             ("reason", "reason")],
        ),
    ],
)  # fmt: skip
def test_every_broken_rule_is_told_at_once(
    app: Flask, change: dict[str, Any], broken: list[tuple[str, str]]
) -> None:
    found = outage_violations(new(**change), now=utcnow())
    assert [(v.rule, v.where) for v in found] == broken


# The service.


def test_an_outage_is_declared_with_a_line_in_the_audit(app: Flask, park: Park) -> None:
    before = guard_of(park.etcher)
    operator = actor_of(park.operator)
    with acting_as(operator.identity):
        done = services.declare_outage(
            park.etcher.public_id, new(), actor=operator, now=utcnow()
        )
    assert done.hits == 1
    (row,) = stored()
    assert (row.starts_at, row.ends_at, row.kind, row.reason, row.declared_by) == (
        today_at(0, days=2),
        today_at(3, days=2),
        OutageKind.UNSCHEDULED,
        "pump",
        park.operator.id,
    )
    assert guard_of(park.etcher) > before
    entry = next(e for e in stored(AuditEntry) if e.act == "outage.declare")
    assert (entry.act, entry.platform_id, entry.member_id) == (
        "outage.declare",
        park.fab.id,
        park.operator.id,
    )
    assert entry.detail["hits"] == 1
    assert RIVAL not in str(entry.detail)


@pytest.mark.parametrize("act", ["declare", "hits", "end"])
def test_whoever_runs_another_platform_is_turned_away(
    app: Flask, park: Park, act: str
) -> None:
    outage = park.outage(park.etcher)
    stranger = actor_of(park.stranger)
    acts = {
        "declare": lambda: services.declare_outage(
            park.etcher.public_id, new(), actor=stranger, now=utcnow()
        ),
        "hits": lambda: services.hits(
            park.etcher.public_id, new(), actor=stranger, now=utcnow()
        ),
        "end": lambda: services.end_outage(outage.public_id, actor=stranger, now=utcnow()),
    }
    with acting_as(stranger.identity), pytest.raises(Forbidden):
        acts[act]()
    (row,) = stored()
    assert row.ends_at == today_at(0, days=7)


def test_the_database_turns_a_stranger_away_too(app: Flask, park: Park) -> None:
    """Whatever the service's code says: row-level security stands behind it."""
    stranger = actor_of(park.stranger)
    row = Outage(
        resource_id=park.etcher.id,
        starts_at=utcnow(),
        ends_at=utcnow() + HOUR,
        kind=OutageKind.SCHEDULED,
    )
    with (
        acting_as(stranger.identity),
        pytest.raises(sa.exc.ProgrammingError, match="row-level security"),
        transaction() as session,
    ):
        session.add(row)
    assert stored() == []


def test_what_is_not_there_is_not_found(app: Flask, park: Park) -> None:
    admin = actor_of(park.park)
    with acting_as(admin.identity):
        with pytest.raises(NotFound):
            services.declare_outage(uuid4(), new(), actor=admin, now=utcnow())
        with pytest.raises(NotFound):
            services.end_outage(uuid4(), actor=admin, now=utcnow())


def test_a_broken_rule_leaves_nothing_behind(app: Flask, park: Park) -> None:
    operator = actor_of(park.operator)
    with acting_as(operator.identity), pytest.raises(RulesBroken):
        services.declare_outage(
            park.etcher.public_id, new(reason=""), actor=operator, now=utcnow()
        )
    assert stored() == stored(AuditEntry) == []


def test_an_outage_under_way_ends_now_and_one_to_come_is_taken_back(
    app: Flask, park: Park
) -> None:
    now = utcnow()
    running = park.outage(park.etcher, starts_at=now - HOUR, ends_at=now + HOUR)
    coming = park.outage(park.pool)
    operator = actor_of(park.operator)
    with acting_as(operator.identity):
        assert (
            services.end_outage(running.public_id, actor=operator, now=now).code == "ETCH-1"
        )
        services.end_outage(coming.public_id, actor=operator, now=now)
        with pytest.raises(IllegalMove):
            services.end_outage(running.public_id, actor=operator, now=now)
        with pytest.raises(NotFound):
            services.end_outage(coming.public_id, actor=operator, now=now)
    (row,) = stored()
    assert (row.public_id, row.ends_at) == (running.public_id, now)
    assert [e.act for e in stored(AuditEntry)] == ["outage.end"] * 2


def test_two_who_end_the_same_outage_do_it_once(app: Flask, park: Park) -> None:
    outage = park.outage(park.etcher)
    operator = actor_of(park.operator)
    start = threading.Barrier(2)
    came_of: list[str] = []

    def end() -> None:
        with app.app_context(), acting_as(operator.identity):
            start.wait(10)
            try:
                services.end_outage(outage.public_id, actor=operator, now=utcnow())
            except NotFound:
                came_of.append("gone")
            else:
                came_of.append("ended")

    threads = [threading.Thread(target=end) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(came_of) == ["ended", "gone"]
    assert [entry.act for entry in stored(AuditEntry)] == ["outage.end"]


def test_the_same_outage_is_declared_once_whoever_is_faster(app: Flask, park: Park) -> None:
    operator = actor_of(park.operator)
    start = threading.Barrier(2)
    came_of: list[Any] = []

    def declare() -> None:
        with app.app_context(), acting_as(operator.identity):
            start.wait(10)
            try:
                done = services.declare_outage(
                    park.etcher.public_id, new(), actor=operator, now=utcnow()
                )
            except AlreadyThere as fault:
                came_of.append(("there", fault.existing))
            else:
                came_of.append(("declared", done.outage.public_id))

    threads = [threading.Thread(target=declare) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    (row,) = stored()
    assert sorted(came_of) == [("declared", row.public_id), ("there", row.public_id)]
    acts = [entry.act for entry in stored(AuditEntry)]
    assert acts.count("outage.declare") == 1


def test_the_database_keeps_no_outage_twice(app: Flask, park: Park) -> None:
    """Whatever the service's code does."""
    park.outage(park.etcher)
    with pytest.raises(sa.exc.IntegrityError, match="outage_once"):
        park.outage(park.etcher, reason="once more")
    park.outage(park.etcher, kind=OutageKind.UNSCHEDULED)
    assert len(stored()) == 2


def test_a_form_for_an_outage_that_is_there_says_so(app: Flask, park: Park) -> None:
    visitor = looks(app, park.operator)
    sure = form() | {"confirmed": "yes"}
    visitor.submit("/resources/ETCH-1/outages?lang=en", sure)
    again = visitor.submit("/resources/ETCH-1/outages?lang=en", sure)
    (row,) = stored()
    assert again.status_code == 409
    assert f"already (outage {row.public_id})" in again.text


# The page.


def test_only_those_who_run_the_platform_see_the_form(app: Flask, park: Park) -> None:
    park.outage(park.etcher)
    for member, may in (
        (park.operator, True),
        (park.park, True),
        (park.stranger, False),
        (park.engineer, False),
    ):
        text = looks(app, member).get("/resources/ETCH-1?lang=en").text
        assert ("Declare an outage" in text, "Take back" in text) == (may, may)
        assert "service" in text  # the outage itself is everybody's


def test_a_form_without_its_token_is_refused(app: Flask, park: Park) -> None:
    answer = looks(app, park.operator).post("/resources/POOL-1/outages", data=form())
    assert answer.status_code == 403
    assert stored() == []


def test_an_outage_that_hits_nothing_is_declared_at_once(app: Flask, park: Park) -> None:
    visitor = looks(app, park.operator)
    answer = visitor.submit(
        "/resources/ETCH-1/outages?lang=en",
        form(
            starts_at=today_at(0, days=8).strftime("%Y-%m-%dT%H:%M"),
            ends_at=today_at(3, days=8).strftime("%Y-%m-%dT%H:%M"),
        ),
        follow_redirects=True,
    )
    assert "Declared. No booking loses its place." in answer.text
    assert "quarterly service" in answer.text
    (row,) = stored()
    assert row.starts_at == today_at(0, days=8)  # the form's times are the park's


def test_an_outage_that_hits_bookings_says_how_many_before_and_after(
    app: Flask, park: Park
) -> None:
    visitor = looks(app, park.operator)
    asked = visitor.submit("/resources/ETCH-1/outages?lang=en", form())
    assert asked.status_code == 200
    assert "1 booking lies in that time" in asked.text
    assert 'value="quarterly service"' in asked.text  # what was typed is kept
    assert RIVAL not in asked.text
    assert stored() == []
    done = visitor.submit(
        "/resources/ETCH-1/outages?lang=en",
        form() | {"confirmed": "yes"},
        follow_redirects=True,
    )
    assert "Declared. 1 booking is displaced" in done.text
    assert len(stored()) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"starts_at": "soon"}, "Not a date and time."),
        ({"starts_at": ""}, "Not a date and time."),
        ({"ends_at": "9999-12-31T23:59"}, "no outage is longer than a year"),
        ({"starts_at": "0001-01-01T00:00"}, "Not a date and time."),
        ({"kind": "holiday"}, "Choose one of the list."),
        ({"reason": ""}, "say why"),
        ({"reason": "x" * 501}, "At most 500 printable characters."),
        ({"reason": "a\0b"}, "At most 500 printable characters."),
        ({"ends_at": "2020-01-01T00:00"}, "the end must lie after the start"),
    ],
)
def test_what_cannot_be_declared_is_told_beside_its_field(
    app: Flask, park: Park, change: dict[str, str], said: str
) -> None:
    visitor = looks(app, park.operator)
    answer = visitor.submit("/resources/ETCH-1/outages?lang=en", form(**change))
    assert answer.status_code == 422
    assert said in answer.text
    assert stored() == []


def test_all_that_cannot_be_read_is_told_at_once(app: Flask, park: Park) -> None:
    visitor = looks(app, park.operator)
    answer = visitor.submit(
        "/resources/ETCH-1/outages?lang=en", {"starts_at": "x", "ends_at": "y", "kind": "z"}
    )
    assert answer.text.count("Not a date and time.") >= 2
    assert "Choose one of the list." in answer.text


@pytest.mark.parametrize("who", ["stranger", "engineer"])
def test_others_are_refused_by_the_page(app: Flask, park: Park, who: str) -> None:
    outage = park.outage(park.etcher)
    visitor = looks(app, getattr(park, who))
    for path in ("/resources/ETCH-1/outages", f"/outages/{outage.public_id}/end"):
        assert visitor.submit(path, form()).status_code == 403
    assert len(stored()) == 1


def test_an_outage_is_ended_on_the_page(app: Flask, park: Park) -> None:
    now = utcnow()
    outage = park.outage(park.etcher, starts_at=now - HOUR, ends_at=now + HOUR)
    visitor = looks(app, park.operator)
    path = f"/outages/{outage.public_id}/end"
    answer = visitor.submit(path, follow_redirects=True)
    assert "已结束" in answer.text
    assert "该停机已经结束" in visitor.submit(path, follow_redirects=True).text
    assert visitor.submit(f"/outages/{uuid4()}/end").status_code == 404


def test_an_outage_is_drawn_and_is_no_open_time(app: Flask, park: Park) -> None:
    park.outage(park.probe)
    text = looks(app, park.engineer).get("/resources/PROBE-1?lang=en").text
    assert text.count('class="chart-down"') == 2  # its day, and the legend
    day = today_at(0, days=6)
    row = text[text.index(f'text-nowrap">{day:%m-%d}') :]
    assert '<td class="text-end">0.0</td>' in row[:200]


def test_an_outage_keeps_a_booking_from_passing_it_by(app: Flask, park: Park) -> None:
    """Both raise the guard's counter: the later one waits, and sees what the first did."""
    operator = actor_of(park.operator)
    held, free = threading.Event(), threading.Event()
    order: list[str] = []

    def book() -> None:
        with app.app_context(), acting_as(JOB), transaction() as session:
            session.execute(
                sa.text("UPDATE resource SET guard_seq = guard_seq + 1 WHERE id = :id"),
                {"id": park.probe.id},
            )
            held.set()
            free.wait(10)
            order.append("booking")

    rival = threading.Thread(target=book)
    rival.start()
    assert held.wait(10)
    with acting_as(actor_of(park.park).identity):
        waiting = threading.Timer(0.3, free.set)
        waiting.start()
        services.declare_outage(
            park.probe.public_id, new(), actor=actor_of(park.park), now=utcnow()
        )
    order.append("outage")
    rival.join(10)
    assert order == ["booking", "outage"]
    assert operator.platform_ids == (park.fab.id,)
