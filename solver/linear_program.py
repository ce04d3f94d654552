"""The linear program whose duals are good prices of resource time.

Work of a step may be split over its alternatives and over buckets of time; each job is
taken whole, in part or not at all. Tools that serve just the same steps are drawn together,
so that a park of many equal tools is no larger than one of few. Nothing here must be
exact: `solver.bounds` turns any prices into a true bound.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from ortools.linear_solver import pywraplp

from solver.calendars import first, runs, span
from solver.capacity import Capacity, Draw, Floats, Key, Scope
from solver.problem import Alternative, Interval, Job, Kind, Problem, StayRule
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


@dataclass(frozen=True, slots=True)
class Group:
    """The reaches of one step on equal tools, as one."""

    draws: tuple[Draw, ...]  # on the rows of the tools' representative
    length: int  # slots
    slots: int  # of work in such a stay
    starts: int  # mask
    event: Alternative | None  # on an event resource, where nothing is drawn together


def twins_of(problem: Problem) -> dict[str, str]:
    """Return the representative of each resource: tools that serve the same steps."""
    serving: dict[str, set[frozenset[str]]] = defaultdict(set)
    for job in problem.jobs:
        for step in job.steps:
            together = frozenset(a.resource for a in step.alternatives)
            for alternative in step.alternatives:
                serving[alternative.resource].add(together)
                for use in alternative.also:
                    serving[use.resource].add(frozenset([use.resource]))
    chosen: dict[tuple[Kind, frozenset[frozenset[str]]], str] = {}
    return {
        r.id: chosen.setdefault((r.kind, frozenset(serving[r.id])), r.id)
        if serving[r.id] and r.kind is not Kind.EVENT
        else r.id
        for r in problem.resources
    }


def groups_of(
    step: Sequence[Reach], capacity: Capacity, twins: Mapping[str, str]
) -> tuple[Group, ...]:
    """Draw the reaches of a step together."""
    found: dict[tuple[object, ...], Group] = {}
    for reach in step:
        alternative = reach.alternative
        event = capacity.resources[alternative.resource].kind is Kind.EVENT
        working = alternative.stay is StayRule.WORKING
        group = Group(
            draws=tuple(
                Draw((twins[draw.key[0]], draw.key[1]), draw.weight)
                for draw in capacity.draws(alternative)
            ),
            length=reach.length,
            slots=alternative.duration if working else reach.length,
            starts=reach.starts,
            event=alternative if event else None,
        )
        key = (group.draws, group.length, group.slots, group.event)
        known = found.get(key)
        starts = group.starts | (known.starts if known else 0)
        found[key] = replace(group, starts=starts)
    return tuple(found.values())


class LinearProgram:
    """One program; build it, then ask for its prices once."""

    def __init__(
        self,
        capacity: Capacity,
        room: Prices,
        intervals: Sequence[Interval],
        *,
        twins: Mapping[str, str],
        effort: float,
    ) -> None:
        self._capacity = capacity
        self._room = room
        self._twins = twins
        self._shared: Prices = {}
        for key, own in room.items():
            alike = self._representative(key)
            self._shared[alike] = self._shared.get(alike, 0.0) + own
        self._intervals = intervals
        self._program = pywraplp.Solver.CreateSolver("GLOP")
        # A measure of work that is the same on every machine, so that bounds are too.
        self._program.SetSolverSpecificParametersAsString(
            f"max_deterministic_time: {effort}"
        )
        self._objective = self._program.Objective()
        self._objective.SetMaximization()
        self._rows: dict[tuple[Key, int], Any] = {}

    def add(self, c: Candidate, groups: Sequence[Sequence[Group]]) -> None:
        """Add one job; `groups` are those of its steps."""
        program = self._program
        taken = program.NumVar(1.0 if c.job.mandatory else 0.0, 1.0, "")
        self._objective.SetCoefficient(taken, float(c.job.value))
        for n, step in enumerate(groups):
            whole = program.Constraint(0.0, 0.0)
            whole.SetCoefficient(taken, -1.0)
            for group in step:
                for share in self._shares(group):
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
        shared = {key: np.zeros_like(room) for key, room in self._shared.items()}
        for (key, bucket), row in self._rows.items():
            shared[key][bucket] = max(0.0, row.dual_value())
        return {key: shared[self._representative(key)] for key in self._room}

    def _representative(self, key: Key) -> Key:
        if key[1] is Scope.OCCURRENCE:  # its id may well be that of some tool
            return key
        return self._twins[key[0]], key[1]

    def _row(self, key: Key, bucket: int) -> Any:
        row = self._rows.get((key, bucket))
        if row is None:
            room = float(self._shared[key][bucket])
            row = self._rows[key, bucket] = self._program.Constraint(
                -self._program.infinity(), room
            )
        return row

    def _shares(self, group: Group) -> Iterator[_Share]:
        """Yield the parts that a stay's work may be split into."""
        length = group.length
        if group.event is not None:
            for lo, hi in runs(group.starts):
                for start in range(lo, hi):
                    stay = (group.event.resource, start, start + length)
                    for name in self._capacity.occurrences[stay]:
                        seats = float(group.event.quantity)
                        work = [((name, Scope.OCCURRENCE), 0, seats)]
                        yield _Share(start + length, 1.0, work)
            return
        opens, closes = first(group.starts), group.starts.bit_length() - 1 + length
        for n, (lo, hi) in enumerate(self._intervals):
            if hi <= opens or lo >= closes:
                continue
            meeting = group.starts & span(lo - length + 1, hi)
            if meeting:
                work = [(d.key, n, d.weight * group.slots) for d in group.draws]
                most = min(1.0, (hi - lo) / group.slots)
                yield _Share(first(meeting) + length, most, work)
