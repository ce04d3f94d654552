"""API tokens: shown once, kept as hashes, scoped, ending, revocable."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking.accounts.models import ApiToken, Member
from platform_booking.clock import utcnow
from tests.factories import make_member, make_park_admin, writing
from tests.visitor import Visitor, bearer


@pytest.fixture
def owner(app: Flask) -> Member:
    with writing() as session:
        return make_park_admin(session)


def made(client: Visitor, owner: Member, **form: str) -> str:
    form = {"act": "token", "name": "script", "days": "30"} | form
    answer = client.enter(owner).submit("/account", form)
    found = re.search(r"pb_[\w-]{43}", answer.text)
    assert found is not None, answer.text
    with client.session_transaction() as session:
        session.clear()
    return found.group()


def reads(client: Visitor, secret: str) -> int:
    return client.get("/api/v1/plans", headers=bearer(secret)).status_code


def writes(client: Visitor, secret: str) -> int:
    body = {"night": (utcnow() + timedelta(days=1)).date().isoformat()}
    return client.post("/api/v1/plans", json=body, headers=bearer(secret)).status_code


def kept() -> ApiToken:
    with writing() as session:
        return session.scalars(sa.select(ApiToken)).one()


def test_a_token_is_shown_once_and_kept_as_a_hash(client: Visitor, owner: Member) -> None:
    secret = made(client, owner)
    page = client.enter(owner).get("/account").text
    assert secret not in page
    assert secret[:9] in page  # so that it can be told from another
    assert secret not in str(vars(kept()))
    assert re.fullmatch("[0-9a-f]{64}", kept().token_hash)


def test_a_token_reads_and_writes_within_its_scope(client: Visitor, owner: Member) -> None:
    secret = made(client, owner)
    assert reads(client, secret) == 200
    assert writes(client, secret) == 403
    refused = client.post("/api/v1/plans", json={}, headers=bearer(secret)).json
    assert refused["code"] == "scope_missing"  # the token is at fault, not the role
    with writing() as session:
        session.execute(sa.delete(ApiToken))
    secret = made(client, owner, write="yes")
    assert reads(client, secret) == 200
    assert writes(client, secret) == 202


def test_a_token_lives_between_a_day_and_a_year(client: Visitor, owner: Member) -> None:
    client.enter(owner)
    form = {"act": "token", "name": "script"}
    for wrong in ("0", "366", "-1", "", "1e2", "9" * 400):
        assert client.submit("/account", form | {"days": wrong}).status_code == 422
    for right in (1, 365):
        with writing() as session:
            session.execute(sa.delete(ApiToken))
        assert client.submit("/account", form | {"days": str(right)}).status_code == 200
        left = kept().expires_at - utcnow()
        assert timedelta(days=right) - left < timedelta(minutes=1)


def test_a_token_needs_a_decent_name(client: Visitor, owner: Member) -> None:
    client.enter(owner)
    for wrong in ("", "  ", "x" * 121, "a\x00b"):
        form = {"act": "token", "name": wrong, "days": "30"}
        assert client.submit("/account", form).status_code == 422


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE api_token SET expires_at = now()",
        "UPDATE api_token SET revoked_at = now()",
        "UPDATE member SET active = false",
        "DELETE FROM api_token",
    ],
)
def test_a_token_ends_at_the_next_request(
    client: Visitor, owner: Member, harm: str
) -> None:
    secret = made(client, owner)
    assert reads(client, secret) == 200
    with writing() as session:
        session.execute(sa.text(harm))
    assert reads(client, secret) == 401


def test_a_token_is_revoked_by_its_owner_alone(
    app: Flask, client: Visitor, owner: Member
) -> None:
    secret = made(client, owner)
    with writing() as session:
        other = make_park_admin(session)
    form = {"act": "revoke", "token": str(kept().public_id)}
    assert client.enter(other).submit("/account", form).status_code == 404
    assert reads(client, secret) == 200
    assert client.enter(owner).submit("/account", form).status_code == 200
    assert reads(client, secret) == 401


def test_a_wrong_token_is_told_so_and_never_falls_back_to_a_session(
    client: Visitor, owner: Member
) -> None:
    client.enter(owner)
    for garbage in ("", "x", "pb_" + "A" * 43, "é", "x" * 9000):
        answer = client.get("/api/v1/plans", headers=bearer(garbage))
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert answer.content_type == "application/problem+json"


def test_a_token_makes_no_tokens_members_links_or_passwords(
    app: Flask, client: Visitor
) -> None:
    """Whatever its owner may do by page: a leaked token must not breed."""
    with writing() as session:
        boss = make_member(session, roles=("organisation_admin", "engineer"))
        colleague = make_member(session, organisation_id=boss.organisation_id)
    secret = made(client, boss, write="yes")
    acts = (
        ("/account", {"act": "token", "name": "more", "days": "300", "write": "yes"}),
        ("/account", {"act": "password", "old_password": "", "password": "x" * 12}),
        (
            "/members",
            {"person": "x", "email": "x@x.example", "roles": "organisation_admin"},
        ),
        (f"/members/{colleague.public_id}/link", {}),
        (f"/members/{colleague.public_id}/roles", {"roles": "organisation_admin"}),
        (f"/members/{colleague.public_id}/active", {"active": "no"}),
    )
    for path, form in acts:
        assert client.post(path, data=form, headers=bearer(secret)).status_code == 403
    with writing() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Member)) == 2
        assert session.scalar(sa.select(sa.func.count()).select_from(ApiToken)) == 1
