"""Groups of which only one is wanted, and times that are preferred."""

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from solver.allocation import Allocation, Cause
from solver.bounds import upper_bound
from solver.check import broken_rules, wrong_figures
from solver.explain import reasons
from solver.faults import faults
from solver.force import forced
from solver.greedy import by_job, by_priority, list_schedule
from solver.options import Options
from solver.problem import Job, Placement, Problem
from solver.solve import solve
from solver.value import value_of
from tests.solver.exhaustive import optimum
from tests.solver.factories import make_job, make_problem, make_step
from tests.solver.random_park import random_problem, with_wishes
from tests.solver.slot_by_slot import is_sound
from tests.solver.test_check import random_plan
from tests.solver.test_improve import crowded, searched

BRIEF = Options(waves=1, workers=1)


def either(*jobs: Job) -> Problem:
    return make_problem(*(replace(j, one_of="either") for j in jobs))


def test_only_the_better_one_of_a_group_is_placed_though_both_would_fit() -> None:
    # 100 slots are open; 10 and 7 of the group, 3 beside it: 10 + 3.
    problem = either(
        make_job("a", make_step(), value=7), make_job("b", make_step(), value=10)
    )
    problem = replace(problem, jobs=(*problem.jobs, make_job("c", make_step(), value=3)))
    plan = solve(problem, BRIEF)
    assert by_job(plan.placements).keys() == {"b", "c"}
    assert plan.value == plan.bound == 13
    (reason,) = reasons(problem, plan.placements, limit=None)
    assert (reason.job, reason.cause, reason.ways_out) == ("a", Cause.ONE_OF, ())


def test_the_judge_names_both_of_a_group() -> None:
    problem = either(make_job("a", make_step()), make_job("b", make_step()))
    both = [Placement("a", 0, 0, 0, 10), Placement("b", 0, 0, 10, 20)]
    assert list(broken_rules(problem, both)) == [
        "job b is placed, and so is job a: only one of either may be"
    ]


def test_forcing_one_of_a_group_displaces_the_other() -> None:
    problem = either(
        make_job("a", make_step(), value=10), make_job("b", make_step(), value=7)
    )
    found = forced(problem, [Placement("a", 0, 0, 0, 10)], problem.jobs[1])
    assert found is not None
    assert (found.displaced, found.cost) == (("a",), 3)


def test_two_mandatory_jobs_of_a_group_contradict() -> None:
    jobs = (make_job(n, make_step(), mandatory=True) for n in "ab")
    (fault,) = faults(either(*jobs))
    assert fault.startswith("jobs[1].one_of: b and a are both mandatory")


def test_a_stay_outside_the_preferred_times_costs_once_a_step() -> None:
    # Preferred is 20 to 40. Steps of 10 at 20 and 40: the second strays, 50 - 4.
    job = replace(
        make_job("a", make_step(), make_step(), value=50),
        preferred=((20, 40),), stray_cost=4,
    )  # fmt: skip
    problem = make_problem(job)
    placements = (Placement("a", 0, 0, 20, 30), Placement("a", 1, 0, 40, 50))
    assert value_of(problem, placements) == 46
    assert not list(wrong_figures(problem, Allocation(placements, 46)))


def test_the_preferred_time_is_kept_unless_something_dearer_wants_it() -> None:
    # a would stray for 4, b for 6: b gets 20 to 30, a goes elsewhere. 50 + 50 - 4.
    a, b = (
        replace(make_job(n, make_step(), value=50), preferred=((20, 30),), stray_cost=c)
        for n, c in (("a", 4), ("b", 6))
    )
    plan = solve(make_problem(a, b), BRIEF)
    assert plan.value == 96
    assert by_job(plan.placements)["b"] == (Placement("b", 0, 0, 20, 30),)


def test_wishes_that_contradict_themselves_are_told() -> None:
    job = replace(make_job("a", make_step()), preferred=((5, 3),), stray_cost=-1)
    other = replace(make_job("b", make_step()), stray_cost=2)
    told = {f.partition(":")[0] for f in faults(make_problem(job, other))}
    assert told == {"jobs[0].preferred[0]", "jobs[0].stray_cost", "jobs[1].stray_cost"}


@pytest.mark.parametrize("seed", range(7))  # the exhaustive search takes long for 7
def test_the_best_of_a_small_problem_with_wishes_is_found(seed: int) -> None:
    rng = Random(seed)
    problem = with_wishes(random_problem(rng, jobs=5, horizon=12, steps=2), rng)
    plan = solve(problem, BRIEF)
    assert not list(broken_rules(problem, plan.placements))
    assert plan.value == optimum(problem)
    assert upper_bound(problem) >= plan.value
    assert not list(wrong_figures(problem, plan))


def test_the_judge_agrees_with_the_oracle_on_plans_with_wishes() -> None:
    verdicts: Counter[bool] = Counter()
    for seed in range(120):
        rng = Random(seed)
        plain = random_problem(rng, jobs=6)
        plan = random_plan(plain, rng)
        problem = with_wishes(plain, rng)
        sound = is_sound(problem, plan)
        assert sound == (not list(broken_rules(problem, plan))), seed
        verdicts[sound] += 1
    assert min(verdicts[True], verdicts[False]) > 20


def test_the_search_exchanges_one_of_a_group_for_a_better_one() -> None:
    problem = crowded()
    jobs = tuple(replace(j, one_of=f"{n // 2}") for n, j in enumerate(problem.jobs))
    problem = replace(problem, jobs=jobs)
    plan = list_schedule(problem, by_priority)
    search = searched(problem, workers=1, count=4)
    assert not list(broken_rules(problem, search.placements))
    assert value_of(problem, search.placements) > value_of(problem, plan)
