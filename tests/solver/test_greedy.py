"""List scheduling: each job at its earliest, whole or not at all."""

from solver.greedy import (
    RULES,
    by_priority,
    earliest_date,
    first_come_first_served,
    insert,
    list_schedule,
)
from solver.problem import Kind, Lag, Placement, Recipe, Stay
from solver.timeline import Timeline
from solver.value import value_of
from tests.solver.factories import (
    make_alternative,
    make_job,
    make_problem,
    make_resource,
    make_step,
)


def where(placements: tuple[Placement, ...] | None) -> list[tuple[int, int]]:
    assert placements is not None
    return [(p.start, p.end) for p in placements]


def test_first_come_first_served_fills_the_gaps_that_others_left() -> None:
    jobs = [
        make_job("a", submitted=1, release=20),
        make_job("b", submitted=2),
        make_job("c", submitted=3, deadline=20),
    ]
    plan = list_schedule(
        make_problem(*jobs, horizon=30, calendar_end=30), first_come_first_served
    )
    assert {p.job: p.start for p in plan} == {"a": 20, "b": 0, "c": 10}


def test_a_rule_decides_who_gets_the_last_place() -> None:
    jobs = [
        make_job("a", submitted=1, value=1, deadline=10),
        make_job("b", submitted=2, value=9, priority=1, deadline=10),
    ]
    problem = make_problem(*jobs)
    assert value_of(problem, list_schedule(problem, first_come_first_served)) == 1
    assert value_of(problem, list_schedule(problem, by_priority)) == 9


def test_every_rule_places_everything_that_has_room() -> None:
    problem = make_problem(*(make_job(str(i), submitted=i) for i in range(10)))
    for rule in RULES.values():
        assert len(list_schedule(problem, rule)) == 10


def test_a_route_keeps_its_lags_and_travels() -> None:
    near, far = make_resource("near"), make_resource("far", site=1)
    steps = [make_step(make_alternative("near", 5)), make_step(make_alternative("far", 5))]
    job = make_job("a", *steps, lags=[Lag(0, 1, least=2)])
    problem = make_problem(job, resources=[near, far], travel=[(0, 4), (4, 0)])
    # 5 slots, 2 of lag and 4 of travel: the second step starts at 11.
    assert where(insert(Timeline(problem), job)) == [(0, 5), (11, 16)]


def test_a_queue_time_limit_pushes_the_step_before_back() -> None:
    etcher, oven = make_resource("etcher"), make_resource("oven")
    steps = [
        make_step(make_alternative("etcher", 5)),
        make_step(make_alternative("oven", 5)),
    ]
    job = make_job("a", *steps, lags=[Lag(0, 1, most=3)])
    stays = [Stay("oven", 0, 40)]
    problem = make_problem(job, resources=[etcher, oven], stays=stays)
    # The oven is free from 40, so the etch may end at 37 at the earliest.
    assert where(insert(Timeline(problem), job)) == [(32, 37), (40, 45)]


def test_a_chain_of_limits_is_pushed_back_to_its_first_step() -> None:
    resources = [make_resource(n) for n in ("one", "two", "three")]
    steps = [make_step(make_alternative(n, 5)) for n in ("one", "two", "three")]
    job = make_job("a", *steps, lags=[Lag(0, 1, most=0), Lag(1, 2, most=0)])
    problem = make_problem(job, resources=resources, stays=[Stay("three", 0, 60)])
    assert where(insert(Timeline(problem), job)) == [(50, 55), (55, 60), (60, 65)]


def test_a_route_that_cannot_keep_its_limit_is_left_out_whole_and_the_state_untouched() -> (
    None
):
    etcher, oven = make_resource("etcher", opens=[(0, 10)]), make_resource("oven")
    steps = [
        make_step(make_alternative("etcher", 5)),
        make_step(make_alternative("oven", 5)),
    ]
    job = make_job("a", *steps, lags=[Lag(0, 1, most=3)])
    problem = make_problem(job, resources=[etcher, oven], stays=[Stay("oven", 0, 40)])
    state = Timeline(problem)
    assert insert(state, job) is None
    assert (
        insert(state, make_job("b", make_step(make_alternative("etcher", 10)))) is not None
    )


def test_the_alternative_that_ends_first_is_taken() -> None:
    resources = [make_resource("etcher"), make_resource("twin")]
    step = make_step(make_alternative("etcher", 20), make_alternative("twin", 30))
    jobs = [make_job("a", step, submitted=1), make_job("b", step, submitted=2)]
    plan = list_schedule(make_problem(*jobs, resources=resources), first_come_first_served)
    assert [(p.alternative, p.end) for p in plan] == [(0, 20), (1, 30)]


def test_a_load_joins_a_run_rather_than_begin_its_own() -> None:
    furnace = make_resource("furnace", kind=Kind.BATCH)
    step = make_step(make_alternative("furnace", 50, recipe="oxide"))
    jobs = [make_job(str(i), step, submitted=i, release=3 - i) for i in range(3)]
    problem = make_problem(
        *jobs, resources=[furnace], recipes=[Recipe("oxide", "furnace", 3)]
    )
    plan = list_schedule(problem, first_come_first_served)
    assert {(p.start, p.end) for p in plan} == {(3, 53)}  # two runs of 50 would fit as well
    assert len(plan) == 3


def test_a_run_too_light_is_dissolved_and_one_heavy_enough_stays() -> None:
    furnace = make_resource("furnace", kind=Kind.BATCH)
    recipes = [
        Recipe("oxide", "furnace", 4, min_load=2),
        Recipe("nitride", "furnace", 4, 2),
    ]
    oxide = make_step(make_alternative("furnace", 50, recipe="oxide"))
    nitride = make_step(make_alternative("furnace", 50, recipe="nitride"))
    jobs = [make_job("a", oxide), make_job("b", oxide), make_job("c", nitride)]
    problem = make_problem(*jobs, resources=[furnace], recipes=recipes)
    plan = list_schedule(problem, first_come_first_served)
    assert {p.job for p in plan} == {"a", "b"}


def test_a_booking_alone_in_a_light_run_stays_and_is_joined_by_enough_or_not_at_all() -> (
    None
):
    # The booking is one unit of three that a run with placed loads must hold.
    furnace = make_resource("furnace", kind=Kind.BATCH, opens=[(0, 50)])
    stays = [Stay("furnace", 0, 50, recipe="oxide", joinable=True)]
    oxide = make_step(make_alternative("furnace", 50, recipe="oxide"))

    def placed(*names: str) -> set[str]:
        problem = make_problem(
            *(make_job(name, oxide) for name in names),
            resources=[furnace],
            recipes=[Recipe("oxide", "furnace", 4, min_load=3)],
            stays=stays,
        )
        return {p.job for p in list_schedule(problem, first_come_first_served)}

    assert placed() == set()
    assert placed("a") == set()
    assert placed("a", "b") == {"a", "b"}


def test_mandatory_jobs_stay_where_they_are_and_are_served_before_all_others() -> None:
    held = make_job(
        "m", submitted=9, mandatory=True, previous=[Placement("m", 0, 0, 5, 15)]
    )
    jobs = [make_job("a", submitted=1, value=99, deadline=10), held]
    plan = list_schedule(make_problem(*jobs), first_come_first_served)
    assert plan == held.previous


def test_a_mandatory_job_hit_by_an_outage_finds_another_place() -> None:
    held = make_job(
        "m", mandatory=True, previous=[Placement("m", 0, 0, 5, 15)], move_cost=99
    )
    etcher = make_resource(outages=[(8, 9)])
    plan = list_schedule(make_problem(held, resources=[etcher]), first_come_first_served)
    assert where(plan) == [(9, 19)]


def test_a_move_that_costs_more_than_the_job_is_worth_is_not_made() -> None:
    job = make_job("a", previous=[Placement("a", 0, 0, 0, 10)], move_cost=11)
    problem = make_problem(job, stays=[Stay("etcher", 5, 6)])
    assert list_schedule(problem, by_priority) == ()


def test_the_earliest_date_is_asked_beside_bookings_alone() -> None:
    rival = make_job("rival")
    problem = make_problem(rival, stays=[Stay("etcher", 0, 7)])
    assert earliest_date(problem, make_job("mine")) == 17
    assert earliest_date(problem, make_job("mine", deadline=16)) is None
