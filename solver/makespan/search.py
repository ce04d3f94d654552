"""Solving a makespan problem: bounds, list schedules, then CP-SAT from the best of them."""

import time
from collections.abc import Callable

from ortools.sat.python.cp_model import (
    FEASIBLE,
    INFEASIBLE,
    OPTIMAL,
    CpSolver,
    CpSolverSolutionCallback,
)

from solver.errors import BadProblem, SolveFailed
from solver.makespan import list_schedule
from solver.makespan.bounds import lower_bound
from solver.makespan.check import broken_rules
from solver.makespan.faults import faults
from solver.makespan.model import Variables, build, hint
from solver.makespan.problem import MakespanProblem, Solution, Start

_FIRST = 0.05  # share of the time for list schedules
_TRIES = 200

Report = Callable[[float, int, int], None]  # seconds, makespan, bound


def solve(
    problem: MakespanProblem,
    *,
    seconds: float,
    workers: int = 2,
    seed: int = 1,
    on_progress: Report | None = None,
) -> Solution:
    """Return a schedule as short as the time allows, and what none is shorter than.

    Raises
    ------
    BadProblem
        If the problem contradicts itself.
    SolveFailed
        If no schedule was found, or none exists: the message says which.
    """
    wrong = list(faults(problem))
    if wrong:
        raise BadProblem(wrong)
    began = time.monotonic()
    bound = lower_bound(problem)
    first: tuple[Start, ...] = ()
    if list_schedule.can_schedule(problem):
        first = list_schedule.best_of_many(
            problem, seed=seed, seconds=_FIRST * seconds, tries=_TRIES
        )
    most = _length(problem, first) if first else _horizon(problem)
    if not first or most > bound:
        first, bound = _search(
            problem, first, bound, most, until=began + seconds, workers=workers, seed=seed,
            began=began, on_progress=on_progress,
        )  # fmt: skip
    found = Solution(first, _length(problem, first), bound, time.monotonic() - began)
    broken = list(broken_rules(problem, found))
    if broken:
        raise SolveFailed(f"the search returned a schedule that breaks rules: {broken[0]}")
    return found


def _search(
    problem: MakespanProblem,
    first: tuple[Start, ...],
    bound: int,
    most: int,
    *,
    until: float,
    workers: int,
    seed: int,
    began: float,
    on_progress: Report | None,
) -> tuple[tuple[Start, ...], int]:
    model, variables = build(problem, least=bound, most=most)
    if first:
        hint(model, variables, first)
    solver = CpSolver()
    solver.parameters.num_workers = workers
    solver.parameters.random_seed = seed
    solver.parameters.max_time_in_seconds = max(0.1, until - time.monotonic())
    status = solver.solve(model, _Told(began, on_progress) if on_progress else None)
    if status == INFEASIBLE and not first:
        raise SolveFailed("no schedule keeps all lags and capacities")
    bound = max(bound, int(solver.best_objective_bound + 0.5))
    if status not in (OPTIMAL, FEASIBLE):
        if first:
            return first, min(bound, most)
        raise SolveFailed("no schedule was found in the time")
    return _read(solver, variables), bound


def _read(solver: CpSolver, variables: Variables) -> tuple[Start, ...]:
    return tuple(
        Start(
            next(m for m, x in enumerate(literals) if solver.boolean_value(x)),
            solver.value(start),
        )
        for start, literals in zip(variables.starts, variables.chosen, strict=True)
    )


def _length(problem: MakespanProblem, starts: tuple[Start, ...]) -> int:
    return max(
        one.start + problem.operations[n].modes[one.mode].duration
        for n, one in enumerate(starts)
    )


def _horizon(problem: MakespanProblem) -> int:
    """Return what the shortest schedule is not longer than, if there is one."""
    longest = sum(max(m.duration for m in o.modes) for o in problem.operations)
    lags = sum(max(0, lag.least) for lag in problem.lags)
    setups = sum(
        max((max(row) for row in table), default=0) for table in problem.setups.values()
    )
    return longest + lags + setups * len(problem.operations)


class _Told(CpSolverSolutionCallback):
    """Reports each better schedule."""

    def __init__(self, began: float, report: Report) -> None:
        super().__init__()
        self._began, self._report = began, report

    def on_solution_callback(self) -> None:
        """Pass it on."""
        self._report(
            time.monotonic() - self._began,
            int(self.objective_value + 0.5),
            int(self.best_objective_bound + 0.5),
        )
