"""Operators grant and take away what their platforms teach, and nobody else does."""

from datetime import date, timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking.audit import AuditEntry
from platform_booking.catalog.models import MemberQualification, Qualification
from platform_booking.clock import utcnow
from platform_booking.db import Identity, acting_as, db
from platform_booking.notices.models import Notice
from tests.bookings.callers import Browser, Program, make_token
from tests.factories import (
    make_booking,
    make_member,
    make_operator,
    make_organisation,
    make_platform,
    make_resource,
    writing,
)
from tests.visitor import Visitor

LATER = "2099-06-30"


class World:
    """Two platforms that teach one thing each; a firm that has booked on the first."""


@pytest.fixture
def world(app: Flask, client: Visitor) -> World:
    w = World()
    with writing() as session:
        w.platform, elsewhere = make_platform(session), make_platform(session)
        ours = Qualification(
            code="ETCH", name_zh="刻蚀", name_en="Etch", levels={"DAY": {}}
        )
        theirs = Qualification(code="LITHO", name_zh="光刻", name_en="Lithography")
        session.add_all([ours, theirs])
        session.flush()
        tool = make_resource(session, platform_id=w.platform.id)
        tool.qualification_id = ours.id
        make_resource(session, platform_id=elsewhere.id).qualification_id = theirs.id
        firm = make_organisation(session, name_en="Ours")
        w.engineer = make_member(session, organisation=firm)
        w.stranger = make_member(session, organisation=make_organisation(session))
        make_booking(
            session, resource=tool, organisation=firm, member_id=w.engineer.id,
            starts_at=utcnow() + timedelta(days=1), minutes=60,
        )  # fmt: skip
        w.operator = make_operator(session, w.platform)
        w.other = make_operator(session, elsewhere)
        w.staff = Program(client, make_token(session, w.operator))
        w.others = Program(client, make_token(session, w.other))
        w.call = Program(client, make_token(session, w.engineer))
    w.browser = Browser(client)
    return w


def grant(call, member, code="ETCH", **more):
    return call(
        "POST",
        "/member-qualifications",
        json={"member_id": str(member.public_id), "qualification": code, **more},
    )


def holdings() -> list[tuple[str | None, date | None]]:
    with writing() as session:
        return [(q.level, q.expires_on) for q in session.query(MemberQualification)]


def test_a_qualification_is_granted_replaced_and_taken_away(world) -> None:
    made = grant(world.staff, world.engineer, level="DAY", expires_on=LATER)
    assert made.status_code == 201, made.text
    assert holdings() == [("DAY", date.fromisoformat(LATER))]
    assert grant(world.staff, world.engineer).status_code == 201
    assert holdings() == [(None, None)]
    (line,) = world.staff("GET", "/member-qualifications").json["items"]
    assert line["member"]["id"] == str(world.engineer.public_id)
    assert line["qualification"]["code"] == "ETCH"
    path = f"/member-qualifications/{world.engineer.public_id}/ETCH"
    assert world.others("DELETE", path).status_code == 404
    assert world.staff("DELETE", path).status_code == 204
    assert world.staff("DELETE", path).status_code == 422
    assert holdings() == []
    with writing() as session:
        acts = [a.act for a in session.query(AuditEntry).order_by(AuditEntry.id)]
        assert acts[-3:] == [*["qualification.grant"] * 2, "qualification.revoke"]
        told = session.query(Notice).filter_by(member_id=world.engineer.id)
        assert [n.kind for n in told.order_by(Notice.id)][-1] == "qualification.revoked"


def test_everything_wrong_with_a_grant_is_told_at_once(world) -> None:
    refused = grant(world.staff, world.stranger, level="NIGHT", expires_on="2020-01-01")
    assert refused.status_code == 422
    assert [v["rule"] for v in refused.json["violations"]] == [
        "unknown_member",
        "unknown_level",
        "over",
    ]
    foreign = grant(world.staff, world.engineer, "LITHO")
    unknown = grant(world.staff, world.engineer, "NONE")
    assert foreign.json["violations"] == unknown.json["violations"]
    assert grant(world.call, world.engineer).status_code == 403
    assert holdings() == []


def test_the_page_grants_and_takes_away(world) -> None:
    page = world.browser.enter(world.operator)
    form = {"member_id": str(world.engineer.public_id), "qualification": "ETCH/DAY"}
    assert page.post("/qualifications", form | {"expires_on": LATER}).status_code == 302
    assert holdings() == [("DAY", date.fromisoformat(LATER))]
    assert LATER in page.get("/qualifications").text
    assert page.post("/qualifications", form | {"expires_on": "soon"}).status_code == 422
    path = f"/qualifications/{world.engineer.public_id}/ETCH/revoke"
    assert page.post(path, {}).status_code == 302
    assert holdings() == []


def test_a_newcomer_is_granted_what_he_has_learnt_by_his_address(world) -> None:
    path = "/member-qualifications"
    by_address = {"email": world.stranger.email.upper(), "qualification": "ETCH"}
    made = world.staff("POST", path, json=by_address)
    assert made.status_code == 201, made.text
    assert made.json["member"]["name"] == world.stranger.name
    (line,) = world.staff("GET", path).json["items"]
    assert line["member"]["id"] == str(world.stranger.public_id)
    assert world.others("GET", path).json["items"] == []  # he teaches something else
    page = world.browser.enter(world.operator).get("/qualifications").text
    assert world.stranger.name in page
    assert world.stranger.name not in (
        world.browser.enter(world.other).get("/qualifications").text
    )
    for wrong in (
        {"email": "nobody@example.org"},
        {},
        by_address | {"member_id": str(world.engineer.public_id)},
    ):
        refused = world.staff("POST", path, json={"qualification": "ETCH", **wrong})
        assert refused.status_code == 422
    assert world.call("POST", path, json=by_address).status_code == 403
    assert len(holdings()) == 1


def test_engineers_find_nobody_by_an_address(world) -> None:
    with acting_as(Identity(member_id=1, organisation_id=world.engineer.organisation_id)):
        found = db.session.execute(
            sa.text("SELECT * FROM member_at(:a)"), {"a": world.stranger.email}
        ).all()
    assert found == []
