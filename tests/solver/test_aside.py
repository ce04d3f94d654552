"""Fixed stays that contradict the problem block their time, and the search goes on."""

from dataclasses import replace

from solver.aside import set_aside
from solver.faults import faults
from solver.options import Options
from solver.problem import Kind, Problem, Recipe, Stay
from solver.solve import solve
from tests.solver.factories import (
    make_alternative,
    make_job,
    make_problem,
    make_resource,
    make_step,
)

WRONG = (
    Stay("furnace", 0, 40, recipe="gone"),
    Stay("furnace", 40, 30),
    Stay("nowhere", 0, 10),
    Stay("furnace", 40, 60, quantity=0),
    Stay("class", 0, 10, occurrence="gone"),
)


def furnace(*stays: Stay) -> Problem:
    # A run of 10 slots must end by 70: only 60 to 70 is left beside the stays.
    job = make_job(
        "a", make_step(make_alternative("furnace", 10, recipe="oxide")), deadline=70
    )
    return replace(
        make_problem(
            job,
            resources=[
                make_resource("furnace", kind=Kind.BATCH),
                make_resource("class", kind=Kind.EVENT),
            ],
            recipes=[Recipe("oxide", "furnace", 4)],
        ),
        stays=stays,
    )


def test_a_stay_that_is_wrong_blocks_its_time_and_is_told() -> None:
    right = Stay("furnace", 80, 90, recipe="oxide")
    problem, wrong = set_aside(furnace(*WRONG, right))
    assert sorted(wrong) == [0, 1, 2, 3, 4]
    assert wrong[0] == "stays[0].recipe: gone is no recipe of furnace"
    assert problem.stays == (
        Stay("furnace", 0, 40),
        Stay("furnace", 40, 60),
        Stay("class", 0, 10),
        right,
    )
    assert not list(faults(problem))
    (placement,) = solve(problem, Options(waves=1, workers=1)).placements
    assert placement.start == 60


def test_what_is_right_is_left_as_it_is() -> None:
    problem = furnace(Stay("furnace", 0, 40, recipe="oxide"))
    assert set_aside(problem) == (problem, {})
