"""`make run` as people use it: real processes, from the first start to Ctrl-C."""

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import HTTPCookieProcessor, OpenerDirector, build_opener
from zoneinfo import ZoneInfo

import psycopg
import pytest
from click.testing import CliRunner

from platform_booking import guards
from platform_booking.demo import house
from platform_booking.demo.house import CannotStart, Standing
from platform_booking.demo.running import main
from platform_booking.embedded import EmbeddedPostgres, Urls, wheel_binaries
from tests.factories import make_organisation, writing
from tests.processes import offspring, processes_naming, still_there
from tests.service import ROOT

SMALL = ("--orders", "40", "--seconds", "2")
ENOUGH = 120  # seconds that nothing here comes near
FLASK = (sys.executable, "-m", "flask", "--app", "wsgi")
LAST_LINE = "Ctrl-C stops everything"


@dataclass
class Demo:
    """A running `make run`, and what it has said."""

    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)

    def read_until(self, sign: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line.rstrip("\n"))
            if sign in line:
                return
        raise AssertionError(f"it ended before saying {sign!r}:\n{self.text}")

    @property
    def text(self) -> str:
        return "\n".join(self.said)

    @property
    def address(self) -> str:
        return re.findall(r"The service runs at (\S+)", self.text)[0]

    @property
    def links(self) -> list[str]:
        return re.findall(r"\S+/demo/\S+", self.text)

    def end(self, how: signal.Signals = signal.SIGINT) -> int:
        """Ask it to end; return its exit code."""
        self.process.send_signal(how)
        rest, _ = self.process.communicate(timeout=ENOUGH)
        self.said += rest.splitlines()
        return self.process.returncode


@contextmanager
def demo(var: Path, *options: str, port: int = 0, **environ: str) -> Iterator[Demo]:
    """Start it without a terminal; what a failed test leaves running is killed."""
    command = [sys.executable, "-m", "platform_booking.demo"]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--var", str(var), *(options or SMALL)],
        cwd=ROOT,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        try:
            yield Demo(process)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Demo]:
    """A data folder after a first start that Ctrl-C has ended, and what was said."""
    parent = tmp_path_factory.mktemp("demo")
    for folder in (parent, *parent.parents):
        if folder.stat().st_uid == os.geteuid():
            folder.chmod(folder.stat().st_mode | 0o011)  # the server's user passes through
    var = parent / "var"
    with demo(var) as running:
        running.read_until(LAST_LINE)
        assert not (var / "WHERE").exists()  # nothing may lie about when the tests are over
        started = offspring(running.process.pid)
        assert len(started) > 8  # PostgreSQL, gunicorn and its workers, the scheduler
        assert running.end(signal.SIGINT) == 0
        assert still_there(started) == {}
    return var, running


def test_the_first_start_says_what_it_did_in_plain_lines(first: tuple[Path, Demo]) -> None:
    _, started = first
    for sentence in (
        r"\d+ of \d+ orders placed \(first come, first served: \d+\)",
        r"value [\d,]+, [\d.]+ times first come, first served",
        r"proven: no plan is worth more than [\d,]+ \(gap [\d.]+%\)",
        r"left out: \d+\n +\d+ \w+",
        r"engineer of ",
        r"administrator of the same firm",
        r"engineer of .*, a small firm that competes",
        r"operator of all platforms",
        r"park administrator",
    ):
        assert re.search(sentence, started.text), sentence
    assert len(started.links) == 5
    assert "\r" not in started.text
    assert "\x1b" not in started.text
    assert started.said[-1] == "Stopped."


def test_bookings_of_these_days_are_published_and_a_draft_waits(
    first: tuple[Path, Demo],
) -> None:
    var, _ = first
    with house.database(var, {}) as database:
        assert database.standing is Standing.READY
        with connected(database.urls.job) as connection:
            assert states(connection) == ["published", "draft"]
            row = connection.execute(
                "SELECT count(*) FILTER (WHERE starts_at > now() - interval '7 days'"
                " AND starts_at < now()), count(*) FILTER (WHERE starts_at > now())"
                " FROM booking WHERE active"
            ).fetchone()
            assert row is not None
            past, ahead = row
            assert past > 0
            assert ahead > 0


@pytest.mark.parametrize("victim", ["scheduler run", "bin/postgres"])
def test_when_one_process_dies_all_are_stopped_and_it_says_why(
    first: tuple[Path, Demo], victim: str
) -> None:
    var, _ = first
    with demo(var, WEB_CONCURRENCY="1") as running:
        running.read_until(LAST_LINE)
        started = offspring(running.process.pid)
        os.kill(min(pid for pid, command in started.items() if victim in command), 9)
        rest, _ = running.process.communicate(timeout=ENOUGH)
    assert running.process.returncode == 1
    assert "has ended" in rest
    assert "Its last words:" in rest
    assert "Traceback" not in rest
    assert still_there(started) == {}


def test_nothing_survives_when_it_is_killed_outright(first: tuple[Path, Demo]) -> None:
    var, _ = first
    with demo(var, WEB_CONCURRENCY="1") as running:
        running.read_until(LAST_LINE)
        started = offspring(running.process.pid)
        running.process.kill()
        deadline = time.monotonic() + 30
        while still_there(started) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert still_there(started) == {}


def test_an_interrupted_first_start_begins_anew(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    var = tmp_path / "var"
    with demo(var, "--orders", "40", "--seconds", "600") as running:
        running.read_until("Planning last week's demand")
        started = offspring(running.process.pid)
        assert running.end() == 0
        assert running.said[-3:] == [
            "",
            "Stopping ...",
            "Stopped. The demo data are unfinished; the next start makes them.",
        ]
        assert still_there(started) == {}
    with house.database(var, {}) as database:
        assert database.standing is Standing.EMPTY
        with connected(database.urls.job) as connection:
            assert connection.execute("SELECT to_regclass('orders')").fetchone() == (None,)


def test_ctrl_c_while_it_still_loads_ends_it_without_a_word(tmp_path: Path) -> None:
    var = tmp_path / "var"
    with demo(var) as running:
        loaded = Path(f"/proc/{running.process.pid}/maps")
        deadline = time.monotonic() + ENOUGH
        while "sqlalchemy" not in loaded.read_text() and time.monotonic() < deadline:
            time.sleep(0.001)
        assert running.end() == 130
    assert running.said == []
    assert not var.exists()


def test_commands_by_hand_find_data_that_stand_elsewhere(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)  # closed to the server's user, where that is another one
    var = tmp_path / "a folder"
    try:
        with demo(var) as running:
            running.read_until("First start: making the demo data")
            code, words = by_hand(var / "settings.env", "db", "current")
            assert (code, f"{guards.REVISION} (head)" in words) == (0, True)
            assert running.end() == 0
        assert os.geteuid() or (var / "WHERE").exists()
    finally:
        if (var / "WHERE").exists():
            shutil.rmtree((var / "WHERE").read_text(encoding="utf-8").strip())


def test_ctrl_c_while_the_database_starts_leaves_nothing_running(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    with demo(tmp_path / "var") as running:
        running.read_until("Starting the database")
        assert running.end() == 0
    assert running.said[-1] == "Stopped."
    assert "Traceback" not in running.text
    assert processes_naming(tmp_path) == []


def test_a_port_in_use_is_told_before_anything_else(tmp_path: Path) -> None:
    var = tmp_path / "var"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(var, port=port)
    assert said == f"Port {port} is in use. Choose another: make run PORT={port + 1}"
    assert not var.exists()


def test_what_is_no_port_is_told_so(tmp_path: Path) -> None:
    said = refused_here(tmp_path / "var", port=65536)
    assert "65536 is no port. Choose a number up to 65535" in said


def test_a_data_folder_that_cannot_be_is_told_with_its_name(tmp_path: Path) -> None:
    taken = tmp_path / "var"
    taken.write_text("a file")
    said = refused_here(taken)
    assert said == (
        f"{taken}: File exists. Mend that, or choose another data folder: make run VAR=demo"
    )


def test_data_of_another_major_version_are_told_without_a_traceback(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    var = tmp_path / "var"
    versions = wheel_binaries()
    with EmbeddedPostgres(var, binaries=versions[min(versions)]):
        pass
    said = refused_here(var)
    assert f"were made by PostgreSQL {min(versions)}" in said
    assert "VAR=" in said
    assert "Traceback" not in said


def test_a_server_of_ones_own_is_used_only_when_it_holds_nothing_else(
    app: object, database: Urls, tmp_path: Path
) -> None:
    given = {
        "DATABASE_URL": database.web,
        "OWNER_DATABASE_URL": database.owner,
        "JOB_DATABASE_URL": database.job,
    }
    with house.database(tmp_path, given) as found:
        assert found.standing is Standing.EMPTY
        assert found.urls.web == database.web
    with writing() as session:
        make_organisation(session, demo=False)
    said = refused_here(tmp_path / "var", **given)
    assert "The database holds data that are not the demo's" in said
    with (
        pytest.raises(CannotStart, match="but not OWNER_DATABASE_URL and JOB_DATABASE_URL"),
        house.database(tmp_path, {"DATABASE_URL": database.web}),
    ):
        pass


@pytest.fixture(scope="module")
def second(first: tuple[Path, Demo]) -> Iterator[tuple[Demo, float]]:
    """A second start, running, and the seconds that it took; SIGTERM ends it.

    It holds the data folder until the end of the module: its tests come last.
    """
    var, _ = first
    began = time.monotonic()
    with demo(var) as again:
        again.read_until(LAST_LINE)
        seconds = time.monotonic() - began
        started = offspring(again.process.pid)
        yield again, seconds
        assert again.end(signal.SIGTERM) == 0
        assert still_there(started) == {}


def test_a_second_start_keeps_the_data_and_is_quick(
    first: tuple[Path, Demo], second: tuple[Demo, float]
) -> None:
    var, _ = first
    again, seconds = second
    assert "Kept from before: " in again.text
    assert "making the demo data" not in again.text
    # 10 s where nobody else is at work: about eight times what loading the service takes.
    assert seconds < max(10, 8 * seconds_to_load())
    assert stat.S_IMODE((var / "secret-key").stat().st_mode) == 0o600


def test_every_link_leads_in_once_and_those_of_earlier_starts_do_not(
    first: tuple[Path, Demo], second: tuple[Demo, float]
) -> None:
    _, before = first
    again, _ = second
    assert len(again.links) == 5
    for link in again.links:
        assert link.startswith(f"{again.address}/demo/")
        with visitor().open(link, timeout=ENOUGH) as page:
            assert page.status == 200
            assert "/sign-out" in page.read().decode()
    old = [again.address + link.removeprefix(before.address) for link in before.links]
    for link in [*again.links, *old]:
        with pytest.raises(HTTPError, match="404"):
            visitor().open(link, timeout=ENOUGH)


def test_the_web_service_is_given_its_own_address_only(second: tuple[Demo, float]) -> None:
    again, _ = second
    names: dict[str, set[str]] = {}
    for pid, command in offspring(again.process.pid).items():
        for who in ("gunicorn", "scheduler run"):
            if who in command:
                given = Path(f"/proc/{pid}/environ").read_text().split("\0")
                names[who] = {line.partition("=")[0] for line in given}
    urls = {"DATABASE_URL", "JOB_DATABASE_URL", "OWNER_DATABASE_URL"}
    assert names["gunicorn"] & urls == {"DATABASE_URL"}
    assert names["scheduler run"] & urls == {"DATABASE_URL", "JOB_DATABASE_URL"}


def test_commands_by_hand_find_the_running_demo_through_its_settings(
    first: tuple[Path, Demo], second: tuple[Demo, float]
) -> None:
    (var, _), (again, _) = first, second
    settings = var / "settings.env"
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600
    said = by_hand(settings, "plan", "publish", "--night", "2001-02-03")
    assert said == (
        1,
        "Error: there is no plan of 2001-02-03; see: plan run --night 2001-02-03\n",
    )
    said = by_hand(settings, "accounts", "link", "--email", "nobody@firm.example")
    assert said == (1, "Error: no member has this address\n")
    code, words = by_hand(settings, "db", "current")  # as the owner
    assert (code, f"{guards.REVISION} (head)" in words) == (0, True)
    assert f"PB_BASE_URL={again.address}\n" in settings.read_text()
    tomorrow = datetime.now(ZoneInfo("Asia/Shanghai")).date() + timedelta(days=1)
    code, words = by_hand(
        settings, "plan", "run", "--seconds", "1", "--night", f"{tomorrow}"
    )
    assert code == 0, words
    assert re.search(r"\d+ of \d+ orders placed", words)


def test_the_readme_shows_how_settings_are_read() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "(set -a; . var/settings.env; .venv/bin/flask --app wsgi plan run" in readme


def by_hand(settings: Path, *words: str) -> tuple[int, str]:
    """Run a command as the README shows it; return its status and what it says."""
    done = subprocess.run(
        ["sh", "-c", 'set -a; . "$0"; exec "$@"', str(settings), *FLASK, *words],
        check=False,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=ENOUGH,
    )
    return done.returncode, done.stdout + done.stderr


def seconds_to_load() -> float:
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-c", "import platform_booking.app"], cwd=ROOT, check=True
    )
    return time.monotonic() - began


def refused(var: Path, port: int = 0, **environ: str) -> str:
    """Start in vain; return what was said."""
    with demo(var, port=port, **environ) as running:
        said, _ = running.process.communicate(timeout=ENOUGH)
    assert running.process.returncode == 1
    return said.strip()


def refused_here(var: Path, port: int = 0, **environ: str) -> str:
    """Start in vain within this process, where all is loaded; return what was said."""
    asking = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {name: signal.getsignal(name) for name in asking}
    try:
        done = CliRunner().invoke(
            main, ["--port", str(port), "--var", str(var), *SMALL], env=environ
        )
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
    assert done.exit_code == 1, done.output
    return done.output.strip()


def visitor() -> OpenerDirector:
    """Return a visitor who keeps his cookies."""
    return build_opener(HTTPCookieProcessor(CookieJar()))


def connected(url: str) -> psycopg.Connection:
    return psycopg.connect(url.replace("+psycopg", "", 1))


def states(connection: psycopg.Connection) -> Sequence[str]:
    return [row[0] for row in connection.execute("SELECT state FROM plan ORDER BY id")]
