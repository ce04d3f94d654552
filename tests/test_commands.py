"""The command line when the database is not there, is bare, or lets it in as another."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from flask import Flask

from platform_booking.app import create_app
from platform_booking.catalog import loader
from platform_booking.db import db
from platform_booking.embedded import Urls
from tests.cluster import Cluster, settings_for
from tests.service import ROOT, environment

NOWHERE = (
    "postgresql+psycopg://{role}:hush@127.0.0.1:1/park?password=hush&connect_timeout=5"
)
TOMORROW = ("--night", "2027-03-08")
EVERY = [
    ("accounts", "bootstrap", "--email", "first@park.example", "--name", "First"),
    ("accounts", "link", "--email", "first@park.example"),
    ("catalog", "load", "{file}"),
    ("plan", "run"),
    ("plan", "publish", *TOMORROW),
    ("plan", "replay", *TOMORROW),
    ("scheduler", "run"),
]


def name(words: Sequence[str]) -> str:
    return " ".join(words[:2])


def urls_to_nowhere() -> Urls:
    web, owner, job = (NOWHERE.format(role=r) for r in ("pb_web", "pb_owner", "pb_job"))
    return Urls(web=web, owner=owner, job=job, superuser="")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    there = tmp_path / "catalogue.json"
    text = loader.demo_text()
    there.write_bytes(text if isinstance(text, bytes) else text.encode())
    return there


def run(urls: Urls, words: Sequence[str], file: Path) -> str:
    """Run a command; return what it says on ending with status 1."""
    app: Flask = create_app(settings_for(urls, demo=True))
    done = app.test_cli_runner().invoke(args=[word.format(file=file) for word in words])
    assert done.exit_code == 1, done.output
    with app.app_context():
        db.session.remove()
        for engine in db.engines.values():
            engine.dispose()
    assert isinstance(done.exception, SystemExit)  # no traceback
    assert "hush" not in done.output
    return done.stderr


@pytest.mark.parametrize("words", EVERY, ids=name)
def test_without_a_database_a_command_says_which_address_to_check(
    words: Sequence[str], file: Path
) -> None:
    assert run(urls_to_nowhere(), words, file) == (
        "Error: the database does not answer: check JOB_DATABASE_URL"
        " (postgresql+psycopg://pb_job:***@127.0.0.1:1/park?connect_timeout=5), and that"
        " PostgreSQL runs there; it says: Connection refused\n"
    )


def test_migrations_without_a_database_name_the_owners_address() -> None:
    nowhere = urls_to_nowhere()
    said = in_a_process(environment(nowhere, OWNER_DATABASE_URL=nowhere.owner))
    assert "hush" not in said
    assert "the database does not answer: check OWNER_DATABASE_URL" in said
    assert "postgresql+psycopg://pb_owner:***@127.0.0.1:1/park" in said
    assert "Connection refused" in said


def test_migrations_without_the_owners_address_say_so() -> None:
    nameless = environment(urls_to_nowhere())
    nameless.pop("OWNER_DATABASE_URL", None)
    said = in_a_process(nameless)
    assert "OWNER_DATABASE_URL is not set; migrations run as the owner" in said


def in_a_process(environ: dict[str, str]) -> str:
    """Migrate as people do; return what is said on ending with status 1."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", "db", "upgrade"],
        check=False,
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("words", EVERY, ids=name)
def test_on_a_bare_database_a_command_says_how_to_make_the_schema(
    words: Sequence[str], cluster: Cluster, file: Path
) -> None:
    with cluster.empty_database() as bare:
        said = run(bare, words, file)
    assert said.startswith("Error: the schema is ")
    assert said.endswith("run: flask --app wsgi db upgrade\n")


def test_a_command_that_signs_in_as_another_role_says_so(
    database: Urls, file: Path
) -> None:
    swapped = Urls(database.web, database.owner, database.web, database.superuser)
    said = run(swapped, EVERY[0], file)
    assert "permission denied" in said or "row-level security" in said
    assert "signs in as pb_job" in said


@pytest.mark.parametrize(
    "words", [words for words in EVERY if "{file}" not in words], ids=name
)
def test_without_the_jobs_address_every_command_says_so(
    words: Sequence[str], database: Urls
) -> None:
    app: Flask = create_app(settings_for(database, job_database_url=None))
    result = app.test_cli_runner().invoke(args=list(words))
    assert result.exit_code == 1
    assert result.output == (
        "Error: JOB_DATABASE_URL is not set; this command acts as pb_job\n"
    )
