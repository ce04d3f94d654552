"""Whoever is left out learns why, and the way out that is stated is a way out."""

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from solver.allocation import Cause, Reason, Relaxation
from solver.check import broken_rules
from solver.explain import apply, late_reasons, reasons
from solver.greedy import by_priority, list_schedule
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
    Step,
)
from solver.solve import solve
from tests.solver.factories import (
    make_alternative,
    make_job,
    make_problem,
    make_resource,
    make_step,
)

QUICK = Options(waves=1, workers=1, bound=False, explain=0)
AGAIN = Options(waves=1, workers=1, bound=False, explain=0, keep_placed=True)


def only_reason(problem: Problem, *placements: Placement) -> Reason:
    (reason,) = reasons(problem, placements, limit=None)
    return reason


def ways(reason: Reason) -> list[tuple[Relaxation, int]]:
    return [(w.relaxation, w.amount) for w in reason.ways_out]


def placed_by(
    problem: Problem, plan: list[Placement], reason: Reason, way: int = 0
) -> bool:
    """Give way as stated, solve again, and tell whether the job is in."""
    changed = apply(problem, reason.job, reason.ways_out[way])
    again = solve(changed, AGAIN, start=plan)
    assert not list(broken_rules(changed, again.placements))
    assert {p.job for p in plan} <= {p.job for p in again.placements}
    return reason.job in {p.job for p in again.placements}


TAKEN = Placement("taken", 0, 0, 0, 10)


def beside(*jobs: Job, **more) -> Problem:
    return make_problem(make_job("taken"), *jobs, **more)


@pytest.mark.parametrize(
    "alternatives",
    [
        (),
        (make_alternative("seats", quantity=4),),
        (make_alternative("furnace", quantity=4, recipe="dry"),),
        (make_alternative("class", quantity=4),),
        (make_alternative("shut"),),
    ],
)
def test_a_step_that_nothing_could_ever_serve(alternatives) -> None:
    job = make_job("a", make_step(), Step("second", alternatives, ((0, 100),)))
    problem = make_problem(
        job,
        resources=[
            make_resource(),
            make_resource("seats", kind=Kind.POOLED, capacity=3),
            make_resource("furnace", kind=Kind.BATCH),
            make_resource("class", kind=Kind.EVENT),
            make_resource("shut", opens=[]),
        ],
        recipes=[Recipe("dry", "furnace", 3)],
        occurrences=[Occurrence("monday", "class", 5, 9, 3)],
    )

    reason = only_reason(problem)

    assert (reason.cause, reason.step) == (Cause.NO_ALTERNATIVE, 1)


def test_a_step_without_a_start_of_its_own() -> None:
    tool = make_resource(opens=[(0, 6), (20, 26)], outages=[(30, 40)])
    problem = make_problem(make_job(deadline=50), resources=[tool])

    reason = only_reason(problem)

    assert (reason.cause, reason.step) == (Cause.NO_START, 0)
    assert [(b.interval, b.occupant) for b in reason.blocked] == [
        ((6, 20), "closed"),
        ((26, 50), "closed"),
        ((30, 40), "outage"),
    ]


def test_a_route_too_long_for_its_deadline() -> None:
    # 10 + 15 + 10 slots are more than 30, whatever stands in the park.
    job = make_job("a", make_step(), make_step(), lags=[Lag(0, 1, 15)], deadline=30)

    reason = only_reason(make_problem(job))

    assert (reason.cause, reason.step) == (Cause.ROUTE_TOO_LONG, None)
    assert ways(reason)[0] == (Relaxation.LATER_DEADLINE, 5)


def test_a_full_park_names_no_one() -> None:
    job = make_job("a", make_step(), make_step(make_alternative("other")), deadline=14)
    problem = beside(
        job,
        resources=[make_resource(outages=[(12, 13)]), make_resource("other")],
        stays=[Stay("etcher", 13, 20)],
    )

    reason = only_reason(problem, TAKEN)

    assert (reason.cause, reason.step) == (Cause.FULL, 0)
    assert [(b.resource, b.interval, b.occupant) for b in reason.blocked] == [
        ("etcher", (0, 10), "placement"),
    ]
    assert "taken" not in repr(reason.blocked)


def test_bookings_in_the_way_are_drawn_together() -> None:
    stays = [Stay("etcher", 2, 5), Stay("etcher", 5, 9), Stay("etcher", 12, 15)]
    problem = make_problem(make_job(deadline=18), stays=stays)

    reason = only_reason(problem)

    assert [(b.interval, b.occupant) for b in reason.blocked] == [
        ((2, 9), "booking"),
        ((12, 15), "booking"),
    ]


def test_changeovers_in_the_way_are_shown_beside_the_stays() -> None:
    tool = make_resource(changeovers=[("red", "blue", 4), ("blue", "red", 2)])
    stays = [Stay("etcher", 6, 9, family="red"), Stay("etcher", 14, 18, family="red")]
    blue = make_job("a", make_step(make_alternative(family="blue")), deadline=24)

    reason = only_reason(make_problem(blue, resources=[tool], stays=stays))

    # Before red two slots, after it four; between the two nothing is left.
    assert [(b.interval, b.occupant) for b in reason.blocked] == [
        ((4, 6), "changeover"),
        ((6, 9), "booking"),
        ((9, 14), "changeover"),
        ((14, 18), "booking"),
        ((18, 22), "changeover"),
    ]


def test_later_is_no_later_than_needed() -> None:
    problem = beside(make_job("a", deadline=17))

    reason = only_reason(problem, TAKEN)

    # The etcher is free from 10 on: the job ends at 20, three slots late.
    assert ways(reason)[0] == (Relaxation.LATER_DEADLINE, 3)
    assert placed_by(problem, [TAKEN], reason)


def test_a_window_that_ends_with_the_deadline_gives_way_with_it() -> None:
    problem = beside(make_job("a", make_step(windows=[(0, 17)]), deadline=17, due=12))

    reason = only_reason(problem, TAKEN)

    assert ways(reason)[0] == (Relaxation.LATER_DEADLINE, 3)
    assert apply(problem, "a", reason.ways_out[0]).jobs[1].due == 15
    assert placed_by(problem, [TAKEN], reason)


def test_lateness_is_counted_from_the_new_date() -> None:
    # The value is used up by the deadline; without a new due date it would be negative.
    job = make_job("a", value=10, due=12, late_cost=2, deadline=17)
    problem = beside(job)

    reason = only_reason(problem, TAKEN)

    assert ways(reason)[0] == (Relaxation.LATER_DEADLINE, 3)
    assert placed_by(problem, [TAKEN], reason)


def test_earlier_is_no_earlier_than_needed() -> None:
    late = Placement("taken", 0, 0, 30, 40)
    problem = beside(make_job("a", release=24, deadline=40), horizon=40, calendar_end=40)

    reason = only_reason(problem, late)

    # 20 to 30 is free.
    assert (Relaxation.EARLIER_RELEASE, 4) in ways(reason)
    assert placed_by(problem, [late], reason)


def test_windows_grow_no_wider_than_needed() -> None:
    problem = beside(make_job("a", make_step(windows=[(0, 13)])))

    reason = only_reason(problem, TAKEN)

    assert ways(reason) == [(Relaxation.WIDER_WINDOWS, 7)]
    assert placed_by(problem, [TAKEN], reason)


def test_less_is_as_much_as_fits() -> None:
    pool = make_resource("seats", kind=Kind.POOLED, capacity=9)
    job = make_job("a", make_step(make_alternative("seats", 100, quantity=8)))
    problem = make_problem(job, resources=[pool], stays=[Stay("seats", 40, 50, 4)])

    reason = only_reason(problem)

    assert ways(reason) == [(Relaxation.SMALLER_QUANTITY, 5)]
    assert placed_by(problem, [], reason)


def light(*, beside: int = 0) -> Problem:
    """Return one job of two units for runs of five at least; `beside` units are booked."""
    oxide = make_step(make_alternative("furnace", quantity=2, recipe="oxide"))
    stay = Stay("furnace", 20, 30, quantity=beside, recipe="oxide", joinable=True)
    return make_problem(
        make_job("a", make_step(), oxide, lags=[Lag(0, 1)]),
        resources=[make_resource(), make_resource("furnace", kind=Kind.BATCH)],
        recipes=[Recipe("oxide", "furnace", 8, min_load=5)],
        stays=[stay] if beside else [],
    )


@pytest.mark.parametrize("beside", [0, 2])
def test_a_run_without_enough_company_is_told_and_may_be_filled_up(beside: int) -> None:
    problem = light(beside=beside)

    reason = only_reason(problem)

    assert (reason.cause, reason.step) == (Cause.TOO_LIGHT, 1)
    assert reason.blocked == ()
    assert ways(reason) == [(Relaxation.LARGER_QUANTITY, 5)]
    assert placed_by(problem, [], reason)


def test_a_furnace_that_is_taken_is_full_however_light_the_run_would_be() -> None:
    problem = light()

    reason = only_reason(replace(problem, stays=(Stay("furnace", 5, 100),)))

    assert (reason.cause, reason.step) == (Cause.FULL, 1)
    assert reason.ways_out == ()


def test_another_resource_is_one_that_others_name_beside_this_one() -> None:
    twin = make_step(make_alternative("etcher"), make_alternative("twin"))
    problem = make_problem(
        make_job("taken", twin),
        make_job("a", deadline=15),
        resources=[make_resource(), make_resource("stranger"), make_resource("twin")],
    )

    reason = only_reason(problem, TAKEN)

    way = reason.ways_out[0]
    assert (way.relaxation, way.resource, way.step) == (
        Relaxation.OTHER_RESOURCE,
        "twin",
        0,
    )
    assert placed_by(problem, [TAKEN], reason)


def test_another_furnace_runs_the_recipe_of_its_own() -> None:
    dry, wet = (
        make_alternative(f, recipe=r) for f, r in (("furnace", "dry"), ("oven", "wet"))
    )
    problem = make_problem(
        make_job("taken", make_step(dry, wet)),
        make_job("a", make_step(dry), deadline=15),
        resources=[make_resource(n, kind=Kind.BATCH) for n in ("furnace", "oven")],
        recipes=[Recipe("dry", "furnace", 1), Recipe("wet", "oven", 1)],
    )

    reason = only_reason(problem, TAKEN)

    assert reason.ways_out[0].resource == "oven"
    assert placed_by(problem, [TAKEN], reason)


def test_a_hopeless_job_is_promised_nothing() -> None:
    tool = make_resource(opens=[(0, 9)])

    assert only_reason(make_problem(make_job(), resources=[tool])).ways_out == ()


def test_ways_out_are_looked_for_as_often_as_asked() -> None:
    jobs = [make_job(f"job-{n}", deadline=15, value=n) for n in range(4)]
    problem = beside(*jobs)

    found = reasons(problem, [TAKEN], limit=2)

    assert [r.job for r in found] == ["job-3", "job-2", "job-1", "job-0"]
    assert [bool(r.ways_out) for r in found] == [True, True, False, False]


def contended(rng: Random) -> Problem:
    """More than two days can hold of tools, a furnace, seats and a class."""
    tools = [make_resource(f"tool-{n}", opens=[(0, 40), (60, 140)]) for n in range(3)]
    park = [
        *tools,
        make_resource("furnace", kind=Kind.BATCH, opens=[(0, 140)]),
        make_resource("seats", kind=Kind.POOLED, capacity=4, opens=[(0, 140)]),
        make_resource("class", kind=Kind.EVENT),
    ]
    jobs = []
    for n in range(60):
        steps = []
        for _ in range(rng.choice((1, 1, 2, 3))):
            kind = rng.random()
            if kind < 0.5:
                mine = rng.sample(range(3), rng.choice((1, 2)))
                length = rng.randrange(4, 16)
                stay = rng.choice(tuple(StayRule))
                options = [make_alternative(f"tool-{t}", length, stay=stay) for t in mine]
            elif kind < 0.7:
                load = rng.randrange(1, 4)
                options = [make_alternative("furnace", 12, quantity=load, recipe="dry")]
            elif kind < 0.95:
                options = [make_alternative("seats", 20, quantity=rng.randrange(1, 5))]
            else:
                options = [make_alternative("class", quantity=2)]
            steps.append(make_step(*options, windows=[(0, 140)]))
        release = rng.randrange(30)
        deadline = release + 20 * len(steps) + rng.randrange(20)
        jobs.append(
            make_job(
                f"job-{n}",
                *steps,
                lags=[Lag(k, k + 1, 1, 30) for k in range(len(steps) - 1)],
                release=release,
                due=deadline - 10,
                deadline=deadline,
                late_cost=1,
                value=rng.randrange(20, 100),
            )
        )
    return make_problem(
        *jobs,
        resources=park,
        recipes=[Recipe("dry", "furnace", 4, 2)],
        occurrences=[
            Occurrence("early", "class", 10, 20, 4),
            Occurrence("late", "class", 80, 90, 20),
        ],
        stays=[Stay("tool-0", 5, 12), Stay("seats", 0, 30, 2)],
        horizon=120,
        calendar_end=140,
    )


def test_twenty_jobs_left_out_get_in_by_their_way_out() -> None:
    problem = contended(Random(7))
    plan = solve(problem, QUICK).placements
    found = reasons(problem, plan, limit=None)
    stated = [r for r in found if r.ways_out][:20]

    entered = [r.job for r in stated if placed_by(problem, list(plan), r)]

    print(f"{len(entered)} of {len(stated)} placed by their way out", Counter(
        r.ways_out[0].relaxation for r in stated
    ))  # fmt: skip
    assert len(stated) == 20, [(r.job, r.cause, ways(r)) for r in found]
    assert entered == [r.job for r in stated]


def test_every_way_out_that_is_stated_stands_beside_the_plan() -> None:
    problem = contended(Random(3))
    plan = list_schedule(problem, by_priority)
    found = reasons(problem, plan, limit=None)

    tried: Counter[Relaxation] = Counter()
    for reason in found:
        for way in reason.ways_out:
            changed = apply(problem, reason.job, way)
            sentences = list(broken_rules(changed, [*plan, *way.placements]))
            assert not sentences, (reason, way, sentences)
            tried[way.relaxation] += 1

    rare = {Relaxation.WIDER_WINDOWS, Relaxation.LARGER_QUANTITY}  # tested on their own
    assert set(tried) >= set(Relaxation) - rare, tried


def test_a_solve_gives_a_reason_for_every_job_left_out() -> None:
    problem = contended(Random(5))

    plan = solve(problem, Options(waves=1, workers=1, bound=False))

    placed = {p.job for p in plan.placements}
    assert {r.job for r in plan.reasons} == {j.id for j in problem.jobs} - placed
    assert any(r.ways_out for r in plan.reasons)


def late_job(*steps: Step, due: int) -> Job:
    return make_job("late", *steps, due=due, late_cost=1, deadline=40)


def late_of(problem: Problem, *placements: Placement) -> list[tuple[str, int, Cause]]:
    found = late_reasons(problem, placements, limit=None)
    return [(one.reason.job, one.slots, one.reason.cause) for one in found]


def test_a_job_that_comes_late_learns_what_stood_in_its_way_in_time() -> None:
    problem = beside(
        late_job(due=14),
        make_job("twin", make_step(make_alternative(), make_alternative("other"))),
        resources=[make_resource(), make_resource("other")],
    )

    (late,) = late_reasons(problem, [TAKEN, Placement("late", 0, 0, 10, 20)], limit=None)

    assert (late.slots, late.reason.cause, late.reason.step) == (6, Cause.FULL, 0)
    # Its own stay from 10 on is not in its own way.
    assert [(b.interval, b.occupant) for b in late.reason.blocked] == [
        ((0, 10), "placement")
    ]
    # A later deadline would not bring it in by its due date; the other tool does.
    assert ways(late.reason) == [(Relaxation.OTHER_RESOURCE, 0)]
    assert late.reason.ways_out[0].placements == (Placement("late", 0, 1, 0, 10),)


def test_a_job_that_cannot_be_in_time_even_in_an_empty_park_is_told_so() -> None:
    shut = make_problem(late_job(due=14), resources=[make_resource(opens=[(5, 40)])])
    route = make_problem(late_job(make_step(), make_step(), due=14))

    assert late_of(shut, Placement("late", 0, 0, 5, 15)) == [("late", 1, Cause.NO_START)]
    stands = (Placement("late", 0, 0, 0, 10), Placement("late", 1, 0, 10, 20))
    assert late_of(route, *stands) == [("late", 6, Cause.ROUTE_TOO_LONG)]


def test_a_job_that_could_be_in_time_is_told_that_the_plan_left_it_there() -> None:
    problem = make_problem(late_job(due=14))

    assert late_of(problem, Placement("late", 0, 0, 9, 19)) == [
        ("late", 5, Cause.NOT_MOVED)
    ]


def test_the_costliest_delay_is_told_first_and_who_is_in_time_not_at_all() -> None:
    jobs = [
        make_job(n, make_step(make_alternative(n)), due=due, late_cost=cost, deadline=40)
        for n, due, cost in (("a", 8, 1), ("b", 8, 3), ("c", 10, 9), ("d", 9, 1))
    ]
    problem = make_problem(*jobs, resources=[make_resource(n) for n in "abcd"])

    found = late_of(problem, *(Placement(n, 0, 0, 0, 10) for n in "abcd"))

    assert [name for name, _, _ in found] == ["b", "a", "d"]


def test_reasons_of_late_jobs_leave_the_park_as_it_was() -> None:
    problem = contended(Random(7))
    plan = list_schedule(problem, by_priority)

    late = late_reasons(problem, plan, limit=None)

    dues = {j.id: j.due for j in problem.jobs}
    assert len(late) > 3
    for one in late:
        alone = late_reasons(problem, plan, limit=None)
        assert one in alone
        for way in one.reason.ways_out:
            assert max(p.end for p in way.placements) <= dues[one.reason.job]
