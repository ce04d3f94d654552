"""A process that mails what is due, once; tests end it in the middle."""

import sys

from platform_booking.app import create_app
from platform_booking.db import JOB, acting_as
from platform_booking.feeds import mails

app = create_app()
with app.app_context(), acting_as(JOB):
    print("ready", flush=True)
    sys.stdin.readline()
    mails.deliver(settings=app.config["SETTINGS"])
