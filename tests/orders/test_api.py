"""Orders by program: handed in, read, amended, withdrawn, and everything that is refused."""

import json
from datetime import timedelta
from itertools import product
from uuid import uuid4

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from platform_booking.accounts.models import Project
from platform_booking.catalog.models import Resource
from platform_booking.db import db
from platform_booking.orders.models import Order, Step
from platform_booking.orders.states import OrderState, StepState, order_state
from platform_booking.web.models import IdempotencyKey
from tests.bookings.callers import Program, make_token
from tests.factories import (
    add_step,
    make_booking,
    make_member,
    make_operator,
    make_order,
    make_organisation,
    make_park_admin,
    make_platform,
    make_project,
    make_resource,
    writing,
)
from tests.orders.asked import make_route
from tests.planning.nights import book_step

START = "2027-03-08T08:00:00+08:00"
END = "2027-03-12T08:00:00+08:00"


@pytest.fixture(autouse=True)
def _before_that_monday(time_machine) -> None:
    """Let it be the Friday before: the calls ask the clock."""
    time_machine.move_to("2027-03-05T00:00:00+00:00", tick=True)


@pytest.fixture
def park(app: Flask, client: FlaskClient):
    class Park:
        pass

    p = Park()
    with writing() as session:
        p.platform = make_platform(session)
        p.etcher = make_resource(
            session, capabilities=("ETCH.DRIE",), platform_id=p.platform.id
        )
        p.elsewhere = make_resource(session, capabilities=("TEST.CP",))
        p.firm = make_organisation(session)
        p.engineer = make_member(session, organisation=p.firm)
        p.rival = make_member(session)
        p.operator = make_operator(session, p.platform)
        p.call = Program(client, make_token(session, p.engineer))
        p.rivals = Program(client, make_token(session, p.rival))
        p.operators = Program(client, make_token(session, p.operator))
        p.parks = Program(client, make_token(session, make_park_admin(session)))
        p.readers = Program(client, make_token(session, p.engineer, scopes=("read",)))
    return p


def body(*steps: dict, **given) -> dict:
    steps = steps or ({"capability": "ETCH.DRIE", "duration_min": 60},)
    return {
        "title": "etch it",
        "earliest_at": START,
        "deadline_at": END,
        "steps": list(steps),
        **given,
    }


def broken(answer) -> set[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    assert answer.content_type == "application/problem+json"
    assert all(v["message"] for v in answer.json["violations"])
    return {(v["rule"], v["where"]) for v in answer.json["violations"]}


def orders() -> list[Order]:
    with writing() as session:
        found = list(session.scalars(sa.select(Order).order_by(Order.id)))
        for order in found:
            _ = order.steps
        return found


def handed_in(park, **given):
    answer = park.call("POST", "/orders", json=body(**given))
    assert answer.status_code == 201, answer.text
    return answer


def test_an_order_is_handed_in_and_answered_with_its_earliest_date(park) -> None:
    answer = handed_in(park)
    (order,) = orders()
    assert answer.headers["Location"] == f"/api/v1/orders/{order.public_id}"
    assert answer.headers["ETag"] == '"1"'
    found = answer.json
    assert found["id"] == str(order.public_id)
    assert found["state"] == "submitted"
    assert found["earliest"] == {
        "starts_at": "2027-03-08T00:00:00+00:00",
        "ends_at": "2027-03-08T01:00:00+00:00",
    }
    (step,) = found["steps"]
    assert step["resources"] == [park.etcher.code]
    assert step["state"] == "waiting"
    again = park.call("GET", f"/orders/{order.public_id}")
    assert again.json == {k: v for k, v in found.items() if k != "earliest"}
    assert again.headers["ETag"] == '"1"'


def test_a_whole_route_is_handed_in_by_its_code(park) -> None:
    with writing() as session:
        make_route(
            session,
            {"capability": "ETCH.DRIE", "lag_max_min": 90},
            {"capability": "TEST.CP"},
            code="RT-X",
            lot_size=3,
            class_rank=3,
        )
    answer = park.call("POST", "/orders", json=body(route="RT-X") | {"steps": []})
    assert answer.status_code == 201, answer.text
    assert answer.json["route"] == "RT-X"
    assert answer.json["lot_size"] == 3
    assert [s["capability"] for s in answer.json["steps"]] == ["ETCH.DRIE", "TEST.CP"]
    assert answer.json["lags"] == [
        {"before": 0, "after": 1, "least_min": 0, "most_min": 90}
    ]


def test_what_was_asked_for_can_be_sent_back_as_it_is(park) -> None:
    window = {"starts_at": START, "ends_at": END}
    whole = body(
        {
            "capability": "ETCH.DRIE",
            "name": "深硅",
            "duration_min": 45,
            "quantity": 2,
            "wafer_mm": 150,
            "materials_class": "C3",
            "resources": [park.etcher.code],
            "windows": [window],
        },
        {"capability": "TEST.CP", "lag_min_min": 5, "lag_max_min": 600},
        due_at=END,
        lot_size=2,
        wafer_mm=150,
        materials_class="C3",
        note="careful",
    )
    first = park.call("POST", "/orders", json=whole)
    assert first.status_code == 201, first.text
    second = park.call(
        "PUT",
        first.headers["Location"].removeprefix("/api/v1"),
        json=first.json["asked"],
        headers={"If-Match": first.headers["ETag"]},
    )
    assert second.status_code == 200, second.text
    assert second.headers["ETag"] == '"2"'
    assert second.json["asked"] == first.json["asked"]
    shape = ("name", "capability", "duration_min", "quantity", "resources", "windows")
    assert [[s[k] for k in shape] for s in second.json["steps"]] == [
        [s[k] for k in shape] for s in first.json["steps"]
    ]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (body({"capability": "ETCH.DIRE"}), {("unknown_capability", "steps[0].capability")}),
        (
            body({"capability": "ETCH.DRIE", "duration_min": 60,
                  "windows": [{"starts_at": START, "ends_at": "2027-03-08T08:59:00+08:00"}]}),
            {("window_too_short", "steps[0].windows[0]")},
        ),
        (
            body({"capability": "ETCH.DRIE", "duration_min": 61}, deadline_at="2027-03-08T09:00:00+08:00"),
            {("window_too_short", "deadline_at")},
        ),
        (
            body({"capability": "ETCH.DRIE"}, wafer_mm=300),
            {("no_resource_size", "wafer_mm")},
        ),
        (body(earliest_at="2027-03-08T08:00:00"), {("invalid", "earliest_at")}),
        (body(earliest_at="0001-01-01T00:00:00+14:00"), {("invalid", "earliest_at")}),
        (body(earliest_at="0001-01-02T00:00:00+00:00"), {("past", "earliest_at")}),
        (body(deadline_at="9999-12-31T23:59:59+00:00"), {("too_far", "deadline_at")}),
        (body(deadline_at="9999-12-31T23:59:59-14:00"), {("invalid", "deadline_at")}),
        (body(title="a\x00b"), {("invalid", "title")}),
        (body(title="\ud800"), {("invalid", "title")}),
        (body(title=7), {("invalid", "title")}),
        (body(flags="AU"), {("invalid", "flags")}),
        (body(project_id="mine"), {("invalid", "project_id")}),
        (body(project_id=str(uuid4())), {("unknown_project", "project_id")}),
        (body({"capability": "ETCH.DRIE", "quantity": 10**40}), {("quantity", "steps[0].quantity")}),
        (body({"capability": "ETCH.DRIE", "duration_min": 10**40}), {("duration", "steps[0].duration_min")}),
        (body({"capability": "ETCH.DRIE", "duration_min": 1.5}), {("invalid", "steps[0].duration_min")}),
        (body({"capability": "ETCH.DRIE", "duration_min": True}), {("invalid", "steps[0].duration_min")}),
        (body(lot_size=10**40), {("lot_size", "lot_size")}),
        (body(wafer_mm=10**40), {("wafer_size", "wafer_mm"), ("no_resource_size", "wafer_mm")}),
        (body(state="booked", priority_class="KEY"), {("invalid", "state"), ("invalid", "priority_class")}),
        (body({"capability": "ETCH.DRIE", "organisation_id": 1}), {("invalid", "steps[0].organisation_id")}),
        ({}, {("invalid", "title"), ("invalid", "earliest_at"), ("invalid", "deadline_at")}),
    ],
)  # fmt: skip
def test_bad_input_names_its_field_and_leaves_nothing(park, sent, expected) -> None:
    with writing() as session:
        session.get_one(Resource, park.etcher.id).wafer_mm = [150]
    assert broken(park.call("POST", "/orders", json=sent)) == expected
    checked = park.call("POST", "/orders/check", json=sent)
    if checked.status_code == 200:  # what the rules refuse, a dry run lists
        found = {(v["rule"], v["where"]) for v in checked.json["violations"]}
        assert (found, checked.json["earliest"]) == (expected, None)
    else:
        assert broken(checked) == expected
    assert orders() == []


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_numbers_that_are_none_are_refused(park, number: str) -> None:
    text = json.dumps(body()).replace('"duration_min": 60', f'"duration_min": {number}')
    answer = park.call("POST", "/orders", data=text, content_type="application/json")
    assert broken(answer) == {("invalid", "steps[0].duration_min")}
    assert orders() == []


@pytest.mark.parametrize(
    "text", ["{", "nonsense", '{"title": "a",}', "\xff", "9" * 5000, "[" * 200_000]
)
def test_what_is_not_json_is_answered_with_400(park, text: str) -> None:
    answer = park.call(
        "POST", "/orders", data=text.encode("latin-1"), content_type="application/json"
    )
    assert answer.status_code == 400, answer.text
    assert answer.content_type == "application/problem+json"
    assert answer.json["code"] == "malformed"


@pytest.mark.parametrize("text", ["", "[]", "7", "null", '"text"'])
def test_json_that_is_no_object_is_refused(park, text: str) -> None:
    answer = park.call("POST", "/orders", data=text, content_type="application/json")
    assert answer.status_code == 422, answer.text


def test_a_dry_run_writes_nothing_and_says_when(park) -> None:
    answer = park.call("POST", "/orders/check", json=body())
    assert answer.status_code == 200
    assert answer.json["violations"] == []
    assert answer.json["earliest"]["ends_at"] == "2027-03-08T01:00:00+00:00"
    assert orders() == []


def test_an_amendment_needs_the_version_that_it_was_made_from(park) -> None:
    first = handed_in(park)
    path = f"/orders/{first.json['id']}"
    new = body(title="changed")
    without = park.call("PUT", path, json=new)
    assert (without.status_code, without.json["code"]) == (428, "if_match_required")
    assert without.json["violations"][0]["where"] == "If-Match"
    answer = park.call("PUT", path, json=new, headers={"If-Match": '"1"'})
    assert answer.status_code == 200, answer.text
    assert (answer.json["title"], answer.headers["ETag"]) == ("changed", '"2"')
    assert answer.json["earliest"]["starts_at"] == "2027-03-08T00:00:00+00:00"
    for stale in ('"1"', '"999"', '"x"', 'W/"1"'):
        answer = park.call(
            "PUT", path, json=body(title="late"), headers={"If-Match": stale}
        )
        assert answer.status_code == 412, stale
    assert [o.title for o in orders()] == ["changed"]
    whatever = park.call("PUT", path, json=body(title="any"), headers={"If-Match": "*"})
    assert (whatever.status_code, whatever.headers["ETag"]) == (200, '"3"')


def test_a_booked_order_is_not_amended_and_says_why(park) -> None:
    first = handed_in(park)
    with writing() as session:
        session.execute(sa.update(Step).values(state=StepState.BOOKED))
    path = f"/orders/{first.json['id']}"
    answer = park.call("PUT", f"{path}?lang=en", json=body(), headers={"If-Match": '"1"'})
    assert (answer.status_code, answer.json["code"]) == (422, "illegal_move")
    assert "withdraw" in answer.json["violations"][0]["message"]


def test_an_order_is_withdrawn(park) -> None:
    path = f"/orders/{handed_in(park).json['id']}"
    stale = park.call("POST", f"{path}/withdraw", headers={"If-Match": '"9"'})
    assert stale.status_code == 412
    answer = park.call("POST", f"{path}/withdraw", headers={"If-Match": "*"})
    assert (answer.status_code, answer.json["state"]) == (200, "withdrawn")
    again = park.call("POST", f"{path}/withdraw?lang=en")
    assert (again.status_code, again.json["code"]) == (422, "illegal_move")
    assert (
        "withdrawn already; there is nothing left" in again.json["violations"][0]["message"]
    )


def test_a_foreign_order_is_as_absent_as_an_unknown_one(park) -> None:
    mine = f"/orders/{handed_in(park).json['id']}"
    with_version = {"json": body(), "headers": {"If-Match": '"1"'}}
    for method, tail, more in (
        ("GET", "", {}),
        ("PUT", "", with_version),
        ("POST", "/withdraw", {}),
    ):
        foreign = park.rivals(method, mine + tail, **more)
        absent = park.rivals(method, f"/orders/{uuid4()}{tail}", **more)
        assert foreign.status_code == absent.status_code == 404
        assert foreign.json == absent.json
    assert [o.state for o in orders()] == [OrderState.SUBMITTED]


def test_a_project_of_another_firm_is_unknown(park) -> None:
    with writing() as session:
        foreign = make_project(session, make_organisation(session))
    answer = park.call("POST", "/orders", json=body(project_id=str(foreign.public_id)))
    assert broken(answer) == {("unknown_project", "project_id")}


def test_who_may_not_hand_in_is_told_so(park) -> None:
    assert park.operators("POST", "/orders", json=body()).status_code == 403
    assert park.parks("POST", "/orders", json=body()).status_code == 403
    assert park.readers("POST", "/orders", json=body()).status_code == 403
    assert park.readers("POST", "/orders/check", json=body()).status_code == 200


def test_a_repeated_key_gets_the_first_answer_and_makes_one_order(park) -> None:
    key = {"Idempotency-Key": "k1"}
    first = park.call("POST", "/orders", json=body(), headers=key)
    second = park.call("POST", "/orders", json=body(), headers=key)
    assert (second.status_code, second.json) == (201, first.json)
    assert second.headers["Location"] == first.headers["Location"]
    other = park.call("POST", "/orders", json=body(title="other"), headers=key)
    assert broken(other) == {("idempotency_key_reused", "Idempotency-Key")}
    assert len(orders()) == 1


def test_a_refused_order_does_not_use_its_key_up(park) -> None:
    key = {"Idempotency-Key": "k1"}
    refused = park.call("POST", "/orders", json=body(title=""), headers=key)
    assert refused.status_code == 422
    with writing() as session:
        assert session.scalars(sa.select(IdempotencyKey)).all() == []
    assert park.call("POST", "/orders", json=body(), headers=key).status_code == 201


def test_an_operator_sees_what_touches_his_platform_and_no_more(park) -> None:
    with writing() as session:
        project = Project(
            organisation_id=park.firm.id, code="P", name="SECRET-PROJECT", active=True
        )
        session.add(project)
        session.flush()
    secret = {"capability": "TEST.CP", "name": "SECRET-STEP"}
    made = park.call(
        "POST",
        "/orders",
        json=body(
            {"capability": "ETCH.DRIE", "name": "open step"},
            secret,
            project_id=str(project.public_id),
        ),
    )
    assert made.status_code == 201, made.text
    answer = park.operators("GET", f"/orders/{made.json['id']}")
    assert answer.status_code == 200
    assert [s["name"] for s in answer.json["steps"]] == ["open step"]
    assert "SECRET" not in answer.text
    assert park.elsewhere.code not in answer.text
    assert (answer.json["asked"], answer.json["lags"]) == ({}, [])
    assert (answer.json["project_id"], answer.json["route"]) == (None, None)
    listed = park.operators("GET", "/orders").json
    assert (listed["total"], listed["items"][0]["steps"]) == (1, 1)
    assert park.parks("GET", "/orders").json["items"][0]["steps"] == 2
    with writing() as session:
        other = make_operator(session, make_platform(session))
        calling = Program(park.call.client, make_token(session, other))
    assert calling("GET", "/orders").json["total"] == 0
    assert calling("GET", f"/orders/{made.json['id']}").status_code == 404


def test_the_list_comes_in_pages_with_filters(park) -> None:
    for n in range(5):
        handed_in(park, title=f"order {n}")
    park.call("POST", f"/orders/{orders()[0].public_id}/withdraw")
    answer = park.call("GET", "/orders?limit=2")
    assert answer.json["total"] == 5
    assert [o["title"] for o in answer.json["items"]] == ["order 4", "order 3"]
    following = park.call("GET", answer.json["next"].removeprefix("/api/v1"))
    assert [o["title"] for o in following.json["items"]] == ["order 2", "order 1"]
    withdrawn = park.call("GET", "/orders?state=withdrawn").json
    assert [o["title"] for o in withdrawn["items"]] == ["order 0"]
    assert park.call("GET", "/orders?state=submitted").json["total"] == 4
    here, nowhere = park.platform.code, "NOWHERE"
    assert park.call("GET", f"/orders?platform={here}").json["total"] == 5
    assert park.call("GET", f"/orders?platform={nowhere}").json["total"] == 0
    assert park.rivals("GET", "/orders").json["total"] == 0
    for bad in ("state=lost", "limit=0", "offset=-1", "platform=%00"):
        assert park.call("GET", f"/orders?{bad}").status_code == 422, bad


def test_a_line_tells_the_next_step_and_when_it_is_booked(park) -> None:
    handed_in(
        park, steps=[{"capability": "ETCH.DRIE"}, {"capability": "ETCH.DRIE", "name": "2"}]
    )
    starts_at = orders()[0].earliest_at + timedelta(hours=5)
    with writing() as session:
        first, second = session.scalars(sa.select(Step).order_by(Step.position)).all()
        first.state = StepState.DONE
        booked = book_step(session, second, park.etcher, starts_at=starts_at)
    (line,) = park.call("GET", "/orders").json["items"]
    assert (line["state"], line["steps"], line["settled"]) == ("running", 2, 1)
    assert (line["next_step"], line["next_at"]) == ("2", booked.starts_at.isoformat())
    detail = park.call("GET", f"/orders/{line['id']}").json
    assert detail["steps"][1]["bookings"][0]["resource"] == park.etcher.code


def test_the_list_derives_the_same_states_as_the_table(park) -> None:
    """Every pair of step states, and every stored state, against `order_state`."""
    expected = {}
    with writing() as session:
        for pair in product(StepState, repeat=2):
            order = make_order(session, resource=park.etcher, member=park.engineer)
            add_step(session, order, resource=park.etcher)
            for step, state in zip(order.steps, pair, strict=True):
                step.state = state
            expected[str(order.public_id)] = order_state(OrderState.SUBMITTED, pair)
        for stored in (OrderState.WITHDRAWN, OrderState.EXPIRED, OrderState.DRAFT):
            order = make_order(
                session, resource=park.etcher, member=park.engineer, state=stored
            )
            expected[str(order.public_id)] = stored
    listed = park.call("GET", "/orders?limit=200").json["items"]
    assert {o["id"]: o["state"] for o in listed} == expected
    for state in OrderState:
        found = park.call("GET", f"/orders?limit=200&state={state}").json["items"]
        assert {o["id"] for o in found} == {k for k, v in expected.items() if v == state}


def test_a_list_takes_a_bounded_number_of_statements(park) -> None:
    def statements(path: str) -> int:
        seen: list[str] = []

        def count(_c, _cursor, statement, *_more) -> None:
            seen.append(statement)

        sa.event.listen(db.engines[None], "before_cursor_execute", count)
        assert park.call("GET", path).status_code == 200
        sa.event.remove(db.engines[None], "before_cursor_execute", count)
        return len(seen)

    one = handed_in(park).json["id"]
    few = statements("/orders?limit=200"), statements(f"/orders/{one}")
    long = [{"capability": "ETCH.DRIE"}] * 8
    for n in range(30):
        last = handed_in(park, title=f"order {n}", steps=long).json["id"]
    with writing() as session:
        make_booking(session, resource=park.etcher, organisation=park.firm)
    many = statements("/orders?limit=200"), statements(f"/orders/{last}")
    assert many == few
    assert max(many) <= 12  # three or four of them say who asks
