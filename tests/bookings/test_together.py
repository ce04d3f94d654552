"""Several resources in one booking, and any resource with a capability: all or none."""

from datetime import timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from platform_booking.audit import AuditEntry
from platform_booking.bookings.models import Booking
from platform_booking.bookings.states import BookingState
from platform_booking.catalog.models import Outage, OutageKind
from platform_booking.notices.models import Notice
from tests.bookings.asking import HOUR, Caller, iso, rows, rules_of, slot, statements
from tests.factories import (
    MONDAY,
    make_booking,
    make_member,
    make_organisation,
    make_platform,
    make_resource,
    writing,
)


@pytest.fixture
def firm(app: Flask, client: FlaskClient) -> Caller:
    return Caller.make(client)


@pytest.fixture
def tools(app: Flask) -> list:
    """An etcher, a pool of four licences and a room, on two platforms."""
    with writing() as session:
        return [
            make_resource(session),
            make_resource(session, kind="pooled", capacity=4),
            make_resource(session),
        ]


def beside(resource, quantity: int = 1, **more) -> dict:
    return {"resource_id": str(resource.public_id), "quantity": quantity, **more}


def test_a_tool_a_licence_and_a_room_are_booked_in_one_go(firm, tools) -> None:
    tool, licence, room = tools
    ask = slot(tool, **{"with": [beside(licence, 2), beside(room)]})
    answer = firm("POST", "/bookings", json=ask)
    assert answer.status_code == 201, answer.text
    made = answer.json
    assert [(p["resource"]["code"], p["quantity"]) for p in made["with"]] == [
        (licence.code, 2),
        (room.code, 1),
    ]
    held = rows()
    assert {b.resource_id for b in held} == {t.id for t in tools}
    assert {str(b.group_id) for b in held} == {made["group_id"]}
    assert {(b.starts_at, b.ends_at) for b in held} == {(MONDAY, MONDAY + HOUR)}
    shown = firm("GET", f"/bookings/{made['with'][0]['id']}").json
    assert {p["id"] for p in shown["with"]} == {made["id"], made["with"][1]["id"]}
    listed = firm("GET", "/bookings", query_string={"group": made["group_id"]}).json
    assert listed["total"] == 3
    assert all(len(one["with"]) == 2 for one in listed["items"])


def test_each_part_is_in_the_audit_and_the_firm_is_told_once(firm, tools) -> None:
    tool, licence, _room = tools
    firm("POST", "/bookings", json=slot(tool, **{"with": [beside(licence)]}))
    assert {e.subject for e in rows(AuditEntry)} == {
        f"booking {b.public_id}" for b in rows()
    }
    (notice,) = rows(Notice)
    assert notice.payload["with"] == [licence.code]


def test_a_part_that_is_taken_leaves_nothing_booked_and_is_named(firm, tools) -> None:
    tool, licence, room = tools
    with writing() as session:
        make_booking(session, resource=room)
    ask = slot(tool, **{"with": [beside(licence), beside(room)]})
    answer = firm("POST", "/bookings", json=ask)
    assert answer.status_code == 409
    assert answer.json["code"] == "capacity_taken"
    (said,) = answer.json["violations"]
    assert said["where"] == "with.1.resource_id"
    assert len(rows()) == 1


def test_the_rules_of_every_part_are_listed_at_once_with_its_path(firm, tools) -> None:
    tool, licence, room = tools
    with writing() as session:
        session.merge(room).active = False
    ask = slot(
        tool,
        at=MONDAY + timedelta(minutes=1),
        **{"with": [beside(licence, 9), beside(room), beside(tool), {"quantity": 1}]},
    )
    assert rules_of(firm("POST", "/bookings", json=ask)) == {
        ("invalid", "with[3].resource_id")
    }
    ask["with"].pop()
    assert rules_of(firm("POST", "/bookings", json=ask)) == {
        ("named_twice", "with.2.resource_id")
    }
    ask["with"].pop()
    assert rules_of(firm("POST", "/bookings", json=ask)) == {
        ("grid", "starts_at"),
        ("grid", "ends_at"),
        ("quantity", "with.0.quantity"),
        ("inactive", "with.1.resource_id"),
    }
    assert rows() == []


def test_an_unknown_part_is_named(firm, tools) -> None:
    ask = slot(tools[0], **{"with": [{"resource_id": str(uuid4())}]})
    answer = firm("POST", "/bookings", json=ask)
    assert rules_of(answer) == {("unknown_resource", "with.0.resource_id")}


def test_moving_one_part_moves_all_of_them_or_none(firm, tools) -> None:
    tool, licence, room = tools
    ask = slot(tool, **{"with": [beside(licence, 2), beside(room)]})
    made = firm("POST", "/bookings", json=ask).json
    part = made["with"][0]["id"]
    later = {"starts_at": iso(MONDAY + 2 * HOUR), "ends_at": iso(MONDAY + 4 * HOUR)}
    answer = firm(
        "PATCH",
        f"/bookings/{part}",
        json=later | {"quantity": 3},
        headers={"If-Match": '"1"'},
    )
    assert answer.status_code == 200, answer.text
    assert {(b.starts_at, b.ends_at) for b in rows()} == {
        (MONDAY + 2 * HOUR, MONDAY + 4 * HOUR)
    }
    assert sorted(b.quantity for b in rows()) == [1, 1, 3]
    with writing() as session:
        make_booking(session, resource=room, starts_at=MONDAY)
    back = {"starts_at": iso(MONDAY), "ends_at": iso(MONDAY + HOUR)}
    answer = firm("PATCH", f"/bookings/{part}", json=back, headers={"If-Match": "*"})
    assert answer.status_code == 409
    grouped = [b for b in rows() if b.group_id]
    assert {b.starts_at for b in grouped} == {MONDAY + 2 * HOUR}


def test_a_move_lists_what_the_rules_of_every_part_say(firm, tools) -> None:
    tool, licence, _room = tools
    ask = slot(tool, **{"with": [beside(licence)]})
    made = firm("POST", "/bookings", json=ask).json
    with writing() as session:
        for one in (tool, licence):
            session.add(
                Outage(
                    resource_id=one.id,
                    kind=OutageKind.UNSCHEDULED,
                    starts_at=MONDAY + 2 * HOUR,
                    ends_at=MONDAY + 4 * HOUR,
                    reason="",
                )
            )
    later = {"starts_at": iso(MONDAY + 2 * HOUR), "ends_at": iso(MONDAY + 3 * HOUR)}
    answer = firm("PATCH", f"/bookings/{made['id']}", json=later, headers={"If-Match": "*"})
    assert len(answer.json["violations"]) == 2


def test_cancelling_one_part_cancels_all_and_only_the_one_addressed_is_matched(
    firm, tools
) -> None:
    tool, licence, _room = tools
    ask = slot(tool, **{"with": [beside(licence)]})
    made = firm("POST", "/bookings", json=ask).json
    path = f"/bookings/{made['with'][0]['id']}/cancel"
    assert firm("POST", path, headers={"If-Match": '"7"'}).status_code == 412
    assert firm("POST", path, headers={"If-Match": '"1"'}).status_code == 200
    assert {b.state for b in rows()} == {BookingState.CANCELLED}


def test_a_retry_with_the_same_key_never_books_parts_twice(firm, tools) -> None:
    _tool, licence, _room = tools
    with writing() as session:
        cores = make_resource(session, kind="pooled", capacity=64)
    ask = slot(licence, **{"with": [beside(cores, 16)]})
    key = {"Idempotency-Key": "one"}
    first = firm("POST", "/bookings", json=ask, headers=key)
    again = firm("POST", "/bookings", json=ask, headers=key)
    assert first.status_code == again.status_code == 201
    assert first.json == again.json
    assert len(rows()) == 2


@pytest.mark.parametrize(
    "foreign",
    [
        {"member_id": str(uuid4())},
        {"state": "confirmed"},
        {"group_id": str(uuid4())},
        {"series_id": str(uuid4())},
        {"source": "plan"},
        {"version": 9},
    ],
)
def test_nobody_says_in_a_body_what_is_the_services_to_say(firm, tools, foreign) -> None:
    """B10: ids and states that a client sends are refused, in a part as in the whole."""
    name = next(iter(foreign))
    answer = firm("POST", "/bookings", json=slot(tools[0], **foreign))
    assert rules_of(answer) == {("invalid", name)}
    part = beside(tools[1]) | foreign
    answer = firm("POST", "/bookings", json=slot(tools[0], **{"with": [part]}))
    assert rules_of(answer) == {("invalid", f"with[0].{name}")}
    made = firm("POST", "/bookings", json=slot(tools[0])).json
    answer = firm(
        "PATCH",
        f"/bookings/{made['id']}",
        json={"quantity": 1} | foreign,
        headers={"If-Match": "*"},
    )
    assert rules_of(answer) == {("invalid", name)}


def test_parts_cost_few_statements_each(firm, tools, app: Flask) -> None:
    tool, licence, room = tools
    counts = []
    for n, parts in enumerate(([], [beside(licence)], [beside(licence), beside(room)])):
        ask = slot(tool, at=MONDAY + n * HOUR, **{"with": parts})
        with statements(app) as said:
            answer = firm("POST", "/bookings", json=ask)
        assert answer.status_code == 201, answer.text
        counts.append(len(said))
    print(f"{counts} statements for a booking of one, two and three parts")
    assert counts[0] <= 10
    assert counts[2] - counts[1] <= 5


def asking_any(capability: str, *, at=MONDAY, **more) -> dict:
    return {
        "capability": capability,
        "starts_at": iso(at),
        "ends_at": iso(at + HOUR),
        **more,
    }


DRIE = ("ETCH.DRIE",)
ENGLISH = {"Accept-Language": "en"}


def test_any_tool_with_a_capability_is_the_least_booked_and_says_so(firm) -> None:
    with writing() as session:
        platform = make_platform(session)
        busy, idle = (
            make_resource(session, capabilities=DRIE, platform_id=platform.id)
            for _ in range(2)
        )
        make_booking(session, resource=busy, starts_at=MONDAY + 5 * HOUR)
    answer = firm("POST", "/bookings", json=asking_any("ETCH.DRIE"), headers=ENGLISH)
    assert answer.status_code == 201, answer.text
    assert answer.json["resource"]["code"] == idle.code
    assert "least booked of 2" in answer.json["chosen_because"]
    again = firm("POST", "/bookings", json=asking_any("ETCH.DRIE"), headers=ENGLISH)
    assert again.json["resource"]["code"] == busy.code
    assert "only one that is free" in again.json["chosen_because"]
    full = firm("POST", "/bookings", json=asking_any("ETCH.DRIE"))
    assert full.status_code == 409
    assert full.json["violations"][0]["where"] == "capability"


def test_the_only_tool_that_takes_the_wafers_is_chosen(firm) -> None:
    with writing() as session:
        make_resource(session, capabilities=DRIE, wafer_mm=[100, 150])
        large = make_resource(session, capabilities=DRIE, wafer_mm=[200])
    ask = asking_any("ETCH.DRIE", wafer_mm=200, class_rank=3)
    answer = firm("POST", "/bookings", json=ask)
    assert answer.json["resource"]["code"] == large.code
    assert "200 mm" in answer.json["chosen_because"]


def test_a_tool_that_the_rules_refuse_is_passed_over(firm) -> None:
    with writing() as session:
        capped = make_resource(
            session, capabilities=DRIE, self_run=True, policy={"max_minutes": 30}
        )
        other = make_resource(session, capabilities=DRIE)
        make_booking(session, resource=other, starts_at=MONDAY + 3 * HOUR)
    answer = firm("POST", "/bookings", json=asking_any("ETCH.DRIE"), headers=ENGLISH)
    assert answer.json["resource"]["code"] == other.code != capped.code
    assert "may book" in answer.json["chosen_because"]


def test_where_no_tool_is_allowed_all_that_is_broken_is_said(firm) -> None:
    with writing() as session:
        for policy in ({"max_minutes": 30}, {"min_minutes": 90}):
            make_resource(session, capabilities=DRIE, self_run=True, policy=policy)
    answer = firm("POST", "/bookings", json=asking_any("ETCH.DRIE"))
    assert rules_of(answer) == {("too_long", "ends_at"), ("too_short", "ends_at")}
    answer = firm("POST", "/bookings", json=asking_any("NO.SUCH"))
    assert rules_of(answer) == {("unknown_capability", "capability")}


def test_two_parts_of_one_capability_get_two_tools(firm) -> None:
    with writing() as session:
        two = [make_resource(session, capabilities=DRIE) for _ in range(2)]
    ask = asking_any("ETCH.DRIE", **{"with": [{"capability": "ETCH.DRIE"}]})
    made = firm("POST", "/bookings", json=ask).json
    codes = {made["resource"]["code"], made["with"][0]["resource"]["code"]}
    assert codes == {t.code for t in two}


def test_members_of_other_firms_and_projects_filter_to_nothing(firm, tools) -> None:
    firm("POST", "/bookings", json=slot(tools[0]))
    with writing() as session:
        stranger = make_member(session, organisation=make_organisation(session))
    for name, value, total in (
        ("member", firm.member.public_id, 1),
        ("member", stranger.public_id, 0),
        ("project", uuid4(), 0),
        ("series", uuid4(), 0),
    ):
        listed = firm("GET", "/bookings", query_string={name: str(value)})
        assert listed.json["total"] == total, (name, listed.json)


def test_no_row_of_a_group_is_left_alone(firm, tools) -> None:
    """The database holds a group whole: what one transaction wrote, or nothing."""
    tool, licence, _room = tools
    for n in range(3):
        ask = slot(tool, at=MONDAY + n * HOUR / 2, **{"with": [beside(licence, 2)]})
        firm("POST", "/bookings", json=ask)
    with writing() as session:
        sizes = session.execute(
            sa.select(sa.func.count())
            .where(Booking.group_id.is_not(None))
            .group_by(Booking.group_id)
        ).scalars()
        assert set(sizes) == {2}
