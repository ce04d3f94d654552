"""`flask --app wsgi accounts …`."""

import click
from flask import current_app
from flask_babel import force_locale

from platform_booking.accounts import administration
from platform_booking.clock import utcnow
from platform_booking.commands import Commands, as_job
from platform_booking.db import transaction
from platform_booking.errors import IllegalMove, NotFound, RulesBroken

group = Commands("accounts", help="Organisations and members.")


@group.command("bootstrap")
@click.option("--email", required=True, help="Of the first park administrator.")
@click.option("--name", required=True)
def bootstrap(email: str, name: str) -> None:
    """Make the first park administrator; print the link that lets him choose a password."""
    with force_locale("en"), as_job(), transaction() as session:
        try:
            secret = administration.bootstrap(session, email=email, name=name, now=utcnow())
        except (IllegalMove, RulesBroken) as fault:
            raise click.ClickException(str(fault)) from None
    _show(f"/invitation/{secret}")


@group.command("link")
@click.option("--email", required=True, help="Of the member.")
def link(email: str) -> None:
    """Print the link with which a member chooses a new password."""
    with as_job(), transaction() as session:
        try:
            path = administration.password_link(session, email=email, now=utcnow())
        except NotFound:
            raise click.ClickException("no member has this address") from None
    _show(path)


def _show(path: str) -> None:
    click.echo("Open this address within 60 minutes; it works once:")
    click.echo(current_app.config["SETTINGS"].base_url.rstrip("/") + path)
