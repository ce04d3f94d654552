"""Quotas: staff set and end them, firms see what is left; what is booked keeps to them."""

from datetime import timedelta

import pytest
from flask import Flask

from platform_booking.audit import AuditEntry
from platform_booking.bookings.models import Period, Quota
from platform_booking.clock import utcnow
from tests.bookings.callers import Browser, Program, make_token
from tests.factories import (
    make_booking,
    make_member,
    make_operator,
    make_organisation,
    make_park_admin,
    make_platform,
    make_project,
    make_resource,
    writing,
)
from tests.visitor import Visitor


class World:
    """A platform, two firms, and who calls."""


@pytest.fixture
def world(app: Flask, client: Visitor) -> World:
    w = World()
    with writing() as session:
        w.platform, w.elsewhere = make_platform(session), make_platform(session)
        w.tool = make_resource(session, platform_id=w.platform.id)
        w.firm = make_organisation(session, name_en="Ours")
        w.project = make_project(session, w.firm)
        w.rival = make_organisation(session, name_en="Theirs")
        w.engineer = make_member(session, organisation=w.firm)
        w.operator = make_operator(session, w.platform)
        w.park_admin = make_park_admin(session)
        w.call = Program(client, make_token(session, w.engineer))
        w.staff = Program(client, make_token(session, w.operator))
        w.park = Program(client, make_token(session, w.park_admin))
    w.browser = Browser(client)
    return w


def set_quota(call, **body):
    return call("POST", "/quotas", json={"period": "week", "minutes": 60, **body})


def test_an_operator_sets_a_quota_and_the_firm_sees_what_is_left(world) -> None:
    made = set_quota(
        world.staff,
        organisation_id=str(world.firm.public_id),
        platform_id=str(world.platform.public_id),
    )
    assert made.status_code == 201, made.text
    with writing() as session:
        make_booking(
            session,
            resource=world.tool,
            organisation=world.firm,
            starts_at=utcnow(),
            minutes=1,
        )
    (line,) = world.call("GET", "/quotas").json["items"]
    assert line["id"] == made.json["id"]
    assert line["platform"]["code"] == world.platform.code
    assert (line["minutes"], line["held"], line["left"]) in {(60, 1, 59)}
    with writing() as session:
        told = session.query(AuditEntry).filter_by(act="quota.set").one()
        assert told.platform_id == world.platform.id


def test_a_firm_sees_its_own_quotas_and_those_of_all(world) -> None:
    for firm in (world.firm, world.rival):
        set_quota(world.park, organisation_id=str(firm.public_id))
    set_quota(world.park, minutes=90)
    lines = world.call("GET", "/quotas").json["items"]
    assert [line["minutes"] for line in lines] == [60, 90]
    assert "Theirs" not in world.call("GET", "/quotas").text
    assert world.park("GET", "/quotas").json["total"] == 3


def test_an_operator_sets_quotas_of_his_platforms_alone(world) -> None:
    elsewhere = {"platform_id": str(world.elsewhere.public_id)}
    assert set_quota(world.staff, **elsewhere).status_code == 403
    assert set_quota(world.staff).status_code == 403
    assert set_quota(world.call, **elsewhere).status_code == 403
    assert set_quota(world.park, **elsewhere).status_code == 201
    with writing() as session:
        assert session.query(Quota).count() == 1


def test_what_a_quota_names_must_be_there(world) -> None:
    nowhere = "00000000-0000-4000-8000-000000000000"
    answer = set_quota(
        world.park,
        minutes=-1,
        organisation_id=nowhere,
        project_id=nowhere,
        platform_id=nowhere,
        resource_id=nowhere,
    )
    assert answer.status_code == 422
    assert {v["where"] for v in answer.json["violations"]} == {
        "minutes", "organisation_id", "project_id", "platform_id", "resource_id",
    }  # fmt: skip
    wrong = set_quota(
        world.park,
        platform_id=str(world.elsewhere.public_id),
        resource_id=str(world.tool.public_id),
    )
    assert [v["rule"] for v in wrong.json["violations"]] == ["unknown_resource"]
    of_rival = set_quota(
        world.park,
        organisation_id=str(world.rival.public_id),
        project_id=str(world.project.public_id),
    )
    assert [v["rule"] for v in of_rival.json["violations"]] == ["unknown_project"]
    assert set_quota(world.park, minutes=10**9).status_code == 422


def test_a_quota_ends_once_and_binds_no_longer(world) -> None:
    made = set_quota(world.staff, minutes=0, platform_id=str(world.platform.public_id)).json
    starts_at = (utcnow() + timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
    body = {
        "resource_id": str(world.tool.public_id),
        "starts_at": starts_at.isoformat(),
        "ends_at": (starts_at + timedelta(hours=1)).isoformat(),
    }
    refused = world.call("POST", "/bookings", json=body)
    assert refused.status_code == 422
    assert [v["rule"] for v in refused.json["violations"]] == ["quota"]
    assert refused.json["violations"][0]["limit"] == 0
    address = f"/quotas/{made['id']}"
    assert world.call("DELETE", address).status_code == 403
    assert world.staff("DELETE", address).status_code == 204
    assert world.staff("DELETE", address).status_code == 422
    assert world.call("POST", "/bookings", json=body).status_code == 201


def test_staff_set_and_end_a_quota_by_the_page(world) -> None:
    browser = world.browser.enter(world.operator)
    assert "No quota is in force." in browser.get("/quotas").text
    form = {"platform_id": str(world.platform.public_id), "hours": "40", "period": "month"}
    assert browser.post("/quotas", {**form, "hours": "x"}).status_code == 422
    answer = browser.post("/quotas", {**form, "platform_id": ""})
    assert "choose a platform that you operate" in answer.text
    assert browser.post("/quotas", form).status_code == 302
    with writing() as session:
        quota = session.query(Quota).one()
        assert (quota.minutes, quota.period) == (2400, Period.MONTH)
    assert browser.post(f"/quotas/{quota.public_id}/end", {}).status_code == 302
    assert "No quota is in force." in browser.get("/quotas").text


def test_a_firm_sees_its_quotas_beside_its_bookings(world) -> None:
    set_quota(world.park, organisation_id=str(world.firm.public_id), minutes=6 * 60)
    browser = world.browser.enter(world.engineer)
    for path in ("/bookings", "/quotas"):
        shown = browser.get(path).text
        assert "Held in this period" in shown
        assert "6 h left" in shown
    assert "Set a quota" not in browser.get("/quotas").text
    assert browser.post("/quotas", {"hours": "1"}).status_code == 403
