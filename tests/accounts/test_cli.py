"""The command line of accounts: the first administrator, and the last resort."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa
from click.testing import Result
from flask import Flask

from platform_booking.accounts.models import Member, OneTimeToken
from platform_booking.clock import utcnow
from tests.factories import make_member, make_park_admin, writing
from tests.visitor import Visitor

PASSWORD = "correct horse battery"


def run(app: Flask, *words: str) -> Result:
    return app.test_cli_runner().invoke(args=["accounts", *words])


def bootstrap(app: Flask, email: str = "first@park.example") -> Result:
    return run(app, "bootstrap", "--email", email, "--name", "First")


def path_in(result: Result) -> str:
    found = re.search(r"http://127\.0\.0\.1:8000(/invitation/[\w-]{43})\n", result.output)
    assert found is not None, result.output
    return found.group(1)


def members() -> int:
    with writing() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(Member)) or 0


def test_there_is_no_account_at_first(app: Flask) -> None:
    assert members() == 0


def test_the_first_administrator_comes_in_by_a_link_once(
    app: Flask, client: Visitor
) -> None:
    path = path_in(bootstrap(app))
    assert client.submit(path, {"password": PASSWORD}).status_code == 302
    assert client.get("/staff").status_code == 200
    assert client.submit(path, {"password": "another good one"}).status_code == 404


def test_the_link_lives_for_an_hour(app: Flask) -> None:
    bootstrap(app)
    with writing() as session:
        ends = session.scalars(sa.select(OneTimeToken.expires_at)).one()
    assert timedelta(minutes=59) < ends - utcnow() <= timedelta(minutes=60)


def test_an_unused_link_is_replaced_by_a_new_one(app: Flask, client: Visitor) -> None:
    old, new = path_in(bootstrap(app)), path_in(bootstrap(app))
    assert members() == 1
    assert client.submit(old, {"password": PASSWORD}).status_code == 404
    assert client.submit(new, {"password": PASSWORD}).status_code == 302


def test_it_refuses_when_a_park_administrator_exists(app: Flask) -> None:
    with writing() as session:
        make_park_admin(session, password_hash="some")
    refused = bootstrap(app)
    assert refused.exit_code != 0
    assert "a park administrator exists already" in refused.output
    assert members() == 1


def test_it_takes_no_existing_account_over(app: Flask) -> None:
    with writing() as session:
        make_member(session, email="li@firm.example", password_hash="kept")
    refused = bootstrap(app, "Li@Firm.Example")
    assert refused.exit_code != 0
    assert "belongs to another account" in refused.output
    with writing() as session:
        assert session.scalars(sa.select(OneTimeToken)).all() == []


def test_it_refuses_what_is_no_address(app: Flask) -> None:
    refused = bootstrap(app, "first")
    assert refused.exit_code != 0
    assert "Not an e-mail address" in refused.output
    assert members() == 0


def test_a_link_for_whoever_cannot_be_helped_by_page(app: Flask, client: Visitor) -> None:
    with writing() as session:
        make_park_admin(session, email="only@park.example", password_hash="forgotten")
    path = path_in(run(app, "link", "--email", "Only@Park.Example"))
    assert client.submit(path, {"password": PASSWORD}).status_code == 302
    assert client.get("/staff").status_code == 200


def test_a_link_for_nobody_is_refused(app: Flask) -> None:
    refused = run(app, "link", "--email", "nobody@park.example")
    assert refused.exit_code != 0
    assert "no member has this address" in refused.output


@pytest.mark.parametrize("command", ["bootstrap", "link"])
def test_what_is_missing_is_named_and_not_asked_for(app: Flask, command: str) -> None:
    assert "--email" in run(app, command).output
