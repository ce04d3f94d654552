"""The bound of a real night is one: it follows every rule that is tightened."""

from collections.abc import Callable
from dataclasses import replace

from flask import Flask

from benchmarks.park import make_night
from benchmarks.sizes import Size
from solver.bounds import upper_bound
from solver.greedy import RULES, list_schedule
from solver.problem import Alternative, Interval, Job, Kind, Problem, Resource
from solver.value import value_of

CONGESTED = 400  # orders


def with_resources(problem: Problem, change: Callable[[Resource], Resource]) -> Problem:
    return replace(problem, resources=tuple(change(r) for r in problem.resources))


def with_jobs(problem: Problem, change: Callable[[Job], Job]) -> Problem:
    return replace(problem, jobs=tuple(change(j) for j in problem.jobs))


def fewer_hours(problem: Problem) -> Problem:
    """Close every resource at noon of each day that it is open."""

    def morning(hours: Interval) -> Interval:
        return hours[0], hours[0] + max(1, (hours[1] - hours[0]) // 2)

    return with_resources(
        problem, lambda r: replace(r, open=tuple(morning(h) for h in r.open))
    )


def smaller_pools(problem: Problem) -> Problem:
    return with_resources(
        problem,
        lambda r: (
            replace(r, capacity=max(1, r.capacity // 4)) if r.kind is Kind.POOLED else r
        ),
    )


def smaller_runs(problem: Problem) -> Problem:
    recipes = tuple(
        replace(r, capacity=max(1, r.capacity // 2), min_load=1) for r in problem.recipes
    )
    return replace(problem, recipes=recipes)


def sooner_deadlines(problem: Problem) -> Problem:
    def sooner(job: Job) -> Job:
        assert job.deadline is not None
        deadline = job.release + (job.deadline - job.release) // 2
        return replace(job, deadline=deadline, due=None, late_cost=0)

    return with_jobs(problem, sooner)


def longer_work(problem: Problem) -> Problem:
    def longer(alternative: Alternative) -> Alternative:
        return replace(alternative, duration=alternative.duration * 3 // 2)

    return with_jobs(
        problem,
        lambda j: replace(
            j,
            steps=tuple(
                replace(s, alternatives=tuple(longer(a) for a in s.alternatives))
                for s in j.steps
            ),
        ),
    )


def shorter_queue_times(problem: Problem) -> Problem:
    """Allow no wait at all between steps, beyond what must pass."""
    return with_jobs(
        problem,
        lambda j: replace(j, lags=tuple(replace(lag, most=lag.least) for lag in j.lags)),
    )


def test_a_tighter_rule_lowers_the_bound_of_a_demo_night(app: Flask) -> None:
    problem = make_night(Size(CONGESTED), seed=1, load=1).problem
    bound = upper_bound(problem)
    best = max(value_of(problem, list_schedule(problem, rule)) for rule in RULES.values())
    assert best <= bound < sum(j.value for j in problem.jobs)

    lower = {
        rule.__name__: upper_bound(rule(problem)) / bound
        for rule in (
            fewer_hours,
            smaller_pools,
            smaller_runs,
            sooner_deadlines,
            longer_work,
            shorter_queue_times,
        )
    }

    print("bound, as a share of what it was:", lower)
    assert all(share < 1 for share in lower.values()), lower
