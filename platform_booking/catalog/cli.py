"""`flask --app wsgi catalog …`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from flask import current_app

from platform_booking.catalog import loader
from platform_booking.clock import utcnow
from platform_booking.commands import Commands, as_job, counted
from platform_booking.db import transaction
from platform_booking.errors import RulesBroken

group = Commands("catalog", help="What can be asked for.")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@group.command("check")
@click.argument("file", type=_FILE)
def check(file: Path) -> None:
    """Name every fault of a catalogue file; write nothing."""
    content = _parsed(file.read_bytes())
    click.echo(
        f"{counted(len(content['resources']), 'resource')},"
        f" {counted(len(content['routes']), 'route')}: sound"
    )


@group.command("load")
@click.argument("file", type=_FILE)
@click.option(
    "--retire", is_flag=True, help="Even if most resources go out of service by it."
)
def load(file: Path, *, retire: bool) -> None:
    """Load a catalogue file, whole or not at all."""
    _load(file.read_bytes(), retire=retire)


@group.command("load-demo")
def load_demo() -> None:
    """Load the demo catalogue that comes with the service."""
    _load(loader.demo_text())


def _load(text: str | bytes, *, retire: bool = False) -> None:
    content = _parsed(text)
    settings = current_app.config["SETTINGS"]
    if content["demo"] and not settings.demo:
        raise click.ClickException(
            "the file holds demo data; set PB_DEMO=yes, so that every page says so"
        )
    with _told(), as_job(), transaction() as session:
        done = loader.load(session, content, now=utcnow(), zone=settings.zone)
        if done.retired > done.resources and not retire:
            raise click.ClickException(
                f"{counted(done.retired, 'resource')} would go out of service, for the"
                f" file names {done.resources}; nothing was loaded."
                " If it is meant, add --retire"
            )
    click.echo(
        f"{counted(done.resources, 'resource')}, {counted(done.routes, 'route')},"
        f" {counted(done.occurrences, 'new dated run')};"
        f" {counted(done.retired, 'resource')} out of service"
    )


def _parsed(text: str | bytes) -> loader.Content:
    with _told():
        return loader.parsed(text)


@contextmanager
def _told() -> Iterator[None]:
    """Show every fault on a line of its own, and end with status 1."""
    try:
        yield
    except RulesBroken as faults:
        for violation in faults.violations:
            click.echo(violation.message, err=True)
        raise click.ClickException(
            f"{counted(len(faults.violations), 'fault')}; nothing was loaded"
        ) from None
