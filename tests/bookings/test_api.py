"""Bookings by program: made, read, moved, cancelled, and everything that is refused."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from platform_booking.accounts.models import Organisation
from platform_booking.audit import AuditEntry
from platform_booking.bookings.models import Booking, Source
from platform_booking.bookings.states import BookingState
from platform_booking.catalog.models import Outage, OutageKind
from platform_booking.db import db
from platform_booking.notices.models import Notice
from tests.bookings.callers import Program, make_token
from tests.factories import (
    MONDAY,
    make_booking,
    make_member,
    make_occurrence,
    make_operator,
    make_organisation,
    make_park_admin,
    make_platform,
    make_project,
    make_recipe,
    make_resource,
    writing,
)

HOUR = timedelta(hours=1)


def iso(moment: datetime) -> str:
    return moment.isoformat()


def slot(resource, *, at=MONDAY, hours=1, **more) -> dict:
    return {
        "resource_id": str(resource.public_id),
        "starts_at": iso(at),
        "ends_at": iso(at + hours * HOUR),
        **more,
    }


def calling(client: FlaskClient, session, member) -> Program:
    return Program(client, make_token(session, member))


def rules_of(answer) -> set[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    return {(v["rule"], v["where"]) for v in answer.json["violations"]}


READ = {"If-Match": '"1"'}


def rows(table=Booking) -> list:
    with writing() as session:
        return list(session.scalars(sa.select(table).order_by(table.id)))


@pytest.fixture
def world(app: Flask, client: FlaskClient):
    """An etcher and two firms, each with a program that calls for it."""

    class World:
        pass

    w = World()
    with writing() as session:
        w.platform = make_platform(session)
        w.etcher = make_resource(session, platform_id=w.platform.id)
        w.firm = make_organisation(session)
        w.engineer = make_member(session, organisation=w.firm)
        w.rival = make_member(session)
        w.call = calling(client, session, w.engineer)
        w.rivals = calling(client, session, w.rival)
        w.operator = make_operator(session, w.platform)
        w.staff = calling(client, session, w.operator)
        w.park = calling(client, session, make_park_admin(session))
    return w


def test_a_free_slot_becomes_a_booking(world) -> None:
    answer = world.call("POST", "/bookings", json=slot(world.etcher))
    assert answer.status_code == 201, answer.text
    made = answer.json
    assert answer.headers["Location"] == f"/api/v1/bookings/{made['id']}"
    assert answer.headers["ETag"] == '"1"'
    assert made["resource"]["code"] == world.etcher.code
    assert made["state"] == "confirmed"
    assert made["source"] == "person"
    assert made["member"]["name"] == world.engineer.name
    assert (made["starts_at"], made["quantity"]) == (iso(MONDAY), 1)
    again = world.call("GET", f"/bookings/{made['id']}")
    assert again.json == made
    assert again.headers["ETag"] == '"1"'


def test_a_booking_is_in_the_audit_and_the_organisation_is_told(world) -> None:
    made = world.call("POST", "/bookings", json=slot(world.etcher)).json
    (entry,) = rows(AuditEntry)
    assert (entry.act, entry.subject) == ("booking.book", f"booking {made['id']}")
    assert entry.organisation_id == world.engineer.organisation_id
    assert entry.platform_id == world.platform.id
    (notice,) = rows(Notice)
    assert notice.kind == "booking.made"
    assert notice.organisation_id == world.engineer.organisation_id
    assert notice.payload["booking"] == made["id"]


def test_a_taken_slot_is_a_conflict_and_names_nobody(world) -> None:
    assert world.call("POST", "/bookings", json=slot(world.etcher)).status_code == 201
    answer = world.rivals(
        "POST", "/bookings", json=slot(world.etcher, at=MONDAY + HOUR / 2)
    )
    assert answer.status_code == 409
    assert answer.json["code"] == "capacity_taken"
    assert answer.content_type == "application/problem+json"
    assert world.engineer.name not in answer.text
    (told,) = answer.json["violations"]
    assert (told["rule"], told["where"]) == ("capacity_taken", "starts_at")
    assert "existing" not in answer.json
    assert len(rows()) == 1


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k-9"}])
def test_a_slot_taken_by_ones_own_firm_names_that_booking(world, headers) -> None:
    made = world.call("POST", "/bookings", json=slot(world.etcher)).json
    answer = world.call(
        "POST",
        "/bookings?lang=en",
        json=slot(world.etcher, at=MONDAY + HOUR / 2),
        headers=headers,
    )
    assert (answer.status_code, answer.json["code"]) == (409, "capacity_taken")
    assert answer.json["existing"] == made["id"]
    assert answer.json["link"] == f"/api/v1/bookings/{made['id']}"
    (told,) = answer.json["violations"]
    assert told["where"] == "starts_at"
    assert told["message"] == answer.json["title"]
    assert "Your organisation has a booking there already" in told["message"]


def test_the_same_key_books_once_and_answers_alike(world) -> None:
    with writing() as session:
        pool = make_resource(session, kind="pooled")
    key = {"Idempotency-Key": "k-1"}
    first = world.call("POST", "/bookings", json=slot(pool), headers=key)
    second = world.call("POST", "/bookings", json=slot(pool), headers=key)
    assert first.status_code == second.status_code == 201
    assert first.json == second.json
    assert second.headers["Location"] == first.headers["Location"]
    assert second.headers["ETag"] == first.headers["ETag"]
    assert len(rows()) == 1
    other = world.call("POST", "/bookings", json=slot(pool, quantity=2), headers=key)
    assert rules_of(other) == {("idempotency_key_reused", "Idempotency-Key")}


def test_a_conflict_under_a_key_leaves_nothing_and_may_be_tried_again(world) -> None:
    with writing() as session:
        blocking = make_booking(session, resource=world.etcher)
    key = {"Idempotency-Key": "k-1"}
    ask = slot(world.etcher)
    assert world.call("POST", "/bookings", json=ask, headers=key).status_code == 409
    with writing() as session:
        session.get(Booking, blocking.id).state = BookingState.CANCELLED
    assert world.call("POST", "/bookings", json=ask, headers=key).status_code == 201


def test_no_new_run_is_begun_with_a_recipe_out_of_service(world) -> None:
    with writing() as session:
        oven = make_resource(session, kind="batch")
        recipe = make_recipe(session, oven, active=False)
    answer = world.call(
        "POST", "/bookings", json=slot(oven, quantity=2, recipe_id=str(recipe.public_id))
    )
    assert answer.status_code == 422
    assert [v["where"] for v in answer.json["violations"]] == ["recipe_id"]


def test_a_load_joins_a_batch_with_its_recipe_and_an_event_takes_its_run(world) -> None:
    with writing() as session:
        oven = make_resource(session, kind="batch")
        recipe = make_recipe(session, oven, family="dry")
        shuttle = make_resource(session, kind="event")
        run = make_occurrence(session, shuttle, capacity=10)
    batch = world.call(
        "POST", "/bookings", json=slot(oven, quantity=2, recipe_id=str(recipe.public_id))
    )
    assert batch.status_code == 201
    assert batch.json["recipe"] == {"id": str(recipe.public_id), "code": recipe.code}
    event = world.call(
        "POST",
        "/bookings",
        json=slot(shuttle, hours=2, quantity=10, occurrence_id=str(run.public_id)),
    )
    assert event.status_code == 201
    assert event.json["occurrence"]["code"] == run.code
    assert rows()[0].family == "dry"


def test_a_load_tells_how_full_its_run_is_and_its_own_share_of_the_cost(world) -> None:
    with writing() as session:
        oven = make_resource(
            session, kind="batch", capacity=50, platform_id=world.platform.id
        )
        recipe = make_recipe(session, oven, min_load=25)
        others = make_booking(
            session, resource=oven, recipe_id=recipe.id, quantity=9,
            organisation=session.get_one(Organisation, world.rival.organisation_id),
        )  # fmt: skip
    asked = slot(oven, quantity=3, recipe_id=str(recipe.public_id))
    made = world.call("POST", "/bookings", json=asked).json
    assert (made["run"], made["cost_share"]) == ({"loaded": 12, "least": 25}, 0.25)
    (own,) = world.call("GET", "/bookings").json["items"]
    assert (own["run"], own["cost_share"]) == (made["run"], 0.25)
    assert world.call("GET", f"/bookings/{others.public_id}").status_code == 404
    all_ = world.staff("GET", "/bookings").json["items"]
    assert sorted(one["cost_share"] for one in all_) == [0.25, 0.75]
    table = world.call("GET", "/bookings/export?format=csv").text
    heading, row = (line.split(",") for line in table.strip().splitlines())
    told = dict(zip(heading, row, strict=True))
    assert (told["run_load"], told["cost_share"]) == ("12", "0.25")
    unary = world.call("POST", "/bookings", json=slot(world.etcher)).json
    assert (unary["run"], unary["cost_share"]) == (None, None)


def test_a_project_of_ones_own_is_kept_and_hidden_from_the_operator(world) -> None:
    with writing() as session:
        project = make_project(session, world.firm, name="CANARY")
    made = world.call(
        "POST", "/bookings", json=slot(world.etcher, project_id=str(project.public_id))
    )
    assert made.json["project"]["name"] == "CANARY"
    seen = world.staff("GET", f"/bookings/{made.json['id']}")
    assert seen.status_code == 200
    assert seen.json["project"] is None
    assert "CANARY" not in seen.text


def test_an_operator_reads_who_has_booked_on_his_platform(world) -> None:
    made = world.call("POST", "/bookings", json=slot(world.etcher)).json
    assert world.staff("GET", f"/bookings/{made['id']}").json["member"] == made["member"]


def test_an_operator_books_on_behalf_and_it_is_written_down(world) -> None:
    with writing() as session:
        firm = make_organisation(session)
    ask = slot(world.etcher, organisation_id=str(firm.public_id))
    answer = world.staff("POST", "/bookings", json=ask)
    assert answer.status_code == 201, answer.text
    assert answer.json["organisation"]["id"] == str(firm.public_id)
    (entry,) = rows(AuditEntry)
    assert (entry.member_id, entry.organisation_id) == (world.operator.id, firm.id)
    assert entry.detail["on_behalf"] is True
    (notice,) = rows(Notice)
    assert notice.organisation_id == firm.id
    assert world.park("GET", f"/bookings/{answer.json['id']}").status_code == 200


def test_an_operator_does_not_book_on_another_platform(world) -> None:
    with writing() as session:
        elsewhere, firm = make_resource(session), make_organisation(session)
    ask = slot(elsewhere, organisation_id=str(firm.public_id))
    assert world.staff("POST", "/bookings", json=ask).status_code == 403
    assert rows() == []


def test_an_operator_says_for_whom(world) -> None:
    answer = world.staff("POST", "/bookings", json=slot(world.etcher))
    assert rules_of(answer) == {("unknown_organisation", "organisation_id")}


def test_nobody_books_for_a_firm_that_is_not_his(world) -> None:
    """A foreign organisation answers exactly as one that does not exist."""
    with writing() as session:
        other = make_organisation(session)
    answers = [
        world.call("POST", "/bookings", json=slot(world.etcher, organisation_id=str(which)))
        for which in (other.public_id, uuid4())
    ]
    assert rules_of(answers[0]) == {("unknown_organisation", "organisation_id")}
    assert answers[0].json == answers[1].json
    assert rows() == []


@pytest.mark.parametrize(
    ("field", "rule"),
    [
        ("resource_id", "unknown_resource"),
        ("project_id", "unknown_project"),
        ("recipe_id", "recipe_required"),
        ("occurrence_id", "occurrence_required"),
    ],
)
def test_unknown_and_foreign_ids_are_named_and_answered_alike(
    world, field: str, rule: str
) -> None:
    with writing() as session:
        resource = world.etcher
        foreign = uuid4()
        if field == "project_id":
            foreign = make_project(session, make_organisation(session)).public_id
        if field == "recipe_id":
            resource = make_resource(session, kind="batch")
            foreign = make_recipe(session, make_resource(session, kind="batch")).public_id
        if field == "occurrence_id":
            resource = make_resource(session, kind="event")
            run = make_occurrence(session, make_resource(session, kind="event"))
            foreign = run.public_id
    ask = slot(resource)
    answers = [
        world.call("POST", "/bookings", json=ask | {field: str(which)})
        for which in (foreign, uuid4())
    ]
    assert rules_of(answers[0]) == {(rule, field)}
    assert answers[0].json == answers[1].json


def test_every_broken_rule_is_listed_at_once(world) -> None:
    with writing() as session:
        tool = make_resource(
            session,
            kind="pooled",
            active=False,
            self_run=True,
            policy={"max_minutes": 60, "notice_days": 800},
            wafer_mm=[150],
            class_rank=1,
        )
    answer = world.call(
        "POST",
        "/bookings",
        json=slot(
            tool,
            at=MONDAY + timedelta(minutes=1),
            hours=3,
            quantity=9,
            project_id=str(uuid4()),
            recipe_id=str(uuid4()),
            wafer_mm=100,
            class_rank=3,
        ),
    )
    assert rules_of(answer) == {
        ("inactive", "resource_id"),
        ("grid", "starts_at"),
        ("grid", "ends_at"),
        ("too_long", "ends_at"),
        ("short_notice", "starts_at"),
        ("quantity", "quantity"),
        ("unknown_project", "project_id"),
        ("no_recipe", "recipe_id"),
        ("wafer_size", "wafer_mm"),
        ("materials_class", "class_rank"),
    }


STRANGE = [
    ({"starts_at": "2027-03-08T09:00:00"}, "starts_at"),
    ({"starts_at": "next week"}, "starts_at"),
    ({"starts_at": None}, "starts_at"),
    ({"starts_at": 5}, "starts_at"),
    ({"starts_at": iso(MONDAY + 2 * HOUR)}, "ends_at"),
    ({"starts_at": iso(MONDAY), "ends_at": iso(MONDAY)}, "ends_at"),
    ({"starts_at": "2020-01-01T09:00:00Z"}, "starts_at"),
    ({"starts_at": "0001-01-01T00:00:00Z"}, "starts_at"),
    ({"starts_at": "0001-01-01T00:00:00+08:00"}, "starts_at"),
    ({"starts_at": "0001-01-01T00:00:00Z", "ends_at": "0001-01-01T01:00:00Z"}, "starts_at"),
    ({"starts_at": "9999-12-31T22:00:00Z", "ends_at": "9999-12-31T23:00:00Z"}, "starts_at"),
    ({"ends_at": "9999-12-31T23:59:59-08:00"}, "ends_at"),
    ({"ends_at": "9999-12-31T23:55:00Z"}, "ends_at"),
    ({"quantity": 0}, "quantity"),
    ({"quantity": -1}, "quantity"),
    ({"quantity": 10**9}, "quantity"),
    ({"quantity": 10**30}, "quantity"),
    ({"quantity": 1.5}, "quantity"),
    ({"quantity": "many"}, "quantity"),
    ({"resource_id": "7"}, "resource_id"),
    ({"resource_id": None}, "resource_id"),
    ({"flags": ["\x00"]}, "flags[0]"),
    ({"member_id": 1}, "member_id"),
    ({"state": "completed"}, "state"),
    ({"status": "confirmed", "version": 7}, "version"),
]


def test_strange_values_are_refused_with_the_field_that_is_wrong(world) -> None:
    for changed, where in STRANGE:
        answer = world.call("POST", "/bookings", json=slot(world.etcher) | changed)
        assert where in {place for _rule, place in rules_of(answer)}, changed
    assert rows() == []


def test_what_is_no_slot_at_all_is_refused(world) -> None:
    for raw in ("", "{", "[]", "null", '"x"', '{"quantity": 1e400}', "NaN", "\xff"):
        answer = world.call("POST", "/bookings", data=raw, content_type="application/json")
        assert answer.status_code in {400, 422}, (raw, answer.text)
        assert answer.content_type == "application/problem+json"


def test_an_outage_is_a_broken_rule(world) -> None:
    with writing() as session:
        session.add(
            Outage(
                resource_id=world.etcher.id,
                starts_at=MONDAY + HOUR,
                ends_at=MONDAY + 2 * HOUR,
                kind=OutageKind.SCHEDULED,
            )
        )
    answer = world.call("POST", "/bookings", json=slot(world.etcher, hours=2))
    assert rules_of(answer) == {("outage", "starts_at")}
    assert world.call("POST", "/bookings", json=slot(world.etcher)).status_code == 201


def test_a_list_shows_ones_own_and_counts_them(world) -> None:
    for n in range(3):
        world.call("POST", "/bookings", json=slot(world.etcher, at=MONDAY + n * HOUR))
    world.rivals("POST", "/bookings", json=slot(world.etcher, at=MONDAY + 5 * HOUR))
    page = world.call("GET", "/bookings?limit=2").json
    assert (page["total"], len(page["items"])) == (3, 2)
    rest = world.call("GET", page["next"].removeprefix("/api/v1")).json
    assert len(rest["items"]) == 1
    assert rest["next"] is None
    assert world.rivals("GET", "/bookings").json["total"] == 1
    assert world.staff("GET", "/bookings").json["total"] == 4
    assert world.park("GET", "/bookings").json["total"] == 4


def test_a_list_is_narrowed_by_resource_platform_time_and_state(world) -> None:
    with writing() as session:
        other = make_resource(session)
    first = world.call("POST", "/bookings", json=slot(world.etcher)).json["id"]
    second = world.call("POST", "/bookings", json=slot(other, at=MONDAY + HOUR)).json["id"]
    world.call("POST", f"/bookings/{second}/cancel")

    def found(**query) -> list[str]:
        answer = world.call("GET", "/bookings", query_string=query)
        assert answer.status_code == 200, answer.text
        return [item["id"] for item in answer.json["items"]]

    assert found() == [first, second]
    assert found(resource=str(other.public_id)) == [second]
    assert found(platform=str(world.platform.public_id)) == [first]
    assert found(platform=str(uuid4())) == []
    assert found(resource=str(uuid4())) == []
    assert found(state="confirmed") == [first]
    assert found(state=["confirmed", "cancelled"]) == [first, second]
    assert found(**{"from": iso(MONDAY + HOUR)}) == [second]
    assert found(to=iso(MONDAY + HOUR)) == [first]
    assert found(**{"from": "0001-01-01T00:00:00Z", "to": "9999-12-31T00:00:00Z"}) == [
        first,
        second,
    ]


def test_a_filter_that_makes_no_sense_is_named(world) -> None:
    for query in (
        {"from": "2027-03-08T09:00:00"},
        {"from": "2027-03-09T00:00:00Z", "to": "2027-03-08T00:00:00Z"},
        {"state": "busy"},
        {"resource": "7"},
        {"limit": "0"},
        {"limit": "201"},
        {"offset": "-1"},
    ):
        answer = world.call("GET", "/bookings", query_string=query)
        assert answer.status_code == 422, answer.text
        where = answer.json["violations"][0]["where"]
        assert where.removesuffix("[0]") in {*query, "to"}


def test_a_foreign_booking_answers_exactly_as_one_that_does_not_exist(world) -> None:
    made = world.call("POST", "/bookings", json=slot(world.etcher)).json["id"]
    body = {"quantity": 1}
    for method, tail, more in (
        ("GET", "", {}),
        ("PATCH", "", {"json": body, "headers": READ}),
        ("POST", "/cancel", {}),
    ):
        foreign = world.rivals(method, f"/bookings/{made}{tail}", **more)
        absent = world.rivals(method, f"/bookings/{uuid4()}{tail}", **more)
        assert foreign.status_code == absent.status_code == 404
        assert foreign.json == absent.json


def test_a_booking_moves_as_it_was_read_and_not_otherwise(world) -> None:
    made = world.call("POST", "/bookings", json=slot(world.etcher))
    path = f"/bookings/{made.json['id']}"
    later = {"starts_at": iso(MONDAY + 2 * HOUR), "ends_at": iso(MONDAY + 3 * HOUR)}
    moved = world.call("PATCH", path, json=later, headers={"If-Match": '"1"'})
    assert moved.status_code == 200, moved.text
    assert moved.headers["ETag"] == '"2"'
    assert moved.json["starts_at"] == later["starts_at"]
    stale = world.call("PATCH", path, json=later, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    nonsense = world.call("PATCH", path, json=later, headers={"If-Match": "yes"})
    assert nonsense.status_code == 412
    assert world.call("GET", path).json["version"] == 2
    kinds = [entry.act for entry in rows(AuditEntry)]
    assert kinds == ["booking.book", "booking.move"]


def test_a_move_into_a_taken_place_leaves_everything_where_it_was(world) -> None:
    made = world.call("POST", "/bookings", json=slot(world.etcher)).json["id"]
    world.rivals("POST", "/bookings", json=slot(world.etcher, at=MONDAY + HOUR))
    answer = world.call(
        "PATCH",
        f"/bookings/{made}",
        json={"ends_at": iso(MONDAY + 2 * HOUR)},
        headers=READ,
    )
    assert answer.status_code == 409
    still = world.call("GET", f"/bookings/{made}").json
    assert (still["ends_at"], still["version"]) == (iso(MONDAY + HOUR), 1)


def test_a_move_over_ones_own_old_place_is_no_conflict(world) -> None:
    made = world.call("POST", "/bookings", json=slot(world.etcher, hours=2)).json["id"]
    answer = world.call(
        "PATCH",
        f"/bookings/{made}",
        json={"starts_at": iso(MONDAY + HOUR), "ends_at": iso(MONDAY + 3 * HOUR)},
        headers=READ,
    )
    assert answer.status_code == 200


def test_a_move_keeps_the_rules(world) -> None:
    made = world.call("POST", "/bookings", json=slot(world.etcher)).json["id"]
    path = f"/bookings/{made}"

    def change(body: dict, headers=READ):
        return world.call("PATCH", path, json=body, headers=headers)

    assert rules_of(change({"quantity": 2})) == {("quantity", "quantity")}
    assert rules_of(change({"ends_at": iso(MONDAY)})) == {("empty", "ends_at")}
    without = change({"quantity": 1}, None)
    assert (without.status_code, without.json["code"]) == (428, "if_match_required")
    assert without.json["violations"][0]["where"] == "If-Match"
    assert change({"quantity": 1}, {"If-Match": "*"}).status_code == 200
    assert change({}).status_code == 422
    assert rules_of(change({"resource_id": str(uuid4())})) == {("invalid", "resource_id")}


def test_a_cancelled_booking_frees_its_place(world) -> None:
    made = world.call("POST", "/bookings", json=slot(world.etcher)).json["id"]
    answer = world.call("POST", f"/bookings/{made}/cancel")
    assert answer.status_code == 200
    assert (answer.json["state"], answer.json["version"]) == ("cancelled", 2)
    assert answer.headers["ETag"] == '"2"'
    assert world.rivals("POST", "/bookings", json=slot(world.etcher)).status_code == 201
    again = world.call("POST", f"/bookings/{made}/cancel?lang=en")
    assert (again.status_code, again.json["code"]) == (422, "illegal_move")
    assert "cancelled already; nothing is left" in again.json["violations"][0]["message"]


def test_cancelling_a_booking_that_has_changed_is_refused(world) -> None:
    made = world.call("POST", "/bookings", json=slot(world.etcher)).json["id"]
    later = {"ends_at": iso(MONDAY + 2 * HOUR)}
    world.call("PATCH", f"/bookings/{made}", json=later, headers=READ)
    stale = world.call("POST", f"/bookings/{made}/cancel", headers={"If-Match": '"1"'})
    assert stale.status_code == 412


def test_a_booking_that_serves_an_order_is_withdrawn_with_it(world) -> None:
    with writing() as session:
        booking = make_booking(
            session,
            resource=world.etcher,
            organisation=world.firm,
            source=Source.PLAN,
        )
    for caller in (world.call, world.staff, world.park):
        path = f"/bookings/{booking.public_id}"
        cancelled = caller("POST", f"{path}/cancel")
        assert rules_of(cancelled) == {("of_an_order", "")}
        assert "撤回" in cancelled.json["violations"][0]["message"]
        moved = caller("PATCH", path, json={"quantity": 1}, headers=READ)
        assert rules_of(moved) == {("of_an_order", "")}


def test_what_has_begun_can_be_neither_moved_nor_cancelled(world) -> None:
    with writing() as session:
        booking = make_booking(
            session,
            resource=world.etcher,
            organisation=world.firm,
            starts_at=datetime(2024, 1, 1, tzinfo=UTC),
        )
    answer = world.call("POST", f"/bookings/{booking.public_id}/cancel")
    assert rules_of(answer) == {("begun", "")}


def test_a_colleagues_booking_is_for_the_administrator_to_change(world, client) -> None:
    with writing() as session:
        colleague = calling(client, session, make_member(session, organisation=world.firm))
        boss = calling(
            client,
            session,
            make_member(session, organisation=world.firm, roles=("organisation_admin",)),
        )
    made = world.call("POST", "/bookings", json=slot(world.etcher)).json["id"]
    assert colleague("GET", f"/bookings/{made}").status_code == 200
    assert colleague("POST", f"/bookings/{made}/cancel").status_code == 403
    assert boss("POST", f"/bookings/{made}/cancel").status_code == 200


def test_a_late_cancellation_is_kept_as_one_unless_the_staff_cancel(world) -> None:
    with writing() as session:
        tool = make_resource(
            session, platform_id=world.platform.id, policy={"late_cancel_hours": 24 * 2000}
        )
    first = world.call("POST", "/bookings", json=slot(tool)).json["id"]
    second = world.call("POST", "/bookings", json=slot(tool, at=MONDAY + HOUR)).json["id"]
    mine = world.call("POST", f"/bookings/{first}/cancel")
    theirs = world.staff("POST", f"/bookings/{second}/cancel")
    assert (mine.json["state"], theirs.json["state"]) == ("late_cancelled", "cancelled")


def test_everybody_may_know_that_a_resource_is_busy_and_no_more(world) -> None:
    with writing() as session:
        pool = make_resource(session, kind="pooled")
        session.add(
            Outage(
                resource_id=pool.id,
                starts_at=MONDAY + 8 * HOUR,
                ends_at=MONDAY + 9 * HOUR,
                kind=OutageKind.SCHEDULED,
                reason="CANARY",
            )
        )
    world.call("POST", "/bookings", json=slot(pool, hours=2))
    world.call("POST", "/bookings", json=slot(pool, at=MONDAY + HOUR, hours=2, quantity=2))
    answer = world.rivals(
        "GET",
        f"/resources/{pool.public_id}/busy",
        query_string={"from": iso(MONDAY), "to": iso(MONDAY + timedelta(days=1))},
    )
    assert answer.status_code == 200, answer.text
    assert answer.json == {
        "resource_id": str(pool.public_id),
        "capacity": 4,
        "from": iso(MONDAY),
        "to": iso(MONDAY + timedelta(days=1)),
        "busy": [
            {"starts_at": iso(MONDAY), "ends_at": iso(MONDAY + HOUR), "quantity": 1},
            {
                "starts_at": iso(MONDAY + HOUR),
                "ends_at": iso(MONDAY + 2 * HOUR),
                "quantity": 3,
            },
            {
                "starts_at": iso(MONDAY + 2 * HOUR),
                "ends_at": iso(MONDAY + 3 * HOUR),
                "quantity": 2,
            },
        ],
        "down": [
            {
                "starts_at": iso(MONDAY + 8 * HOUR),
                "ends_at": iso(MONDAY + 9 * HOUR),
                "kind": "scheduled_down",
            }
        ],
    }


def test_a_busy_window_without_sense_is_refused(world) -> None:
    path = f"/resources/{world.etcher.public_id}/busy"
    for query in (
        {"from": iso(MONDAY), "to": iso(MONDAY)},
        {"from": iso(MONDAY), "to": iso(MONDAY + timedelta(days=63))},
        {"from": "0001-01-01T00:00:00Z", "to": "9999-12-31T00:00:00Z"},
        {"from": "2027-03-08T09:00:00"},
    ):
        assert world.call("GET", path, query_string=query).status_code == 422, query


def test_a_busy_window_at_the_end_of_time_is_answered(world) -> None:
    path = f"/resources/{world.etcher.public_id}/busy"
    for moment in ("0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z"):
        answer = world.call("GET", path, query_string={"from": moment})
        assert answer.status_code == 200, answer.text
    assert world.call("GET", f"/resources/{uuid4()}/busy").status_code == 404


def test_a_reading_token_books_nothing(world, client) -> None:
    with writing() as session:
        reader = Program(client, make_token(session, world.engineer, scopes=("read",)))
    assert reader("POST", "/bookings", json=slot(world.etcher)).status_code == 403
    assert reader("GET", "/bookings").status_code == 200
    assert client.get("/api/v1/bookings").status_code == 401


def test_a_booking_takes_ten_statements_at_most(world, app: Flask) -> None:
    """With a token and an Idempotency-Key, on a batch: the most that a booking needs."""
    with writing() as session:
        oven = make_resource(session, kind="batch", wafer_mm=[150], flags_allowed=["AU"])
        recipe = make_recipe(session, oven, wafer_mm=150)
    ask = slot(
        oven,
        recipe_id=str(recipe.public_id),
        wafer_mm=150,
        class_rank=3,
        flags=["AU"],
    )
    said: list[str] = []
    frame = ("SAVEPOINT", "RELEASE", "SELECT set_config")

    def note(_connection, _cursor, statement, *_more) -> None:
        if not statement.startswith(frame):
            said.append(statement)

    sa.event.listen(db.engine, "before_cursor_execute", note)
    answer = world.call("POST", "/bookings", json=ask, headers={"Idempotency-Key": "k"})
    sa.event.remove(db.engine, "before_cursor_execute", note)
    assert answer.status_code == 201, answer.text
    assert len(said) <= 10, json.dumps(said, indent=1)
    print(f"{len(said)} statements for a booking")


def test_a_booking_shows_what_goes_in_who_else_comes_and_what_is_to_be_answered(
    world,
) -> None:
    with writing() as session:
        firm = session.get_one(Organisation, world.engineer.organisation_id)
        friend = make_member(session, organisation=firm)
        booking = make_booking(
            session, resource=world.etcher, organisation=firm, starts_at=MONDAY,
            minutes=60, buddy_id=friend.id, wafer_mm=150, class_rank=0, flags=["GAN"],
            override_reason="asked by phone", respond_by=MONDAY, confirm_by=MONDAY,
        )  # fmt: skip
    shown = world.call("GET", f"/bookings/{booking.public_id}").json
    assert shown["buddy"] == {"id": str(friend.public_id), "name": friend.name}
    assert (shown["wafer_mm"], shown["class_rank"], shown["flags"]) == (150, 0, ["GAN"])
    assert shown["override_reason"] == "asked by phone"
    assert (shown["respond_by"], shown["confirm_by"]) == (iso(MONDAY), iso(MONDAY))
