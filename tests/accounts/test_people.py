"""Who brings whom in: a firm its colleagues, the park its operators and administrators."""

import re
from typing import cast
from uuid import uuid4

import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking.accounts.models import Member, MemberRole, OneTimeToken
from platform_booking.audit import AuditEntry
from tests.factories import (
    make_member,
    make_operator,
    make_organisation,
    make_park_admin,
    make_platform,
    writing,
)
from tests.visitor import Visitor

PASSWORD = "correct horse battery"
NEW = {"person": "王工", "email": "wang@firm.example", "roles": "engineer"}


@pytest.fixture
def boss(app: Flask) -> Member:
    with writing() as session:
        return make_member(session, roles=("organisation_admin", "engineer"))


@pytest.fixture
def park(app: Flask) -> Member:
    with writing() as session:
        make_platform(session, code="DEV")
        make_platform(session, code="MEM")
        return make_park_admin(session)


def link_in(text: str) -> str:
    found = re.search(r"http://127\.0\.0\.1:8000(/invitation/[\w-]+)", text)
    assert found is not None, text
    return found.group(1)


def roles_of(email: str) -> set[tuple[str, bool]]:
    with writing() as session:
        rows = session.scalars(
            sa.select(MemberRole)
            .join(Member, Member.id == MemberRole.member_id)
            .where(Member.email == email)
        )
        return {(r.role.value, r.platform_id is not None) for r in rows}


def visitor(app: Flask) -> Visitor:
    return cast("Visitor", app.test_client())


def test_a_colleague_is_invited_and_joins(
    app: Flask, client: Visitor, boss: Member
) -> None:
    answer = client.enter(boss).submit("/members", NEW)
    assert answer.status_code == 200
    colleague = visitor(app)
    joined = colleague.submit(link_in(answer.text), {"password": PASSWORD})
    assert joined.status_code == 302
    assert colleague.get("/account").status_code == 200
    assert colleague.get("/members").status_code == 403  # an engineer, no more
    with writing() as session:
        member = session.scalars(sa.select(Member).filter_by(email=NEW["email"])).one()
        assert member.organisation_id == boss.organisation_id
        acts = list(session.scalars(sa.select(AuditEntry.act).order_by(AuditEntry.id)))
    assert acts[-2:] == ["member.invite", "member.join"]


@pytest.mark.parametrize("whose", ["own", "foreign", "staff", "waiting"])
def test_an_invitation_to_an_address_that_exists_changes_no_account(
    app: Flask, client: Visitor, boss: Member, whose: str
) -> None:
    """An upsert here once gave an attacker his victim's account elsewhere."""
    with writing() as session:
        given = {"email": NEW["email"], "name": "Before", "password_hash": "kept"}
        if whose == "own":
            make_member(session, organisation_id=boss.organisation_id, **given)
        elif whose == "foreign":
            make_member(session, **given)
        elif whose == "staff":
            make_park_admin(session, **given)
        else:
            make_member(session, **given | {"password_hash": None})
        before = session.execute(sa.text("SELECT * FROM member ORDER BY id")).all()
    answer = client.enter(boss).submit(
        "/members?lang=en", NEW | {"email": " Wang@Firm.Example"}
    )
    assert answer.status_code == 422
    assert "This address cannot be invited. Use another." in answer.text
    assert "/invitation/" not in answer.text
    with writing() as session:
        assert session.execute(sa.text("SELECT * FROM member ORDER BY id")).all() == before
        assert session.scalars(sa.select(OneTimeToken)).all() == []


def test_a_firm_cannot_give_roles_that_are_not_its_own(
    app: Flask, client: Visitor, boss: Member
) -> None:
    client.enter(boss)
    for roles in ([], ["operator"], ["park_admin"], ["engineer", "park_admin"], ["x"]):
        assert client.submit("/members", NEW | {"roles": roles}).status_code == 422
    assert roles_of(NEW["email"]) == set()


def test_the_park_appoints_an_operator_on_an_empty_installation(
    app: Flask, client: Visitor, park: Member
) -> None:
    answer = client.enter(park).submit(
        "/staff", NEW | {"roles": ["operator"], "platforms": ["DEV", "MEM"]}
    )
    assert answer.status_code == 200
    operator = visitor(app)
    operator.submit(link_in(answer.text), {"password": PASSWORD})
    assert operator.get("/plans").status_code == 200
    assert operator.get("/staff").status_code == 403
    assert roles_of(NEW["email"]) == {("operator", True)}


def test_the_park_appoints_another_administrator(
    app: Flask, client: Visitor, park: Member
) -> None:
    answer = client.enter(park).submit("/staff", NEW | {"roles": ["park_admin"]})
    other = visitor(app)
    other.submit(link_in(answer.text), {"password": PASSWORD})
    assert other.get("/staff").status_code == 200


def test_an_appointment_that_says_too_little_is_refused(
    client: Visitor, park: Member
) -> None:
    client.enter(park)
    for wrong in (
        {"roles": ["operator"]},
        {"roles": ["operator"], "platforms": ["NOWHERE"]},
        {"roles": ["engineer"]},
        {"roles": []},
        {"roles": ["park_admin"], "email": "x"},
        {"roles": ["park_admin"], "person": ""},
    ):
        assert client.submit("/staff", NEW | wrong).status_code == 422
    assert roles_of(NEW["email"]) == set()


def test_roles_are_changed_and_hold_from_the_next_request(
    app: Flask, client: Visitor, park: Member
) -> None:
    with writing() as session:
        (dev,) = session.execute(
            sa.text("SELECT id FROM platform WHERE code = 'DEV'")
        ).one()
        operator = make_operator(session, email="op@park.example")
        session.add(MemberRole(member_id=operator.id, role="operator", platform_id=dev))
    there = visitor(app).enter(operator)
    assert there.get("/staff").status_code == 403
    path = f"/members/{operator.public_id}/roles"
    client.enter(park).submit(path, {"roles": ["park_admin"]})
    assert there.get("/staff").status_code == 200
    assert roles_of("op@park.example") == {("park_admin", False)}
    client.submit(path, {"roles": ["operator"], "platforms": ["MEM"]})
    assert there.get("/staff").status_code == 403
    client.submit(path, {"roles": []})
    assert roles_of("op@park.example") == {("operator", True)}


@pytest.mark.parametrize("act", ["active", "link", "roles"])
def test_nobody_manages_members_of_others(
    app: Flask, client: Visitor, boss: Member, park: Member, act: str
) -> None:
    """A firm's boss neither another firm's nor the staff; the park its staff alone."""
    with writing() as session:
        foreign = make_member(session)
        before = session.execute(sa.text("SELECT * FROM member ORDER BY id")).all()
    absent = client.enter(boss).submit(f"/members/{uuid4()}/{act}", {"roles": "engineer"})
    for asker, target in ((boss, foreign), (boss, park), (park, foreign)):
        answer = client.enter(asker).submit(
            f"/members/{target.public_id}/{act}?lang=zh", {"roles": ["engineer"]}
        )
        assert answer.status_code == absent.status_code == 404
    with writing() as session:
        assert session.execute(sa.text("SELECT * FROM member ORDER BY id")).all() == before


@pytest.mark.parametrize("act", ["active", "roles"])
def test_nobody_locks_himself_out_or_raises_himself(
    client: Visitor, boss: Member, act: str
) -> None:
    path = f"/members/{boss.public_id}/{act}"
    data = {"active": "no", "roles": ["engineer"]}
    assert client.enter(boss).submit(path, data).status_code == 403
    assert client.get("/members").status_code == 200


def test_a_lock_out_ends_sessions_and_a_let_in_asks_to_sign_in_again(
    app: Flask, client: Visitor, boss: Member
) -> None:
    with writing() as session:
        colleague = make_member(session, organisation_id=boss.organisation_id)
    there = visitor(app).enter(colleague)
    path = f"/members/{colleague.public_id}/active"
    client.enter(boss).submit(path, {"active": "no"})
    assert there.get("/account").status_code == 302
    client.submit(path, {"active": "yes"})
    assert there.get("/account").status_code == 302


def test_a_new_link_helps_whoever_has_lost_his_password(
    app: Flask, client: Visitor, boss: Member
) -> None:
    with writing() as session:
        colleague = make_member(
            session, organisation_id=boss.organisation_id, password_hash="lost"
        )
    there = visitor(app).enter(colleague)
    answer = client.enter(boss).submit(f"/members/{colleague.public_id}/link")
    assert there.get("/account").status_code == 200  # nothing has happened yet
    newcomer = visitor(app)
    link = link_in(answer.text)
    assert newcomer.submit(link, {"password": PASSWORD}).status_code == 302
    assert there.get("/account").status_code == 302
    entering = {"email": colleague.email, "password": PASSWORD}
    assert visitor(app).submit("/sign-in", entering).status_code == 302
    assert newcomer.submit(link, {"password": "another good one"}).status_code == 404


def test_a_new_link_helps_whoever_let_his_invitation_pass(
    app: Flask, client: Visitor, boss: Member
) -> None:
    client.enter(boss).submit("/members", NEW)
    with writing() as session:
        member = session.scalars(sa.select(Member).filter_by(email=NEW["email"])).one()
        session.execute(sa.update(OneTimeToken).values(expires_at=sa.func.now()))
    answer = client.submit(f"/members/{member.public_id}/link")
    assert (
        visitor(app).submit(link_in(answer.text), {"password": PASSWORD}).status_code == 302
    )


def test_links_start_with_the_configured_address_whatever_host_is_asked(
    client: Visitor, boss: Member
) -> None:
    answer = client.enter(boss).submit("/members", NEW, headers={"Host": "localhost:81"})
    assert link_in(answer.text)
    assert "localhost:81/invitation" not in answer.text


def test_the_list_shows_the_firms_own_people_alone(app: Flask, client: Visitor) -> None:
    with writing() as session:
        firm = make_organisation(session)
        boss = make_member(session, organisation=firm, roles=("organisation_admin",))
        make_member(session, organisation=firm, name="我们的人")
        make_member(session, name="别人的人")
        park = make_park_admin(session, name="园区的人")
    assert "我们的人" in client.enter(boss).get("/members").text
    assert not {"别人的人", "园区的人"} & set(
        re.findall(r"\w+的人", client.get("/members").text)
    )
    shown = set(re.findall(r"\w+的人", client.enter(park).get("/staff").text))
    assert shown == {"园区的人"}
