"""The one door."""

from dataclasses import replace
from random import Random

import pytest

from solver.check import broken_rules
from solver.errors import BadProblem
from solver.greedy import RULES, list_schedule
from solver.improve import waves
from solver.options import Options, Progress
from solver.problem import Placement, Stay
from solver.solve import solve
from solver.value import value_of
from tests.solver.exhaustive import optimum
from tests.solver.factories import make_job, make_problem, make_resource
from tests.solver.random_park import random_problem
from tests.solver.test_improve import crowded


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little search in each neighbourhood is enough to see the rules at work."""
    monkeypatch.setattr(waves, "EFFORT", 0.02)


BRIEF = Options(waves=2, workers=1, bound=False, explain=0)


def test_a_problem_that_contradicts_itself_is_refused_with_every_fault() -> None:
    jobs = [make_job("a", value=-1), make_job("a", value=-2)]
    with pytest.raises(BadProblem) as refused:
        solve(make_problem(*jobs), BRIEF)
    assert len(refused.value.faults) >= 3


def test_a_plan_is_sound_and_worth_at_least_what_every_rule_makes() -> None:
    problem = crowded()
    plan = solve(problem, BRIEF)
    assert not list(broken_rules(problem, plan.placements))
    assert plan.value == value_of(problem, plan)
    assert (plan.seed, plan.waves) == (1, 2)
    for rule in RULES.values():
        assert plan.value >= value_of(problem, list_schedule(problem, rule))


# The exhaustive search takes long for 7 and 8.
@pytest.mark.parametrize("seed", [*range(7), *range(9, 40)])
def test_a_small_problem_is_solved_to_the_optimum_whatever_rules_bind(seed: int) -> None:
    problem = random_problem(Random(seed), jobs=5, horizon=12, steps=2)

    plan = solve(problem, replace(BRIEF, waves=1, bound=True))

    assert not list(broken_rules(problem, plan.placements))
    best = optimum(problem)
    assert plan.value == best
    assert plan.bound is not None
    assert plan.bound >= plan.value


def test_seconds_choose_a_number_of_waves_that_gives_the_same_plan_again() -> None:
    problem = crowded()
    timed = solve(problem, replace(BRIEF, waves=None, seconds=3.0, workers=2))
    assert timed.waves > 0
    again = solve(problem, replace(BRIEF, waves=timed.waves))
    assert again.placements == timed.placements


def test_nothing_to_do_is_a_plan_too() -> None:
    assert solve(make_problem(), BRIEF).placements == ()


def test_a_plan_to_begin_from_is_never_made_worse() -> None:
    problem = crowded()
    first = solve(problem, BRIEF)
    second = solve(problem, replace(BRIEF, waves=0), start=first.placements)
    assert second.value >= first.value


def test_placed_jobs_are_kept_when_asked_for() -> None:
    cheap = make_job("cheap", value=1, deadline=10)
    dear = make_job("dear", value=9, deadline=10)
    problem = make_problem(cheap, dear)
    stood = (Placement("cheap", 0, 0, 0, 10),)
    assert solve(problem, replace(BRIEF, keep_placed=True), start=stood).value == 1
    assert solve(problem, BRIEF, start=stood).value == 9


def test_as_many_mandatory_jobs_as_possible_are_kept() -> None:
    # The outage leaves room for one of the two.
    jobs = [
        make_job("a", mandatory=True, deadline=20, previous=[Placement("a", 0, 0, 0, 10)]),
        make_job("b", mandatory=True, deadline=20, previous=[Placement("b", 0, 0, 10, 20)]),
    ]
    problem = make_problem(*jobs, resources=[make_resource(outages=[(5, 7)])])
    plan = solve(problem, BRIEF)
    assert len(plan.placements) == 1


def test_a_mandatory_job_gives_way_in_time_to_keep_another() -> None:
    # Only `b` can go to the first gap; where it stands is now booked, so `a` must move on.
    jobs = [
        make_job("a", value=1, mandatory=True, previous=[Placement("a", 0, 0, 0, 10)]),
        make_job(
            "b",
            value=1,
            mandatory=True,
            deadline=20,
            previous=[Placement("b", 0, 0, 10, 20)],
        ),
        make_job("c", value=999, deadline=35),
    ]
    problem = make_problem(
        *jobs, stays=[Stay("etcher", 12, 20)], horizon=40, calendar_end=40
    )
    plan = solve(problem, BRIEF)
    assert {p.job for p in plan.placements} == {"a", "b"} | {"c"}
    assert not list(broken_rules(problem, plan.placements))


def test_progress_is_told_and_a_stop_is_heeded() -> None:
    told: list[Progress] = []
    plan = solve(
        crowded(),
        replace(
            BRIEF,
            waves=50,
            on_progress=told.append,
            should_stop=lambda: any(p.wave == 2 for p in told),
        ),
    )
    assert plan.waves == 2
    assert [p.wave for p in told if p.phase == "improve"] == [1, 2]
    values = [p.value for p in told if p.phase == "improve"]
    assert values == sorted(values)


def test_a_search_that_dies_leaves_the_plan_that_it_had(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def die(self: waves.Search) -> int:
        raise OSError("no more processes")

    monkeypatch.setattr(waves.Search, "wave", die)
    problem = crowded()
    plan = solve(problem, BRIEF)
    assert plan.waves == 0
    assert plan.value == max(
        value_of(problem, list_schedule(problem, rule)) for rule in RULES.values()
    )
    assert "the search died" in caplog.text


def test_a_displaced_mandatory_job_is_brought_back_by_the_search() -> None:
    # An outage has displaced both. By every rule `a` comes first and takes the only slots
    # that `b` can use; only the search sees that `a` can wait.
    a = make_job(
        "a",
        value=20,
        mandatory=True,
        previous=[Placement("a", 0, 0, 30, 40)],
        priority=2,
        submitted=1,
        due=10,
        deadline=60,
    )
    b = make_job(
        "b",
        mandatory=True,
        previous=[Placement("b", 0, 0, 35, 45)],
        priority=1,
        submitted=2,
        deadline=15,
    )
    problem = make_problem(a, b, resources=[make_resource(outages=[(36, 38)])])
    for rule in RULES.values():
        assert {p.job for p in list_schedule(problem, rule)} == {"a"}
    assert {p.job for p in solve(problem, BRIEF).placements} == {"a", "b"}
