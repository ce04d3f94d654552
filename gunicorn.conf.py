"""How gunicorn serves the application. Every name here is a setting of gunicorn."""

import gc
import os
import sys
from typing import Any

bind = os.environ.get("PB_BIND", f"127.0.0.1:{os.environ.get('PORT', '8000')}")
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = 8
timeout = 60  # seconds without a sign of life
graceful_timeout = 10
keepalive = 5
max_requests = 20_000  # a slow leak ends with its worker
max_requests_jitter = 2_000
accesslog = None  # structured logging says more, without query strings
# For whoever switches it on: no path and no referrer, since an address may be a secret.
access_log_format = "%(h)s %(t)s %(m)s %(s)s %(B)s %(L)s"
errorlog = "-"
# The socket lies in the home folder, where a second service of the same user would take it.
control_socket_disable = True


def on_starting(_server: Any) -> None:
    """Refuse to start with wrong settings or without the guards, in one sentence each."""
    # Imported here: gunicorn takes every name of this module for one of its settings.
    from platform_booking import config, guards  # noqa: PLC0415
    from platform_booking.errors import Misconfigured  # noqa: PLC0415

    try:
        guards.insist(config.read(os.environ).database_url)
    except Misconfigured as refusal:
        sys.exit(f"The service does not start: {refusal}")


def post_worker_init(_worker: Any) -> None:
    """Let the collector pass over what was loaded: it stays, and looking costs a tenth."""
    gc.collect()
    gc.freeze()
