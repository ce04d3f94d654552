"""What gunicorn and `flask --app wsgi` load."""

import click

from platform_booking.app import create_app
from platform_booking.errors import Misconfigured

try:
    app = create_app()
except Misconfigured as refusal:
    # The command line shows it as one sentence; gunicorn has asked the same before.
    raise click.ClickException(f"the service does not start: {refusal}") from None
