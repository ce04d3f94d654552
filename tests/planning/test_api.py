"""`/api/v1/plans`: the same by program, every refusal with its rule, field and sentence."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking.accounts.models import Organisation
from platform_booking.catalog.models import Capability
from platform_booking.clock import utcnow
from platform_booking.orders.models import Step
from platform_booking.planning.models import JobRequest, LeftOut, Plan
from platform_booking.planning.states import PlanState
from tests.bookings.callers import Program, make_token
from tests.factories import (
    MONDAY,
    make_member,
    make_operator,
    make_order,
    make_park_admin,
    make_platform,
    make_resource,
    writing,
)
from tests.planning.nights import HOUR, ZONE, approve_all, book_step, run_night
from tests.visitor import Visitor

CANARY = "CANARY"


class Called:
    """A plan on two platforms, and programs that act for its operators and others."""

    def __init__(self, app: Flask, client: Visitor) -> None:
        with writing() as session:
            self.mine, self.other = (make_platform(session) for _ in range(2))
            tool = make_resource(session, platform_id=self.mine.id)
            far = make_resource(session, platform_id=self.other.id)
            self.new = make_order(session, resource=tool, deadline_at=MONDAY + HOUR)
            self.left = make_order(
                session,
                resource=tool,
                deadline_at=MONDAY + HOUR,
                submitted_at=MONDAY - timedelta(days=9),
            )
            self.kept = make_order(session, resource=tool)
            book_step(session, self.kept.steps[0], tool, starts_at=MONDAY + 5 * HOUR)
            make_order(session, resource=far, title=CANARY)
            members = {
                "operator": make_operator(session, self.mine),
                "stranger": make_operator(session, make_platform(session)),
                "park": make_park_admin(session),
                "engineer": make_member(session),
            }
            self.calls = {
                name: Program(client, make_token(session, member))
                for name, member in members.items()
            }
            self.reading = Program(
                client, make_token(session, members["operator"], scopes=("read",))
            )
        outcome = run_night(app)
        self.row_id, self.id = outcome.plan_id, str(outcome.public_id)

    def __call__(self, method: str, path: str = "", *, by: str = "operator", **more):
        return self.calls[by](method, f"/plans/{self.id}{path}", **more)


@pytest.fixture
def plan(app: Flask, client: Visitor) -> Called:
    return Called(app, client)


def requests() -> list[JobRequest]:
    with writing() as session:
        return list(session.scalars(sa.select(JobRequest)))


def refused(answer) -> list[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    assert answer.content_type == "application/problem+json"
    assert all(v["message"] for v in answer.json["violations"])
    return [(v["rule"], v["where"]) for v in answer.json["violations"]]


# Reading


def test_a_plan_as_a_program_reads_it(plan: Called) -> None:
    found = plan("GET").json
    assert found["id"] == plan.id
    assert (found["state"], found["night"]) == ("draft", "2027-03-07")
    assert (found["asked"], found["placed"]) == (4, 3)
    assert found["value"] <= found["bound"]
    assert found["counts"] == {"new": 1, "moved": 0, "kept": 1, "left_out": 1}
    assert [(a["platform"], a["state"]) for a in found["approvals"]] == [
        (plan.mine.code, "pending"),
        (plan.other.code, "pending"),
    ]
    (listed,) = plan.calls["operator"]("GET", "/plans").json["items"]
    assert listed["id"] == plan.id


def test_placements_of_ones_platforms_and_no_others(plan: Called) -> None:
    answer = plan("GET", "/placements")
    assert CANARY not in answer.text
    assert answer.json["total"] == 2
    assert {(p["order"], p["change"]) for p in answer.json["items"]} == {
        (str(plan.new.public_id), "new"),
        (str(plan.kept.public_id), "kept"),
    }
    new = plan("GET", "/placements?change=new").json["items"]
    assert [p["starts_at"] for p in new] == ["2027-03-08T00:00:00+00:00"]
    assert CANARY in plan("GET", "/placements", by="park").text
    assert plan("GET", "/placements", by="stranger").json["items"] == []


def test_the_left_out_with_reasons_and_ways_out_and_no_row_ids(plan: Called) -> None:
    (left,) = plan("GET", "/left-out").json["items"]
    assert left["order"] == str(plan.left.public_id)
    assert left["cause"] == "full"
    assert left["blocked"][0] == {
        "resource": left["blocked"][0]["resource"],
        "from": "2027-03-08T00:00:00+00:00",
        "to": "2027-03-08T01:00:00+00:00",
        "occupant": "placement",
    }
    assert left["ways_out"][0]["relaxation"] == "later_deadline"
    assert left["ways_out"][0]["minutes"] == 60
    assert {way["step"] for way in left["ways_out"]} <= {None, plan.left.steps[0].name}


def test_how_an_order_was_overtaken_is_a_word(plan: Called) -> None:
    with writing() as session:
        row = session.scalars(sa.select(LeftOut)).one()
        row.cause, row.detail, row.ways_out = "overtaken", {"why": "outage"}, []
    (left,) = plan("GET", "/left-out").json["items"]
    assert (left["cause"], left["why"], left["blocked"]) == ("overtaken", "outage", [])


def test_names_in_a_plan_are_in_the_language_asked_for(plan: Called) -> None:
    with writing() as session:
        for given in (plan.new, plan.left):
            step = session.get_one(Step, given.steps[0].id)
            one = session.get_one(Capability, step.capability_id)
            one.name_zh, one.name_en = "刻蚀", "Etching"
            step.name = one.name_zh
            firm = session.get_one(Organisation, given.organisation_id)
            firm.name_zh, firm.name_en = f"晶芯{firm.id}", f"Crystal {firm.id}"
        row = session.scalars(sa.select(LeftOut)).one()
        row.ways_out = [{**row.ways_out[0], "step": plan.left.steps[0].id}]
    for language, name, firm in (("en", "Etching", "Crystal"), ("zh", "刻蚀", "晶芯")):
        headers = {"Accept-Language": language}
        (new,) = plan("GET", "/placements?change=new", headers=headers).json["items"]
        (left,) = plan("GET", "/left-out", headers=headers).json["items"]
        assert (new["step"], left["ways_out"][0]["step"]) == (name, name)
        assert new["organisation"].startswith(firm)
        assert left["organisation"].startswith(firm)


def test_lists_come_in_pages(plan: Called) -> None:
    first = plan("GET", "/placements?limit=1", by="park").json
    assert (len(first["items"]), first["total"]) == (1, 3)
    assert first["next"].endswith("limit=1&offset=1")
    last = plan("GET", "/placements?limit=1&offset=2", by="park").json
    assert (len(last["items"]), last["next"]) == (1, None)


def test_a_bad_query_names_its_field(plan: Called) -> None:
    for query, field in (
        ("limit=0", "limit"),
        ("limit=x", "limit"),
        ("offset=-1", "offset"),
        ("offset=99999999999999999999", "offset"),
        ("change=sideways", "change"),
    ):
        assert refused(plan("GET", f"/placements?{query}")) == [("invalid", field)]


# Asking for a night


def ask(plan: Called, body: object, *, by: str = "operator", **more):
    return plan.calls[by]("POST", "/plans", json=body, **more)


def test_a_night_is_asked_for_and_followed(plan: Called) -> None:
    tonight = utcnow().astimezone(ZONE).date().isoformat()
    asked = ask(plan, {"night": tonight})
    assert asked.status_code == 202
    path = f"/plans/requests/{asked.json['id']}"
    assert plan.calls["operator"]("GET", path).json["state"] == "waiting"
    for changed, state in (
        ({"taken_at": utcnow()}, "running"),
        ({"finished_at": utcnow(), "outcome": "3 of 4 placed"}, "done"),
        ({"failed": True, "outcome": "night_failed"}, "failed"),
    ):
        with writing() as session:
            row = session.scalars(sa.select(JobRequest)).one()
            for name, value in changed.items():
                setattr(row, name, value)
        told = plan.calls["operator"]("GET", path).json
        assert (told["state"], told["job"]) == (state, "night")
    assert told["outcome"] == "night_failed"


def test_a_night_asked_for_twice_is_running_already(plan: Called) -> None:
    tonight = utcnow().astimezone(ZONE).date().isoformat()
    assert ask(plan, {"night": tonight}).status_code == 202
    again = ask(plan, {"night": tonight}, by="park")
    assert (again.status_code, again.json["code"]) == (409, "night_running")
    assert again.json["title"]
    (told,) = again.json["violations"]
    assert told["where"] == "night"
    assert "/plans" in told["message"]
    assert len(requests()) == 1


def test_a_retry_with_its_key_gets_the_first_answer(plan: Called) -> None:
    tonight = utcnow().astimezone(ZONE).date().isoformat()
    key = {"Idempotency-Key": "one"}
    answers = [ask(plan, {"night": tonight}, headers=key) for _ in range(2)]
    assert [a.status_code for a in answers] == [202, 202]
    assert answers[0].json == answers[1].json
    assert len(requests()) == 1


def test_a_night_that_is_over_or_far_or_no_date_is_refused_by_name(plan: Called) -> None:
    for body, rule in (
        ({"night": "2020-01-01"}, "night_is_past"),
        ({"night": "0001-01-01"}, "night_is_past"),
        ({"night": "9999-12-31"}, "night_is_far"),
        ({"night": "2027-02-30"}, "invalid"),
        ({"night": 7}, "invalid"),
        ({"night": None}, "invalid"),
        ({}, "invalid"),
    ):
        assert refused(ask(plan, body)) == [(rule, "night")]
    assert refused(ask(plan, {"night": "2020-01-01", "more": 1})) == [("invalid", "more")]
    broken = plan.calls["operator"](
        "POST", "/plans", data="{", headers={"Content-Type": "application/json"}
    )
    assert (broken.status_code, broken.json["code"]) == (400, "malformed")
    assert requests() == []


def test_a_published_night_is_refused_by_name(plan: Called) -> None:
    tonight = utcnow().astimezone(ZONE).date()
    with writing() as session:
        row = session.get_one(Plan, plan.row_id)
        row.night, row.state = tonight, PlanState.PUBLISHED
    assert refused(ask(plan, {"night": tonight.isoformat()})) == [
        ("night_is_published", "night")
    ]


# Deciding and publishing


def test_approving_and_publishing_by_program(plan: Called) -> None:
    assert plan("POST", "/publish").status_code == 422
    decided = plan("POST", "/approve", json={"note": "好"})
    assert (decided.status_code, decided.json) == (200, {"decided": 1})
    said = {a["platform"]: a for a in plan("GET").json["approvals"]}
    assert (said[plan.mine.code]["state"], said[plan.mine.code]["note"]) == (
        "approved",
        "好",
    )
    assert said[plan.other.code]["state"] == "pending"
    assert plan("POST", "/publish").status_code == 202
    assert refused(plan("POST", "/publish")) == [("publication_asked", "")]
    assert len(requests()) == 1


def test_rejecting_by_program_for_named_platforms(plan: Called) -> None:
    body = {"platforms": [plan.other.code]}
    assert plan("POST", "/reject", by="park", json=body).json == {"decided": 1}
    said = {a["platform"]: a["state"] for a in plan("GET").json["approvals"]}
    assert said == {plan.mine.code: "pending", plan.other.code: "rejected"}


def test_the_park_must_say_for_whom_it_decides(plan: Called) -> None:
    for act in ("/approve?lang=en", "/reject?lang=en"):
        answer = plan("POST", act, by="park", json={})
        assert refused(answer) == [("platforms_unnamed", "platforms")]
        told = answer.json["violations"][0]["message"]
        assert f"Pending are {plan.mine.code}, {plan.other.code}." in told
    assert plan("POST", "/approve", json={}).json == {"decided": 1}
    left = plan("POST", "/approve?lang=en", by="park", json={})
    assert f"Pending are {plan.other.code}." in left.json["violations"][0]["message"]
    named = {"platforms": [plan.other.code]}
    assert plan("POST", "/approve", by="park", json=named).json == {"decided": 1}
    done = plan("POST", "/approve", by="park", json={})
    assert refused(done) == [("decided", "platforms")]


def test_platforms_of_others_beside_ones_own_are_named_and_nothing_decided(
    plan: Called,
) -> None:
    both = {"platforms": [plan.mine.code, plan.other.code]}
    answer = plan("POST", "/approve?lang=en", json=both)
    assert refused(answer) == [("not_operated", "platforms")]
    told = answer.json["violations"][0]["message"]
    assert plan.other.code in told
    assert plan.mine.code not in told
    assert {a["state"] for a in plan("GET").json["approvals"]} == {"pending"}


def test_what_cannot_be_decided_is_refused_by_name(plan: Called) -> None:
    assert plan("POST", "/approve", json={}).status_code == 200
    assert refused(plan("POST", "/approve", json={})) == [("decided", "platforms")]
    unknown = plan("POST", "/reject", json={"platforms": ["NOWHERE"]})
    assert refused(unknown) == [("unknown_platform", "platforms")]
    assert "NOWHERE" in unknown.json["violations"][0]["message"]
    for body in (
        {"platforms": []},
        {"platforms": "x"},
        {"note": "x" * 501},
        {"note": "\x00"},
        {"verdict": "approve"},
    ):
        assert refused(plan("POST", "/reject", json=body))


def test_who_operates_none_of_its_platforms_may_only_look(plan: Called) -> None:
    mine = {"platforms": [plan.mine.code]}
    for answer in (
        plan("POST", "/approve", by="stranger", json=mine),
        plan("POST", "/reject", by="stranger", json=mine),
        plan("POST", "/publish", by="stranger"),
        plan("POST", "/approve", by="engineer", json={}),
        plan("GET", by="engineer"),
        plan("GET", "/left-out", by="engineer"),
    ):
        assert (answer.status_code, answer.json["code"]) == (403, "forbidden")
    for answer in (
        plan.reading("POST", f"/plans/{plan.id}/approve", json={}),
        plan.reading("POST", "/plans", json={"night": "2027-03-07"}),
    ):
        assert (answer.status_code, answer.json["code"]) == (403, "scope_missing")
    assert plan.reading("GET", f"/plans/{plan.id}").status_code == 200
    assert requests() == []


def test_a_plan_that_is_not_there_is_not_found(plan: Called) -> None:
    gone = replace(plan.calls["park"])
    paths = [f"/plans/{uuid4()}{rest}" for rest in ("", "/placements", "/left-out")]
    answers = [gone("GET", path) for path in [*paths, f"/plans/requests/{uuid4()}"]]
    answers += [gone("POST", f"{paths[0]}/{act}", json={}) for act in ("approve", "reject")]
    answers.append(gone("POST", f"{paths[0]}/publish"))
    assert {(a.status_code, a.json["code"]) for a in answers} == {(404, "not_found")}


def test_a_published_plan_is_closed(plan: Called) -> None:
    approve_all(plan.row_id)
    with writing() as session:
        session.get_one(Plan, plan.row_id).state = PlanState.PUBLISHED
    for path, body in (("/approve", {}), ("/reject", {}), ("/publish", None)):
        answer = plan("POST", path, by="park", json=body)
        assert refused(answer) == [("plan_is_closed", "")]
