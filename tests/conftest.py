"""What every test may ask for.

``database``
    Addresses of a database of the test's own, with the migrated schema and nothing in it.
    It is a committed one: row-level security, locks and other processes see what they
    would see in production. Cloned from a template, it costs some 30 ms in memory.
``app``
    The application on that database, its context pushed; nobody is signed in. It is made
    once: each test finds it with its first configuration, no connection and a new database.
``make_app``
    Makes further applications on it: `make_app(demo=True)`.
``client``
    Its test client: `enter(member)` signs in, `submit(path, data)` sends a page's form.
``live_url``
    Address of a gunicorn that serves that database in processes of its own.
``page``
    A page of headless Chromium. The test fails when the page asked another machine for
    anything, or broke its content security policy or a script.

Rows come from `tests/factories.py`, whose builders write as `pb_job`, which sees all rows.
One PostgreSQL runs per pytest process; `TEST_DATABASE_URL`, a superuser's address, names
another one to use instead. Nothing is skipped: a missing component is a failure.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import pytest
from flask import Flask

from platform_booking.app import create_app
from platform_booking.config import Settings
from platform_booking.db import NOBODY, assume, db
from platform_booking.embedded import EmbeddedPostgres, Urls
from tests.browser import launched
from tests.cluster import Cluster, settings_for
from tests.longest_first import places
from tests.service import Service
from tests.visitor import Visitor

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "32MB",  # all of it is searched when a database is dropped
    "max_wal_size": "128MB",
    "deadlock_timeout": "200ms",
}
ROOM = 2 << 30  # bytes of memory that the databases of a run may take


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """One PostgreSQL with the roles, for the whole run."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        with Cluster.on_server(given) as there:
            yield there
        return
    home = Path(tempfile.mkdtemp(prefix="pb-test-", dir=_in_memory()))
    home.chmod(0o711)  # the server's unprivileged user must pass through
    try:
        with (
            EmbeddedPostgres(home, server_settings=FAST) as server,
            Cluster(server.urls) as own,
        ):
            yield own
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _in_memory() -> Path | None:
    """Return the folder in memory if there is room: a database is copied for every test."""
    memory = Path("/dev/shm")  # mkdtemp makes a folder of our own in it
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM:
        return memory
    return None


@pytest.fixture
def database(cluster: Cluster) -> Iterator[Urls]:
    """Make an empty, migrated database for this test alone."""
    with cluster.fresh_database("own") as urls:
        yield urls


@pytest.fixture
def make_app(database: Urls) -> Iterator[Callable[..., Flask]]:
    """Make applications on the test's database, each with settings of its own."""
    made: list[Flask] = []

    def make(**settings: object) -> Flask:
        made.append(_new_app(settings_for(database, **settings)))
        return made[-1]

    yield make
    for app in made:
        with app.app_context():
            _leave()


@pytest.fixture
def app(database: Urls) -> Iterator[Flask]:
    """Give the application on the test's database; nobody is signed in."""
    app = _lasting_app(settings_for(database))
    configured, extensions = dict(app.config), dict(app.extensions)
    with app.app_context():
        yield app
        _leave()
    app.testing = True
    app.config.update(configured)
    app.extensions.clear()
    app.extensions.update(extensions)


def _new_app(settings: Settings) -> Flask:
    app = create_app(settings)
    app.testing = True
    app.test_client_class = Visitor
    return app


_lasting_app = cache(_new_app)


def _leave() -> None:
    assume(NOBODY)
    db.session.remove()
    for engine in db.engines.values():
        engine.dispose()


@pytest.fixture
def client(app: Flask) -> Visitor:
    """Make a client that talks to the application without a network."""
    return cast("Visitor", app.test_client())


@pytest.fixture(scope="session")
def gunicorn() -> Iterator[Callable[[Urls], Service]]:
    """Return what starts gunicorn for the first test that needs it; it serves the others, too.

    Every test's own database has the same name, so its connections are made anew.
    """
    with ExitStack() as until_the_end:
        yield cache(lambda urls: until_the_end.enter_context(Service(urls)))


@pytest.fixture
def live_url(
    database: Urls, gunicorn: Callable[[Urls], Service], request: pytest.FixtureRequest
) -> Iterator[str]:
    """Serve the test's database with gunicorn, as in production; give the address."""
    service, failed = gunicorn(database), request.session.testsfailed
    yield service.url
    if request.session.testsfailed > failed:
        print(service.log())


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """Start one headless Chromium for the whole run."""
    with launched() as running:
        yield running


@pytest.fixture
def page(browser: "Browser") -> Iterator["Page"]:
    """Open a page that watches what it asks for and what goes wrong in it."""
    faults: list[str] = []

    def asked(url: str) -> None:
        if urlsplit(url).hostname not in (None, "127.0.0.1"):
            faults.append(f"asked another machine: {url}")

    context = browser.new_context(locale="zh-CN", timezone_id="Asia/Shanghai")
    page = context.new_page()
    page.on("request", lambda request: asked(request.url))
    page.on("pageerror", lambda error: faults.append(f"script: {error}"))
    page.on(
        "console",
        lambda said: (
            faults.append(f"console: {said.text}") if _is_policy(said.text) else None
        ),
    )
    yield page
    context.close()
    assert faults == []


def _is_policy(text: str) -> bool:
    return "Content Security Policy" in text


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run be longer than everybody's: `make sweep`."""
    parser.addoption(
        "--whole", action="store_true", help="every value and attempt, not a share of them"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let several workers begin with what takes long; one alone keeps the usual order."""
    if hasattr(config, "workerinput"):
        place = places(item.nodeid for item in items)
        items.sort(key=lambda item: place(item.nodeid))


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.outcome == "skipped" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = (
            f"A skipped test proves nothing, so it counts as failed: {report.longrepr}"
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """Let no skipped test count as passed."""
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    """Let no skipped module count as passed."""
    report = yield
    _refuse_skip(report)
    return report
