"""What a benchmark says: one JSON object a line, printed and kept.

A benchmark exits 0 when it ran, whatever it found; a figure that misses its target says so
in `met`. A run that came to its end writes `benchmarks/results/<bench>.jsonl` anew.
"""

import json
import os
from collections.abc import Callable
from operator import ge, le
from pathlib import Path
from types import TracebackType
from typing import Self

RESULTS = Path(__file__).parent / "results"

Number = int | float
Value = Number | str | None


class Report:
    """The lines of one benchmark, kept when its block ends without an error."""

    def __init__(self, bench: str, *, results: Path = RESULTS) -> None:
        self.bench = bench
        self.missed = 0  # figures short of their targets
        self._path = results / f"{bench}.jsonl"
        self._lines: list[str] = []

    def __enter__(self) -> Self:
        """Begin; the results of the last run stand until this one has come to its end."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Keep the lines, unless the run broke off."""
        if kind is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text("".join(self._lines), encoding="utf-8")

    def figure(
        self,
        case: str,
        figure: str,
        value: Value,
        unit: str,
        *,
        at_least: Number | None = None,
        at_most: Number | None = None,
    ) -> None:
        """Report one figure, with its target if it has one.

        Parameters
        ----------
        case
            What was measured, such as "1000 orders, seed 1".
        at_least, at_most
            The target, one of the two; a figure without a value misses it.
        """
        target, meets = _target(at_least, at_most)
        met = None
        if target is not None:
            met = isinstance(value, int | float) and meets(value, target)
            self.missed += not met
        line = json.dumps(
            {
                "bench": self.bench,
                "case": case,
                "figure": figure,
                "value": round(value, 4) if isinstance(value, float) else value,
                "unit": unit,
                "target": target,
                "met": met,
            },
            ensure_ascii=False,
        )
        print(line, flush=True)
        self._lines.append(line + "\n")

    def surroundings(self, case: str) -> None:
        """Report what figures of time depend on: the processors and who else is on them."""
        self.figure(case, "processors", os.cpu_count(), "processors")
        self.figure(case, "load average before", os.getloadavg()[0], "processes")


def _target(
    at_least: Number | None, at_most: Number | None
) -> tuple[Number | None, Callable[[Number, Number], bool]]:
    if at_least is not None and at_most is not None:
        raise ValueError("a figure has one target, at_least or at_most")
    return (at_most, le) if at_least is None else (at_least, ge)
