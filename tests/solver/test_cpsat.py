"""The CP-SAT model of small parts, against optima that are derived or enumerated."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import permutations, product
from random import Random

import pytest

from solver.check import broken_rules
from solver.cpsat.search import Found, solve_part
from solver.greedy import by_job
from solver.problem import (
    Interval,
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
from solver.timeline import Timeline
from solver.value import value_of
from tests.solver.factories import (
    make_alternative,
    make_job,
    make_problem,
    make_resource,
    make_step,
)


def solve_whole(
    problem: Problem, hints: Mapping[str, tuple[Placement, ...]] | None = None
) -> int:
    """Return the proven optimum of a whole problem, after asking the checker."""
    found = solve_part(Timeline(problem), problem.jobs, hints=hints or {}, effort=20)
    assert found is not None
    assert found.proven
    placements = [p for whole in found.placements.values() for p in whole]
    assert not list(broken_rules(problem, placements))
    return value_of(problem, placements)


def test_the_worthier_job_gets_the_only_place() -> None:
    jobs = [make_job("a", value=3, deadline=15), make_job("b", value=4, deadline=15)]
    assert solve_whole(make_problem(*jobs)) == 4


def test_two_short_jobs_beat_a_long_one() -> None:
    long = make_job("long", make_step(make_alternative(duration=20)), value=5, deadline=20)
    short = [make_job(n, value=3, deadline=20) for n in "ab"]
    assert solve_whole(make_problem(long, *short)) == 6


def test_lateness_is_shared_out_best() -> None:
    # 10 slots each, both due at 10: one of them is 10 late. Better the one that costs 1 a slot.
    a = make_job("a", value=100, due=10, late_cost=5)
    b = make_job("b", value=100, due=10, late_cost=1)
    assert solve_whole(make_problem(a, b)) == 200 - 10


def test_a_changeover_is_paid_once_when_families_are_grouped() -> None:
    etcher = make_resource(changeovers=[("x", "y", 5), ("y", "x", 5)])
    jobs = [
        make_job(str(i), make_step(make_alternative(family="xy"[i % 2])), deadline=45)
        for i in range(4)
    ]
    # Four stays of 10 and one changeover of 5 fill the 45 slots exactly.
    assert solve_whole(make_problem(*jobs, resources=[etcher])) == 40
    shorter = [
        make_job(str(i), make_step(make_alternative(family="xy"[i % 2])), deadline=44)
        for i in range(4)
    ]
    assert solve_whole(make_problem(*shorter, resources=[etcher])) == 30


def test_loads_share_runs_as_far_as_recipes_and_capacity_allow() -> None:
    furnace = make_resource("furnace", kind=Kind.BATCH)
    recipes = [Recipe("oxide", "furnace", 4), Recipe("nitride", "furnace", 4)]

    def load(name: str, recipe: str, quantity: int) -> Job:
        alternative = make_alternative("furnace", 50, quantity=quantity, recipe=recipe)
        return make_job(name, make_step(alternative))

    jobs = [
        load("a", "oxide", 2),
        load("b", "oxide", 2),
        load("c", "oxide", 1),
        load("d", "nitride", 4),
        load("e", "nitride", 1),
    ]
    # Two runs fit into 100 slots. Two oxide runs hold 3 jobs; one of each hold 2 + 1, and the
    # oxide run may hold a or b with c, or a with b: 3 at most either way.
    assert solve_whole(make_problem(*jobs, resources=[furnace], recipes=recipes)) == 30


def test_a_run_lighter_than_its_least_load_does_not_go() -> None:
    furnace = make_resource("furnace", kind=Kind.BATCH)
    step = make_step(make_alternative("furnace", 50, recipe="oxide"))
    jobs = [make_job(n, step) for n in "ab"]

    def best(least: int) -> int:
        recipes = [Recipe("oxide", "furnace", 4, min_load=least)]
        return solve_whole(make_problem(*jobs, resources=[furnace], recipes=recipes))

    assert best(2) == 20
    assert best(3) == 0


def test_a_load_joins_a_booking_that_lets_it() -> None:
    furnace = make_resource("furnace", kind=Kind.BATCH)
    recipes = [Recipe("oxide", "furnace", 4, min_load=3)]
    job = make_job("a", make_step(make_alternative("furnace", 50, recipe="oxide")))

    def best(*, joinable: bool) -> int:
        stays = [Stay("furnace", 30, 80, quantity=2, recipe="oxide", joinable=joinable)]
        return solve_whole(
            make_problem(job, resources=[furnace], recipes=recipes, stays=stays)
        )

    assert best(joinable=True) == 10
    assert best(joinable=False) == 0


def test_loads_that_join_a_light_booking_make_the_run_heavy_enough() -> None:
    # One unit is booked, three must be there as soon as one is placed beside it.
    furnace = make_resource("furnace", kind=Kind.BATCH)
    recipes = [Recipe("oxide", "furnace", 4, min_load=3)]
    stays = [Stay("furnace", 30, 80, recipe="oxide", joinable=True)]
    oxide = make_step(make_alternative("furnace", 50, recipe="oxide"))

    def best(*names: str) -> int:
        jobs = [make_job(name, oxide) for name in names]
        return solve_whole(
            make_problem(*jobs, resources=[furnace], recipes=recipes, stays=stays)
        )

    assert best("a") == 0
    assert best("a", "b") == 20


def test_a_pool_is_filled_to_the_brim_beside_what_is_booked() -> None:
    pool = make_resource("pool", kind=Kind.POOLED, capacity=5)
    step = make_step(make_alternative("pool", 60, quantity=2))
    jobs = [make_job(str(i), step) for i in range(4)]
    # All overlap in 100 slots. 5 units hold two stays of 2; with one unit booked at slot 50
    # still two, with two booked only one.
    for booked, best in ((1, 20), (2, 10)):
        stays = [Stay("pool", 50, 51, quantity=booked)]
        assert solve_whole(make_problem(*jobs, resources=[pool], stays=stays)) == best


def test_occurrences_take_what_they_have_room_for() -> None:
    shuttle = make_resource("shuttle", kind=Kind.EVENT)
    occurrences = [
        Occurrence("x", "shuttle", 0, 10, 3),
        Occurrence("y", "shuttle", 0, 10, 2),
    ]
    step = make_step(make_alternative("shuttle", 1, quantity=2))
    jobs = [make_job(str(i), step) for i in range(3)]
    problem = make_problem(*jobs, resources=[shuttle], occurrences=occurrences)
    assert solve_whole(problem) == 20  # one on each


def test_a_queue_time_limit_binds_across_resources_and_sites() -> None:
    one, two = make_resource("one"), make_resource("two", site=1, opens=[(40, 60)])
    steps = [make_step(make_alternative("one", 10)), make_step(make_alternative("two", 10))]

    def best(most: int) -> int:
        job = make_job("a", *steps, lags=[Lag(0, 1, most=most)])
        busy = [Stay("one", 15, 100)]
        # Step 0 ends at 15 at the latest, step 1 starts at 40 at the earliest.
        travel = [(0, 3), (3, 0)]
        return solve_whole(
            make_problem(job, resources=[one, two], stays=busy, travel=travel)
        )

    assert best(25) == 10
    assert best(24) == 0


def test_travel_is_paid_between_the_sites_that_are_chosen() -> None:
    here, there = make_resource("here"), make_resource("there", site=1)
    step = make_step(make_alternative("here", 10), make_alternative("there", 10))
    resources, travel = [here, there], [(0, 7), (7, 0)]

    def best(deadline: int) -> int:
        job = make_job("a", step, step, lags=[Lag(0, 1)], deadline=deadline)
        # `here` is free in [0, 10) and [20, 30) only, `there` from 10 on.
        stays = [Stay("here", 10, 20), Stay("here", 30, 100), Stay("there", 0, 10)]
        return solve_whole(
            make_problem(job, resources=resources, stays=stays, travel=travel)
        )

    # here 0-10, there 17-27; staying here takes until 30.
    assert best(27) == 10
    assert best(26) == 0


def test_moving_is_weighed_against_what_it_makes_room_for() -> None:
    stood = (Placement("old", 0, 0, 5, 15),)
    new = make_job("new", value=10, deadline=10)

    def best(move_cost: int) -> int:
        old = make_job("old", value=50, previous=stood, move_cost=move_cost, deadline=20)
        return solve_whole(make_problem(old, new))

    assert best(9) == 50 - 9 + 10
    assert best(11) == 50


def test_a_mandatory_job_displaces_whatever_is_worth_more() -> None:
    held = make_job("m", value=0, mandatory=True, deadline=10)
    assert solve_whole(make_problem(held, make_job("a", value=99, deadline=10))) == 0


def test_what_is_not_free_stays_where_it_is() -> None:
    jobs = [make_job("a", value=1), make_job("b", value=99, deadline=12)]
    state = Timeline(make_problem(*jobs))
    assert state.adopt(jobs[0], [Placement("a", 0, 0, 3, 13)])
    found = solve_part(state, [jobs[1]], hints={})
    assert found == Found({}, proven=True)


def random_problem(seed: int) -> Problem:
    """Return a few jobs on a tool with changeovers, a furnace and a pool, 24 slots long."""
    rng = Random(seed)
    resources = [
        make_resource(
            "tool",
            opens=[(0, 9), (12, 24)],
            outages=[(15, 16)] if rng.random() < 0.5 else [],
            changeovers=[("x", "y", 2), ("y", "x", 1)],
        ),
        make_resource("furnace", kind=Kind.BATCH, opens=[(0, 24)], site=1),
        make_resource("pool", kind=Kind.POOLED, capacity=3, opens=[(0, 24)]),
    ]
    recipes = [
        Recipe("r", "furnace", 3, min_load=rng.choice([1, 2]), family="f"),
        Recipe("s", "furnace", 2),
    ]

    def alternative() -> object:
        kind = rng.choice(["tool", "furnace", "pool"])
        if kind == "tool":
            rule = rng.choice(list(StayRule))
            return make_alternative(
                "tool", rng.randint(2, 6), family=rng.choice(["x", "y", None]), stay=rule
            )
        if kind == "furnace":
            recipe = rng.choice("rs")
            return make_alternative("furnace", 8, quantity=rng.randint(1, 2), recipe=recipe)
        return make_alternative("pool", rng.randint(4, 9), quantity=rng.randint(1, 3))

    jobs = []
    for name in "abcd"[: rng.randint(2, 4)]:
        steps = []
        for _ in range(rng.choice([1, 1, 2])):
            opens = rng.randint(0, 6)
            window: Interval = (opens, rng.randint(opens + 8, 24))
            count = rng.choice([1, 2])
            steps.append(
                make_step(*(alternative() for _ in range(count)), windows=[window])
            )
        lags = (
            [Lag(0, 1, rng.randint(0, 2), rng.choice([None, 4]))] if len(steps) > 1 else []
        )
        jobs.append(
            make_job(
                name,
                *steps,
                value=rng.randint(30, 60),
                lags=lags,
                due=rng.randint(6, 20),
                late_cost=1,
                deadline=24,
            )
        )
    return make_problem(
        *jobs,
        resources=resources,
        recipes=recipes,
        horizon=24,
        calendar_end=24,
        travel=[(0, 1), (1, 0)],
    )


def places(problem: Problem, job: Job) -> list[tuple[Placement, ...]]:
    """Return every way to place a job on its own, by plain enumeration and the checker."""
    light = tuple(replace(r, min_load=1) for r in problem.recipes)
    alone = replace(problem, jobs=(job,), recipes=light)

    def allowed(plan: tuple[Placement, ...]) -> bool:
        return not [
            rule for rule in broken_rules(alone, plan) if "missing steps" not in rule
        ]

    by_step = [
        [
            p
            for a, alternative in enumerate(step.alternatives)
            for length in range(alternative.duration, 24)
            for s in range(24 - length + 1)
            if allowed((p := Placement(job.id, k, a, s, s + length),))
        ]
        for k, step in enumerate(job.steps)
    ]
    return [whole for whole in product(*by_step) if allowed(whole)]


@pytest.mark.parametrize("seed", range(40))
def test_no_plan_made_at_random_beats_the_proven_optimum(seed: int) -> None:
    problem = random_problem(seed)
    best = solve_whole(problem)
    rng = Random(seed)
    ways = {job.id: places(problem, job) for job in problem.jobs}
    for order in permutations(problem.jobs):
        for _ in range(30):
            plan: list[Placement] = []
            for job in order:
                for whole in rng.sample(ways[job.id], min(8, len(ways[job.id]))):
                    if not list(broken_rules(problem, [*plan, *whole])):
                        plan += whole
                        break
            assert value_of(problem, plan) <= best


@pytest.mark.parametrize("seed", range(40))
def test_the_optimum_is_a_plan_that_the_timeline_takes_too(seed: int) -> None:
    problem = random_problem(seed)
    state = Timeline(problem)
    found = solve_part(state, problem.jobs, hints={}, effort=20)
    assert found is not None
    for job, whole in found.placements.items():
        assert state.adopt(problem.job_by_id()[job], whole, thin=True)
    assert by_job(state.placements()) == dict(found.placements)


def test_a_run_whose_company_is_not_laid_out_is_no_matter_elsewhere() -> None:
    # The furnace's run has 1 of the 2 that it needs: the rest of it is not told, for the
    # free job does not touch the furnace. On the etcher the job finds its place.
    load = make_job("load", make_step(make_alternative("furnace", recipe="oxide")))
    free = make_job("free", make_step(make_alternative("etcher")))
    problem = make_problem(
        load,
        free,
        resources=[make_resource("etcher"), make_resource("furnace", kind=Kind.BATCH)],
        recipes=[Recipe("oxide", "furnace", 4, min_load=2)],
    )
    state = Timeline(problem)
    state.restore(load, (Placement("load", 0, 0, 0, 10),))
    assert list(state.thin_runs())
    found = solve_part(state, [free], hints={}, effort=1)
    assert found is not None
    assert found.placements.keys() == {"free"}
