"""Routes under way: lags count from where their begun steps really ended."""

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from solver.allocation import Cause
from solver.bounds import upper_bound
from solver.check import broken_rules
from solver.explain import reasons
from solver.faults import faults
from solver.greedy import insert
from solver.options import Options
from solver.problem import Begun, Job, Placement, Problem, Stay
from solver.solve import solve
from solver.timeline import Timeline
from tests.solver.exhaustive import optimum
from tests.solver.factories import (
    make_alternative,
    make_job,
    make_problem,
    make_resource,
    make_step,
)
from tests.solver.random_park import random_problem, with_begun
from tests.solver.slot_by_slot import is_sound
from tests.solver.test_check import random_plan

BRIEF = Options(waves=1, workers=1)


def under_way(*begun: Begun, name: str = "a", value: int = 10) -> Job:
    return replace(make_job(name, make_step(), value=value), begun=begun)


def start_of(problem: Problem, job: str = "a") -> int:
    (placement,) = (p for p in solve(problem, BRIEF).placements if p.job == job)
    return placement.start


def test_what_remains_waits_for_the_actual_end_of_what_runs() -> None:
    # It runs on the etcher itself until 33, then 4 slots must pass.
    problem = replace(
        make_problem(under_way(Begun(33, 0, least=4))), stays=(Stay("etcher", -5, 33),)
    )
    assert start_of(problem) == 37


def test_a_step_that_ended_before_the_origin_counts_from_there() -> None:
    assert start_of(make_problem(under_way(Begun(-7, 0, least=12)))) == 5


def test_travel_from_where_it_was_done_is_added() -> None:
    resources = (make_resource("etcher"), make_resource("far", site=1))
    job = replace(
        make_job("a", make_step(make_alternative("far"))),
        begun=(Begun(10, 0, least=2, site=0),),
    )
    problem = make_problem(job, resources=resources, travel=((0, 6), (6, 0)))
    assert start_of(problem) == 18


def test_a_queue_time_limit_that_runs_goes_before_what_is_worth_more() -> None:
    # Both want the etcher's 0 to 10. a must begin by 5: b gives way, and loses nothing.
    problem = make_problem(
        under_way(Begun(0, 0, most=5), value=1), make_job("b", make_step(), value=9)
    )
    plan = solve(problem, BRIEF)
    assert plan.value == plan.bound == 10
    assert min(plan.placements, key=lambda p: p.start).job == "a"


def test_a_limit_that_has_passed_leaves_no_start_and_says_so() -> None:
    problem = make_problem(under_way(Begun(0, 0, most=5)), earliest=6)
    plan = solve(problem, BRIEF)
    assert plan.placements == ()
    (reason,) = reasons(problem, plan.placements, limit=None)
    assert (reason.cause, reason.step) == (Cause.NO_START, 0)


def test_where_it_stood_before_the_freeze_it_stays_only_within_the_limit() -> None:
    stood = Placement("a", 0, 0, 2, 12)
    job = replace(under_way(Begun(-4, 0, most=6)), previous=(stood,), mandatory=True)
    assert insert(Timeline(make_problem(job, earliest=20)), job) == (stood,)
    late = replace(job, begun=(Begun(-4, 0, most=5),))
    assert insert(Timeline(make_problem(late, earliest=20)), late) is None


@pytest.mark.parametrize(
    ("start", "sentence"),
    [
        (
            5,
            "begins 3 slots after what has begun ends; at least 4 and 0 of travel are needed",
        ),
        (9, "begins 7 slots after what has begun ends; at most 6 are allowed"),
    ],
)
def test_the_judge_tells_a_broken_lag_from_what_has_begun(
    start: int, sentence: str
) -> None:
    problem = make_problem(under_way(Begun(2, 0, least=4, most=6)))
    (fault,) = broken_rules(problem, [Placement("a", 0, 0, start, start + 10)])
    assert fault.endswith(sentence)


def test_lags_that_contradict_themselves_are_told() -> None:
    job = under_way(
        Begun(0, 1), Begun(0, 0, least=-1, site=2), Begun(0, 0, least=3, most=2)
    )
    told = {f.partition(":")[0] for f in faults(make_problem(job))}
    assert told == {
        "jobs[0].begun[0].after",
        "jobs[0].begun[1].least",
        "jobs[0].begun[1].site",
        "jobs[0].begun[2].most",
    }


@pytest.mark.parametrize("seed", range(7))
def test_the_best_of_a_small_park_with_routes_under_way_is_found(seed: int) -> None:
    rng = Random(seed)
    problem = with_begun(random_problem(rng, jobs=5, horizon=12, steps=2), rng)
    plan = solve(problem, BRIEF)
    assert not list(broken_rules(problem, plan.placements))
    assert plan.value == optimum(problem)
    assert upper_bound(problem) >= plan.value


def test_the_judge_agrees_with_the_oracle_on_routes_under_way() -> None:
    verdicts: Counter[bool] = Counter()
    for seed in range(120):
        rng = Random(seed)
        plain = random_problem(rng, jobs=3)
        plan = random_plan(plain, rng)
        problem = with_begun(plain, rng)
        sound = is_sound(problem, plan)
        assert sound == (not list(broken_rules(problem, plan))), seed
        verdicts[sound] += 1
    assert min(verdicts[True], verdicts[False]) > 15
