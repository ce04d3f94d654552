"""Readiness is tried, not asserted: a guard that is there and broken must be found."""

import threading
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking import guards
from platform_booking.embedded import Urls
from tests.factories import make_organisation, make_resource, writing
from tests.visitor import Visitor

BROKEN = {
    "lets everything through": (
        "CREATE OR REPLACE FUNCTION booking_guard() RETURNS trigger LANGUAGE plpgsql"
        " SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$"
        " BEGIN NEW.unary := false; NEW.platform_id := 1; RETURN NEW; END $$",
        "lets a full resource be booked",
    ),
    "does not run": (
        "CREATE OR REPLACE FUNCTION booking_guard() RETURNS trigger LANGUAGE plpgsql"
        " SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$"
        " BEGIN NEW.platform_id := no_such_thing(); RETURN NEW; END $$",
        "a booking cannot be written",
    ),
    "counts nothing": (
        "CREATE OR REPLACE FUNCTION peak_use(which int, from_at timestamptz, to_at"
        " timestamptz, except_id bigint) RETURNS bigint LANGUAGE sql STABLE SECURITY"
        " DEFINER SET search_path = pg_catalog, public, pg_temp AS 'SELECT 0::bigint'",
        "the guard of bookings",
    ),
}


def alter(urls: Urls, statement: str) -> None:
    engine = sa.create_engine(urls.superuser, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text(statement))


def bookings() -> int:
    with writing() as session:
        return session.scalar(sa.text("SELECT count(*) FROM booking")) or 0


def test_alive_says_no_more_than_that(client: Visitor) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ok"})


def test_an_empty_installation_is_ready(client: Visitor) -> None:
    assert client.get("/readyz").get_json() == {"status": "ok", "missing": []}


@pytest.mark.parametrize("kind", ["unary", "pooled"])
def test_readiness_books_a_resource_full_and_leaves_nothing(
    app: Flask, client: Visitor, kind: str
) -> None:
    with writing() as session:
        resource = make_resource(session, kind=kind)
        make_organisation(session)
    before = resource.guard_seq
    assert client.get("/readyz").status_code == 200
    assert bookings() == 0
    with writing() as session:
        kept = session.scalar(sa.text("SELECT guard_seq FROM resource"))
    assert kept == before


@pytest.mark.parametrize("harm", BROKEN)
@pytest.mark.parametrize("kind", ["unary", "pooled"])
def test_a_guard_that_is_there_but_broken_is_found(
    app: Flask, client: Visitor, database: Urls, kind: str, harm: str
) -> None:
    with writing() as session:
        make_resource(session, kind=kind)
        make_organisation(session)
    statement, sentence = BROKEN[harm]
    alter(database, statement)
    guards.insist(database.web)  # every guard is there
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert sentence in answer.get_json()["missing"][0]
    assert bookings() == 0


def test_a_guard_that_is_gone_is_named(client: Visitor, database: Urls) -> None:
    assert client.get("/readyz").status_code == 200
    alter(database, "DROP TRIGGER booking_guard ON booking")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "trigger booking_guard on booking" in answer.get_json()["missing"][0]


def test_a_database_that_does_not_answer_is_said_so(
    make_app: Callable[..., Flask],
) -> None:
    app = make_app(database_url="postgresql+psycopg://pb_web@127.0.0.1:1/nothing")
    answer = app.test_client().get("/readyz")
    assert answer.status_code == 503
    assert answer.get_json()["missing"] == ["the database does not answer"]


def test_readiness_waits_for_nobody(app: Flask, client: Visitor, database: Urls) -> None:
    """A publication may hold every resource for a moment; the service is ready all the same."""
    with writing() as session:
        make_resource(session, kind="pooled")
        make_organisation(session)
    engine = sa.create_engine(database.superuser, poolclass=sa.pool.NullPool)
    answered = threading.Event()
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT * FROM resource FOR UPDATE"))
        statuses: list[int] = []

        def ask() -> None:
            statuses.append(client.get("/readyz").status_code)
            answered.set()

        threading.Thread(target=ask).start()
        assert answered.wait(30)
    assert statuses == [200]
