"""The schema: made by migrations alone, the same as the models, with every guard in force."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask_migrate import downgrade

from platform_booking import guards
from platform_booking.app import create_app
from platform_booking.db import db
from platform_booking.embedded import Urls
from platform_booking.errors import Misconfigured
from tests.cluster import MIGRATIONS, Cluster, migrate, settings_for
from tests.service import ROOT, environment

GUARDED = [
    *(f"DROP TRIGGER {trigger} ON {table}" for table, trigger in guards.TRIGGERS.items()),
    *(
        f"ALTER TABLE {table} DISABLE TRIGGER {trigger}"
        for table, trigger in guards.TRIGGERS.items()
    ),
    *(  # switched off for replicas' sessions is not in force either
        f"ALTER TABLE {table} ENABLE TRIGGER {trigger}"
        for table, trigger in guards.TRIGGERS.items()
    ),
    "ALTER TABLE booking DROP CONSTRAINT booking_no_overlap",
    *(f"ALTER FUNCTION {name} SECURITY INVOKER" for name in guards.FUNCTIONS),
    *(f"ALTER FUNCTION {name} OWNER TO postgres" for name in guards.FUNCTIONS),
    *(f"ALTER TABLE {name} DISABLE ROW LEVEL SECURITY" for name in guards.WALLED),
    "UPDATE alembic_version SET version_num = '0000'",
]


@pytest.fixture
def empty(cluster: Cluster) -> Iterator[Urls]:
    with cluster.empty_database() as urls:
        yield urls


def described(url: str) -> dict[str, list[str]]:
    """Return what a schema consists of, by kind, as PostgreSQL itself describes it."""
    questions = {
        "columns": "SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable,"
        " column_default) FROM information_schema.columns WHERE table_schema = 'public'",
        "constraints": "SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid)"
        " FROM pg_constraint WHERE connamespace = 'public'::regnamespace",
        "indexes": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
        "functions": "SELECT pg_get_functiondef(oid) || pg_get_userbyid(proowner) || proacl::text"
        " FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
        "triggers": "SELECT pg_get_triggerdef(oid) || tgenabled::text FROM pg_trigger"
        " WHERE NOT tgisinternal",
        "policies": "SELECT concat_ws(' ', tablename, policyname, cmd, roles, qual, with_check)"
        " FROM pg_policies",
        "rights": "SELECT concat_ws(' ', oid::regclass, relrowsecurity, relacl) FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace",
    }
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        return {
            what: sorted(str(row) for row in connection.scalars(sa.text(question)))
            for what, question in questions.items()
        }


def undo(urls: Urls, revision: str) -> None:
    app = create_app(settings_for(urls))
    with app.app_context():
        downgrade(directory=MIGRATIONS, revision=revision)
        for engine in db.engines.values():
            engine.dispose()


def test_up_down_and_up_again_leads_to_the_same_schema(empty: Urls) -> None:
    blank = described(empty.owner)
    migrate(empty)
    first = described(empty.owner)
    undo(empty, "base")
    left = described(empty.owner)
    assert left["functions"] == blank["functions"] == []
    assert [
        line for line in left["columns"] if not line.startswith("alembic_version ")
    ] == []
    migrate(empty)
    assert described(empty.owner) == first


def test_the_models_and_the_schema_are_the_same(database: Urls) -> None:
    engine = sa.create_engine(database.owner, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, db.metadata) == []


def test_the_newest_migration_is_the_one_that_the_code_asks_for() -> None:
    heads = ScriptDirectory(MIGRATIONS).get_heads()
    named = (Path(MIGRATIONS) / ".current-head").read_text(encoding="utf-8").strip()
    assert heads == [named] == [guards.REVISION]


def test_migrations_do_not_import_the_application() -> None:
    for path in (Path(MIGRATIONS) / "versions").glob("*.py"):
        assert "platform_booking" not in path.read_text(encoding="utf-8"), path.name


def test_a_migrated_database_has_every_guard(database: Urls) -> None:
    guards.insist(database.web)


@pytest.fixture
def harmed(database: Urls) -> Iterator[sa.Connection]:
    """A superuser's connection whose harm is undone at the end of the test."""
    engine = sa.create_engine(database.superuser, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        yield connection


def test_each_guard_is_missed_when_it_is_gone(harmed: sa.Connection) -> None:
    """One at a time, in one transaction each, as the role that serves people sees it."""
    for harm in GUARDED:
        harmed.execute(sa.text(harm))
        harmed.execute(sa.text("SET ROLE pb_web"))
        faults = list(guards.missing(harmed))
        harmed.rollback()
        assert len(faults) == 1, (harm, faults)
        subject = "schema" if "alembic" in harm else _named_in(harm)
        assert subject in faults[0], (harm, faults)


def test_every_table_with_an_owner_stands_behind_a_wall(database: Urls) -> None:
    """A table that carries somebody's rows must be among those that are asked for."""
    owned = {
        table.name
        for table in db.metadata.tables.values()
        if {"organisation_id", "member_id", "platform_ids"} & set(table.columns.keys())
    }
    assert owned <= set(guards.WALLED)


def test_a_role_above_row_level_security_is_refused(database: Urls) -> None:
    for url in (database.job, database.superuser):
        with pytest.raises(Misconfigured, match="stands above row-level security"):
            guards.insist(url)


def test_a_database_that_does_not_answer_is_said_so(database: Urls) -> None:
    with pytest.raises(Misconfigured, match="does not answer"):
        guards.insist("postgresql+psycopg://pb_web@127.0.0.1:1/nothing")


def test_the_web_server_refuses_to_start_without_a_guard(database: Urls) -> None:
    engine = sa.create_engine(database.owner, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TRIGGER booking_guard ON booking"))
    refused = subprocess.run(
        [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"],
        cwd=ROOT,
        env=environment(database, PB_BIND="127.0.0.1:0"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert refused.returncode != 0
    assert "trigger booking_guard on booking is missing" in refused.stderr
    assert "flask --app wsgi db upgrade" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_web_server_names_every_wrong_setting(database: Urls) -> None:
    refused = subprocess.run(
        [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"],
        cwd=ROOT,
        env=environment(database, SECRET_KEY="short", PB_NIGHT_AT="25:00"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert refused.returncode != 0
    assert "SECRET_KEY" in refused.stderr
    assert "PB_NIGHT_AT" in refused.stderr
    assert "Traceback" not in refused.stderr


def _named_in(harm: str) -> str:
    words = harm.split()
    return words[-1] if "CONSTRAINT" in words or "TRIGGER" in words[:1] else words[2]
