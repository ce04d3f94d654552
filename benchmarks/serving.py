"""The service as it runs in production, and clients that crowd it."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.park import SECRET
from benchmarks.tools import Person
from platform_booking.embedded import Urls, end_with_parent

_ROOT = Path(__file__).parent.parent
_PATIENCE = 60  # seconds until it answers


@dataclass(frozen=True, slots=True)
class Crowd:
    """What many clients at once were told."""

    accepted: int
    refused: int
    seconds: float
    latencies: Sequence[float]  # seconds, in order

    def quantile(self, share: float) -> float:
        """Return within how many milliseconds that share of the requests was answered."""
        return 1000 * self.latencies[int(share * (len(self.latencies) - 1))]


@contextmanager
def serving(urls: Urls, *, workers: int) -> Iterator[str]:
    """Run gunicorn on a database; give its address."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        tempfile.TemporaryFile() as log,
    ):
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"],
            cwd=_ROOT,
            env={
                **os.environ,
                "DATABASE_URL": urls.web,
                "SECRET_KEY": SECRET,
                "PB_SECURE_COOKIES": "no",
                "WEB_CONCURRENCY": str(workers),
                "PB_BIND": f"fd://{listener.fileno()}",
                "PB_BASE_URL": url,
            },
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[listener.fileno()],
            preexec_fn=end_with_parent(signal.SIGTERM),  # noqa: PLW1509
        )
        try:
            _wait(url, process)
            yield url
        finally:
            process.terminate()
            process.wait(30)


def crowd(
    url: str,
    people: Sequence[Person],
    bodies: Sequence[Mapping[str, Any]],
    *,
    name: str,
) -> Crowd:
    """Share bookings out among clients in a process of their own; let them all loose."""
    clients = [
        {
            "name": f"{name}-{n}",
            "token": person.token,
            "bodies": list(bodies[n :: len(people)]),
        }
        for n, person in enumerate(people)
    ]
    told = json.loads(
        subprocess.run(
            [sys.executable, "-m", "benchmarks.clients"],
            cwd=_ROOT,
            input=json.dumps({"url": url, "clients": clients}),
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
        ).stdout
    )
    statuses = [status for status, _seconds in told["answers"]]
    return Crowd(
        accepted=statuses.count(201),
        refused=len(statuses) - statuses.count(201),
        seconds=told["seconds"],
        latencies=sorted(seconds for _status, seconds in told["answers"]),
    )


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=30):
                return
        except urllib.error.HTTPError as answer:
            answer.close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("gunicorn did not come up")
