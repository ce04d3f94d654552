"""Signing in and out, sessions, links: who gets through the doors, and who is slowed down."""

import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.client import HTTPConnection
from typing import cast
from urllib.parse import urlencode, urlsplit

import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking.accounts import administration, entrance, passwords
from platform_booking.accounts.models import Member, OneTimeToken, SignInAttempt
from platform_booking.clock import utcnow
from platform_booking.db import NOBODY, acting_as, db
from platform_booking.embedded import Urls
from platform_booking.errors import NotFound, RulesBroken, TooMany
from tests.factories import make_member, make_organisation, make_park_admin, writing
from tests.service import Service
from tests.visitor import Visitor

PASSWORD = "correct horse battery"
HASH = passwords.hashed(PASSWORD)


@pytest.fixture
def engineer(app: Flask) -> Member:
    with writing() as session:
        return make_member(session, email="li@firm.example", password_hash=HASH)


def signing_in(client: Visitor, password: str = PASSWORD, **more: str) -> int:
    data = {"email": "li@firm.example", "password": password} | more
    return client.submit("/sign-in", data).status_code


def is_in(client: Visitor) -> bool:
    return client.get("/account").status_code == 200


def test_a_member_signs_in_and_out(client: Visitor, engineer: Member) -> None:
    assert signing_in(client) == 302
    assert is_in(client)
    client.submit("/sign-out")
    assert not is_in(client)


def test_the_address_may_be_typed_in_capitals(client: Visitor, engineer: Member) -> None:
    assert signing_in(client, email=" Li@Firm.Example ") == 302


def test_what_does_not_fit_together_is_refused_in_one_sentence(
    client: Visitor, engineer: Member
) -> None:
    for given in (
        {"password": "wrong horse battery"},
        {"password": ""},
        {"email": "nobody@firm.example"},
        {"email": "li@firm.example\x00"},
        {"email": "", "password": "x" * 10_000},
    ):
        answer = client.submit(
            "/sign-in?lang=en", {"email": "li@firm.example", "password": PASSWORD} | given
        )
        assert answer.status_code == 401
        assert "E-mail and password do not fit together." in answer.text
        assert not is_in(client)


def test_members_of_a_firm_that_is_not_approved_stay_out(
    app: Flask, client: Visitor
) -> None:
    for number, state in enumerate(("applied", "refused", "suspended")):
        with writing() as session:
            firm = make_organisation(session, state=state)
            make_member(
                session, organisation=firm, email=f"{number}@x.example", password_hash=HASH
            )
        assert signing_in(client, email=f"{number}@x.example") == 401


def test_after_ten_failures_even_the_right_password_waits(
    client: Visitor, engineer: Member
) -> None:
    for _ in range(entrance.ATTEMPTS):
        assert signing_in(client, "guess") == 401
    answer = client.submit("/sign-in", {"email": "li@firm.example", "password": PASSWORD})
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 15 * 60 + 1


def test_unknown_accounts_are_slowed_down_as_known_ones_are(client: Visitor) -> None:
    statuses = [signing_in(client, email="nobody@x.example") for _ in range(11)]
    assert statuses == [401] * 10 + [429]


def test_another_address_and_another_account_are_not_slowed_down(
    app: Flask, engineer: Member
) -> None:
    now = utcnow()
    for _ in range(entrance.ATTEMPTS):
        assert (
            entrance.sign_in("li@firm.example", "no", address="10.0.0.1", now=now) is None
        )
    with pytest.raises(TooMany):
        entrance.sign_in("li@firm.example", PASSWORD, address="10.0.0.1", now=now)
    assert entrance.sign_in("li@firm.example", PASSWORD, address="10.0.0.2", now=now)
    assert (
        entrance.sign_in("wu@firm.example", PASSWORD, address="10.0.0.1", now=now) is None
    )


def test_the_wait_is_over_when_the_window_has_passed(app: Flask, engineer: Member) -> None:
    now = utcnow()
    for _ in range(entrance.ATTEMPTS):
        entrance.sign_in("li@firm.example", "no", address="10.0.0.1", now=now)
    with pytest.raises(TooMany) as refusal:
        entrance.sign_in(
            "li@firm.example", PASSWORD, address="10.0.0.1", now=now + timedelta(minutes=5)
        )
    assert refusal.value.retry_after == 10 * 60 + 1
    later = now + timedelta(minutes=15, seconds=1)
    assert entrance.sign_in("li@firm.example", PASSWORD, address="10.0.0.1", now=later)


def test_success_forgives_what_failed_before(client: Visitor, engineer: Member) -> None:
    for _ in range(3):
        assert [signing_in(client, "no") for _ in range(5)] == [401] * 5
        assert signing_in(client) == 302


def test_no_more_than_ten_get_through_at_once_in_several_workers(
    database: Urls, client: Visitor, engineer: Member
) -> None:
    """Forty guesses at the same moment, two processes with eight threads each."""
    token = client.csrf_token()
    cookie = client.get_cookie("session")
    assert cookie is not None
    body = urlencode({"email": "li@firm.example", "password": "guess", "csrf_token": token})
    headers = {
        "Cookie": f"session={cookie.value}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    together = threading.Barrier(20)

    with Service(database, workers=2) as service:
        host = urlsplit(service.url).netloc

        def guess(_: int) -> int:
            connection = HTTPConnection(host, timeout=60)
            together.wait(60)
            connection.request("POST", "/sign-in", body, headers)
            status = connection.getresponse().status
            connection.close()
            return status

        with ThreadPoolExecutor(20) as pool:
            statuses = list(pool.map(guess, range(40)))
    assert statuses.count(401) == entrance.ATTEMPTS
    assert statuses.count(429) == 30


def test_an_account_that_is_not_there_costs_the_same_time(
    app: Flask, engineer: Member
) -> None:
    """The time is that of the hash: one verification either way."""
    passwords.matches("warm", None)
    seconds: dict[str, list[float]] = {"li@firm.example": [], "nobody@firm.example": []}
    for n in range(6):
        for email, taken in seconds.items():
            begun = time.perf_counter()
            entrance.sign_in(email, "no", address=f"10.0.0.{n}", now=utcnow())
            taken.append(time.perf_counter() - begun)
    known, unknown = (statistics.median(taken) for taken in seconds.values())
    assert 0.5 < known / unknown < 2


def test_no_connection_is_held_while_a_password_is_hashed(
    app: Flask, engineer: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []
    matches = passwords.matches

    def watched(password: str, kept: str | None) -> bool:
        held.append(db.engine.pool.checkedout())
        return matches(password, kept)

    monkeypatch.setattr(passwords, "matches", watched)
    assert entrance.sign_in("li@firm.example", PASSWORD, address="here", now=utcnow())
    assert held == [0]


def test_passwords_are_kept_as_argon2id_with_the_parameters_of_the_decision() -> None:
    assert HASH.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_what_a_visitors_session_held_is_gone_after_signing_in(
    client: Visitor, engineer: Member
) -> None:
    """Session fixation: nothing that somebody planted before lives on."""
    with client.session_transaction() as session:
        session["planted"] = "by somebody"
    before = client.csrf_token()
    assert signing_in(client) == 302
    with client.session_transaction() as session:
        assert "planted" not in session
        assert session["member"] == engineer.id
    assert client.post("/sign-out", data={"csrf_token": before}).status_code == 403


@pytest.mark.parametrize("harm", ["deactivated", "epoch", "suspended", "gone"])
def test_a_session_ends_at_the_next_request(
    client: Visitor, engineer: Member, harm: str
) -> None:
    client.enter(engineer)
    assert is_in(client)
    statement = {
        "deactivated": "UPDATE member SET active = false",
        "epoch": "UPDATE member SET session_epoch = session_epoch + 1",
        "suspended": "UPDATE organisation SET state = 'suspended'",
        "gone": "DELETE FROM member_role; DELETE FROM member",
    }[harm]
    with writing() as session:
        session.execute(sa.text(statement))
    assert not is_in(client)


def test_a_changed_password_ends_every_other_session(
    app: Flask, client: Visitor, engineer: Member
) -> None:
    elsewhere = cast("Visitor", app.test_client())
    assert signing_in(client) == signing_in(elsewhere) == 302
    changed = {"act": "password", "old_password": PASSWORD, "password": "another good one"}
    assert client.submit("/account", changed).status_code == 200
    assert is_in(client)
    assert not is_in(elsewhere)
    assert signing_in(elsewhere) == 401
    assert signing_in(elsewhere, "another good one") == 302


def test_a_copy_of_the_session_is_worth_nothing_after_signing_out(
    app: Flask, client: Visitor, engineer: Member
) -> None:
    assert signing_in(client) == 302
    copy = client.get_cookie("session")
    assert copy is not None
    client.submit("/sign-out")
    thief = app.test_client()
    thief.set_cookie("session", copy.value)
    assert thief.get("/account").status_code == 302


def test_the_present_password_is_asked_for(client: Visitor, engineer: Member) -> None:
    client.enter(engineer)
    wrong = {"act": "password", "old_password": "not it", "password": "another good one"}
    assert client.submit("/account", wrong).status_code == 422
    assert signing_in(client) == 302


def test_the_present_password_cannot_be_guessed_from_a_stolen_session(
    client: Visitor, engineer: Member
) -> None:
    client.enter(engineer)
    wrong = {"act": "password", "old_password": "not it", "password": "another good one"}
    statuses = [client.submit("/account", wrong).status_code for _ in range(11)]
    assert statuses == [422] * 10 + [429]
    right = wrong | {"old_password": PASSWORD}
    assert client.submit("/account", right).status_code == 429


def test_a_weak_password_is_refused_with_its_rule(app: Flask) -> None:
    for password, rule in (
        ("short", "password_length"),
        ("correct horse battery" * 7, "password_length"),
        ("123456789012", "password_common"),
        ("PasswordPassword", "password_common"),
        ("aaaaaaaaaaab", "password_common"),
        ("longname.of.li", "password_common"),
        ("LongName.of.Li", "password_common"),
    ):
        found = passwords.violations(password, email="Longname.of.Li@firm.example")
        assert [v.rule for v in found] == [rule]


def invited(**given: object) -> tuple[Member, str]:
    with writing() as session:
        member = make_member(session, email="new@firm.example", **given)
        secret = entrance.one_time_secret(
            session,
            purpose=entrance.INVITATION,
            member_id=member.id,
            expires_at=utcnow() + entrance.INVITATION_LIFE,
        )
    return member, secret


def test_an_invitation_lets_in_once(client: Visitor) -> None:
    member, secret = invited()
    assert client.get(f"/invitation/{secret}").status_code == 200
    answer = client.submit(f"/invitation/{secret}", {"password": PASSWORD})
    assert answer.status_code == 302
    assert is_in(client)
    again = client.submit(f"/invitation/{secret}", {"password": "another good one"})
    assert again.status_code == 404
    client.submit("/sign-out")
    assert signing_in(client, email=member.email) == 302


def test_a_weak_password_does_not_spend_the_invitation(client: Visitor) -> None:
    _, secret = invited()
    assert client.submit(f"/invitation/{secret}", {"password": "short"}).status_code == 422
    assert client.submit(f"/invitation/{secret}", {"password": PASSWORD}).status_code == 302


def test_an_invitation_that_is_too_old_or_unknown_lets_nobody_in(client: Visitor) -> None:
    _, secret = invited()
    with writing() as session:
        session.execute(sa.update(OneTimeToken).values(expires_at=utcnow()))
    for wrong in (secret, "unknown", "%00", "x" * 2000):
        answer = client.submit(f"/invitation/{wrong}", {"password": PASSWORD})
        assert answer.status_code == 404
        assert not is_in(client)


def test_two_at_once_spend_an_invitation_once(app: Flask) -> None:
    _, secret = invited()
    both = threading.Barrier(2)

    def choose(password: str) -> bool:
        with app.app_context():
            both.wait(10)
            try:
                entrance.choose_password(secret, password, now=utcnow())
            except NotFound:
                return False
            return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(choose, [PASSWORD, "another good one"])) == [False, True]


def test_an_invitation_never_changes_an_account_that_has_a_password(
    client: Visitor, engineer: Member
) -> None:
    """Wherever such an invitation may come from: the second line of defence."""
    with writing() as session:
        secret = entrance.one_time_secret(
            session,
            purpose=entrance.INVITATION,
            member_id=engineer.id,
            expires_at=utcnow() + entrance.INVITATION_LIFE,
        )
    answer = client.submit(f"/invitation/{secret}", {"password": "taken over now"})
    assert answer.status_code == 404
    assert signing_in(client) == 302


def test_a_secret_for_one_purpose_does_not_serve_another(app: Flask) -> None:
    _, secret = invited()
    with acting_as(NOBODY), pytest.raises(NotFound):
        entrance.redeem(secret, purpose=entrance.DEMO)
    with acting_as(NOBODY), pytest.raises(RulesBroken):
        entrance.choose_password(secret, "short", now=utcnow())


def test_secrets_are_kept_as_hashes_alone(app: Flask) -> None:
    _, secret = invited()
    with writing() as session:
        kept = session.scalars(sa.select(OneTimeToken)).one()
    assert secret not in str(vars(kept))
    assert len(secret) >= 43  # 256 bits


Visitors = Callable[..., Visitor]


@pytest.fixture
def visitors(make_app: Callable[..., Flask], engineer: Member) -> Visitors:
    return lambda **settings: cast("Visitor", make_app(**settings).test_client())


def demo_path(member: Member, **shifted: float) -> str:
    with writing() as session:
        return administration.demo_link(
            session, member.id, now=utcnow() + timedelta(**shifted)
        )


def test_a_demo_link_lets_in_once(visitors: Visitors, engineer: Member) -> None:
    visitor = visitors(demo=True)
    path = demo_path(engineer)
    assert visitor.get(path).status_code == 302
    assert is_in(visitor)
    stranger = visitors(demo=True)
    assert stranger.get(path).status_code == 404
    assert not is_in(stranger)


def test_a_demo_link_lives_for_a_quarter_of_an_hour(
    visitors: Visitors, engineer: Member
) -> None:
    visitor = visitors(demo=True)
    assert visitor.get(demo_path(engineer, minutes=-15)).status_code == 404
    assert visitor.get(demo_path(engineer, minutes=-14)).status_code == 302


def test_demo_links_work_nowhere_but_in_the_demo(
    visitors: Visitors, engineer: Member
) -> None:
    visitor = visitors(demo=False)
    assert visitor.get(demo_path(engineer)).status_code == 404
    assert not is_in(visitor)


def test_demo_links_work_from_this_machine_alone(
    visitors: Visitors, engineer: Member
) -> None:
    visitor, path = visitors(demo=True), demo_path(engineer)
    for there in ("192.0.2.7", "::ffff:192.0.2.7", ""):
        assert visitor.get(path, environ_base={"REMOTE_ADDR": there}).status_code == 404
    for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"):
        assert visitor.get(path, headers={name: "127.0.0.1"}).status_code == 404
    assert not is_in(visitor)
    assert visitor.get(path).status_code == 302  # it was not spent either


def test_spent_secrets_and_old_attempts_are_forgotten(app: Flask, engineer: Member) -> None:
    entrance.sign_in("li@firm.example", "no", address="here", now=utcnow())
    invited()
    with writing() as session:
        administration.forget_spent(session, now=utcnow())
        assert session.scalars(sa.select(OneTimeToken)).all()
        assert session.scalars(sa.select(SignInAttempt)).all()
        administration.forget_spent(session, now=utcnow() + timedelta(days=3))
        assert not session.scalars(sa.select(OneTimeToken)).all()
        assert not session.scalars(sa.select(SignInAttempt)).all()


def test_a_changed_role_holds_at_the_next_request(client: Visitor) -> None:
    with writing() as session:
        admin = make_park_admin(session)
    client.enter(admin)
    assert client.get("/organisations").status_code == 200
    with writing() as session:
        session.execute(sa.text("DELETE FROM member_role"))
    assert client.get("/organisations").status_code == 403
