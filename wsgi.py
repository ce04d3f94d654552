"""What gunicorn and `flask --app wsgi` load."""

import gc

# All that loading makes stays: to search it for garbage takes a fifth of the time.
gc.disable()

import click  # noqa: E402

from platform_booking.app import create_app  # noqa: E402
from platform_booking.errors import Misconfigured  # noqa: E402

try:
    app = create_app()
except Misconfigured as refusal:
    # The command line shows it as one sentence; gunicorn has asked the same before.
    raise click.ClickException(f"the service does not start: {refusal}") from None
finally:
    gc.freeze()
    gc.enable()
