"""How good a night's plan is, and how soon it is there.

Demand comes from `catalog.demand` over the demo catalogue, goes through the intake of
orders into PostgreSQL and is read by the night's own snapshot. Each case is then solved as
a night would be, its bound and reasons within the time.
"""

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.memory import PeakMemory
from benchmarks.park import Night, empty_service, make_night, server
from benchmarks.report import RESULTS, Report
from solver.check import broken_rules
from solver.greedy import RULES, by_job, first_come_first_served, list_schedule
from solver.options import Options, Progress
from solver.problem import Problem
from solver.solve import solve
from solver.value import value_of

SEEDS = (1, 2, 3)
FULL = 1000  # orders of the cases that have targets
OTHERS = (300, 3000)  # orders of further cases, one seed each
SECONDS = 60.0  # for everything
RESERVE = 10.0  # of them for bound and reasons, by 1,000 orders
WORKERS = 2

TIMES_DISPATCH = 1.04
TIMES_VALUE = 1.15


@dataclass(slots=True)
class _Course:
    """When what came."""

    began: float = field(default_factory=time.monotonic)
    first_plan: float | None = None

    def __call__(self, progress: Progress) -> None:
        if self.first_plan is None:
            self.first_plan = time.monotonic() - self.began


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every case; return 0 when all of them ran."""
    given = _parser().parse_args(arguments)
    cases = [(given.orders, seed) for seed in given.seeds]
    if not given.brief:
        cases += [(orders, SEEDS[0]) for orders in OTHERS]
    with Report("plan", results=given.results) as report:
        nights = {}
        with server() as postgres:
            for orders, seed in cases:
                with empty_service(postgres, f"night_{orders}_{seed}"):
                    nights[orders, seed] = make_night(seed=seed, orders=orders)
        for (orders, seed), night in nights.items():
            _measure(report, f"{orders} orders, seed {seed}", night, seconds=given.seconds)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plan", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--orders", type=int, default=FULL)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder")
    parser.add_argument(
        "--brief", action="store_true", help="without the cases of other sizes"
    )
    return parser


def _measure(report: Report, case: str, night: Night, *, seconds: float) -> None:
    problem = night.problem
    orders = len(problem.jobs)
    report.surroundings(case)
    report.figure(case, "orders", orders, "orders")
    report.figure(case, "orders nobody can serve", sum(night.skipped.values()), "orders")
    report.figure(case, "steps", sum(len(j.steps) for j in problem.jobs), "steps")
    report.figure(case, "resources", len(problem.resources), "resources")
    best = _yardsticks(report, case, problem)
    course = _Course()
    with PeakMemory() as peak:
        plan = solve(
            problem,
            Options(
                seconds=max(seconds / 2, seconds - RESERVE * max(1.0, orders / FULL)),
                workers=WORKERS,
                on_progress=course,
            ),
        )
    # The targets are those of a full load; other sizes are for comparison.
    full = night.asked == FULL
    took = time.monotonic() - course.began
    report.figure(case, "seconds", took, "s", at_most=seconds if full else None)
    report.figure(case, "seconds to first plan", course.first_plan, "s")
    report.figure(case, "waves", plan.waves, "waves")
    report.figure(case, "peak memory of all processes", peak.mib, "MiB")
    broken = len(list(broken_rules(problem, plan.placements)))
    report.figure(case, "rules broken", broken, "rules", at_most=0)
    report.figure(case, "value", plan.value, "points/100")
    served = value_of(problem, list_schedule(problem, first_come_first_served))
    report.figure(case, "value / first come first served", plan.value / served, "ratio")
    report.figure(
        case,
        "value / best dispatch rule",
        plan.value / best,
        "ratio",
        at_least=TIMES_DISPATCH if full else None,
    )
    report.figure(case, "orders placed", len(by_job(plan.placements)), "orders")
    _bound(report, case, problem, plan.value, plan.bound, full=full)
    for cause, count in Counter(r.cause for r in plan.reasons).most_common():
        report.figure(case, f"left out: {cause}", count, "orders")
    without = sum(not r.ways_out for r in plan.reasons)
    report.figure(case, "left out without a way out", without, "orders")


def _yardsticks(report: Report, case: str, problem: Problem) -> int:
    """Report what list scheduling makes; return the best of the four dispatch rules."""
    best = 0
    for name, rule in RULES.items():
        began = time.monotonic()
        placements = list_schedule(problem, rule)
        took = time.monotonic() - began
        value = value_of(problem, placements)
        report.figure(case, f"value by {name}", value, "points/100")
        report.figure(case, f"orders placed by {name}", len(by_job(placements)), "orders")
        report.figure(case, f"seconds by {name}", took, "s")
        if rule is not first_come_first_served:
            best = max(best, value)
    return best


def _bound(
    report: Report,
    case: str,
    problem: Problem,
    value: int,
    bound: int | None,
    *,
    full: bool,
) -> None:
    total = sum(j.value for j in problem.jobs)
    report.figure(case, "sum of all values", total, "points/100")
    report.figure(case, "bound", bound, "points/100", at_most=total - 1 if full else None)
    if bound is not None:
        report.figure(
            case,
            "bound / value",
            bound / value,
            "ratio",
            at_most=TIMES_VALUE if full else None,
        )
        report.figure(case, "gap", 1 - value / bound, "share of the bound")
        report.figure(case, "value / sum of all values", value / total, "ratio")


if __name__ == "__main__":
    raise SystemExit(main())
