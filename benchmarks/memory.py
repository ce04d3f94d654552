"""How much memory this process and its workers take at most, together."""

import os
from multiprocessing import active_children
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Self

_PAUSE = 0.25  # seconds between two looks


class PeakMemory:
    """Looks at all processes while its block runs.

    What processes share is counted once (the proportional set size of Linux). `mib` is None
    where the system does not tell.
    """

    def __init__(self) -> None:
        self.mib: float | None = None
        self._over = Event()
        self._watch = Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        """Begin to look."""
        self._watch.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Look no more."""
        self._over.set()
        self._watch.join()

    def _look(self) -> None:
        while not self._over.wait(_PAUSE):
            pids = [os.getpid(), *(child.pid for child in active_children())]
            found = [kib for pid in pids if (kib := _proportional_kib(pid)) is not None]
            if found:
                self.mib = max(self.mib or 0.0, sum(found) / 1024)


def _proportional_kib(pid: int | None) -> int | None:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:  # another system, or a process that has just ended
        return None
    return next(
        (int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")),
        None,
    )
