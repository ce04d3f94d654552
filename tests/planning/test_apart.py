"""The solver in a process of its own: the same plan, and its death is told."""

import multiprocessing
import os
import signal
import threading
import time
from dataclasses import replace

import pytest

from platform_booking.planning import apart
from platform_booking.planning.apart import SolverDied
from solver.errors import SolveFailed
from solver.options import Options, Progress
from solver.problem import Problem
from solver.solve import solve
from tests.solver.factories import (
    make_alternative,
    make_job,
    make_problem,
    make_resource,
    make_step,
)


def problem_of(jobs: int) -> Problem:
    """Make jobs of two steps on two machines, more than fit."""
    return make_problem(
        *(
            make_job(
                f"j{n}",
                make_step(make_alternative("A", 3 + n % 11)),
                make_step(make_alternative("B", 2 + n % 13)),
                value=10 + n % 7,
            )
            for n in range(jobs)
        ),
        resources=[make_resource("A"), make_resource("B")],
    )


def searcher() -> int:
    """Return the process that searches for this one."""
    (child,) = [p for p in multiprocessing.active_children() if p.name == "search"]
    assert child.pid is not None
    return child.pid


def test_a_solve_apart_gives_the_very_plan_and_its_course() -> None:
    problem, seen = problem_of(60), list[Progress]()
    here = solve(problem, Options(waves=2, workers=1))
    there = apart.solve(problem, Options(waves=2, workers=1, on_progress=seen.append))
    assert there.placements == here.placements
    assert (there.value, there.bound, there.waves) == (here.value, here.bound, 2)
    assert {p.phase for p in seen} == {"greedy", "improve", "bound", "explain"}


def test_a_search_that_is_killed_is_told_from_one_that_failed() -> None:
    killed: list[int] = []

    def kill(progress: Progress) -> None:
        if progress.phase == "improve" and not killed:
            killed.append(searcher())
            os.kill(killed[0], signal.SIGKILL)

    with pytest.raises(SolverDied, match="-9"):
        apart.solve(problem_of(60), Options(seconds=60, workers=1, on_progress=kill))
    assert killed
    with pytest.raises(SolveFailed, match=r"BadProblem: .*horizon"):
        apart.solve(replace(problem_of(1), horizon=-1), Options())


@pytest.mark.parametrize("wish", ["should_stop", "enough"])
def test_a_search_apart_hears_that_it_may_end(wish: str) -> None:
    asked, began = threading.Event(), time.monotonic()

    def ask(progress: Progress) -> None:
        if progress.phase == "improve":
            asked.set()

    found = apart.solve(
        problem_of(60),
        Options(seconds=600, workers=1, on_progress=ask, **{wish: asked.is_set}),
    )
    assert found.value > 0
    assert (found.bound is None) == (wish == "should_stop")  # who has enough wants proof
    assert time.monotonic() - began < 300
