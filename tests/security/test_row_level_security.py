"""The walls of the database, asked by plain SQL as the role that serves people.

Nothing here goes through the service: every statement lacks the filters that the service
would put, and the rows are committed, in a database of the test's own.
"""

import json
import random
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from flask import Flask
from psycopg import sql
from psycopg.rows import dict_row
from sqlalchemy.orm import Session

from platform_booking import guards
from platform_booking.accounts.models import Member
from platform_booking.db import Identity, acting_as, db, enclosing, transaction
from platform_booking.embedded import Urls
from tests.factories import identity_of, writing
from tests.security.park import Park, built, canaries_in

# Everybody may know the park's resources, when they are down, and its dated runs.
PUBLIC = {"resource", "outage", "occurrence"}
# The park's own work, without any firm's rows: who may read them at all.
PARKS_OWN = {
    "plan": "signed in", "night": "signed in", "approval": "staff",
    "publication_part": "staff", "job_request": "staff", "job_run": "staff",
}  # fmt: skip
OWN_MEMBERS = {"api_token", "feed", "idempotency_key", "member_role"}
UNREADABLE = {"one_time_token"}
NOT_THE_FIRMS = {"kiosk", "forcing"}
NOT_THE_PARKS = {"feed", "one_time_token", "idempotency_key", "notice"}

Row = dict[str, Any]


class Walls:
    """A connection as `pb_web`, and one that sees everything to compare with."""

    def __init__(self, urls: Urls, park: Park) -> None:
        self.park = park
        self._web, self._all = (
            psycopg.connect(url.replace("+psycopg", "", 1), row_factory=dict_row)
            for url in (urls.web, urls.superuser)
        )
        self.identities = self._identities()

    def close(self) -> None:
        self._web.close()
        self._all.close()

    def _identities(self) -> dict[str, Identity]:
        found = {"nobody": Identity()}
        for name, visitor in self.park.visitors.items():
            with visitor.session_transaction() as session:
                member_id = session.get("member")
            if member_id is not None and not name.startswith("disabled"):
                with writing() as session:
                    member = session.get_one(Member, member_id)
                    found[name] = identity_of(session, member)
        return found

    @contextmanager
    def acting(self, identity: Identity) -> Iterator[psycopg.Cursor[Row]]:
        """Tell the database who asks, as the service does; undo whatever happens."""
        settings = {
            "member": str(identity.member_id or ""),
            "organisation": str(identity.organisation_id or ""),
            "platforms": "{" + ",".join(map(str, identity.platform_ids)) + "}",
            "park": "yes" if identity.park else "no",
        }
        with self._web.cursor() as cursor:
            for name, value in settings.items():
                cursor.execute("SELECT set_config(%s, %s, true)", (f"app.{name}", value))
            try:
                yield cursor
            finally:
                self._web.rollback()

    def visible(self, table: str, identity: Identity) -> list[Row]:
        with self.acting(identity) as cursor:
            return cursor.execute(self._select(table)).fetchall()

    def rows(self, table: str) -> list[Row]:
        return self._all.execute(self._select(table)).fetchall()

    def platform_of(self, resource_id: int) -> int:
        (found,) = [r for r in self.rows("resource") if r["id"] == resource_id]
        return int(found["platform_id"])

    def _select(self, table: str) -> sql.Composed:
        """Select what `pb_web` may read at all of a table, without any condition."""
        found = self._all.execute(
            "SELECT column_name AS name FROM information_schema.columns WHERE table_name ="
            " %s AND has_column_privilege('pb_web', %s, column_name, 'SELECT')",
            (table, table),
        )
        names = [sql.Identifier(row["name"]) for row in found] or [sql.SQL("*")]
        return sql.SQL("SELECT {} FROM {}").format(
            sql.SQL(", ").join(names), sql.Identifier(table)
        )

    def columns(self, table: str) -> list[str]:
        """Return the columns that may be written."""
        found = self._all.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s"
            " AND is_generated = 'NEVER' AND identity_generation IS NULL",
            (table,),
        )
        return [row["column_name"] for row in found]

    def may_set(self, table: str, column: str) -> bool:
        found = self._all.execute(
            "SELECT has_column_privilege('pb_web', %s, %s, 'UPDATE') AS may",
            (table, column),
        ).fetchone()
        return found is not None and bool(found["may"])


@pytest.fixture
def walls(app: Flask, database: Urls) -> Iterator[Walls]:
    made = Walls(database, built(app))
    yield made
    made.close()


def key(row: Mapping[str, Any]) -> str:
    return json.dumps(row, sort_keys=True, default=str)


def concerns(row: Row, table: str) -> int | None:
    """Return the organisation that a row is about."""
    value = row["id"] if table == "organisation" else row.get("organisation_id")
    return None if value is None else int(value)


def test_every_walled_table_has_rows_of_two(walls: Walls) -> None:
    """Else the tests below would pass over it: fill it in tests/security/park.py."""
    for table in guards.WALLED:
        rows = walls.rows(table)
        assert rows, f"{table} is empty"
        firms = {concerns(r, table) for r in rows} - {None}
        if "organisation_id" in walls.columns(table):
            assert len(firms) >= 2, table
        if "platform_id" in walls.columns(table) and table not in {"member_role"}:
            assert len({r["platform_id"] for r in rows}) >= 2 or len(firms) >= 2, table


def test_nobody_sees_nothing_but_what_is_public(walls: Walls) -> None:
    for table in guards.WALLED:
        seen = walls.visible(table, Identity())
        assert bool(seen) == (table in PUBLIC), table


@pytest.mark.parametrize("who", ["engineer_a", "engineer_b", "admin_a"])
def test_a_firm_sees_all_of_its_own_rows_and_no_others(walls: Walls, who: str) -> None:
    identity = walls.identities[who]
    own = who[-1].upper()
    colleagues = {
        r["id"] for r in walls.rows("member")
        if r["organisation_id"] == identity.organisation_id
    }  # fmt: skip
    for table in guards.WALLED:
        seen, rows = walls.visible(table, identity), walls.rows(table)
        if table in UNREADABLE | NOT_THE_FIRMS or PARKS_OWN.get(table) == "staff":
            assert seen == [], table
        elif table in PUBLIC | PARKS_OWN.keys():
            assert len(seen) == len(rows), table
        elif table in OWN_MEMBERS:
            whose = colleagues if table == "member_role" else {identity.member_id}
            assert {r["member_id"] for r in seen} <= whose, table
            assert len(seen) == sum(r["member_id"] in whose for r in rows), table
        else:
            mine = [r for r in rows if concerns(r, table) == identity.organisation_id]
            assert sorted(map(key, seen)) == sorted(map(key, mine)), table
            assert mine, table
        met = canaries_in(json.dumps(seen, default=str))
        assert {firm for firm, _ in met} <= {own}, table


@pytest.mark.parametrize("who", ["operator_1", "operator_2"])
def test_an_operator_sees_what_meets_his_platforms(walls: Walls, who: str) -> None:
    identity = walls.identities[who]
    (platform,) = identity.platform_ids
    for table in guards.WALLED:
        seen, rows = walls.visible(table, identity), walls.rows(table)
        columns = walls.columns(table)
        if table in PUBLIC | PARKS_OWN.keys():
            assert len(seen) == len(rows), table
        elif table in {"organisation", "member_qualification", "quota"}:
            assert len(seen) == len(rows)  # he may book on behalf of any
        elif table == "series":
            there = [r for r in rows if platform == walls.platform_of(r["resource_id"])]
            assert sorted(map(key, seen)) == sorted(map(key, there)), table
        elif table == "audit_entry" or (
            "platform_id" in columns and table != "member_role"
        ):
            there = [r for r in rows if r["platform_id"] == platform]
            assert sorted(map(key, seen)) == sorted(map(key, there)), table
        elif "platform_ids" in columns:
            there = [r for r in rows if platform in r["platform_ids"]]
            assert sorted(map(key, seen)) == sorted(map(key, there)), table
        elif table == "member":  # whose orders and bookings meet his platform; and himself
            theirs = {
                r[column]
                for source, column in (("orders", "submitted_by"), ("booking", "member_id"))
                for r in walls.visible(source, identity)
            }
            assert {r["id"] for r in seen} == theirs | {identity.member_id}
        elif table == "member_role":
            members = {r["id"] for r in walls.visible("member", identity)}
            assert {r["member_id"] for r in seen} <= members
        else:
            assert {"project", "step_lag", "notice", "api_token", "idempotency_key",
                    "feed", "one_time_token"} >= {table}, f"{table}: say what operators see"  # fmt: skip
            assert seen == [], table


def test_the_park_sees_all_but_what_is_personal(walls: Walls) -> None:
    for table in guards.WALLED:
        seen = walls.visible(table, walls.identities["park"])
        if table in NOT_THE_PARKS:
            assert seen == [], table
        else:
            assert len(seen) == len(walls.rows(table)), table


def refused(
    walls: Walls, identity: Identity, statement: sql.Composable, *values: Any
) -> str:
    """Return the SQLSTATE with which a statement fails; "" when it changes no row."""
    with walls.acting(identity) as cursor:
        try:
            cursor.execute(statement, values)
        except psycopg.Error as fault:
            return fault.sqlstate or "?"
        assert cursor.rowcount == 0, statement
        return ""


ATTACKS = [
    ("engineer_a", "engineer_b"),
    ("engineer_b", "engineer_a"),
    ("operator_2", "operator_1"),
    ("nobody", "engineer_a"),
    ("engineer_a", "park"),
]


def test_nobody_writes_into_what_is_anothers(walls: Walls) -> None:
    """Every walled table: no copy of a foreign row goes in, none is changed or deleted."""
    tried = 0
    for attacker, victim in ATTACKS:
        identity = walls.identities[attacker]
        hidden = {
            table: [
                row
                for row in walls.visible(table, walls.identities[victim])
                if key(row) not in set(map(key, walls.visible(table, identity)))
            ]
            for table in guards.WALLED
        }
        for table, rows in hidden.items():
            for row in rows[:3]:
                tried += 1
                copied = _copy(walls, table, row)
                state = refused(walls, identity, *copied)
                if table == "notice" and row["member_id"] is None:
                    continue  # whoever acts may tell others; see APPENDED of the migration
                assert state == "42501", (attacker, table, state)
                for statement in _changes(walls, table):
                    assert refused(walls, identity, statement, row[_any(row)]) in {
                        "", "42501",
                    }  # fmt: skip
    assert tried > 60


def _any(row: Row) -> str:
    return next(k for k in ("id", "member_id", "step_id", "order_id", "plan_id", "job",
                            "night") if k in row)  # fmt: skip


def _copy(walls: Walls, table: str, row: Row) -> tuple[sql.Composable, Any]:
    names = [c for c in walls.columns(table) if c in row]
    if table == "booking":  # where nothing stands in the way but the wall
        row = row | {c: row[c] + timedelta(days=99) for c in ("starts_at", "ends_at")}
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    statement = sql.SQL(
        "INSERT INTO {t} ({c}) SELECT {c} FROM jsonb_populate_record(NULL::{t}, %s::jsonb)"
    ).format(t=sql.Identifier(table), c=columns)
    return statement, json.dumps(row, default=str)


def _changes(walls: Walls, table: str) -> list[sql.Composed]:
    name = _any(walls.rows(table)[0])
    changed = next((c for c in walls.columns(table) if walls.may_set(table, c)), name)
    parts = {
        "t": sql.Identifier(table), "k": sql.Identifier(name), "c": sql.Identifier(changed)
    }  # fmt: skip
    return [
        sql.SQL("UPDATE {t} SET {c} = {c} WHERE {k} = %s").format(**parts),
        sql.SQL("DELETE FROM {t} WHERE {k} = %s").format(**parts),
    ]


def test_nobody_gives_his_rows_to_another_firm_or_takes_them_along(walls: Walls) -> None:
    theirs = walls.identities["engineer_b"].organisation_id
    for who in ("engineer_a", "admin_a"):
        identity = walls.identities[who]
        for table in guards.WALLED:
            if "organisation_id" not in walls.columns(table):
                continue
            statement = sql.SQL("UPDATE {} SET organisation_id = %s").format(
                sql.Identifier(table)
            )
            assert refused(walls, identity, statement, theirs) in {"", "42501"}, table


def test_a_deed_in_the_audit_is_ones_own(walls: Walls) -> None:
    forged = sql.SQL(
        "INSERT INTO audit_entry (at, member_id, act, subject, detail)"
        " VALUES (now(), %s, 'x', 'x', '{}')"
    )
    mine, other = (walls.identities[w] for w in ("engineer_a", "engineer_b"))
    for whose in (other.member_id, None):
        assert refused(walls, mine, forged, whose) == "42501"
    with walls.acting(mine) as cursor:
        assert cursor.execute(forged, (mine.member_id,)).rowcount == 1


def test_the_audit_is_never_changed_by_whoever_serves_people_or_runs_jobs(
    walls: Walls, database: Urls
) -> None:
    for url in (database.web, database.job):
        with psycopg.connect(url.replace("+psycopg", "", 1)) as connection:
            for statement in ("UPDATE audit_entry SET act = 'x'", "DELETE FROM audit_entry",
                              "TRUNCATE audit_entry"):  # fmt: skip
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)
                connection.rollback()


@pytest.mark.parametrize("role", ["web", "job"])
def test_the_walls_cannot_be_taken_down_from_within(
    walls: Walls, database: Urls, role: str
) -> None:
    harm = [
        *(f"ALTER TABLE {t} DISABLE TRIGGER {g}" for t, g in guards.TRIGGERS.items()),
        *(f"DROP TRIGGER {g} ON {t}" for t, g in guards.TRIGGERS.items()),
        *(f"ALTER TABLE {t} DISABLE ROW LEVEL SECURITY" for t in guards.WALLED),
        *(f"TRUNCATE {t} CASCADE" for t in guards.WALLED),
        *(f"CREATE POLICY all_of_it ON {t} USING (true)" for t in guards.WALLED),
        "DROP POLICY read_0 ON orders",
        "ALTER TABLE booking DROP CONSTRAINT booking_no_overlap",
        "SET session_replication_role = replica",
        "SET ROLE pb_guard",
        "SET ROLE pb_owner",
        "SET SESSION AUTHORIZATION pb_owner",
        "ALTER ROLE current_user BYPASSRLS",
        "ALTER FUNCTION booking_guard SECURITY INVOKER",
        "CREATE FUNCTION public.now_mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TABLE public.mine (x int)",
        "COPY member TO PROGRAM 'cat'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT rolpassword FROM pg_authid",
        "UPDATE alembic_version SET version_num = '0000'",
    ]
    if role == "web":
        harm += [
            "SET ROLE pb_job",
            "SET row_security = off; SELECT * FROM orders",
            "SELECT * FROM plan_problem",
            "SELECT * FROM member",
            "SELECT password_hash FROM member",
            "SELECT 1 FROM member WHERE password_hash LIKE '$argon2id$%'",
            "UPDATE member SET name = 'x' RETURNING password_hash",
            "SELECT peak_use(1, now(), now(), NULL)",
            "DELETE FROM booking",
            "DELETE FROM member",
        ]
    url = getattr(database, role).replace("+psycopg", "", 1)
    with psycopg.connect(url) as connection:
        for statement in harm:
            try:
                connection.execute(statement)
            except psycopg.errors.InsufficientPrivilege:
                connection.rollback()
            else:
                raise AssertionError(statement)


def test_the_web_role_may_call_no_functions_but_the_declared_ones(walls: Walls) -> None:
    callable_ones = {
        row["proname"]
        for row in walls._all.execute(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
            " AND has_function_privilege('pb_web', oid, 'EXECUTE') AND prorettype <>"
            " 'trigger'::regtype"
        )
    }
    assert callable_ones == {
        "busy", "sign_in_candidate", "member_standing", "token_standing", "redeem_token",
        "feed_standing", "kiosk_standing", "take_quotas", "in_use_there",
        "platform_operators", "take_members", "held_minutes", "buddy_standing",
        "possible_buddies", "take_time_back", "give_time_back", "class_sold",
        "run_loads", "member_at",
        "apply_for_registration",
    }  # fmt: skip


def test_busy_tells_the_time_and_the_amount_and_never_whose(walls: Walls) -> None:
    with walls.acting(walls.identities["engineer_b"]) as cursor:
        found = cursor.execute(
            "SELECT * FROM busy((SELECT array_agg(id) FROM resource), '-infinity',"
            " 'infinity')"
        ).fetchall()
    assert len(found) == len(walls.rows("booking"))
    told = {name for row in found for name, value in row.items() if value is not None}
    assert told == {"resource_id", "starts_at", "ends_at", "quantity"}
    assert set(found[0]) <= told | {"recipe_id", "occurrence_id"}


def test_plain_selects_of_every_model_leak_nothing(app: Flask, walls: Walls) -> None:
    """The mutation check: the service's own models, read without any condition."""
    for who, own in (("engineer_a", "A"), ("engineer_b", "B")):
        with acting_as(walls.identities[who]):
            seen = [
                str(vars(row))
                for mapper in db.Model.registry.mappers
                if mapper.local_table.name in guards.WALLED
                for row in db.session.scalars(sa.select(mapper.class_))
            ]
        assert {firm for firm, _ in canaries_in(" ".join(seen))} == {own}


def test_who_asked_last_is_forgotten_on_the_same_connection(
    app: Flask, walls: Walls, database: Urls
) -> None:
    """Eight threads, two connections, identities at random, failures among them."""
    engine = db.engine
    small = sa.create_engine(database.web, pool_size=2, max_overflow=0)
    app.extensions["sqlalchemy"]._app_engines[app][None] = small
    names = sorted(walls.identities)
    firms = {n: walls.identities[n].organisation_id for n in names}
    done = threading.Lock()
    counted = 0

    def work(seed: int) -> list[str]:
        nonlocal counted
        chance = random.Random(seed)
        faults = []
        with app.app_context():
            for _ in range(100):
                name = chance.choice(names)
                identity = walls.identities[name]
                try:
                    with acting_as(identity), transaction() as session:
                        found = set(
                            session.scalars(sa.text("SELECT organisation_id FROM project"))
                        )
                        expected = set() if firms[name] is None else {firms[name]}
                        if not identity.park and found != expected:
                            faults.append(f"{name} saw {found}")
                        if chance.random() < 0.2:
                            session.execute(sa.text("SELECT 1 / 0"))
                except sa.exc.DataError:
                    pass
                with done:
                    counted += 1
        return faults

    try:
        with ThreadPoolExecutor(8) as pool:
            faults = [fault for found in pool.map(work, range(8)) for fault in found]
        assert faults == []
        assert counted == 800
        with small.connect() as connection:  # whoever forgets to say who he is sees nothing
            assert connection.scalar(sa.text("SELECT count(*) FROM project")) == 0
            assert connection.scalar(sa.text("SHOW app.park")) in {"", None}
    finally:
        app.extensions["sqlalchemy"]._app_engines[app][None] = engine
        small.dispose()


def test_a_savepoint_answers_for_whoever_asks_within_it(app: Flask, walls: Walls) -> None:
    """Said once a transaction; whoever changes in between is told, and changes back."""
    one, other = walls.identities["engineer_a"], walls.identities["engineer_b"]

    def seen(session: Session) -> set[int]:
        return set(session.scalars(sa.text("SELECT organisation_id FROM project")))

    with acting_as(one), enclosing() as session:
        for who, within in ((one, True), (other, True), (one, True), (other, False)):
            with suppress(LookupError), acting_as(who), session.begin_nested():
                assert seen(session) == {who.organisation_id}
                if not within:
                    raise LookupError  # the savepoint and what it was told are undone
        with session.begin_nested():
            assert seen(session) == {one.organisation_id}


def test_who_asks_is_said_once_however_many_savepoints_there_are(
    app: Flask, walls: Walls
) -> None:
    said: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        said.append(statement)

    sa.event.listen(db.engine, "before_cursor_execute", note)
    with acting_as(walls.identities["engineer_a"]), enclosing() as session:
        for _ in range(3):
            with session.begin_nested():
                session.execute(sa.text("SELECT 1"))
    sa.event.remove(db.engine, "before_cursor_execute", note)
    assert sum("set_config" in one for one in said) == 1
