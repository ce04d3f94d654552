"""Limits of a resource: set by who operates it, checked as a whole, in force at once."""

from datetime import timedelta

import pytest
from flask import Flask

from platform_booking.audit import AuditEntry
from platform_booking.catalog.models import MaterialFlag, ResourceKind
from platform_booking.clock import utcnow
from platform_booking.limits import forms
from platform_booking.limits.rules import Codes, violations
from tests.bookings.callers import Browser, Program, make_token
from tests.factories import (
    make_capability,
    make_class,
    make_member,
    make_operator,
    make_organisation,
    make_park_admin,
    make_platform,
    make_resource,
    writing,
)
from tests.visitor import Visitor

CODES = Codes(
    capabilities=frozenset({"AREA.YELLOW"}),
    classes=frozenset({"C3"}),
    flags=frozenset({"CU"}),
    qualifications=frozenset({"Q1"}),
)
WHOLE = {
    "preset": "HOT",
    "horizon_days": 14,
    "grid_minutes": 15,
    "min_minutes": 30,
    "max_minutes": 240,
    "buddy": False,
    "requires": ["AREA.YELLOW"],
    "rolling": [{"minutes": 600, "days": 7}, {"minutes": 1200, "days": 30}],
    "lifted": {
        "mon": [["00:00", "08:00"], ["18:00", "24:00"]],
        "tue": [["00:00", "08:00"], ["18:00", "24:00"]],
        "sat": [["00:00", "24:00"]],
    },
    "class_windows": [
        {"classes": ["C3"], "flags": ["CU"], "hours": {"mon": [["09:00", "17:00"]]}}
    ],
    "licence_use": ["teaching", "academic"],
    "nda_needed": True,
}


class World:
    """A platform with a tool, a rival platform's operator, and who calls."""


@pytest.fixture
def world(app: Flask, client: Visitor) -> World:
    w = World()
    with writing() as session:
        platform = make_platform(session)
        w.tool = make_resource(session, platform_id=platform.id, self_run=True)
        make_capability(session, "AREA.YELLOW")
        make_class(session, 3)
        session.add(MaterialFlag(code="CU", name_zh="铜", name_en="Copper"))
        firm = make_organisation(session)
        w.engineer = make_member(session, organisation=firm)
        w.operator = make_operator(session, platform)
        stranger = make_operator(session, make_platform(session))
        w.call = Program(client, make_token(session, w.engineer))
        w.staff = Program(client, make_token(session, w.operator))
        w.stranger = Program(client, make_token(session, stranger))
        w.park = Program(client, make_token(session, make_park_admin(session)))
    w.browser = Browser(client)
    w.path = f"/resources/{w.tool.public_id}/policy"
    return w


def put(world: World, call: Program, body, *, mark: str = "*"):
    return call("PUT", world.path, json=body, headers={"If-Match": mark})


def test_an_operator_sets_all_limits_and_reads_them_back(world) -> None:
    read = world.staff("GET", world.path)
    assert read.json == {}
    made = put(world, world.staff, WHOLE, mark=read.headers["ETag"])
    assert (made.status_code, made.json) == (200, WHOLE), made.text
    assert world.call("GET", world.path).json == WHOLE
    assert made.headers["ETag"] == world.call("GET", world.path).headers["ETag"]
    with writing() as session:
        told = session.query(AuditEntry).filter_by(act="resource.limits").one()
    assert told.detail == {"before": {}, "after": WHOLE}


def test_limits_bind_the_next_booking(world) -> None:
    start = (utcnow() + timedelta(days=2)).replace(minute=5, second=0, microsecond=0)
    asked = {
        "resource_id": str(world.tool.public_id),
        "starts_at": start.isoformat(),
        "ends_at": (start + timedelta(hours=5)).isoformat(),
    }
    assert world.call("POST", "/bookings", json=asked).status_code == 201
    put(world, world.staff, {"grid_minutes": 15, "max_minutes": 60})
    late = start + timedelta(days=1)
    asked |= {
        "starts_at": late.isoformat(),
        "ends_at": (late + timedelta(hours=5)).isoformat(),
    }
    refused = world.call("POST", "/bookings", json=asked)
    assert refused.status_code == 422
    rules = {v["rule"] for v in refused.json["violations"]}
    assert {"coarse_grid", "too_long"} <= rules, rules


def test_only_who_operates_the_platform_and_the_park_set_limits(world) -> None:
    for call, status in (
        (world.call, 403),
        (world.stranger, 403),
        (world.staff, 200),
        (world.park, 200),
    ):
        assert put(world, call, {"per_day": 2}).status_code == status


def test_who_has_read_others_than_are_in_force_changes_nothing(world) -> None:
    mark = world.staff("GET", world.path).headers["ETag"]
    put(world, world.park, {"per_day": 2})
    assert put(world, world.staff, {"per_day": 3}, mark=mark).status_code == 412
    assert world.staff("PUT", world.path, json={}).status_code == 428
    assert world.staff("GET", world.path).json == {"per_day": 2}


def test_the_database_keeps_limits_from_who_does_not_operate(world, client) -> None:
    from platform_booking.limits import services  # noqa: PLC0415

    guarded = services.insist_on_operating
    services.insist_on_operating = lambda *_: None
    try:
        assert put(world, world.stranger, {"per_day": 2}).status_code == 412
    finally:
        services.insist_on_operating = guarded
    assert world.staff("GET", world.path).json == {}


def test_every_fault_is_told_at_once_with_its_place(world) -> None:
    wrong = {
        "min_minutes": 90,
        "max_minutes": 60,
        "grid_minutes": 7,
        "requires": ["AREA.NOWHERE"],
        "class_windows": [{"hours": {"mon": [["09:00", "17:00"], ["16:00", "18:00"]]}}],
        "grants": "Q1",
    }
    refused = put(world, world.staff, wrong)
    assert refused.status_code == 422
    assert {v["where"] for v in refused.json["violations"]} == {
        "min_minutes", "grid_minutes", "requires", "class_windows[0]",
        "class_windows[0].hours.mon", "grants",
    }  # fmt: skip
    shapes = {"per_day": "two", "rolling": [{"minutes": 0}], "wrong": 1}
    refused = put(world, world.staff, shapes)
    assert {v["where"] for v in refused.json["violations"]} == {
        "per_day", "rolling[0].minutes", "rolling[0].days", "wrong",
    }  # fmt: skip


def test_a_name_without_limits_is_refused(world) -> None:
    answer = put(world, world.staff, {"preset": "HOT"})
    assert answer.status_code == 422
    assert [v["rule"] for v in answer.json["violations"]] == ["name_alone"]


def test_only_dated_runs_have_limits_of_runs() -> None:
    runs = {"grants": "Q1", "grants_months": 12, "min_area_001mm2": 100}
    assert not list(violations(runs, ResourceKind.EVENT, CODES))
    told = list(violations(runs, ResourceKind.UNARY, CODES))
    assert [v.where for v in told] == ["grants", "grants_months", "min_area_001mm2"]


def test_what_is_written_on_the_page_means_the_same_limits() -> None:
    assert forms.meant(forms.written(WHOLE), CODES) == WHOLE
    assert forms.written(WHOLE)["lifted"] == (
        "mon-tue 00:00-08:00, 18:00-24:00; sat 00:00-24:00"
    )


def test_the_page_sets_limits_and_keeps_what_was_typed_wrongly(world) -> None:
    page = world.browser.enter(world.operator)
    path = f"/resources/{world.tool.code}/policy"
    form = {"mark": "x", "per_day": "two", "lifted": "mon 18-24", "second_person": "on"}
    refused = page.post(path, form)
    assert refused.status_code == 422
    for kept in ('value="two"', "mon 18-24", "Not a whole number"):
        assert kept in refused.text
    stale = page.post(path, {"mark": "x", "per_day": "2", "second_person": "on"})
    assert stale.status_code == 409
    mark = stale.text.split('name="mark" value="')[1].split('"')[0]
    done = page.post(path, {"mark": mark, "per_day": "2", "second_person": "on"})
    assert done.status_code == 302
    assert world.staff("GET", world.path).json == {"per_day": 2}


def test_a_set_that_has_a_name_is_filled_in_elsewhere(world) -> None:
    put(world, world.staff, WHOLE)
    (preset,) = world.call("GET", "/policies").json["items"]
    assert (preset["code"], preset["resources"]) == ("HOT", 1)
    with writing() as session:
        other = make_resource(session, platform_id=world.tool.platform_id)
    page = world.browser.enter(world.operator)
    shown = page.get(f"/resources/{other.code}/policy?preset=HOT").text
    assert "600/7, 1200/30" in shown
    assert world.staff("GET", f"/resources/{other.public_id}/policy").json == {}
