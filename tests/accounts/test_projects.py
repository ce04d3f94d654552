"""A firm names its projects; nobody else's are touched."""

import sqlalchemy as sa
from flask import Flask

from platform_booking.accounts.models import Member, Organisation, Project, Purpose
from platform_booking.audit import AuditEntry
from tests.bookings.callers import Program, make_token
from tests.factories import make_member, make_organisation, make_project, writing
from tests.visitor import Visitor


def engineer(app: Flask) -> tuple[Visitor, Member]:
    app.test_client_class = Visitor
    with writing() as session:
        member = make_member(session)
    client = app.test_client()
    assert isinstance(client, Visitor)
    return client.enter(member), member


def projects_of(member: Member) -> dict[str, bool]:
    with writing() as session:
        rows = session.scalars(
            sa.select(Project).filter_by(organisation_id=member.organisation_id)
        ).all()
        return {row.code: row.active for row in rows}


def test_a_project_is_added_closed_and_opened_again(app: Flask) -> None:
    visitor, member = engineer(app)
    assert visitor.submit("/projects", {"code": "RF-12", "name": "射频"}).status_code == 302
    assert projects_of(member) == {"RF-12": True}
    assert "射频" in visitor.get("/projects").text
    with writing() as session:
        project = session.scalars(sa.select(Project)).one()
    visitor.submit(f"/projects/{project.public_id}/active", {"active": "no"})
    assert projects_of(member) == {"RF-12": False}
    visitor.submit(f"/projects/{project.public_id}/active", {"active": "yes"})
    assert projects_of(member) == {"RF-12": True}


def test_a_code_is_taken_within_a_firm_only(app: Flask) -> None:
    visitor, member = engineer(app)
    with writing() as session:
        make_project(session, make_organisation(session), code="RF-12")
    assert visitor.submit("/projects", {"code": "RF-12", "name": "射频"}).status_code == 302
    again = visitor.submit("/projects?lang=en", {"code": "RF-12", "name": "another"})
    assert again.status_code == 422
    assert "exists already" in again.text
    assert 'value="another"' in again.text  # what was typed is kept
    assert projects_of(member) == {"RF-12": True}


def test_every_fault_of_a_project_is_told_at_once(app: Flask) -> None:
    visitor, member = engineer(app)
    empty = visitor.submit("/projects?lang=en", {"code": "", "name": " "})
    assert empty.status_code == 422
    assert "Enter a code" in empty.text
    assert "Enter the project&#39;s name" in empty.text
    for code in ("x" * 41, "a\x00b"):
        assert visitor.submit("/projects", {"code": code, "name": "n"}).status_code == 422
    assert projects_of(member) == {}


def test_another_firms_project_answers_as_none(app: Flask) -> None:
    visitor, _ = engineer(app)
    with writing() as session:
        theirs = make_project(session, make_organisation(session))
    foreign = visitor.submit(f"/projects/{theirs.public_id}/active", {"active": "no"})
    absent = visitor.submit(
        "/projects/00000000-0000-4000-8000-000000000000/active", {"active": "no"}
    )
    assert foreign.status_code == absent.status_code == 404
    with writing() as session:
        assert session.get_one(Project, theirs.id).active


def test_an_administrator_sets_what_a_project_is_for_and_an_engineer_does_not(
    app: Flask,
) -> None:
    visitor, member = engineer(app)
    with writing() as session:
        firm = session.get_one(Organisation, member.organisation_id)
        project = make_project(session, firm)
        admin = make_member(session, organisation=firm, roles=("organisation_admin",))
        theirs = make_project(session, make_organisation(session))
    path = f"/projects/{project.public_id}/purpose"
    assert visitor.submit(path, {"purpose": "academic"}).status_code == 403
    assert 'name="purpose"' not in visitor.get("/projects").text
    visitor.enter(admin)
    assert 'name="purpose"' in visitor.get("/projects").text
    assert visitor.submit(path, {"purpose": "war"}).status_code == 302
    assert visitor.submit(path, {"purpose": "academic"}).status_code == 302
    foreign = f"/projects/{theirs.public_id}/purpose"
    assert visitor.submit(foreign, {"purpose": "academic"}).status_code == 404
    with writing() as session:
        purposes = {p.id: p.purpose for p in session.scalars(sa.select(Project))}
        told = session.scalars(sa.select(AuditEntry).filter_by(act="project.purpose")).one()
    assert purposes == {project.id: Purpose.ACADEMIC, theirs.id: Purpose.COMMERCIAL}
    assert told.detail == {"was": "commercial", "purpose": "academic"}


def test_programs_begin_projects_and_say_what_they_are_for(app: Flask) -> None:
    app.test_client_class = Visitor
    with writing() as session:
        firm = make_organisation(session)
        engineer = make_member(session, organisation=firm)
        head = make_member(session, organisation=firm, roles=("organisation_admin",))
        stranger = make_member(session)
        ask, manage, other = (
            Program(app.test_client(), make_token(session, member))
            for member in (engineer, head, stranger)
        )
    made = ask("POST", "/projects", json={"code": "RF-12", "name": "射频"})
    assert made.status_code == 201, made.text
    assert made.json | {"id": ""} == {
        "id": "", "code": "RF-12", "name": "射频", "purpose": "commercial", "active": True,
    }  # fmt: skip
    path = f"/projects/{made.json['id']}"
    again = ask("POST", "/projects", json={"code": "RF-12", "name": " "})
    assert (again.status_code, again.json["violations"][0]["where"]) == (422, "name")
    closed = ask("PUT", f"{path}/active", json={"active": False})
    assert (closed.status_code, closed.json["active"]) == (200, False)
    teaching = {"purpose": "teaching"}
    assert ask("PUT", f"{path}/purpose", json=teaching).status_code == 403
    assert manage("PUT", f"{path}/purpose", json=teaching).json["purpose"] == "teaching"
    assert manage("PUT", f"{path}/purpose", json={"purpose": "fun"}).status_code == 422
    assert other("PUT", f"{path}/active", json={"active": True}).status_code == 404
    assert other("GET", "/projects").json["items"] == []
    assert [p["purpose"] for p in ask("GET", "/projects").json["items"]] == ["teaching"]


def test_a_name_that_turns_the_reading_direction_is_refused(app: Flask) -> None:
    visitor, member = engineer(app)
    turned = visitor.submit("/projects?lang=en", {"code": "R", "name": "\u202eabc"})
    assert turned.status_code == 422
    assert "characters that no text may have" in turned.text
    with writing() as session:
        call = Program(app.test_client(), make_token(session, member))
    sent = call("POST", "/projects", json={"code": "a\u2066b", "name": "n"})
    assert sent.status_code == 422
    assert projects_of(member) == {}
