"""The command line: `flask --app wsgi …`. Each feature adds its own group."""

import os
import signal
import threading

import sqlalchemy as sa
from flask import Flask, current_app

from platform_booking import guards
from platform_booking.accounts import cli as accounts
from platform_booking.catalog import cli as catalog
from platform_booking.commands import Commands, as_job
from platform_booking.db import transaction
from platform_booking.planning import cli as planning

scheduler = Commands("scheduler", help="The process that runs the jobs.")


@scheduler.command("run")
def run() -> None:
    """Run the jobs, or stand by for the one that does; end with SIGTERM or Ctrl-C."""
    # APScheduler has no place in a web worker, which loads this module too.
    from platform_booking import jobs  # noqa: PLC0415

    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    with as_job(), transaction() as session:
        session.execute(sa.select(1))  # later it waits for the database; not for a typo
    guards.insist(app.config["SETTINGS"].database_url)
    if not jobs.run_forever(app, stop):
        os._exit(0)  # a search that does not hear us; its night is taken over by its lease


def init_app(app: Flask) -> None:
    """Register every command group."""
    for group in (accounts.group, catalog.group, planning.group, scheduler):
        app.cli.add_command(group)
