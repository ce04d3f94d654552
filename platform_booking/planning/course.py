"""How far a search is, as people are shown it while it runs."""

from collections import deque
from typing import Any

from solver.options import Options, Progress

_RATE_SECONDS = 30.0  # what the rate looks back on


class Course:
    """The reports of one search, summed up."""

    def __init__(self, options: Options) -> None:
        self._seconds = options.seconds if options.waves is None else None
        self._tell = options.on_progress
        self._recent: deque[Progress] = deque()
        self._told: dict[str, Any] = {}

    def report(self, progress: Progress) -> None:
        """Take in a report, and pass it on."""
        self._recent.append(progress)
        while progress.seconds - self._recent[0].seconds > _RATE_SECONDS:
            self._recent.popleft()
        since = self._recent[0]
        passed = progress.seconds - since.seconds
        left = None if self._seconds is None else self._seconds - progress.seconds
        self._told = {
            "phase": progress.phase,
            "wave": progress.wave,
            "waves": progress.waves,
            "value": progress.value,
            "bound": progress.bound,
            "seconds": round(progress.seconds, 1),
            "rate": round((progress.value - since.value) / passed, 1) if passed else None,
            "left": None if left is None else round(max(0.0, left), 1),
        }
        if self._tell is not None:
            self._tell(progress)

    def told(self) -> dict[str, Any]:
        """Return the newest state, ready for JSON: value, bound, seconds so far and left.

        `rate` is the value gained a second lately; `left` is the search's alone, and None
        where waves were asked for: the bound and the reasons come on top.
        """
        return self._told
