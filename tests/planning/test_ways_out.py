"""A way out that is stated to a firm is a promise: taken, it places the order."""

from flask import Flask

from benchmarks.park import make_night
from benchmarks.sizes import Size
from solver.allocation import Allocation, WayOut
from solver.check import broken_rules
from solver.greedy import by_job
from solver.options import Options
from solver.problem import Job, Problem
from solver.relax import apply
from solver.solve import solve

CONGESTED = 400  # orders: some 35 find no place
SHOWN = 20


def left_out_with_a_way_out(problem: Problem, plan: Allocation) -> list[tuple[Job, WayOut]]:
    jobs = problem.job_by_id()
    return [(jobs[r.job], r.ways_out[0]) for r in plan.reasons if r.ways_out]


def taken(problem: Problem, plan: Allocation, job: Job, way_out: WayOut) -> Allocation:
    """Solve again, from the plan that the way out was found beside."""
    given_way = apply(problem, job.id, way_out)
    options = Options(waves=1, workers=1, keep_placed=True, bound=False, explain=0)
    again = solve(given_way, options, start=plan.placements)
    assert list(broken_rules(given_way, again.placements)) == []
    return again


def test_twenty_orders_left_out_of_a_demo_night_are_placed_by_their_ways_out(
    app: Flask,
) -> None:
    problem = make_night(Size(CONGESTED), seed=1, load=1).problem
    plan = solve(problem, Options(waves=4, workers=2, bound=False))
    chosen = left_out_with_a_way_out(problem, plan)[:SHOWN]
    before = by_job(plan.placements).keys()

    placed = 0
    for job, way_out in chosen:
        after = by_job(taken(problem, plan, job, way_out).placements)
        found = after.get(job.id, ())
        placed += bool(found)
        print(
            f"order {job.id:>4}  value {job.value:>6}  {way_out.relaxation:<16}"
            f" {way_out.resource or way_out.amount!s:>12}  "
            + (f"slots {found[0].start} to {found[-1].end}" if found else "not placed")
        )
        assert job.id not in before
        assert before <= after.keys(), f"{job.id} costs others their places"

    print(f"{placed} of {len(chosen)} placed; {len(plan.reasons)} were left out")
    assert (placed, len(chosen)) == (SHOWN, SHOWN)
