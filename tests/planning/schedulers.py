"""The scheduler as it runs in production: a process of its own."""

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from platform_booking.clock import utcnow
from platform_booking.embedded import Urls, end_with_parent
from tests.planning.nights import HOUR, ZONE
from tests.service import ROOT, environment


class Scheduler:
    """`flask --app wsgi scheduler run` on one database."""

    def __init__(self, urls: Urls, **changed: str) -> None:
        self._environment = environment(
            urls,
            JOB_DATABASE_URL=urls.job,
            PB_NIGHT_WORKERS="1",
            **{"PB_NIGHT_AT": a_time_that_is_not_due(), **changed},
        )
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed in __exit__
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it; it may not lead yet."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", "wsgi", "scheduler", "run"],
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            preexec_fn=end_with_parent(signal.SIGTERM),
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop it, and show what it said when the test failed."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)
        if error is not None:
            print(self.log())
        self._log.close()

    def kill(self) -> None:
        """Let it vanish without a word."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(30)

    def leads(self) -> bool:
        """Tell whether it has said that it leads."""
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        return any(entry.get("event") == "scheduler_leads" for entry in self.entries())

    def log(self) -> str:
        """Return what it has written so far."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def entries(self) -> list[dict[str, object]]:
        """Return the lines of its log that are structured."""
        lines = (line for line in self.log().splitlines() if line.startswith("{"))
        return [json.loads(line) for line in lines]


def a_time_that_is_not_due() -> str:
    """Return a time of day that is neither near nor within six hours past."""
    return (utcnow() + 9 * HOUR).astimezone(ZONE).strftime("%H:%M")


def wait_until(true: Callable[[], object], *, seconds: float = 60) -> None:
    """Wait for something that another process brings about."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.1)
