"""Staff date runs, change them and call them off; bookings of a run keep its promises."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking.audit import AuditEntry
from platform_booking.bookings.models import Booking, Waiting
from platform_booking.bookings.states import BookingState
from platform_booking.catalog.models import Occurrence, Resource
from platform_booking.clock import utcnow
from platform_booking.notices.models import Notice
from tests.bookings.callers import Browser, Program, make_token
from tests.factories import (
    make_member,
    make_operator,
    make_organisation,
    make_platform,
    make_resource,
    writing,
)

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@dataclass
class Yard:
    """A shuttle of 100, its operator, two firms of one class, an operator elsewhere."""

    app: Flask
    shuttle: Resource
    members: dict[str, Any]

    def call(self, who: str, method: str, path: str, **more: Any):
        with writing() as session:
            token = make_token(session, self.members[who])
        return Program(self.app.test_client(), token)(method, path, **more)

    def browser(self, who: str) -> Browser:
        return Browser(self.app.test_client()).enter(self.members[who])

    def body(self, **more: Any) -> dict[str, Any]:
        start = (utcnow() + 30 * DAY).replace(minute=0, second=0, microsecond=0)
        return {
            "code": "MPW-1",
            "starts_at": start.isoformat(),
            "ends_at": (start + DAY).isoformat(),
            "closes_at": (start - 10 * DAY).isoformat(),
            "capacity": 100,
            **more,
        }

    def dated(self, **more: Any) -> dict[str, Any]:
        path = f"/resources/{self.shuttle.public_id}/occurrences"
        made = self.call("operator", "POST", path, json=self.body(**more))
        assert made.status_code == 201, made.text
        return dict(made.json)

    def book(self, who: str, run: dict[str, Any], quantity: int = 10):
        body = {
            "resource_id": str(self.shuttle.public_id),
            "occurrence_id": run["id"],
            "starts_at": run["starts_at"],
            "ends_at": run["ends_at"],
            "quantity": quantity,
        }
        return self.call(who, "POST", "/bookings", json=body)


@pytest.fixture
def yard(app: Flask) -> Yard:
    with writing() as session:
        platform = make_platform(session)
        shuttle = make_resource(
            session, kind="event", platform_id=platform.id, capacity=100
        )
        members = {
            "operator": make_operator(session, platform),
            "stranger": make_operator(session, make_platform(session)),
            "a": make_member(session),
            "b": make_member(session),
            "key": make_member(
                session, organisation=make_organisation(session, priority_class="KEY")
            ),
        }
    return Yard(app, shuttle, members)


def broken(answer: Any) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {v["rule"]: v["where"] for v in answer.json["violations"]}


def test_a_run_that_is_dated_can_be_booked(yard: Yard) -> None:
    run = yard.dated(phases={"upload_opens": "2099-01-01"})
    assert run["phase"] == "open"
    assert yard.book("a", run).status_code == 201
    seen = yard.call("operator", "GET", f"/occurrences/{run['id']}")
    assert (seen.json["taken"], seen.json["taken_by_class"]) == (10, {"SME": 10})
    (listed,) = yard.call("a", "GET", "/occurrences").json["items"]
    assert (listed["phase"], listed["taken"], listed["quotas"]) == ("open", 10, {})
    with writing() as session:
        (deed,) = session.scalars(sa.select(AuditEntry).filter_by(act="run.date"))
        assert deed.detail["run"] == "MPW-1"


def test_all_faults_of_a_run_are_told_at_once(yard: Yard) -> None:
    body = yard.body()
    wrong = body | {
        "ends_at": body["starts_at"],
        "closes_at": (utcnow() + 40 * DAY).isoformat(),
        "capacity": 0,
        "min_fill": -1,
        "quotas": {"NOBODY": 1, "SME": 5},
        "phases": {"frozen": "2099-03-01", "out": "2099-02-01"},
    }
    path = f"/resources/{yard.shuttle.public_id}/occurrences"
    assert broken(yard.call("operator", "POST", path, json=wrong)) == {
        "empty": "ends_at",
        "closes_late": "closes_at",
        "capacity": "capacity",
        "min_fill": "min_fill",
        "unknown_class": "quotas.NOBODY",
        "class_quota": "quotas.SME",
        "phase_order": "phases.out",
    }
    past = body | {"starts_at": "2000-01-01T00:00:00Z", "ends_at": "2009-01-01T00:00:00Z"}
    found = broken(yard.call("operator", "POST", path, json=past))
    assert {"past", "over_a_year"} <= found.keys()
    yard.dated()
    again = yard.call("operator", "POST", path, json=body)
    assert broken(again) == {"code_taken": "code"}


def test_runs_are_dated_for_events_alone_and_by_their_staff(yard: Yard) -> None:
    with writing() as session:
        platform_id = yard.shuttle.platform_id
        tool = make_resource(session, platform_id=platform_id)
    path = f"/resources/{tool.public_id}/occurrences"
    assert broken(yard.call("operator", "POST", path, json=yard.body())) == {
        "no_event": "resource_id"
    }
    run = yard.dated()
    path = f"/resources/{yard.shuttle.public_id}/occurrences"
    for who in ("stranger", "a"):
        for method, where, body in (
            ("POST", path, yard.body(code="X")),
            ("PATCH", f"/occurrences/{run['id']}", {"capacity": 5}),
            ("POST", f"/occurrences/{run['id']}/call-off", {"reason": "x"}),
        ):
            assert yard.call(who, method, where, json=body).status_code == 403
    unknown = "/occurrences/00000000-0000-4000-8000-000000000000"
    assert yard.call("operator", "PATCH", unknown, json={}).status_code == 404


def test_a_booked_run_keeps_its_dates_and_what_is_booked_of_it(yard: Yard) -> None:
    run = yard.dated()
    path = f"/occurrences/{run['id']}"
    later = {
        "starts_at": (utcnow() + 50 * DAY).isoformat(),
        "ends_at": (utcnow() + 51 * DAY).isoformat(),
    }
    assert yard.call("operator", "PATCH", path, json=later).status_code == 200
    run = yard.call("operator", "GET", path).json
    assert yard.book("a", run, 30).status_code == 201
    refused = yard.call("operator", "PATCH", path, json=yard.body() | {"capacity": 29})
    assert refused.status_code == 422
    body = yard.body()
    del body["code"], body["closes_at"]
    refused = yard.call("operator", "PATCH", path, json=body | {"capacity": 29})
    assert broken(refused) == {"booked_run": "ends_at", "below_sold": "capacity"}
    changed = yard.call(
        "operator", "PATCH", path, json={"capacity": 30, "closes_at": None, "min_fill": 5}
    )
    assert changed.json["closes_at"] is None
    assert (changed.json["capacity"], changed.json["min_fill"]) == (30, 5)
    assert yard.book("b", run, 1).status_code == 409


def test_a_run_that_has_changed_meanwhile_is_not_overwritten(yard: Yard) -> None:
    run = yard.dated()
    path = f"/occurrences/{run['id']}"
    read = yard.call("operator", "GET", path).headers["ETag"]
    known = {"If-Match": read}
    first = yard.call("operator", "PATCH", path, json={"capacity": 90}, headers=known)
    assert first.status_code == 200
    assert first.headers["ETag"] != read
    second = yard.call("operator", "PATCH", path, json={"capacity": 80}, headers=known)
    assert second.status_code == 412
    late = yard.call(
        "operator", "POST", f"{path}/call-off", json={"reason": "x"}, headers=known
    )
    assert late.status_code == 412


def test_a_run_called_off_displaces_its_bookings_and_tells_their_firms(yard: Yard) -> None:
    run = yard.dated()
    for who in ("a", "b"):
        assert yard.book(who, run).status_code == 201
    path = f"/occurrences/{run['id']}/call-off"
    assert broken(yard.call("operator", "POST", path, json={"reason": " "})) == {
        "reason": "reason"
    }
    done = yard.call("operator", "POST", path, json={"reason": "the fab is down"})
    assert done.status_code == 200, done.text
    assert (done.json["phase"], done.json["taken"]) == ("called_off", 0)
    assert broken(yard.call("operator", "POST", path, json={"reason": "x"})) == {
        "illegal_move": ""
    }
    assert "run_called_off" in broken(yard.book("a", run))
    with writing() as session:
        states = set(session.scalars(sa.select(Booking.state)))
        assert states == {BookingState.DISPLACED}
        told = session.scalars(sa.select(Notice).filter_by(kind="run.called_off")).all()
        assert {n.organisation_id for n in told} == {
            yard.members[who].organisation_id for who in ("a", "b")
        }
        assert {n.payload["reason"] for n in told} == {"the fab is down"}
        acts = list(session.scalars(sa.select(AuditEntry.act)))
        assert (acts.count("booking.displace"), acts.count("run.call_off")) == (2, 1)
        waiting = session.scalars(sa.select(Waiting)).all()
        assert [(w.first_right, w.quantity) for w in waiting] == [(True, 10)] * 2


def test_the_database_lets_nobody_into_a_run_that_was_called_off(yard: Yard) -> None:
    """Whoever had read the run before it was called off comes too late all the same."""
    run = yard.dated()
    with writing() as session:
        row = session.scalars(sa.select(Occurrence)).one()
        row.called_off_at = utcnow()
        session.flush()
        late = Booking(
            resource_id=row.resource_id,
            organisation_id=yard.members["a"].organisation_id,
            occurrence_id=row.id,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            quantity=1,
            state=BookingState.CONFIRMED,
            source="person",
            created_at=utcnow(),
            updated_at=utcnow(),
        )
        session.add(late)
        with pytest.raises(sa.exc.DBAPIError, match="no such occurrence"):
            session.flush()
        session.rollback()
    assert run["called_off_at"] is None


def test_firms_of_a_class_hold_together_what_its_quota_allows(yard: Yard) -> None:
    run = yard.dated(quotas={"SME": 15})
    assert yard.book("a", run, 10).status_code == 201
    refused = yard.book("b", run, 6)
    assert broken(refused) == {"class_quota": "quantity"}
    (told,) = refused.json["violations"]
    assert (told["limit"], told["actual"]) == (15, 16)
    assert yard.book("key", run, 60).status_code == 201  # another class has no such limit
    last = yard.book("b", run, 5)
    assert last.status_code == 201
    more = yard.call(
        "b",
        "PATCH",
        f"/bookings/{last.json['id']}",
        json={"quantity": 6},
        headers={"If-Match": "*"},
    )
    assert broken(more) == {"class_quota": "quantity"}


def test_no_run_is_offered_where_the_class_holds_its_quota_already(yard: Yard) -> None:
    first = yard.dated()
    spent, free = (
        yard.dated(
            code=f"MPW-{days}",
            **{
                name: (
                    datetime.fromisoformat(first[name]) + timedelta(days=days)
                ).isoformat()
                for name in ("starts_at", "ends_at")
            },
            quotas={"SME": 15},
        )
        for days in (2, 4)
    )
    assert yard.book("key", first, 100).status_code == 201
    assert yard.book("b", spent, 15).status_code == 201
    refused = yard.book("a", first)
    assert refused.status_code == 409, refused.text
    offered = {one["starts_at"] for one in refused.json["alternatives"]}
    assert offered == {free["starts_at"]}


def test_the_database_keeps_the_quota_of_a_class_too(yard: Yard) -> None:
    yard.dated(quotas={"SME": 15})
    with writing() as session:
        row = session.scalars(sa.select(Occurrence)).one()
        given = {
            "resource_id": row.resource_id,
            "occurrence_id": row.id,
            "starts_at": row.starts_at,
            "ends_at": row.ends_at,
            "state": BookingState.CONFIRMED,
            "source": "person",
            "created_at": utcnow(),
            "updated_at": utcnow(),
        }
        for who in ("a", "b"):
            firm = yard.members[who].organisation_id
            session.add(Booking(organisation_id=firm, quantity=8, **given))
        with pytest.raises(sa.exc.DBAPIError, match="class quota"):
            session.flush()
        session.rollback()


def test_nothing_is_withdrawn_from_a_merged_run_but_by_staff(yard: Yard) -> None:
    run = yard.dated()
    made = [yard.book(who, run).json["id"] for who in ("a", "b")]
    with writing() as session:
        session.scalars(sa.select(Occurrence)).one().closes_at = utcnow() - HOUR
    refused = yard.call("a", "POST", f"/bookings/{made[0]}/cancel")
    assert broken(refused) == {"withdrawal_closed": "occurrence_id"}
    shown = yard.browser("a").get(f"/bookings/{made[0]}").text
    assert "what is in it stays" in shown
    assert "Cancel the booking" not in shown
    staff = yard.call("operator", "POST", f"/bookings/{made[0]}/cancel")
    assert (staff.status_code, staff.json["state"]) == (200, "cancelled")


def test_staff_date_change_and_call_off_by_the_page(yard: Yard) -> None:
    page = yard.browser("operator")
    code = yard.shuttle.code
    assert "Date runs and change them" in page.get(f"/resources/{code}").text
    body = yard.body()
    form = {n: str(body[n])[:16] for n in ("starts_at", "ends_at", "closes_at")} | {
        "code": "MPW-9",
        "capacity": "100",
        "min_fill": "20",
        "quotas.SME": "50",
        "phases.out": "2099-01-01",
    }
    there = f"/resources/{code}/runs"
    for wrong in ({"capacity": ""}, {"starts_at": "x"}, {"code": "?"}, {"min_fill": "101"}):
        answer = page.post(there, form | wrong)
        assert answer.status_code == 422
        assert "is-invalid" in answer.text
    assert page.post(there, form).status_code == 302
    assert "MPW-9" in page.get(there).text
    with writing() as session:
        run = session.scalars(sa.select(Occurrence)).one()
        assert (run.quotas, run.min_fill) == ({"SME": 50}, 20)
    shown = page.get(f"/runs/{run.public_id}").text
    assert "Nobody has booked it." in shown
    assert 'value="2099-01-01"' in shown
    changed = form | {"capacity": "90", "version": "1"}
    assert page.post(f"/runs/{run.public_id}", changed).status_code == 302
    assert page.post(f"/runs/{run.public_id}", changed).status_code == 302
    assert "Somebody else has changed it" in page.get(f"/runs/{run.public_id}").text
    off = f"/runs/{run.public_id}/call-off"
    assert page.post(off, {"reason": ""}).status_code == 422
    assert page.post(off, {"reason": "too few"}).status_code == 302
    shown = page.get(f"/runs/{run.public_id}").text
    assert "called off" in shown
    assert "Change it" not in shown
    assert "called off" in yard.browser("a").get(f"/resources/{code}").text


def test_a_called_off_run_is_offered_to_nobody(yard: Yard) -> None:
    run = yard.dated()
    place = f"/bookings/new?resource={yard.shuttle.public_id}"
    assert "MPW-1" in yard.browser("a").get(place).text
    path = f"/occurrences/{run['id']}/call-off"
    assert yard.call("operator", "POST", path, json={"reason": "x"}).status_code == 200
    assert "MPW-1" not in yard.browser("a").get(place).text
