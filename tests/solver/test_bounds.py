"""No plan is worth more than the bound, and the bound falls when the park shrinks."""

from dataclasses import replace
from random import Random

import pytest

from solver.bounds import proof, upper_bound
from solver.options import Options
from solver.problem import (
    Job,
    Kind,
    Lag,
    Occurrence,
    Placement,
    Problem,
    Recipe,
    Stay,
    StayRule,
)
from solver.solve import solve
from tests.solver.exhaustive import optimum
from tests.solver.factories import (
    make_alternative,
    make_job,
    make_problem,
    make_resource,
    make_step,
)
from tests.solver.random_park import random_problem


def test_no_plan_of_a_small_problem_is_worth_more_than_the_bound() -> None:
    met = 0
    for seed in range(60):
        problem = random_problem(Random(seed), jobs=5, horizon=12, steps=2)
        best, bound = optimum(problem), upper_bound(problem)
        assert best is not None
        assert best <= bound <= sum(j.value for j in problem.jobs), (seed, best, bound)
        met += best == bound

    assert met >= 30, met  # a bound that is never met would pass by being useless


def with_a_plan_in_force(problem: Problem, rng: Random) -> Problem:
    """Let one job stand where it could, before the freeze, mandatory or at a price."""
    jobs = []
    for job in problem.jobs:
        stays = tuple(
            Placement(
                job.id, k, 0, s := rng.randrange(4), s + step.alternatives[0].duration
            )
            for k, step in enumerate(job.steps)
        )
        jobs.append(replace(job, previous=stays, move_cost=rng.randrange(20)))
    return replace(problem, jobs=tuple(jobs), earliest=3)


def test_no_plan_that_keeps_what_is_in_force_is_worth_more_than_the_bound() -> None:
    kept = 0
    for seed in range(30):
        rng = Random(seed)
        problem = with_a_plan_in_force(
            random_problem(rng, jobs=4, horizon=12, steps=2), rng
        )
        best, bound = optimum(problem), upper_bound(problem)
        assert best is not None
        assert best <= bound, (seed, best, bound)
        plain = replace(problem, jobs=tuple(replace(j, previous=()) for j in problem.jobs))
        kept += best > (optimum(plain) or 0) - sum(j.move_cost for j in problem.jobs)

    assert kept >= 15, kept


def crowd(count: int = 30, **more: object) -> list[Job]:
    return [
        make_job(f"job-{n}", make_step(make_alternative(**more)), value=10 + n)
        for n in range(count)
    ]


def test_a_full_etcher_serves_the_most_valuable() -> None:
    # 30 jobs of 10 slots on 100 slots: at most the ten of values 30 to 39, 345.
    assert upper_bound(make_problem(*crowd())) == 345


@pytest.mark.parametrize(
    "smaller",
    [
        make_resource(opens=[(0, 80)]),
        make_resource(outages=[(15, 35)]),
        make_resource(opens=[(0, 35), (50, 95)]),
    ],
)
def test_less_time_lowers_the_bound(smaller) -> None:
    # 80 slots of each: at most the eight of values 32 to 39, 284.
    assert upper_bound(make_problem(*crowd(), resources=[smaller])) == 284


def test_a_booking_in_force_lowers_the_bound() -> None:
    assert upper_bound(make_problem(*crowd(), stays=[Stay("etcher", 30, 50)])) == 284


@pytest.mark.parametrize(("capacity", "bound"), [(1, 345), (2, 590), (3, 735)])
def test_a_smaller_pool_lowers_the_bound(capacity: int, bound: int) -> None:
    # 10, 20 and 30 of the jobs fit: 345, 590 and all 735.
    pool = make_resource(kind=Kind.POOLED, capacity=capacity)

    assert upper_bound(make_problem(*crowd(), resources=[pool])) == bound


@pytest.mark.parametrize(("capacity", "bound"), [(1, 345), (2, 590)])
def test_a_smaller_run_lowers_the_bound(capacity: int, bound: int) -> None:
    furnace = make_resource("furnace", kind=Kind.BATCH)
    jobs = crowd(resource="furnace", recipe="dry")
    recipes = [Recipe("dry", "furnace", capacity)]

    assert upper_bound(make_problem(*jobs, resources=[furnace], recipes=recipes)) == bound


def test_a_run_in_force_lends_its_room_only_when_it_may_be_joined() -> None:
    furnace = make_resource("furnace", kind=Kind.BATCH, opens=[(0, 10)])
    jobs = crowd(3, resource="furnace", recipe="dry")
    recipes = [Recipe("dry", "furnace", 2)]

    def bound(*, joinable: bool) -> int:
        stay = Stay("furnace", 0, 10, recipe="dry", joinable=joinable)
        return upper_bound(
            make_problem(*jobs, resources=[furnace], recipes=recipes, stays=[stay])
        )

    assert bound(joinable=True) == 12  # one more load: the best of 10, 11, 12
    assert bound(joinable=False) == 0


def light_loads(*releases: int, least: int = 4, **more: object) -> Problem:
    """Return one job of two units for each release, ten slots in a furnace till 20 later."""
    jobs = [
        make_job(
            f"job-{n}",
            make_step(make_alternative("furnace", quantity=2, recipe="dry")),
            value=10,
            release=release,
            deadline=release + 20,
        )
        for n, release in enumerate(releases)
    ]
    furnace = make_resource("furnace", kind=Kind.BATCH)
    recipes = [Recipe("dry", "furnace", 8, min_load=least)]
    return make_problem(*jobs, resources=[furnace], recipes=recipes, **more)


@pytest.mark.parametrize(
    ("releases", "bound"),
    [
        ([0], 0),
        ([0, 10], 20),  # together at 10, if nowhere else
        ([0, 11], 0),
        ([0, 10, 21], 20),
        ([0, 50, 60], 20),
    ],
)
def test_a_load_without_company_at_any_time_is_worth_nothing(
    releases: list[int], bound: int
) -> None:
    assert upper_bound(light_loads(*releases)) == bound


def test_a_booking_that_may_be_joined_keeps_company() -> None:
    def bound(*, joinable: bool) -> int:
        stay = Stay("furnace", 5, 15, quantity=2, recipe="dry", joinable=joinable)
        return upper_bound(light_loads(0, stays=[stay]))

    assert bound(joinable=True) == 10
    assert bound(joinable=False) == 0


def test_whoever_loses_his_company_is_company_no_more() -> None:
    # Six units must meet. At 10 only two of them can, and the third is left alone after that.
    assert upper_bound(light_loads(0, 0, 10, least=6)) == 30
    assert upper_bound(light_loads(0, 10, 20, least=6)) == 0


def test_what_is_under_way_keeps_company_at_any_time() -> None:
    problem = light_loads(0, 50)
    begun = replace(problem.jobs[1], previous=(Placement("job-1", 0, 0, -3, 7),))

    bound = upper_bound(replace(problem, jobs=(problem.jobs[0], begun)))

    assert bound == 20


def test_a_smaller_class_lowers_the_bound() -> None:
    room = make_resource("class", kind=Kind.EVENT)
    jobs = crowd(3, resource="class")

    def bound(seats: int) -> int:
        course = Occurrence("monday", "class", 5, 9, seats)
        return upper_bound(make_problem(*jobs, resources=[room], occurrences=[course]))

    assert [bound(n) for n in (0, 1, 2, 3)] == [0, 12, 23, 33]


def test_a_companion_lowers_the_bound() -> None:
    tools = [make_resource(f"tool-{n}") for n in range(3)]
    staff = make_resource("staff", kind=Kind.POOLED, capacity=2)
    jobs = [
        make_job(
            f"job-{n}",
            make_step(make_alternative(f"tool-{n % 3}", also=[("staff", 1)])),
            value=10,
        )
        for n in range(30)
    ]

    # Three tools for 100 slots would serve all 30; two people serve 20.
    assert upper_bound(make_problem(*jobs, resources=[*tools, staff])) == 200


def test_an_attended_end_may_run_through_the_night() -> None:
    # Open 20 of 100 slots. Inside: two jobs of ten. At the ends: the night serves too.
    tool = make_resource(opens=[(0, 5), (20, 25), (40, 45), (60, 65)])
    over_night = crowd(duration=20, stay=StayRule.ENDS)

    bound = upper_bound(make_problem(*over_night, resources=[tool]))

    # Starts lie in 0 to 45, ends in 20 to 65: 65 slots give room for three at most.
    assert 39 + 38 + 37 <= bound < 39 + 38 + 37 + 36


def test_a_stay_may_run_past_the_horizon_but_only_one() -> None:
    tool = make_resource(opens=[(0, 1000)])
    jobs = crowd()

    bound = upper_bound(
        make_problem(*jobs, resources=[tool], horizon=95, calendar_end=1000)
    )

    # Ten fit: the last begins at 90 and ends at 100. Eleven do not.
    assert 345 <= bound < 345 + 29


def test_what_cannot_be_placed_alone_is_worth_nothing() -> None:
    too_late = make_job("a", deadline=9)
    too_tight = make_job(
        "b", make_step(), make_step(windows=[(0, 25)]), lags=[Lag(0, 1, 10)]
    )
    fine = make_job("c", value=7)

    assert upper_bound(make_problem(too_late, too_tight, fine)) == 7


def test_lateness_that_cannot_be_avoided_is_paid() -> None:
    # Two steps of ten and five between: the end is at 25 at best, 5 late at 2.
    steps = (make_step(), make_step())
    job = make_job("a", *steps, value=50, lags=[Lag(0, 1, 5)], due=20, late_cost=2)

    assert upper_bound(make_problem(job)) == 40


def test_lateness_for_lack_of_room_is_paid() -> None:
    # One of the two ends at 10, the other at 20, ten late at 1.
    jobs = [make_job(n, value=50, due=10, late_cost=1) for n in ("a", "b")]

    assert 90 <= upper_bound(make_problem(*jobs)) < 100


def test_mandatory_jobs_take_their_room() -> None:
    forced = [
        make_job(f"forced-{n}", value=1, mandatory=True, deadline=100) for n in range(4)
    ]

    # Six places are left beside them: 34 to 39, 219, and 4 for the four.
    assert upper_bound(make_problem(*forced, *crowd())) == 223


def test_a_mandatory_job_that_was_dropped_takes_no_room() -> None:
    # Nine places are left beside the job that must stay, ten beside none.
    forced = make_job("forced", value=1, mandatory=True)
    problem = make_problem(forced, *crowd())

    assert upper_bound(problem) == 345 - 30 + 1
    assert upper_bound(problem, dropped={"forced"}) == 345


def test_an_empty_problem_is_worth_nothing() -> None:
    assert upper_bound(make_problem()) == 0


def test_prices_say_where_time_is_scarce() -> None:
    idle = make_resource("idle")

    problem = make_problem(*crowd(), resources=[make_resource(), idle])
    found = proof(problem, stretch=40)

    assert found.bound == upper_bound(problem)
    assert [(p.resource, p.interval) for p in found.prices] == [
        ("etcher", (0, 40)), ("etcher", (40, 80)), ("etcher", (80, 100)),
    ]  # fmt: skip
    # One slot more is a tenth of the next job, of value 29.
    assert all(2.9 <= p.price <= 3.0 for p in found.prices)
    assert solve(problem, Options(waves=0)).prices == proof(problem).prices
