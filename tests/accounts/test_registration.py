"""An organisation applies, the park decides; nobody learns who the customers are."""

import re

import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking.accounts.models import Member, Organisation, OrganisationState
from platform_booking.audit import AuditEntry
from tests.factories import make_member, make_organisation, make_park_admin, writing
from tests.visitor import Visitor

FORM = {
    "name_zh": "苏州微纳器件有限公司",
    "name_en": "Suzhou Micro Devices",
    "registration_no": "91320594MA1234567X",
    "size": "SME-small",
    "contract_ref": "HT-2027-001",
    "nda_ref": "",
    "person": "李工",
    "email": "Li@Micro.Example",
    "password": "correct horse battery",
}


def without_tokens(page: str) -> str:
    return re.sub(r'(content|value)="[\w.-]{60,}"', "", page)


def organisations() -> list[Organisation]:
    with writing() as session:
        return list(session.scalars(sa.select(Organisation)))


def test_an_application_waits_for_the_park(app: Flask, client: Visitor) -> None:
    assert client.submit("/register", FORM).status_code == 200
    (firm,) = organisations()
    assert firm.state is OrganisationState.APPLIED
    entering = {"email": "li@micro.example", "password": FORM["password"]}
    assert client.submit("/sign-in", entering).status_code == 401

    with writing() as session:
        park = make_park_admin(session)
    client.enter(park)
    assert "91320594MA1234567X" in client.get("/organisations").text
    client.submit(f"/organisations/{firm.public_id}/decide", {"verdict": "approve"})
    client.submit("/sign-out")
    assert client.submit("/sign-in", entering).status_code == 302
    assert client.get("/members").status_code == 200
    with writing() as session:
        acts = set(session.scalars(sa.select(AuditEntry.act)))
    assert "organisation.approve" in acts


WRONG = [
    ({"contract_ref": "", "nda_ref": " "}, "contract_ref"),
    ({"name_zh": " "}, "name_zh"),
    ({"name_zh": "微" * 5000}, "name_zh"),
    ({"name_zh": "微\x00纳"}, "name_zh"),
    ({"registration_no": "1234"}, "registration_no"),
    ({"registration_no": "91320594ma1234567x"}, "registration_no"),
    ({"size": "KEY"}, "size"),
    ({"person": ""}, "person"),
    ({"email": "li"}, "email"),
    ({"email": "li@x"}, "email"),
    ({"email": "li@micro.example\nbcc: x@y.example"}, "email"),
    ({"email": "l" * 65 + "@micro.example"}, "email"),
    ({"email": "l@" + "m." * 130 + "example"}, "email"),
    ({"password": "short"}, "password"),
]


def test_a_wrong_field_is_named_and_nothing_is_written(app: Flask, client: Visitor) -> None:
    for wrong, where in WRONG:
        answer = client.submit("/register", FORM | wrong)
        assert answer.status_code == 422
        (mark,) = re.findall(rf'<(?:input|select)[^>]*id="f-{where}"[^>]*>', answer.text)
        assert 'aria-invalid="true"' in mark, (wrong, mark)
    assert organisations() == []


def test_every_wrong_field_is_named_at_once_and_what_was_typed_is_kept(
    app: Flask, client: Visitor
) -> None:
    wrong = {"registration_no": "1", "email": "li", "password": "short", "contract_ref": ""}
    answer = client.submit("/register", FORM | wrong)
    assert answer.text.count('aria-invalid="true"') == 4
    assert FORM["name_zh"] in answer.text
    assert "short" not in answer.text  # a password is never shown again


def test_an_nda_instead_of_a_contract_will_do(app: Flask, client: Visitor) -> None:
    client.submit("/register", FORM | {"contract_ref": "", "nda_ref": "NDA-7"})
    assert len(organisations()) == 1


@pytest.mark.parametrize("known", ["email", "registration_no", "name_zh"])
def test_an_address_or_number_that_exists_is_not_told_and_changes_nothing(
    app: Flask, client: Visitor, known: str
) -> None:
    with writing() as session:
        firm = make_organisation(
            session,
            name_zh=FORM["name_zh"] if known == "name_zh" else "旧公司",
            registration_no=FORM["registration_no"] if known == "registration_no" else "9",
        )
        email = FORM["email"].lower() if known == "email" else "old@firm.example"
        member = make_member(session, organisation=firm, email=email, password_hash="kept")
    fresh = FORM | {
        "name_zh": "新公司", "registration_no": "91320594MA7654321X", "email": "n@x.example"
    }  # fmt: skip
    answers = [client.submit("/register", form) for form in (fresh, FORM)]
    assert answers[0].status_code == answers[1].status_code == 200
    assert without_tokens(answers[0].text) == without_tokens(answers[1].text)
    with writing() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Organisation)) == 2
        kept = session.scalar(sa.select(Member.password_hash).filter_by(id=member.id))
        assert kept == "kept"


def test_roles_and_states_cannot_be_sent_along(app: Flask, client: Visitor) -> None:
    client.submit(
        "/register",
        FORM
        | {"state": "approved", "priority_class": "KEY", "share_weight": "99"}
        | {"roles": "park_admin", "organisation_id": "1", "active": "true"},
    )
    (firm,) = organisations()
    assert (firm.state.value, firm.priority_class, firm.share_weight) == (
        "applied", "SME", 1,
    )  # fmt: skip


def test_ten_applications_a_quarter_of_an_hour_are_enough(
    app: Flask, client: Visitor
) -> None:
    statuses = [client.submit("/register", FORM).status_code for _ in range(11)]
    assert statuses == [200] * 10 + [429]


def test_the_park_decides_along_the_table(app: Flask, client: Visitor) -> None:
    table = {
        "applied": {"approve": "approved", "refuse": "refused"},
        "approved": {"suspend": "suspended"},
        "suspended": {"approve": "approved"},
        "refused": {"approve": "approved"},
    }
    with writing() as session:
        client.enter(make_park_admin(session))
    for state, moves in table.items():
        for verdict in ("approve", "refuse", "suspend", "applied", ""):
            with writing() as session:
                firm = make_organisation(session, state=OrganisationState(state))
            path = f"/organisations/{firm.public_id}/decide"
            answer = client.submit(path, {"verdict": verdict})
            assert answer.status_code == (302 if verdict in moves else 422)
            with writing() as session:
                after = session.get_one(Organisation, firm.id).state.value
            assert after == moves.get(verdict, state)


def test_approval_needs_a_contract_or_an_nda(app: Flask, client: Visitor) -> None:
    with writing() as session:
        firm = make_organisation(
            session, state=OrganisationState.APPLIED, contract_ref="", nda_ref=""
        )
        client.enter(make_park_admin(session))
    path = f"/organisations/{firm.public_id}/decide"
    for wrong in ({}, {"contract_ref": "x" * 121}, {"nda_ref": "a\x00b"}):
        client.submit(path, {"verdict": "approve"} | wrong)
        assert organisations()[0].state is OrganisationState.APPLIED
    client.submit(path, {"verdict": "approve", "nda_ref": "NDA-9"})
    assert organisations()[0].state is OrganisationState.APPROVED
    assert organisations()[0].nda_ref == "NDA-9"
