"""What `make run` does: start all, watch, stop all."""

import http.client
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from types import FrameType

import click
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy.exc import SQLAlchemyError

from platform_booking import config
from platform_booking.app import create_app
from platform_booking.clock import utcnow
from platform_booking.db import JOB, acting_as, db, transaction
from platform_booking.demo import house, people
from platform_booking.demo.children import ROOT, Children
from platform_booking.demo.house import CannotStart, Standing
from platform_booking.embedded import EmbeddedFailed, Urls, end_with_parent
from platform_booking.errors import Misconfigured

_ANSWER_SECONDS = 60
_LAST_PORT = 65535
_LOOK_EVERY = 0.25
_OWN = ("DATABASE_URL", "OWNER_DATABASE_URL", "JOB_DATABASE_URL", "GUNICORN_CMD_ARGS")
_CHOSEN = {
    "PB_DEMO": "yes",
    "PB_SECURE_COOKIES": "no",  # plain http, on this machine only
    "PB_LEASE_SECONDS": "30",
}
_UNLESS_CHOSEN = {"PB_NIGHT_SECONDS": "45", "PB_TRUSTED_HOSTS": "127.0.0.1,localhost"}


class Stopped(BaseException):
    """Somebody pressed Ctrl-C, or asked for the end in another way."""


def _port(_context: click.Context, _option: click.Parameter, text: str) -> int:
    if not (text.isdecimal() and int(text) <= _LAST_PORT):
        raise click.ClickException(
            f"{text} is no port. Choose a number up to {_LAST_PORT}: make run PORT=8000"
        )
    return int(text)


@click.command()
@click.option("--port", callback=_port, default="8000", help="0 for any that is free.")
@click.option("--var", type=click.Path(path_type=Path), default=Path("var"))
@click.option("--orders", type=int, hidden=True)
@click.option("--seconds", type=float, hidden=True)
def main(port: int, var: Path, orders: int | None, seconds: float | None) -> None:
    """Start the service with demo data on this machine; Ctrl-C stops it."""
    sizes = [
        f"--{name}={given}"
        for name, given in (("orders", orders), ("seconds", seconds))
        if given is not None
    ]
    try:
        _listen_for_the_end()
        _run(port, var.absolute(), sizes)
    except Stopped as end:
        click.echo(f"Stopped. {end}".strip())
    except (CannotStart, EmbeddedFailed, Misconfigured) as fault:
        click.echo(str(fault), err=True)
        sys.exit(1)
    except SQLAlchemyError as fault:
        reason = str(fault).partition("\n")[0]
        click.echo(
            f"The data in {var} do not fit this version of the service ({reason})."
            " Choose another data folder: make run VAR=demo",
            err=True,
        )
        sys.exit(1)
    except OSError as fault:
        where = f"{fault.filename}: " if fault.filename else ""
        click.echo(
            f"{where}{fault.strerror}. Mend that, or choose another data folder:"
            " make run VAR=demo",
            err=True,
        )
        sys.exit(1)


def _run(port: int, var: Path, sizes: Sequence[str]) -> None:
    """Start everything and watch over it; leaving stops it in reverse order."""
    with ExitStack() as stack:
        try:
            _start_all(stack, port, var, sizes)
        except Stopped:
            click.echo("\nStopping ...")
            raise


def _start_all(stack: ExitStack, port: int, var: Path, sizes: Sequence[str]) -> None:
    held = stack.enter_context(house.reserved_port(port))
    address = house.address(held)
    var.mkdir(parents=True, exist_ok=True)
    secret = house.secret_key(var)
    if os.environ.get("DATABASE_URL"):
        click.echo("Using the database that DATABASE_URL names ...")
    else:
        click.echo(f"Starting the database in {var} ...")
    database = stack.enter_context(house.database(var, os.environ))
    children = stack.enter_context(Children(var / "log"))
    environ = _environment(database.urls, secret, address)
    if database.server is not None:
        house.keep_settings(var, {name: environ[name] for name in sorted(_told(environ))})
    app = create_app(config.read(environ))
    _migrate(app)
    if database.standing is not Standing.READY:
        _fill(children, environ, sizes)
    _serve(children, environ, held)
    found = _look(app)
    _wait_until_it_answers(address, children)
    _schedule(children, environ)
    if database.standing is Standing.READY:
        click.echo(f"Kept from before: {found.summary}")
    _say(address, found.entrances)
    while True:  # until the end is asked for, or a process ends of itself
        _refuse_dead(children)
        database.refuse_dead()
        time.sleep(_LOOK_EVERY)


def _listen_for_the_end() -> None:
    """Turn the signals that ask for the end into `Stopped`, once."""
    asking = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # not under nohup
        asking.append(signal.SIGHUP)

    def stop(_number: int, _frame: FrameType | None) -> None:
        for name in asking:
            signal.signal(name, signal.SIG_IGN)  # stopping must not be interrupted
        raise Stopped

    for name in asking:
        signal.signal(name, stop)
    if "MAKELEVEL" in os.environ and (ask := end_with_parent(signal.SIGTERM)):
        ask()  # a make that is killed takes the demo along


def _environment(urls: Urls, secret: str, address: str) -> dict[str, str]:
    """Return what processes that see everything get: migrations, filling."""
    given = {name: value for name, value in os.environ.items() if name not in _OWN}
    return {
        **_UNLESS_CHOSEN,
        **given,
        **_CHOSEN,
        "PB_BASE_URL": address,
        "SECRET_KEY": secret,
        "DATABASE_URL": urls.web,
        "OWNER_DATABASE_URL": urls.owner,
        "JOB_DATABASE_URL": urls.job,
    }


def _told(environ: Mapping[str, str]) -> set[str]:
    """Return which of the demo's settings a command by hand needs beside it."""
    known = {config.variable(field.name) for field in fields(config.Settings)}
    return known & environ.keys()


def _migrate(app: Flask) -> None:
    try:
        with app.app_context():
            upgrade(directory=str(ROOT / "migrations"))
    except SystemExit:  # what is wrong has been said
        raise CannotStart(
            "The data were made by another version of the service. Choose another data "
            "folder: make run VAR=demo"
        ) from None


def _fill(children: Children, environ: Mapping[str, str], sizes: Sequence[str]) -> None:
    click.echo("First start: making the demo data. This takes about two minutes.")
    command = [sys.executable, "-m", "platform_booking.demo.filling", *sizes]
    child = children.start(
        "filling", command, environ=environ, quiet=False, end_by=signal.SIGKILL
    )
    try:
        code = children.finish(child)
    except Stopped:
        raise Stopped("The demo data are unfinished; the next start makes them.") from None
    if code:
        raise CannotStart("The demo data could not be made; see above.")


def _serve(children: Children, environ: Mapping[str, str], held: socket.socket) -> None:
    """Start the web service, which may not do what the scheduler may."""
    children.start(
        "web",
        [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"],
        environ={k: v for k, v in environ.items() if k not in _OWN}
        | {
            "DATABASE_URL": environ["DATABASE_URL"],
            "PB_BIND": f"fd://{held.fileno()}",
        },
        pass_fds=[held.fileno()],
    )


def _schedule(children: Children, environ: Mapping[str, str]) -> None:
    children.start(
        "scheduler",
        [sys.executable, "-m", "flask", "--app", "wsgi", "scheduler", "run"],
        environ={k: v for k, v in environ.items() if k != "OWNER_DATABASE_URL"},
        end_by=signal.SIGKILL,
    )


def _look(app: Flask) -> people.Found:
    with app.app_context():
        with acting_as(JOB), transaction() as session:
            found = people.look(session, now=utcnow())
        for engine in db.engines.values():
            engine.dispose()
    return found


def _wait_until_it_answers(address: str, children: Children) -> None:
    host = address.removeprefix("http://")
    deadline = time.monotonic() + _ANSWER_SECONDS
    while time.monotonic() < deadline:
        _refuse_dead(children)
        connection = http.client.HTTPConnection(host, timeout=5)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == http.client.OK:
                return
        except (OSError, http.client.HTTPException):
            pass  # not yet
        finally:
            connection.close()
        time.sleep(_LOOK_EVERY / 2)
    raise CannotStart(f"The service does not answer at {address}; see {children.logs}.")


def _say(address: str, entrances: Sequence[people.Entrance]) -> None:
    click.echo(f"\nThe service runs at {address}\n")
    click.echo("Sign in by a link; each works once, within 15 minutes, on this machine:")
    for entrance in entrances:
        click.echo(f"  {entrance.who}\n    {address}{entrance.path}")
    click.echo("\nCtrl-C stops everything. Another start gives new links.")


def _refuse_dead(children: Children) -> None:
    if (child := children.dead()) is not None:
        raise CannotStart(
            f"The {child.name} process has ended (code {child.process.returncode}), so"
            f" everything was stopped. Its last words:\n{child.last_words}"
        )
