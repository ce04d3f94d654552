"""What gives way when a job is forced in."""

from dataclasses import replace

import pytest

from solver import force
from solver.check import broken_rules
from solver.force import forced
from solver.greedy import by_job, by_priority, list_schedule
from solver.options import Options
from solver.problem import Placement
from solver.solve import solve
from solver.value import value_of
from tests.solver.factories import (
    make_alternative,
    make_job,
    make_problem,
    make_resource,
    make_step,
)
from tests.solver.test_improve import crowded


def test_the_least_valuable_job_in_the_way_drops_out() -> None:
    # 30 slots hold three of four jobs of 10. Forced in, d pushes out c, worth 12, for 5.
    jobs = [
        make_job(n, make_step(), value=v, deadline=30)
        for n, v in (("a", 20), ("b", 15), ("c", 12), ("d", 5))
    ]
    problem = make_problem(*jobs)
    plan = solve(problem, Options(waves=1, workers=1)).placements
    assert by_job(plan).keys() == {"a", "b", "c"}

    found = forced(problem, plan, jobs[3])

    assert found is not None
    assert (found.displaced, found.moved) == (("c",), ())
    assert found.cost == 12 - 5


def test_a_job_that_can_make_room_moves_and_nothing_is_lost() -> None:
    # a stands on the one tool of b, and could as well go to the other.
    a = make_job(
        "a", make_step(make_alternative("etcher"), make_alternative("other")), deadline=10
    )
    b = make_job("b", make_step(make_alternative("etcher")), value=7, deadline=10)
    problem = make_problem(
        a, b, resources=[make_resource("etcher"), make_resource("other")]
    )
    plan = (Placement("a", 0, 0, 0, 10),)

    found = forced(problem, plan, b)

    assert found is not None
    assert (found.displaced, found.moved, found.cost) == ((), ("a",), -7)


def test_a_late_job_is_asked_to_be_in_time() -> None:
    # a and b both want slots 0 to 10; b came second, is late by 10 and loses 10 of 50.
    a = make_job("a", make_step(), value=30, deadline=40)
    b = make_job("b", make_step(), value=50, due=10, late_cost=1, deadline=40)
    problem = make_problem(a, b)
    plan = (Placement("a", 0, 0, 0, 10), Placement("b", 0, 0, 10, 20))

    found = forced(problem, plan, replace(b, deadline=10))

    assert found is not None
    assert found.placements == (Placement("b", 0, 0, 0, 10),)
    assert (found.moved, found.cost) == (("a",), -10)


def test_what_no_room_can_be_made_for_is_not_forced() -> None:
    job = make_job("a", make_step(make_alternative(duration=50)), deadline=40)
    assert forced(make_problem(job), (), job) is None


def test_a_mandatory_job_is_never_displaced() -> None:
    jobs = [
        make_job("a", make_step(), value=1, deadline=10, mandatory=True),
        make_job("b", make_step(), value=99, deadline=10),
    ]
    plan = (Placement("a", 0, 0, 0, 10),)
    assert forced(make_problem(*jobs), plan, jobs[1]) is None


def test_the_park_with_a_job_forced_in_breaks_no_rule() -> None:
    problem = crowded()
    plan = list_schedule(problem, by_priority)
    placed = by_job(plan)
    tried = 0
    for job in problem.jobs:
        if job.id in placed or tried == 3:
            continue
        found = forced(problem, plan, job, effort=0.1)
        if found is None:
            continue
        tried += 1
        gone = {job.id, *found.displaced, *found.moved}
        rest = [p for p in plan if p.job not in gone]
        assert not list(broken_rules(problem, [*rest, *found.placements]))
        assert set(rest) | set(found.placements) <= set(found.plan)
        assert by_job(found.plan).keys() == placed.keys() - {*found.displaced} | {job.id}
        assert not list(broken_rules(problem, found.plan))
        assert found.cost == value_of(problem, plan) - value_of(problem, found.plan)
    assert tried == 3


def test_when_the_cheapest_do_not_make_room_those_in_the_place_give_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # d must lie in slots 0 to 10, where a stands; c, the cheapest, stands from 10 to 20,
    # and there is room in the search for one of them.
    monkeypatch.setattr(force, "SIZE", 2)
    d = make_job("d", make_step(windows=[(0, 10)]), value=5, deadline=30)
    jobs = [make_job("a", value=20, deadline=20), make_job("c", value=1, deadline=20), d]
    plan = (Placement("a", 0, 0, 0, 10), Placement("c", 0, 0, 10, 20))

    found = forced(make_problem(*jobs), plan, d)

    assert found is not None
    assert (found.displaced, found.cost) == (("a",), 20 - 5)
