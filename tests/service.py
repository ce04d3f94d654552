"""The service as it runs in production: gunicorn in processes of its own."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from platform_booking.embedded import Urls, end_with_parent
from tests.cluster import TEST_SECRET

ROOT = Path(__file__).parent.parent


def environment(urls: Urls, **changed: str) -> dict[str, str]:
    """Return the environment of a process of the service on a test's database."""
    return {
        **os.environ,
        "DATABASE_URL": urls.web,
        "SECRET_KEY": TEST_SECRET,
        "PB_SECURE_COOKIES": "no",
        **changed,
    }


class Service:
    """A gunicorn that serves one database on a free port of this machine.

    `preloaded` names another application than production's. It is loaded once and its
    workers are forked from it, so that a worker that dies is followed by one at once.
    """

    def __init__(
        self, urls: Urls, *, workers: int = 1, preloaded: str = "", **changed: str
    ) -> None:
        self._application = ["--preload", preloaded] if preloaded else ["wsgi:app"]
        self._environment = environment(urls, WEB_CONCURRENCY=str(workers), **changed)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed in __exit__
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def __enter__(self) -> Self:
        """Start, and wait until it answers."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py"),
                    *self._application,
                ],
                cwd=ROOT,
                env={
                    **self._environment,
                    "PB_BIND": f"fd://{listener.fileno()}",
                    "PB_BASE_URL": self.url,
                },
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=[listener.fileno()],
                preexec_fn=end_with_parent(signal.SIGTERM),
            )
        self._wait_until_it_answers()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop it, and show what it said when the test failed."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
        if error is not None:
            print(self.log())
        self._log.close()

    def log(self) -> str:
        """Return what the service has written so far."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self._process is not None
            if self._process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.url}/healthz", timeout=30):
                    return
            except urllib.error.HTTPError as answer:
                answer.close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"gunicorn did not come up:\n{self.log()}")
