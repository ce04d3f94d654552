"""`flask --app wsgi catalogue …`."""

from pathlib import Path

import click
from flask import current_app
from flask.cli import AppGroup

from platform_booking.catalog import loader
from platform_booking.clock import utcnow
from platform_booking.db import JOB, acting_as, transaction
from platform_booking.errors import RulesBroken

group = AppGroup("catalogue", help="What can be asked for.")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@group.command("check")
@click.argument("file", type=_FILE)
def check(file: Path) -> None:
    """Name every fault of a catalogue file; write nothing."""
    content = _parsed(file.read_text("utf-8", errors="replace"))
    click.echo(
        f"{len(content['resources'])} resources, {len(content['routes'])} routes: sound"
    )


@group.command("load")
@click.argument("file", type=_FILE)
def load(file: Path) -> None:
    """Load a catalogue file, whole or not at all."""
    _load(file.read_text("utf-8", errors="replace"))


@group.command("load-demo")
def load_demo() -> None:
    """Load the demo catalogue that comes with the service."""
    _load(loader.demo_text())


def _load(text: str) -> None:
    content = _parsed(text)
    with acting_as(JOB), transaction() as session:
        done = loader.load(
            session, content, now=utcnow(), zone=current_app.config["SETTINGS"].zone
        )
    click.echo(
        f"{done.resources} resources, {done.routes} routes, {done.occurrences} new dated"
        f" runs; {done.retired} resources out of service"
    )


def _parsed(text: str) -> loader.Content:
    try:
        return loader.parsed(text)
    except RulesBroken as faults:
        for violation in faults.violations:
            click.echo(violation.message, err=True)
        raise click.ClickException(
            f"{len(faults.violations)} faults; nothing was loaded"
        ) from None
