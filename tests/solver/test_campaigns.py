"""Campaigns: enough of one family in a row before a resource changes over."""

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from solver.bounds import upper_bound
from solver.check import broken_rules
from solver.cpsat.search import solve_part
from solver.faults import faults
from solver.greedy import RULES, by_job, list_schedule
from solver.options import Options
from solver.problem import Job, Kind, Placement, Problem, Stay
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
from tests.solver.random_park import random_problem, with_campaigns
from tests.solver.slot_by_slot import is_sound
from tests.solver.test_check import random_plan
from tests.solver.test_improve import crowded, searched

BRIEF = Options(waves=2, workers=1)


def of(name: str, family: str | None, *, value: int = 10, priority: int = 0) -> Job:
    return make_job(
        name, make_step(make_alternative(family=family)), value=value, priority=priority
    )


def etcher(*jobs: Job, least: int = 2, stays: tuple[Stay, ...] = ()) -> Problem:
    tool = replace(make_resource(opens=[(0, 40)]), min_campaign=least)
    return make_problem(*jobs, resources=[tool], stays=stays)


def at(name: str, start: int) -> Placement:
    return Placement(name, 0, 0, start, start + 10)


def families(problem: Problem, plan: tuple[Placement, ...]) -> str:
    jobs = problem.job_by_id()
    in_order = sorted(plan, key=lambda p: p.start)
    return "".join(jobs[p.job].steps[0].alternatives[0].family or "-" for p in in_order)


def test_the_best_plan_changes_over_only_after_a_whole_campaign() -> None:
    # Four places. r r b is worth 12 + 12 + 11, and b b behind r r 11 + 11 more; a plan with
    # the 30 of the single g can have it last only: r r g or b b g leave the fourth empty
    # (another family would end g's campaign of one), 12 + 12 + 30 = 54 > 12 + 12 + 11 + 11.
    problem = etcher(
        of("r1", "r", value=12),
        of("r2", "r", value=12),
        of("b1", "b", value=11),
        of("b2", "b", value=11),
        of("g", "g", value=30),
    )
    plan = solve(problem, BRIEF)
    assert plan.value == optimum(problem) == 54
    assert families(problem, plan.placements) == "rrg"


def test_without_a_least_the_same_jobs_mix() -> None:
    # The four best of all: 30 + 12 + 12 + 11.
    problem = etcher(
        *(of(n, n[0], value=v) for n, v in (("r1", 12), ("r2", 12), ("b1", 11), ("g", 30))),
        least=1,
    )
    assert solve(problem, BRIEF).value == 65


def test_a_stay_without_family_is_no_end_of_a_campaign() -> None:
    problem = etcher(of("r1", "r"), of("x", None), of("r2", "r"), of("b", "b"))
    plan = [at("r1", 0), at("x", 10), at("r2", 20), at("b", 30)]
    assert not list(broken_rules(problem, plan))
    assert solve(problem, BRIEF).value == 40


def test_the_judge_names_the_campaign_that_is_too_short() -> None:
    problem = etcher(of("r", "r"), of("b", "b"))
    (fault,) = broken_rules(problem, [at("r", 0), at("b", 10)])
    assert fault == (
        "job r, step 0 (step) on etcher, slots 0 to 10: another family follows on etcher"
        " after 1 of r in a row; there must be 2"
    )


def test_bookings_alone_may_be_a_short_campaign_and_count_in_a_longer_one() -> None:
    booked = (Stay("etcher", 0, 10, family="r"),)
    alone = etcher(of("b", "b"), stays=booked)
    assert solve(alone, BRIEF).value == 10
    mixed = etcher(of("r", "r"), of("b", "b"), stays=booked)
    assert not list(broken_rules(mixed, [at("r", 10), at("b", 20)]))
    lonely = replace(mixed, stays=(Stay("etcher", 10, 20, family="b"),))
    assert list(broken_rules(lonely, [at("r", 0)]))


def test_a_tool_is_not_left_to_a_single_job_that_nobody_can_follow() -> None:
    # By priority the single b comes first, and no r after it: 10. r r b is worth 30.
    problem = etcher(of("b", "b", priority=9), of("r1", "r"), of("r2", "r"))
    greedy = list_schedule(problem, RULES["priority"])
    assert families(problem, greedy) == "b"
    assert families(problem, solve(problem, BRIEF).placements) == "rrb"


def test_what_stands_around_a_neighbourhood_is_part_of_its_campaigns() -> None:
    # b stands at 20. One r before it is too few; both are kept, or none.
    problem = etcher(of("r1", "r"), of("r2", "r"), of("b", "b"), of("b2", "b"))
    state = Timeline(problem)
    for name, start in (("b", 20), ("b2", 30)):
        state.restore(problem.job_by_id()[name], (at(name, start),))
    jobs = problem.job_by_id()
    alone = solve_part(state, [jobs["r1"]], hints={}, effort=1)
    both = solve_part(state, [jobs["r1"], jobs["r2"]], hints={}, effort=1)
    assert alone is not None
    assert both is not None
    assert not alone.placements
    assert both.placements.keys() == {"r1", "r2"}


def test_campaigns_of_what_cannot_have_any_are_told() -> None:
    pool = replace(make_resource("pool", kind=Kind.POOLED, capacity=2), min_campaign=2)
    none = replace(make_resource(), min_campaign=0)
    told = {f.partition(":")[0] for f in faults(make_problem(resources=[pool, none]))}
    assert told == {"resources[0].min_campaign", "resources[1].min_campaign"}


@pytest.mark.parametrize("seed", range(40))
def test_the_best_of_a_small_park_with_campaigns_is_found(seed: int) -> None:
    rng = Random(seed)
    problem = with_campaigns(random_problem(rng, jobs=5, horizon=10, steps=1), rng)
    plan = solve(problem, BRIEF)
    assert not list(broken_rules(problem, plan.placements))
    assert plan.value == optimum(problem)
    assert upper_bound(problem) >= plan.value


def test_list_schedules_keep_campaigns() -> None:
    for seed in range(60):
        rng = Random(seed)
        problem = with_campaigns(random_problem(rng, jobs=12), rng)
        for rule in RULES.values():
            plan = list_schedule(problem, rule)
            assert not list(broken_rules(problem, plan)), seed
            half = [p for p in plan if int(p.job[-1]) % 2]
            again = list_schedule(problem, rule, start=half)
            assert not list(broken_rules(problem, again)), seed


def test_the_judge_agrees_with_the_oracle_on_campaigns() -> None:
    verdicts: Counter[bool] = Counter()
    for seed in range(150):
        rng = Random(seed)
        plain = random_problem(rng, jobs=6)
        plan = random_plan(plain, rng)
        problem = with_campaigns(plain, rng)
        sound = is_sound(problem, plan)
        assert sound == (not list(broken_rules(problem, plan))), seed
        verdicts[sound] += 1
    assert min(verdicts[True], verdicts[False]) > 20


def test_the_search_keeps_campaigns_in_a_crowded_park() -> None:
    problem = crowded()
    tool = replace(problem.resources[0], min_campaign=3)
    problem = replace(problem, resources=(tool, *problem.resources[1:]))
    search = searched(problem, workers=1, count=3)
    assert not list(broken_rules(problem, search.placements))
    assert by_job(search.placements)
