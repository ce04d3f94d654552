"""Solving a makespan problem: list schedules, tabu search in shops, CP-SAT to the end."""

import time
from collections.abc import Callable
from threading import Lock, Thread

from ortools.sat.python.cp_model import (
    FEASIBLE,
    INFEASIBLE,
    OPTIMAL,
    CpSolver,
    CpSolverSolutionCallback,
)

from solver.errors import BadProblem, SolveFailed
from solver.makespan import list_schedule, tabu
from solver.makespan.bounds import lower_bound
from solver.makespan.check import broken_rules
from solver.makespan.faults import faults
from solver.makespan.model import Variables, build, hint
from solver.makespan.problem import MakespanProblem, Solution, Start

_LISTS = 0.03  # share of the time for list schedules
_TRIES = 100
_PATIENCE = 3000  # moves of tabu search in vain, where nobody proves beside it
_TABU = 0.5  # share of the time until which tabu search goes on

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
    run = _Run(problem, seconds=seconds, workers=workers, seed=seed, report=on_progress)
    run.list_schedules()
    if not run.done and tabu.is_job_shop(problem):
        run.tabu_beside_proof()
    if not run.done:
        run.cp_sat(workers, until=run.began + seconds)
    found = Solution(run.best, run.makespan, run.bound, time.monotonic() - run.began)
    broken = list(broken_rules(problem, found))
    if broken:
        raise SolveFailed(f"the search returned a schedule that breaks rules: {broken[0]}")
    return found


class _Run:
    """One solve: the best schedule so far, and what none is shorter than."""

    def __init__(
        self,
        problem: MakespanProblem,
        *,
        seconds: float,
        workers: int,
        seed: int,
        report: Report | None,
    ) -> None:
        self._problem, self._workers, self._seed = problem, workers, seed
        self._seconds, self._report = seconds, report
        self.began = time.monotonic()
        self._solver: CpSolver | None = None
        self.bound = lower_bound(problem)
        self.best: tuple[Start, ...] = ()
        self.makespan = _horizon(problem)
        self._lock = Lock()

    @property
    def done(self) -> bool:
        """Whether a schedule is there that none is shorter than."""
        return bool(self.best) and self.makespan <= self.bound

    def list_schedules(self) -> None:
        """Begin with the best of many lists, where lists can be scheduled."""
        if list_schedule.can_schedule(self._problem):
            share = _LISTS * self._seconds
            found = list_schedule.best_of_many(
                self._problem,
                seed=self._seed,
                seconds=share,
                tries=_TRIES,
                least=self.bound,
            )
            self.better(found)

    def tabu_beside_proof(self) -> None:
        """Improve by tabu search; CP-SAT works at the proof beside it, on other workers."""
        until = self.began + _TABU * self._seconds
        proving = Thread(
            target=self.cp_sat, args=(self._workers - 1,), kwargs={"until": until}
        )
        if self._workers > 1:
            proving.start()
        tabu.improve(
            self._problem,
            self.best,
            seed=self._seed,
            until=until,
            least=self.bound,
            patience=_PATIENCE if self._workers == 1 else None,
            on_better=lambda starts, _makespan: self.better(starts),
            should_stop=lambda: self.done,
        )
        if self._workers > 1:
            if self.done and self._solver is not None:
                self._solver.stop_search()
            proving.join()

    def cp_sat(self, workers: int, *, until: float) -> None:
        """Search for shorter schedules and a higher bound, from the best one there is."""
        model, variables = build(self._problem, least=self.bound, most=self.makespan)
        if self.best:
            hint(model, variables, self.best)
        self._solver = solver = CpSolver()
        solver.best_bound_callback = self._raise_bound
        solver.parameters.num_workers = workers
        solver.parameters.random_seed = self._seed
        solver.parameters.max_time_in_seconds = max(0.1, until - time.monotonic())
        status = solver.solve(model, _Watch(self, variables))
        if status == INFEASIBLE and not self.best:
            raise SolveFailed("no schedule keeps all lags and capacities")
        if status in (OPTIMAL, FEASIBLE):
            self.better(_read(solver, variables))
        elif not self.best:
            raise SolveFailed("no schedule was found in the time")
        self._raise_bound(solver.best_objective_bound)

    def _raise_bound(self, bound: float) -> None:
        """Take a proven bound; a search that began with less room proves no more."""
        with self._lock:
            self.bound = min(self.makespan, max(self.bound, int(bound + 0.5)))

    def better(self, starts: tuple[Start, ...]) -> None:
        """Take a schedule if it is the shortest so far."""
        with self._lock:
            length = _length(self._problem, starts)
            if self.best and length >= self.makespan:
                return
            self.best, self.makespan = starts, length
        if self._report is not None:
            self._report(time.monotonic() - self.began, length, self.bound)


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


class _Watch(CpSolverSolutionCallback):
    """Tells each better schedule, and ends the search once another has done better."""

    def __init__(self, run: _Run, variables: Variables) -> None:
        super().__init__()
        self._run, self._variables = run, variables

    def on_solution_callback(self) -> None:
        """Pass it on."""
        starts = tuple(
            Start(
                next(m for m, x in enumerate(literals) if self.boolean_value(x)),
                self.value(start),
            )
            for start, literals in zip(
                self._variables.starts, self._variables.chosen, strict=True
            )
        )
        self._run.better(starts)
