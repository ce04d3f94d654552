"""What a plan is worth."""

from solver.allocation import Allocation
from solver.problem import Placement
from solver.value import value_of
from tests.solver.factories import make_job, make_problem


def test_a_plan_is_worth_the_sum_of_its_jobs() -> None:
    problem = make_problem(make_job("a", value=3), make_job("b", value=4), make_job("c"))
    placements = (Placement("a", 0, 0, 0, 10), Placement("b", 0, 0, 10, 20))
    assert value_of(problem, placements) == 7
    assert value_of(problem, Allocation(placements, value=0)) == 7
    assert value_of(problem, ()) == 0


def test_every_slot_beyond_the_due_date_costs() -> None:
    problem = make_problem(make_job("a", value=100, due=8, late_cost=3))
    assert value_of(problem, [Placement("a", 0, 0, 0, 10)]) == 100 - 3 * 2
    problem = make_problem(make_job("a", value=100, due=10, late_cost=3))
    assert value_of(problem, [Placement("a", 0, 0, 0, 10)]) == 100


def test_moving_costs_once_and_staying_nothing() -> None:
    stood = Placement("a", 0, 0, 5, 15)
    problem = make_problem(make_job("a", value=100, previous=[stood], move_cost=7))
    assert value_of(problem, [stood]) == 100
    assert value_of(problem, [Placement("a", 0, 0, 6, 16)]) == 93
