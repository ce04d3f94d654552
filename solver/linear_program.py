"""The linear program whose duals are good prices of resource time.

Work of a step may be split over its alternatives and over buckets of time; each job is
taken whole, in part or not at all. Nothing here must be exact: `solver.bounds` turns any
prices into a true bound.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ortools.linear_solver import pywraplp

from solver.calendars import first, runs, span
from solver.capacity import Capacity, Floats, Key, Scope
from solver.problem import Interval, Job, Kind, StayRule
from solver.reach import Reach, Route

Prices = dict[Key, Floats]  # by row: a price for each bucket


@dataclass(frozen=True, slots=True)
class Candidate:
    """A job that could be placed, with all that its price depends on."""

    job: Job
    route: Route
    last: int  # the step that lateness is charged to
    tail: int  # slots from that step's end to the job's at least
    earliest_end: int  # of the job

    def late(self, end: int) -> int:
        """Return what lateness costs at least when the step `last` ends at `end`."""
        if self.job.due is None:
            return 0
        end = max(end + self.tail, self.earliest_end)
        return self.job.late_cost * max(0, end - self.job.due)


@dataclass(frozen=True, slots=True)
class _Share:
    """A part of a stay's work: on one occurrence, or within one bucket."""

    end: int  # the first slot at which a stay with work there can have ended
    most: float  # no more of the work than this
    work: list[tuple[Key, int, float]]  # (row, bucket, work) for all of the stay's work


class LinearProgram:
    """One program; build it, then ask for its prices once."""

    def __init__(
        self,
        capacity: Capacity,
        room: Prices,
        intervals: Sequence[Interval],
        *,
        effort: float,
    ) -> None:
        self._capacity = capacity
        self._room = room
        self._intervals = intervals
        self._program = pywraplp.Solver.CreateSolver("GLOP")
        # A measure of work that is the same on every machine, so that bounds are too.
        self._program.SetSolverSpecificParametersAsString(
            f"max_deterministic_time: {effort}"
        )
        self._objective = self._program.Objective()
        self._objective.SetMaximization()
        self._rows: dict[tuple[Key, int], Any] = {}

    def add(self, c: Candidate) -> None:
        """Add one job."""
        program = self._program
        taken = program.NumVar(1.0 if c.job.mandatory else 0.0, 1.0, "")
        self._objective.SetCoefficient(taken, float(c.job.value))
        for n, step in enumerate(c.route):
            whole = program.Constraint(0.0, 0.0)
            whole.SetCoefficient(taken, -1.0)
            for reach in step:
                for share in self._shares(reach):
                    late = c.late(share.end) if n == c.last else 0
                    if late >= c.job.value and not c.job.mandatory:
                        continue
                    column = program.NumVar(0.0, share.most, "")
                    whole.SetCoefficient(column, 1.0)
                    if late:
                        self._objective.SetCoefficient(column, -float(late))
                    for key, bucket, work in share.work:
                        self._row(key, bucket).SetCoefficient(column, work)

    def prices(self) -> Prices | None:
        """Solve; return the prices, or None when the program was given up."""
        if self._program.Solve() != pywraplp.Solver.OPTIMAL:
            return None
        found = {key: np.zeros_like(room) for key, room in self._room.items()}
        for (key, bucket), row in self._rows.items():
            found[key][bucket] = max(0.0, row.dual_value())
        return found

    def _row(self, key: Key, bucket: int) -> Any:
        row = self._rows.get((key, bucket))
        if row is None:
            room = float(self._room[key][bucket])
            row = self._rows[key, bucket] = self._program.Constraint(
                -self._program.infinity(), room
            )
        return row

    def _shares(self, reach: Reach) -> Iterator[_Share]:
        """Yield the parts that a stay's work may be split into."""
        alternative, length = reach.alternative, reach.length
        draws = list(self._capacity.draws(alternative))
        if self._capacity.resources[alternative.resource].kind is Kind.EVENT:
            for lo, hi in runs(reach.starts):
                for start in range(lo, hi):
                    stay = (alternative.resource, start, start + length)
                    for name in self._capacity.occurrences[stay]:
                        seats = ((name, Scope.OCCURRENCE), 0, float(alternative.quantity))
                        yield _Share(start + length, 1.0, [seats])
            return
        slots = alternative.duration if alternative.stay is StayRule.WORKING else length
        opens, closes = first(reach.starts), reach.latest_start + length
        for n, (lo, hi) in enumerate(self._intervals):
            if hi <= opens or lo >= closes:
                continue
            meeting = reach.starts & span(lo - length + 1, hi)
            if meeting:
                work = [(draw.key, n, draw.weight * slots) for draw in draws]
                yield _Share(first(meeting) + length, min(1.0, (hi - lo) / slots), work)
