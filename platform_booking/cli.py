"""The command line: `flask --app wsgi …`. Each feature adds its own group."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Register every command group."""
