"""The command line: `flask --app wsgi …`. Each feature adds its own group."""

from flask import Flask

from platform_booking.accounts import cli as accounts


def init_app(app: Flask) -> None:
    """Register every command group."""
    app.cli.add_command(accounts.group)
