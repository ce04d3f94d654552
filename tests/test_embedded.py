"""The embedded PostgreSQL: starts, keeps its data, stops whole, and says what is wrong."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from platform_booking import embedded
from platform_booking.embedded import EmbeddedFailed, EmbeddedPostgres, wheel_binaries
from tests.conftest import FAST
from tests.processes import processes, wait_until_gone


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A data folder in a place that no other user can enter."""
    tmp_path.chmod(0o700)
    folder = tmp_path / "var"
    yield folder
    where = folder / "WHERE"
    if where.exists():
        shutil.rmtree(where.read_text(encoding="utf-8").strip())


def let_everybody_through(folder: Path) -> None:
    """Open a folder of the tests, and those above it, to the server's user."""
    top = Path(tempfile.gettempdir())
    for one in (folder, *folder.parents):
        ours = one.is_relative_to(top) and one != top
        if ours and one.stat().st_uid == os.geteuid():
            one.chmod(one.stat().st_mode | 0o011)


def server(home: Path, **given: object) -> EmbeddedPostgres:
    return EmbeddedPostgres(home, server_settings=FAST, **given)  # type: ignore[arg-type]


def connected(url: str) -> psycopg.Connection:
    return psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True)


def test_each_address_signs_in_as_its_own_role_without_rights_to_spare(home: Path) -> None:
    with server(home) as postgres:
        assert postgres.ensure_database() is True
        urls = postgres.urls()
        for url, role, above in (
            (urls.web, "pb_web", False),
            (urls.owner, "pb_owner", False),
            (urls.job, "pb_job", True),
        ):
            with connected(url) as connection:
                row = connection.execute(
                    "SELECT current_user, rolsuper, rolbypassrls FROM pg_roles"
                    " WHERE rolname = current_user"
                ).fetchone()
                assert row == (role, False, above)


def test_a_second_start_keeps_the_data(home: Path) -> None:
    with server(home) as postgres:
        assert postgres.ensure_database() is True
        with connected(postgres.urls().owner) as connection:
            connection.execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)")
    with server(home) as postgres:
        assert postgres.ensure_database() is False
        with connected(postgres.urls().owner) as connection:
            assert connection.execute("SELECT n FROM kept").fetchone() == (42,)


def test_stopping_leaves_no_process_behind(home: Path) -> None:
    postgres = server(home)
    postgres.start()
    started = {
        pid: command
        for pid, (parent, command) in processes().items()
        if postgres.pid in (pid, parent)
    }
    assert len(started) > 3  # the server and its helpers
    postgres.stop()
    assert postgres.pid is None
    assert {pid: command for pid, (_, command) in processes().items()}.items().isdisjoint(
        started.items()
    )


def test_data_of_another_major_version_are_refused_with_what_to_do(home: Path) -> None:
    versions = wheel_binaries()
    older, newer = min(versions), max(versions)
    assert older < newer
    with server(home, binaries=versions[older]) as postgres:
        folder = postgres.data.parent
    with pytest.raises(EmbeddedFailed) as refusal:
        server(home, binaries=versions[newer]).start()
    said = str(refusal.value)
    assert f"were made by PostgreSQL {older}" in said
    assert f"brings PostgreSQL {newer}" in said
    assert "pg_dump" in said
    assert f"move the folder {folder} away" in said


def test_root_gives_its_rights_up_and_data_go_where_the_server_can_reach(
    home: Path,
) -> None:
    with server(home) as postgres:
        assert postgres.pid is not None
        owner = Path(f"/proc/{postgres.pid}").stat().st_uid if _on_linux() else os.geteuid()
        if os.geteuid() == 0:
            assert owner != 0
            where = Path((home / "WHERE").read_text(encoding="utf-8").strip())
            assert where.parent == Path("/var/lib/platform-booking")
            assert postgres.data.is_relative_to(where)
        else:
            assert owner == os.geteuid()
            assert postgres.data.is_relative_to(home)


def test_nobody_else_on_the_machine_gets_in(home: Path) -> None:
    with server(home) as postgres:
        sockets = Path(psycopg.conninfo.conninfo_to_dict(_plain(postgres))["host"])
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        with connected(postgres.urls("postgres").superuser) as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
            rules = connection.execute(
                "SELECT type, auth_method FROM pg_hba_file_rules"
            ).fetchall()
            assert rules == [("local", "peer")]
            callers = connection.execute(
                "SELECT DISTINCT sys_name FROM pg_ident_file_mappings"
            ).fetchall()
            assert callers == [(embedded.pwd.getpwuid(os.geteuid()).pw_name,)]


def test_two_owners_of_one_folder_are_refused(home: Path) -> None:
    with server(home), pytest.raises(EmbeddedFailed, match="already running"):
        server(home).start()
    with server(home):
        pass  # and it is free again


def test_a_killed_owner_leaves_nothing_that_stops_the_next_start(home: Path) -> None:
    owner = (
        "import sys, os, signal, pathlib\n"
        "from platform_booking.embedded import EmbeddedPostgres\n"
        "server = EmbeddedPostgres(pathlib.Path(sys.argv[1]))\n"
        "server.start()\n"
        "print(server.data, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", owner, str(home)],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    data = Path(killed.stdout.strip())
    if _on_linux():
        wait_until_gone(data)  # the kernel has told it that its owner is gone
    with server(home) as postgres:
        assert postgres.data == data


def test_a_pid_file_left_behind_that_names_a_stranger_is_no_hindrance(home: Path) -> None:
    with server(home) as postgres:
        data = postgres.data
    stranger = os.getppid()
    (data / "postmaster.pid").write_text(f"{stranger}\n{data}\n", encoding="ascii")
    with server(home):
        os.kill(stranger, 0)  # and the stranger is still alive


def test_a_deep_folder_gets_a_socket_with_a_short_path(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    let_everybody_through(deep)
    with server(deep / "var") as postgres:
        sockets = Path(psycopg.conninfo.conninfo_to_dict(_plain(postgres))["host"])
        assert len(os.fsencode(sockets)) < 90
    assert not sockets.exists() or sockets.is_relative_to(deep)


def test_data_stay_where_they_are_when_their_folder_opens_up_later(home: Path) -> None:
    with server(home) as postgres:
        before = postgres.data
        with connected(postgres.urls("postgres").superuser) as connection:
            connection.execute("CREATE TABLE kept (n int)")
    let_everybody_through(home.parent)
    with server(home) as postgres:
        assert postgres.data == before
        with connected(postgres.urls("postgres").superuser) as connection:
            connection.execute("SELECT n FROM kept")


def test_a_folder_may_have_a_space_in_its_name(tmp_path: Path) -> None:
    let_everybody_through(tmp_path)
    with server(tmp_path / "my data") as postgres:
        postgres.ensure_database()
        with connected(postgres.urls().superuser) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_folder_with_something_else_in_it_is_left_alone(home: Path) -> None:
    with server(home) as postgres:
        data = postgres.data
    (data / "PG_VERSION").unlink()
    with pytest.raises(EmbeddedFailed, match="no PostgreSQL cluster"):
        server(home).start()
    assert (data / "base").exists()


def test_a_server_that_cannot_start_is_shown_with_its_last_words(home: Path) -> None:
    broken = EmbeddedPostgres(home, server_settings={"shared_buffers": "nonsense"})
    with pytest.raises(EmbeddedFailed, match="shared_buffers"):
        broken.start()
    assert broken.pid is None


def test_a_user_without_a_name_is_told_what_to_do(home: Path) -> None:
    nameless = (
        "import os, pathlib, sys\n"
        "from platform_booking.embedded import EmbeddedFailed, EmbeddedPostgres\n"
        "server = EmbeddedPostgres(pathlib.Path(sys.argv[1]))\n"
        "if os.geteuid() == 0:\n"
        "    os.setuid(54321)\n"
        "else:\n"  # only root can be somebody else: take the names away instead
        "    import pwd\n"
        "    pwd.getpwuid = {}.__getitem__\n"
        "try:\n"
        "    server.start()\n"
        "except EmbeddedFailed as refusal:\n"
        "    print(refusal)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", nameless, str(home)],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "has no name on this machine" in said.stdout, said.stderr


def _plain(postgres: EmbeddedPostgres) -> str:
    return postgres.urls("postgres").superuser.replace("+psycopg", "", 1)


def _on_linux() -> bool:
    return sys.platform.startswith("linux")
