"""The catalogue under /api/v1."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from platform_booking.catalog import loader
from platform_booking.catalog.models import CalendarException, Outage, Resource
from platform_booking.clock import utcnow
from platform_booking.db import JOB, acting_as, db
from tests.board.viewing import statements
from tests.bookings.callers import Program, make_token
from tests.catalog.example import example_text
from tests.catalog.looking import RIVAL, ZONE, Park, loaded_once, today_at
from tests.factories import writing

LISTS = (
    "/platforms", "/capabilities", "/resources", "/recipes", "/occurrences", "/routes",
    "/outages",
)  # fmt: skip


@pytest.fixture
def park(app: Flask) -> Park:
    return Park()


@pytest.fixture
def call(client: FlaskClient, park: Park) -> Program:
    return program(client, park.engineer)


def program(client: FlaskClient, member: Any, **scopes: Any) -> Program:
    with writing() as session:
        return Program(client, make_token(session, member, **scopes))


def items(answer: TestResponse) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json["items"]
    return found


def codes(answer: TestResponse) -> list[str]:
    return [item["code"] for item in items(answer)]


def body(**given: Any) -> dict[str, Any]:
    values = {
        "starts_at": today_at(0, days=2).isoformat(),
        "ends_at": today_at(3, days=2).isoformat(),
        "kind": "unscheduled_down",
        "reason": "pump",
    }
    return values | given


@pytest.mark.parametrize("path", LISTS)
def test_nothing_is_told_to_visitors(client: FlaskClient, park: Park, path: str) -> None:
    answer = client.get(f"/api/v1{path}")
    assert answer.status_code == 401
    assert answer.json["code"] == "unauthenticated"


@pytest.mark.parametrize("path", LISTS)
def test_lists_come_in_pages(call: Program, park: Park, path: str) -> None:
    park.more(8)
    park.outage(park.etcher)
    park.outage(park.pool)
    whole = call("GET", path, query_string={"limit": 200})
    total = whole.json["total"]
    assert len(items(whole)) == total
    assert whole.json["next"] is None
    collected: list[dict[str, Any]] = []
    following = f"{path}?limit=3"
    while following:
        page = call("GET", following.removeprefix("/api/v1"))
        assert len(items(page)) <= 3
        collected += items(page)
        following = page.json["next"]
    assert collected == items(whole)
    assert call("GET", path, query_string={"limit": 0}).status_code == 422


@pytest.mark.parametrize("path", LISTS)
def test_a_list_costs_as_many_statements_however_long_it_is(
    call: Program, park: Park, path: str
) -> None:
    counts = []
    for more in (1, 16):
        park.more(more)
        park.outage(park.etcher, ends_at=today_at(more, days=7))
        with statements(db.engine) as asked:
            assert call("GET", path, query_string={"limit": 200}).status_code == 200
        counts.append(len([s for s in asked if "token_standing" not in s]))
        _forget(park)
    assert counts[0] == counts[1] <= 6, asked


def _forget(park: Park) -> None:
    with writing() as session:
        session.execute(sa.text("UPDATE resource SET code = code || '-' || id"))


def test_platforms_have_their_site(call: Program) -> None:
    first, second = items(call("GET", "/platforms"))
    assert (first["code"], second["code"]) == ("FAB", "LAB")
    assert first["site"]["name_en"].startswith("Site")
    assert first["freeze_hours"] == 24


def test_capabilities_count_the_resources_in_service(call: Program) -> None:
    found = {c["code"]: c["resources"] for c in items(call("GET", "/capabilities"))}
    assert found == {"ETCH.DRIE": 1, "TEST.ANY": 4}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["ETCH-1", "FURN-1", "MPW-1", "POOL-1", "PROBE-1"]),
        ({"platform": "LAB"}, ["PROBE-1"]),
        ({"capability": "ETCH.DRIE"}, ["ETCH-1"]),
        ({"kind": "batch"}, ["FURN-1"]),
        ({"q": "deep"}, ["ETCH-1"]),
        ({"q": "100%_"}, []),
        ({"platform": "LAB", "kind": "batch"}, []),
    ],
)
def test_resources_are_filtered(
    call: Program, query: dict[str, str], found: list[str]
) -> None:
    assert codes(call("GET", "/resources", query_string=query)) == found


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/resources", {"platform": "NONE"}),
        ("/resources", {"capability": "NONE"}),
        ("/resources", {"kind": "single"}),
        ("/recipes", {"resource": "NONE"}),
        ("/recipes", {"capability": "NONE"}),
        ("/occurrences", {"resource": "NONE"}),
        ("/outages", {"resource": "NONE"}),
        ("/outages", {"platform": "NONE"}),
    ],
)
def test_a_filter_that_names_nothing_is_refused_and_not_answered_with_an_empty_list(
    call: Program, path: str, query: dict[str, str]
) -> None:
    answer = call("GET", path, query_string=query)
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    (violation,) = answer.json["violations"]
    assert violation["where"] == next(iter(query))


def test_a_resource_is_shown_with_its_hours_and_how_busy_it_is(
    call: Program, park: Park
) -> None:
    with writing() as session:
        session.add(
            CalendarException(
                calendar_id=park.calendar.id,
                on_date=today_at(0, days=20).date(),
                hours=[],
                note="x",
            )
        )
        session.get_one(Resource, park.etcher.id).policy = {"max_minutes": 240}
    shown = call("GET", f"/resources/{park.etcher.public_id}")
    told = shown.json
    assert (told["code"], told["platform"], told["kind"]) == ("ETCH-1", "FAB", "unary")
    assert told["capabilities"] == ["ETCH.DRIE"]
    assert told["busy_share"] == pytest.approx(0.25)
    free = datetime.fromisoformat(told["next_free_at"])
    assert abs(free - utcnow()) < timedelta(minutes=1)
    assert told["policy"] == {"max_minutes": 240}
    assert told["calendar"]["weekly"]["mon"] == [["00:00", "24:00"]]
    assert told["calendar"]["exceptions"] == [
        {"date": str(today_at(0, days=20).date()), "hours": [], "note": "x"}
    ]
    assert RIVAL not in shown.text
    assert call("GET", f"/resources/{uuid4()}").status_code == 404
    old = call("GET", f"/resources/{park.retired.public_id}").json
    assert (old["active"], old["next_free_at"]) == (False, None)


def test_recipes_and_runs_and_routes_are_told_with_what_they_refer_to(
    call: Program, park: Park
) -> None:
    (recipe,) = items(call("GET", "/recipes", query_string={"resource": "FURN-1"}))
    assert (recipe["capability"], recipe["materials_class"]) == ("TEST.ANY", "C3")
    assert (recipe["wafer_mm"], recipe["capacity"], recipe["duration_min"]) == (100, 25, 60)
    (run,) = items(call("GET", "/occurrences", query_string={"resource": "MPW-1"}))
    assert (run["capacity"], run["taken"]) == (9000, 2250)
    assert datetime.fromisoformat(run["starts_at"]) == park.run.starts_at
    with writing() as session:
        loader.load(session, loader.parsed(example_text()), now=utcnow(), zone=ZONE)
    (route,) = items(call("GET", "/routes"))
    assert [s["capability"] for s in route["steps"]] == ["OXIDE", "LITHO"]
    assert route["steps"][0]["lag_max_min"] == 1440
    assert call("GET", f"/routes/{route['id']}").json == route
    assert call("GET", f"/routes/{uuid4()}").status_code == 404


@pytest.mark.parametrize("path", ["/platforms", "/capabilities", "/resources", "/routes"])
def test_what_depends_on_the_load_alone_is_sent_once(call: Program, path: str) -> None:
    loaded_once()
    tag = call("GET", path).headers["ETag"]
    again = call("GET", path, headers={"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == tag
    loaded_once()
    assert call("GET", path, headers={"If-None-Match": tag}).status_code == 200


def test_an_outage_is_declared_once_and_ended(client: FlaskClient, park: Park) -> None:
    operator = program(client, park.operator)
    path = f"/resources/{park.etcher.public_id}/outages"
    key = {"Idempotency-Key": "a key"}
    made = operator("POST", path, json=body(), headers=key)
    assert made.status_code == 201
    assert made.json["hits"] == 1
    assert made.json["resource"] == "ETCH-1"
    again = operator("POST", path, json=body(), headers=key)
    assert (again.status_code, again.json) == (201, made.json)
    (listed,) = items(operator("GET", made.headers["Location"].removeprefix("/api/v1")))
    assert listed == {k: v for k, v in made.json.items() if k not in {"hits", "displaced"}}
    assert operator("DELETE", f"/outages/{made.json['id']}").status_code == 204
    assert items(operator("GET", "/outages")) == []
    assert operator("DELETE", f"/outages/{made.json['id']}").status_code == 404


def test_an_outage_declared_twice_is_a_conflict_that_names_the_first(
    client: FlaskClient, park: Park
) -> None:
    operator = program(client, park.operator)
    path = f"/resources/{park.etcher.public_id}/outages?lang=en"
    made = operator("POST", path, json=body())
    again = operator("POST", path, json=body(reason="other words"))
    assert (again.status_code, again.json["code"]) == (409, "already_there")
    assert again.json["existing"] == made.json["id"]
    assert made.json["id"] in again.json["violations"][0]["message"]
    longer = body(ends_at=today_at(4, days=2).isoformat())
    assert operator("POST", path, json=longer).status_code == 201
    assert operator("POST", path, json=body(kind="scheduled_down")).status_code == 201


def test_an_outage_that_is_over_cannot_be_ended(client: FlaskClient, park: Park) -> None:
    outage = park.outage(
        park.etcher,
        starts_at=utcnow() - timedelta(hours=2),
        ends_at=utcnow() - timedelta(hours=1),
    )
    answer = program(client, park.operator)("DELETE", f"/outages/{outage.public_id}")
    assert (answer.status_code, answer.json["code"]) == (422, "illegal_move")


@pytest.mark.parametrize(
    ("who", "status"), [("engineer", 403), ("stranger", 403), ("park", 201)]
)
def test_who_may_declare_an_outage(
    client: FlaskClient, park: Park, who: str, status: int
) -> None:
    outage = park.outage(park.pool)
    caller = program(client, getattr(park, who))
    path = f"/resources/{park.etcher.public_id}/outages"
    assert caller("POST", path, json=body()).status_code == status
    ended = caller("DELETE", f"/outages/{outage.public_id}").status_code
    assert ended == (204 if status == 201 else 403)


def test_a_token_that_may_only_read_declares_nothing(
    client: FlaskClient, park: Park
) -> None:
    reader = program(client, park.operator, scopes=("read",))
    path = f"/resources/{park.etcher.public_id}/outages"
    assert reader("POST", path, json=body()).status_code == 403
    assert reader("GET", "/outages").status_code == 200


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"starts_at": "2027-03-08T09:00:00"}, "starts_at"),  # no zone
        ({"starts_at": "soon"}, "starts_at"),
        ({"ends_at": "2020-01-01T00:00:00Z"}, "ends_at"),
        ({"ends_at": "9999-12-31T23:59:59Z"}, "ends_at"),
        ({"kind": "holiday"}, "kind"),
        ({"kind": None}, "kind"),
        ({"reason": ""}, "reason"),
        ({"reason": "x" * 501}, "reason"),
        ({"reason": "a\x00b"}, "reason"),
        ({"reason": "a\ud800"}, "reason"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_declared_is_told_with_its_field(
    client: FlaskClient, park: Park, change: dict[str, Any], where: str
) -> None:
    operator = program(client, park.operator)
    path = f"/resources/{park.etcher.public_id}/outages"
    answer = operator("POST", path, json=body(**change))
    assert answer.status_code == 422
    assert where in {v["where"] for v in answer.json["violations"]}
    with acting_as(JOB):
        assert db.session.scalars(sa.select(Outage)).all() == []


def test_what_is_no_json_is_told_so(client: FlaskClient, park: Park) -> None:
    operator = program(client, park.operator)
    path = f"/resources/{park.etcher.public_id}/outages"
    answer = operator("POST", path, data="{", content_type="application/json")
    assert (answer.status_code, answer.json["code"]) == (400, "malformed")
    assert operator("POST", f"/resources/{uuid4()}/outages", json=body()).status_code == 404


def test_instants_come_in_utc(call: Program, park: Park) -> None:
    park.outage(park.etcher)
    (outage,) = items(call("GET", "/outages", query_string={"platform": "FAB"}))
    assert outage["starts_at"].endswith("+00:00")
    assert datetime.fromisoformat(outage["starts_at"]) == today_at(0, days=6).astimezone(
        UTC
    )
    assert items(call("GET", "/outages", query_string={"platform": "LAB"})) == []
