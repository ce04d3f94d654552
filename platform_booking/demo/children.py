"""The demo's processes: started together, watched, stopped together.

Each child leads a session of its own. So Ctrl-C in the terminal reaches the demo alone,
which stops its children in order, and whatever a child has started ends with its group.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from platform_booking.embedded import end_with_parent

ROOT = Path(__file__).parent.parent.parent
_LAST_WORDS = 12  # lines
_STOP_SECONDS = 8
_LOOK_EVERY = 0.05


@dataclass(frozen=True, slots=True)
class Child:
    """A process that was started."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path | None  # None: it speaks to the terminal itself

    @property
    def last_words(self) -> str:
        """Return the end of what it has written."""
        if self.log is None:
            return ""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-_LAST_WORDS:])


class Children:
    """Every process of the demo but PostgreSQL. Leaving the block stops them all."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self._running: list[Child] = []

    def __enter__(self) -> Self:
        """Make the folder for what they write."""
        self.logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop on leaving the block, however it is left."""
        self.stop()

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        environ: Mapping[str, str],
        quiet: bool = True,
        end_by: signal.Signals = signal.SIGTERM,
        pass_fds: Sequence[int] = (),
    ) -> Child:
        """Start a process; what a quiet one writes goes to its log."""
        log = self.logs / f"{name}.log" if quiet else None
        if log is not None and log.exists():
            log.replace(log.with_suffix(".log.1"))
        with contextlib.ExitStack() as stack:
            out = None if log is None else stack.enter_context(log.open("wb"))
            process = subprocess.Popen(  # noqa: S603  # our own commands
                command,
                cwd=ROOT,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                pass_fds=pass_fds,
                preexec_fn=end_with_parent(end_by),  # noqa: PLW1509
            )
        child = Child(name, process, log)
        self._running.append(child)
        return child

    def dead(self) -> Child | None:
        """Return a child that has ended of itself, if any."""
        return next((c for c in self._running if c.process.poll() is not None), None)

    def finish(self, child: Child) -> int:
        """Wait until a child has done its work; return its exit code.

        When the wait is given up the child is ended outright: half its work is of no use.
        """
        try:
            return child.process.wait()
        finally:
            _end(child)
            self._running.remove(child)

    def stop(self) -> None:
        """Ask every child to end, and end by force what has not in a few seconds."""
        for child in self._running:
            child.process.terminate()
        deadline = time.monotonic() + _STOP_SECONDS
        while time.monotonic() < deadline and any(
            c.process.poll() is None for c in self._running
        ):
            time.sleep(_LOOK_EVERY)
        for child in self._running:
            _end(child)
        self._running.clear()


def _end(child: Child) -> None:
    """End a child by force, with all that it has started."""
    # The group outlives its leader as long as anybody is in it.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.process.pid, signal.SIGKILL)
    child.process.wait()
