"""Tabu search shortens schedules of shops, and never spoils one."""

import time
from random import Random

import pytest

from solver.makespan import tabu
from solver.makespan.check import broken_rules
from solver.makespan.list_schedule import best_of_many
from solver.makespan.problem import (
    Lag,
    MakespanProblem,
    Mode,
    Operation,
    Solution,
    Start,
)
from solver.makespan.search import solve


def shop(random: Random, *, jobs: int = 4, steps: int = 3, machines: int = 3):
    operations, lags = [], []
    for job in range(jobs):
        for step in range(steps):
            if step:
                lags.append(Lag(len(operations) - 1, len(operations)))
            on = random.sample(range(machines), random.randint(1, machines))
            modes = tuple(Mode(random.randint(1, 9), ((m, 1),)) for m in on)
            operations.append(Operation(f"{job}.{step}", modes))
    return MakespanProblem("shop", (1,) * machines, tuple(operations), tuple(lags))


def one_after_another(problem: MakespanProblem) -> tuple[Start, ...]:
    starts, now = [], 0
    for operation in problem.operations:
        starts.append(Start(0, now))
        now += operation.modes[0].duration
    return tuple(starts)


def length(problem: MakespanProblem, starts: tuple[Start, ...]) -> int:
    return max(
        s.start + problem.operations[n].modes[s.mode].duration for n, s in enumerate(starts)
    )


@pytest.mark.parametrize("seed", range(6))
def test_the_worst_schedule_becomes_as_short_as_any(seed: int) -> None:
    problem = shop(Random(seed))
    best = solve(problem, seconds=10, workers=1)
    assert best.optimal
    told: list[int] = []
    found = tabu.improve(
        problem,
        one_after_another(problem),
        seed=1,
        until=time.monotonic() + 20,
        least=best.makespan,
        on_better=lambda _starts, makespan: told.append(makespan),
    )
    assert length(problem, found) == best.makespan
    assert told == sorted(told, reverse=True)
    assert told[-1] == best.makespan
    solution = Solution(found, best.makespan, best.bound, 0.0)
    assert not list(broken_rules(problem, solution))


def test_what_is_told_is_sound_at_every_time_and_the_search_stops_when_asked() -> None:
    problem = shop(Random(7), jobs=8, steps=5, machines=4)
    first, seen = best_of_many(problem, seed=1, seconds=1, tries=1), []

    def judge(starts: tuple[Start, ...], makespan: int) -> None:
        seen.append(makespan)
        assert not list(broken_rules(problem, Solution(starts, makespan, 0, 0.0)))

    found = tabu.improve(
        problem, first, seed=2, until=time.monotonic() + 20, least=0, on_better=judge,
        should_stop=lambda: len(seen) >= 2,
    )  # fmt: skip
    assert len(seen) == 2
    assert length(problem, found) == seen[-1] < length(problem, first)


@pytest.mark.parametrize(
    "other",
    [
        {"capacities": (1, 2, 1)},
        {"setups": {0: ((0,) * 12,) * 12}},
        {"lags": (Lag(0, 1, 1),)},
        {"lags": (Lag(0, 2), Lag(1, 2))},
    ],
)
def test_what_is_no_flexible_job_shop_is_left_alone(other) -> None:
    problem = shop(Random(0))
    assert tabu.is_job_shop(problem)
    parts = {name: getattr(problem, name) for name in MakespanProblem.__slots__}
    assert not tabu.is_job_shop(MakespanProblem(**parts | other))
