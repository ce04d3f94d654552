"""What belongs together, and that the rest can be solved apart."""

from dataclasses import replace
from random import Random

import pytest

from solver.bounds import upper_bound
from solver.components import components, connected, parts
from solver.problem import Job, Kind, Share, Stay
from tests.solver.exhaustive import optimum
from tests.solver.factories import (
    make_alternative,
    make_job,
    make_problem,
    make_resource,
    make_step,
)
from tests.solver.random_park import random_problem


def on(name: str, *resources: str, beside: str | None = None) -> Job:
    also = [(beside, 1)] if beside else []
    return make_job(name, make_step(*(make_alternative(r, also=also) for r in resources)))


def test_nodes_are_numbered_by_component_as_they_come() -> None:
    assert connected([(5,), (7, 3), (1,), (3, 1)]) == {5: 0, 7: 1, 3: 1, 1: 1}


def test_jobs_belong_together_that_could_meet_on_any_resource_or_in_a_group() -> None:
    problem = make_problem(
        on("a", "etcher", "litho"),
        on("b", "furnace"),
        on("c", "litho"),
        replace(on("d", "saw"), one_of="either"),
        on("e", "mill", beside="seats"),
        replace(on("f", "furnace"), one_of="either"),
        on("g", "drill", beside="seats"),
        resources=[
            make_resource(n) for n in ("etcher", "litho", "furnace", "saw", "mill", "drill")
        ]
        + [make_resource("seats", kind=Kind.POOLED, capacity=3)],
    )
    ids = [[job.id for job in jobs] for jobs in components(problem)]
    assert ids == [["a", "c"], ["b", "d", "f"], ["e", "g"]]


def test_a_part_has_what_its_jobs_could_hold_and_no_more() -> None:
    problem = make_problem(
        on("a", "etcher"),
        on("b", "litho"),
        resources=[make_resource("etcher"), make_resource("litho")],
        stays=[Stay("litho", 0, 5), Stay("etcher", 5, 9)],
    )
    one, other = parts(problem)
    assert [j.id for j in one.jobs] == ["a"]
    assert (one.resources[0].id, one.stays) == ("etcher", (Stay("etcher", 5, 9),))
    assert (other.resources[0].id, other.stays) == ("litho", (Stay("litho", 0, 5),))


def test_where_shares_count_there_are_no_parts() -> None:
    problem = replace(
        make_problem(on("a", "etcher")), alpha=100, shares=(Share("firm", 9),)
    )
    with pytest.raises(ValueError, match="shares reach across"):
        list(parts(problem))


@pytest.mark.parametrize("seed", range(6))
def test_parts_are_worth_together_what_the_whole_is(seed: int) -> None:
    problem = random_problem(Random(seed), jobs=4, horizon=12, steps=1)
    best = [optimum(part) for part in parts(problem)]
    assert sum(worth or 0 for worth in best) == optimum(problem)
    assert upper_bound(problem) == sum(upper_bound(part) for part in parts(problem))
