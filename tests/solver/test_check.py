"""Every rule is reported when broken and silent when kept; an oracle counts slots."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

import pytest

from solver.allocation import Allocation
from solver.check import broken_rules, wrong_figures
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
from tests.solver.factories import (
    make_alternative,
    make_job,
    make_problem,
    make_resource,
    make_step,
)
from tests.solver.random_park import random_problem
from tests.solver.slot_by_slot import is_sound


@dataclass(frozen=True)
class Case:
    """A plan that breaks one rule and its smallest repair."""

    problem: Problem
    broken: Sequence[Placement]
    says: str
    repaired: Sequence[Placement]


def at(start: int, end: int, job: str = "a", *, step: int = 0, by: int = 0, run=None):
    return Placement(job, step, by, start, end, run)


def one_step(*alternatives, windows=((0, 1000),), **limits) -> Job:
    return make_job("a", make_step(*alternatives, windows=windows), **limits)


def two_jobs(alternative, other=None) -> tuple[Job, Job]:
    return tuple(
        make_job(name, make_step(one))
        for name, one in (("a", alternative), ("b", other or alternative))
    )


TWO_STEPS = (make_step(), make_step())
SEATS = make_resource("seats", kind=Kind.POOLED, capacity=3)
FURNACE = make_resource("furnace", kind=Kind.BATCH, changeovers=[("red", "blue", 4)])
CLASS = make_resource("class", kind=Kind.EVENT)
OXIDE = Recipe("oxide", "furnace", 3, 2, "red")
NITRIDE = Recipe("nitride", "furnace", 3, 1, "blue")
LOAD = make_alternative("furnace", recipe="oxide", quantity=2)
LIGHT = make_alternative("furnace", recipe="oxide", quantity=1)
OTHER_LOAD = make_alternative("furnace", recipe="nitride")
SHIFTS = make_resource(opens=[(0, 12), (20, 100)])
MONDAY = Occurrence("monday", "class", 5, 9, 2)
FRIDAY = Occurrence("friday", "class", 50, 54, 2)
PAINTED = make_resource(changeovers=[("red", "blue", 4)])


def furnace(*jobs: Job, stays: Sequence[Stay] = ()) -> Problem:
    return make_problem(
        *jobs, resources=[FURNACE], recipes=[OXIDE, NITRIDE], stays=stays, calendar_end=200
    )


def classes(*jobs: Job, stays: Sequence[Stay] = (), outages=()) -> Problem:
    room = replace(CLASS, outages=tuple(outages))
    return make_problem(*jobs, resources=[room], occurrences=[MONDAY, FRIDAY], stays=stays)


RED = make_alternative(family="red")
BLUE = make_alternative(family="blue")
LESSON = make_alternative("class")
WORKING = make_alternative(stay=StayRule.WORKING)
ENDS = make_alternative(stay=StayRule.ENDS)
BESIDE = make_alternative(also=[("seats", 2)])

CASES = {
    "a job of the problem": Case(
        make_problem(make_job()), [at(0, 10, "x")], "not part of the problem", [at(0, 10)]
    ),
    "a step of the job": Case(
        make_problem(make_job()),
        [at(0, 10), at(20, 30, step=1)],
        "has 1 steps",
        [at(0, 10)],
    ),
    "an alternative of the step": Case(
        make_problem(make_job()), [at(0, 10, by=1)], "has 1 alternatives", [at(0, 10)]
    ),
    "no alternative below nought": Case(
        make_problem(make_job()), [at(0, 10, by=-1)], "alternative -1", [at(0, 10)]
    ),
    "a resource of the problem": Case(
        make_problem(one_step(make_alternative("gone"), make_alternative())),
        [at(0, 10)],
        "unknown resources: gone",
        [at(0, 10, by=1)],
    ),
    "each step once": Case(
        make_problem(make_job()), [at(0, 10), at(20, 30)], "more than once", [at(0, 10)]
    ),
    "end after start": Case(
        make_problem(make_job()), [at(5, 5)], "not after its start", [at(5, 15)]
    ),
    "whole or not at all": Case(
        make_problem(make_job("a", *TWO_STEPS)),
        [at(0, 10)],
        "missing steps: 1",
        [at(0, 10), at(10, 20, step=1)],
    ),
    "release": Case(make_problem(make_job(release=5)), [at(4, 14)], "release", [at(5, 15)]),
    "freeze": Case(
        make_problem(make_job(), earliest=5), [at(4, 14)], "new placements", [at(5, 15)]
    ),
    "freeze, but where it stands": Case(
        make_problem(make_job(previous=[at(3, 13)]), earliest=5),
        [at(4, 14)],
        "new placements",
        [at(3, 13)],
    ),
    "horizon": Case(
        make_problem(make_job(), horizon=40), [at(40, 50)], "horizon", [at(39, 49)]
    ),
    "calendar end": Case(
        make_problem(
            make_job(), resources=[make_resource(opens=[(0, 200)])], calendar_end=100
        ),
        [at(91, 101)],
        "calendar's end",
        [at(90, 100)],
    ),
    "deadline": Case(
        make_problem(make_job(deadline=30)), [at(21, 31)], "deadline", [at(20, 30)]
    ),
    "within one window": Case(
        make_problem(one_step(windows=((0, 15), (15, 40)))),
        [at(10, 20)],
        "none of the step's windows",
        [at(15, 25)],
    ),
    "duration": Case(
        make_problem(make_job()), [at(0, 9)], "lasts 9 slots instead of 10", [at(0, 10)]
    ),
    "inside: one stretch": Case(
        make_problem(make_job(), resources=[SHIFTS]),
        [at(3, 13)],
        "one stretch of opening hours",
        [at(2, 12)],
    ),
    "ends: first slot open": Case(
        make_problem(one_step(ENDS), resources=[SHIFTS]),
        [at(19, 29)],
        "starts while etcher is closed",
        [at(11, 21)],
    ),
    "ends: last slot open": Case(
        make_problem(one_step(ENDS), resources=[SHIFTS]),
        [at(10, 20)],
        "ends while etcher is closed",
        [at(11, 21)],
    ),
    "working: the clock stops when closed": Case(
        make_problem(one_step(WORKING), resources=[SHIFTS]),
        [at(5, 22)],
        "works 9 open slots instead of 10",
        [at(5, 23)],
    ),
    "working: first slot open": Case(
        make_problem(one_step(WORKING), resources=[SHIFTS]),
        [at(12, 30)],
        "starts while",
        [at(20, 30)],
    ),
    "working: last slot open": Case(
        make_problem(one_step(WORKING), resources=[SHIFTS]),
        [at(2, 13)],
        "ends while",
        [at(2, 12)],
    ),
    "outage": Case(
        make_problem(one_step(ENDS), resources=[make_resource(outages=[(5, 6)])]),
        [at(0, 10)],
        "overlaps the outage 5 to 6",
        [at(6, 16)],
    ),
    "outage of what is held beside": Case(
        make_problem(
            one_step(BESIDE),
            resources=[make_resource(), replace(SEATS, outages=((5, 6),))],
        ),
        [at(0, 10)],
        "outage 5 to 6 of seats",
        [at(6, 16)],
    ),
    "one stay at a time": Case(
        make_problem(*two_jobs(RED)),
        [at(0, 10), at(9, 19, "b")],
        "held at the same time",
        [at(0, 10), at(10, 20, "b")],
    ),
    "one stay at a time, fixed stays too": Case(
        make_problem(make_job(), stays=[Stay("etcher", 5, 8)]),
        [at(7, 17)],
        "a fixed stay, slots 5 to 8",
        [at(8, 18)],
    ),
    "one stay at a time, also beside": Case(
        make_problem(
            *two_jobs(make_alternative("seats", also=[("etcher", 1)]), make_alternative()),
            resources=[make_resource(), SEATS],
        ),
        [at(0, 10), at(9, 19, "b")],
        "held at the same time",
        [at(0, 10), at(10, 20, "b")],
    ),
    "changeover": Case(
        make_problem(*two_jobs(RED, BLUE), resources=[PAINTED]),
        [at(0, 10), at(13, 23, "b")],
        "from red to blue on etcher takes 4",
        [at(0, 10), at(14, 24, "b")],
    ),
    "changeover after a fixed stay": Case(
        make_problem(
            one_step(BLUE), resources=[PAINTED], stays=[Stay("etcher", -5, 0, family="red")]
        ),
        [at(3, 13)],
        "changeover",
        [at(4, 14)],
    ),
    "capacity of a pool": Case(
        make_problem(*two_jobs(make_alternative("seats", quantity=2)), resources=[SEATS]),
        [at(0, 10), at(9, 19, "b")],
        "4 units of seats are taken at slot 9, it has 3",
        [at(0, 10), at(10, 20, "b")],
    ),
    "capacity of a pool beside": Case(
        make_problem(
            *two_jobs(BESIDE, make_alternative("seats", quantity=2)),
            resources=[make_resource(), SEATS],
        ),
        [at(0, 10), at(9, 19, "b")],
        "4 units of seats",
        [at(0, 10), at(10, 20, "b")],
    ),
    "capacity of a pool, fixed stays too": Case(
        make_problem(
            one_step(make_alternative("seats", quantity=2)),
            resources=[SEATS],
            stays=[Stay("seats", 5, 8, quantity=2)],
        ),
        [at(0, 10)],
        "a fixed stay begins at slot 5",
        [at(8, 18)],
    ),
    "one run at a time": Case(
        furnace(*two_jobs(LOAD, OTHER_LOAD)),
        [at(20, 30), at(29, 39, "b")],
        "held at the same time",
        [at(20, 30), at(34, 44, "b")],
    ),
    "loads share start and end": Case(
        furnace(*two_jobs(OTHER_LOAD)),
        [at(20, 30), at(21, 31, "b")],
        "held at the same time",
        [at(20, 30), at(20, 30, "b")],
    ),
    "load of a run at most": Case(
        furnace(*two_jobs(LOAD)),
        [at(20, 30), at(20, 30, "b")],
        "carries 4, recipe oxide takes 3",
        [at(20, 30), at(30, 40, "b")],
    ),
    "load of a run at least": Case(
        furnace(*two_jobs(LIGHT)),
        [at(20, 30), at(40, 50, "b")],
        "carries 1, recipe oxide needs 2",
        [at(20, 30), at(20, 30, "b")],
    ),
    "changeover between runs": Case(
        furnace(*two_jobs(LOAD, OTHER_LOAD)),
        [at(20, 30), at(33, 43, "b")],
        "from red to blue on furnace takes 4",
        [at(20, 30), at(34, 44, "b")],
    ),
    "a recipe of the resource": Case(
        furnace(one_step(make_alternative("furnace"), LOAD)),
        [at(0, 10)],
        "names no recipe of furnace",
        [at(0, 10, by=1)],
    ),
    "a fixed run is joined by leave": Case(
        furnace(
            one_step(LIGHT),
            stays=[
                Stay("furnace", 0, 10, recipe="oxide"),
                Stay("furnace", 20, 30, recipe="oxide", joinable=True),
            ],
        ),
        [at(0, 10)],
        "takes no further load",
        [at(20, 30)],
    ),
    "a fixed stay without recipe blocks": Case(
        furnace(one_step(LOAD), stays=[Stay("furnace", 0, 10)]),
        [at(0, 10)],
        "a fixed stay, slots 0 to 10",
        [at(10, 20)],
    ),
    "an occurrence of the event": Case(
        classes(one_step(LESSON)),
        [at(5, 9, run="sunday")],
        "sunday is no occurrence",
        [at(5, 9, run="monday")],
    ),
    "an occurrence is named": Case(
        classes(one_step(LESSON)),
        [at(5, 9)],
        "names no occurrence",
        [at(5, 9, run="monday")],
    ),
    "only events have occurrences": Case(
        make_problem(make_job()),
        [at(0, 10, run="monday")],
        "etcher has none",
        [at(0, 10)],
    ),
    "the stay is the occurrence": Case(
        classes(one_step(LESSON)),
        [at(5, 8, run="monday")],
        "monday runs from 5 to 9",
        [at(5, 9, run="monday")],
    ),
    "capacity of an occurrence": Case(
        classes(*two_jobs(LESSON), stays=[Stay("class", 5, 9, occurrence="monday")]),
        [at(5, 9, run="monday"), at(5, 9, "b", run="monday")],
        "monday would take 3, it has 2",
        [at(5, 9, run="monday"), at(50, 54, "b", run="friday")],
    ),
    "no occurrence in an outage": Case(
        classes(one_step(LESSON), outages=[(0, 6)]),
        [at(5, 9, run="monday")],
        "outage 0 to 6",
        [at(50, 54, run="friday")],
    ),
    "lag at least": Case(
        make_problem(make_job("a", *TWO_STEPS, lags=[Lag(0, 1, 5)])),
        [at(0, 10), at(14, 24, step=1)],
        "begins 4 slots after step 0 ends; at least 5",
        [at(0, 10), at(15, 25, step=1)],
    ),
    "lag at most": Case(
        make_problem(make_job("a", *TWO_STEPS, lags=[Lag(0, 1, 0, 5)])),
        [at(0, 10), at(16, 26, step=1)],
        "at most 5",
        [at(0, 10), at(15, 25, step=1)],
    ),
    "travel on top of the lag": Case(
        make_problem(
            make_job(
                "a", make_step(), make_step(make_alternative("far")), lags=[Lag(0, 1, 5)]
            ),
            resources=[make_resource(), make_resource("far", site=1)],
            travel=[(0, 3), (3, 0)],
        ),
        [at(0, 10), at(17, 27, step=1)],
        "3 of travel",
        [at(0, 10), at(18, 28, step=1)],
    ),
    "mandatory": Case(
        make_problem(make_job(mandatory=True)),
        [],
        "job a is mandatory and is missing from the plan",
        [at(0, 10)],
    ),
}


@pytest.mark.parametrize("rule", CASES)
def test_a_broken_rule_is_the_only_one_reported(rule: str) -> None:
    case = CASES[rule]

    sentences = list(broken_rules(case.problem, case.broken))

    assert sentences
    assert all(case.says in s for s in sentences), sentences


@pytest.mark.parametrize("rule", CASES)
def test_the_repaired_plan_is_sound(rule: str) -> None:
    case = CASES[rule]

    assert list(broken_rules(case.problem, case.repaired)) == []


def test_a_clash_of_fixed_stays_is_not_the_plans_fault() -> None:
    stays = [Stay("etcher", 0, 10), Stay("etcher", 5, 15)]

    assert not list(broken_rules(make_problem(make_job(), stays=stays), [at(20, 30)]))


def test_a_family_between_two_others_ends_the_changeover() -> None:
    jobs = (*two_jobs(RED, BLUE), make_job("c", make_step(make_alternative(duration=2))))
    problem = make_problem(*jobs, resources=[PAINTED])

    assert not list(broken_rules(problem, [at(0, 10), at(10, 12, "c"), at(12, 22, "b")]))
    assert list(broken_rules(problem, [at(0, 10), at(12, 22, "b")]))


def test_all_broken_rules_are_listed_at_once() -> None:
    problem = make_problem(
        make_job(release=5, deadline=9), make_job("b", mandatory=True), horizon=40
    )

    sentences = list(broken_rules(problem, [at(0, 10)]))

    assert [s.split(": ")[-1].split(" ")[0] for s in sentences[:2]] == ["starts", "ends"]
    assert sentences[-1] == "job b is mandatory and is missing from the plan"
    assert len(sentences) == 3


def test_stated_figures_are_counted_again() -> None:
    # Worth 10, less 2 slots late at 3, less 1 for the move: 3.
    job = make_job(due=10, late_cost=3, previous=[at(0, 10)], move_cost=1)
    problem = make_problem(job)

    assert not list(wrong_figures(problem, Allocation((at(2, 12),), 3, 3)))
    assert "is worth 3" in next(wrong_figures(problem, Allocation((at(2, 12),), 4)))
    assert "bound 2" in next(wrong_figures(problem, Allocation((at(2, 12),), 3, 2)))


def test_placements_stand_in_order() -> None:
    problem = make_problem(*two_jobs(RED))
    first, then = at(0, 10), at(10, 20, "b")

    assert not list(wrong_figures(problem, Allocation((first, then), 20)))
    assert "not sorted" in next(wrong_figures(problem, Allocation((then, first), 20)))


def random_plan(problem: Problem, rng: Random) -> list[Placement]:
    """Put jobs down at random wherever the oracle agrees."""
    plan: list[Placement] = []
    for job in problem.jobs:
        for _ in range(60):
            whole = [random_stay(problem, job, k, rng) for k in range(len(job.steps))]
            if is_sound(problem, plan + whole):
                plan += whole
                break
    return plan


def random_stay(problem: Problem, job: Job, step: int, rng: Random) -> Placement:
    by = rng.randrange(len(job.steps[step].alternatives))
    alternative = job.steps[step].alternatives[by]
    if alternative.resource == "class":
        o = rng.choice(problem.occurrences)
        return Placement(job.id, step, by, o.start, o.end, o.id)
    start = rng.randrange(problem.horizon)
    grown = rng.randrange(5) if alternative.stay is StayRule.WORKING else 0
    return Placement(job.id, step, by, start, start + alternative.duration + grown)


def mutated(problem: Problem, plan: list[Placement], rng: Random) -> list[Placement]:
    """Change one placement a little, or take one away."""
    which = rng.randrange(len(plan))
    p = plan[which]
    rest = plan[:which] + plan[which + 1 :]
    shift = rng.choice((-3, -2, -1, 1, 2, 3))
    kind = rng.randrange(5)
    if kind == 0:
        return rest
    if kind == 1:
        return [*rest, replace(p, end=p.end + shift)]
    if kind == 2:
        job = next(j for j in problem.jobs if j.id == p.job)
        return [*rest, random_stay(problem, job, p.step, rng)]
    if kind == 3:
        other = rng.choice(plan)
        return [*rest, replace(p, start=other.start, end=other.start + p.end - p.start)]
    return [*rest, replace(p, start=p.start + shift, end=p.end + shift)]


def test_the_judge_agrees_with_an_oracle_that_counts_slots() -> None:
    verdicts: Counter[bool] = Counter()
    for seed in range(150):
        rng = Random(seed)
        problem = random_problem(rng, jobs=5)
        plan = random_plan(problem, rng)
        assert not list(broken_rules(problem, plan)), (seed, plan)
        for _ in range(12 if plan else 0):
            other = mutated(problem, plan, rng)
            sentences = list(broken_rules(problem, other))
            assert is_sound(problem, other) == (not sentences), (seed, other, sentences)
            verdicts[not sentences] += 1

    assert min(verdicts.values()) > 200, verdicts
