"""`flask --app wsgi accounts …`."""

import click
from flask import current_app
from flask.cli import AppGroup

from platform_booking.accounts import administration
from platform_booking.clock import utcnow
from platform_booking.db import JOB, acting_as, transaction
from platform_booking.errors import IllegalMove

group = AppGroup("accounts", help="Organisations and members.")


@group.command("bootstrap")
@click.option("--email", prompt="E-mail of the first park administrator")
@click.option("--name", prompt="Name")
def bootstrap(email: str, name: str) -> None:
    """Make the first park administrator; print the link that lets him choose a password."""
    with acting_as(JOB), transaction() as session:
        try:
            secret = administration.bootstrap(session, email=email, name=name, now=utcnow())
        except IllegalMove as fault:
            raise click.ClickException(str(fault)) from None
    base = current_app.config["SETTINGS"].base_url
    click.echo("Open this address within 60 minutes; it works once:")
    click.echo(f"{base}/invitation/{secret}")
