"""How good a night's plan is, and how soon it is there, for parks of four sizes.

The park and its demand are of `benchmarks.sizes`; the orders go through the intake into
PostgreSQL and are read by the night's own snapshot. Each case is then solved as a night
would be, its bound and reasons within the time.
"""

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from benchmarks import trade_offs
from benchmarks.memory import PeakMemory
from benchmarks.park import Night, empty_service, make_night, server
from benchmarks.report import RESULTS, Report
from benchmarks.sizes import SIZES
from solver.check import broken_rules
from solver.greedy import RULES, by_job, first_come_first_served, list_schedule
from solver.options import Options, Progress
from solver.problem import Problem
from solver.solve import solve
from solver.value import value_of

CASES = {11: 0.7, 12: 0.85, 13: 1.0, 14: 1.15, 15: 1.3}
"""Load by seed. Nothing was tuned on these seeds."""

WORKERS = 2


@dataclass(frozen=True, slots=True)
class Target:
    """What a size is to reach. Source: the figures of the README."""

    seconds: float  # for everything
    reserve: float  # of them for bound and reasons
    times_dispatch: float | None  # median of the seeds
    gap: float | None
    first_plan: float | None  # seconds until it beats first come, first served
    memory: float | None  # MiB


TARGETS = {
    "S": Target(30, 5, None, 0.03, None, None),
    "M": Target(60, 10, 1.07, 0.10, None, None),
    "L": Target(300, 60, 1.05, 0.13, 2, 800),
    "XL": Target(600, 200, 1.02, None, 5, 1200),
}


@dataclass(slots=True)
class _Course:
    """When what came."""

    beats: int  # the value of first come, first served
    began: float = field(default_factory=time.monotonic)
    first_plan: float | None = None

    def __call__(self, progress: Progress) -> None:
        if self.first_plan is None and progress.value > self.beats:
            self.first_plan = time.monotonic() - self.began


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every case; return 0 when all of them ran."""
    given = _parser().parse_args(arguments)
    cases = [(size, seed) for size in given.sizes for seed in given.seeds]
    with Report("solver", results=given.results) as report, server() as postgres:
        ratios: dict[str, list[float]] = {}
        for size, seed in cases:
            with empty_service(postgres, f"night_{size}_{seed}".lower()):
                night = make_night(SIZES[size], seed=seed, load=CASES[seed])
            ratios.setdefault(size, []).append(
                _measure(report, size, seed, night, seconds=given.seconds)
            )
        for size, found in ratios.items():
            report.figure(
                f"{size}, median of {len(found)} seeds",
                "value / best dispatch rule",
                median(found),
                "ratio",
                at_least=TARGETS[size].times_dispatch,
            )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.solver", description=__doc__
    )
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=[*SIZES])
    parser.add_argument("--seeds", type=int, nargs="+", choices=CASES, default=[*CASES])
    parser.add_argument(
        "--seconds", type=float, help="of the search, in place of the size's own"
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder")
    return parser


def _measure(
    report: Report, size: str, seed: int, night: Night, *, seconds: float | None
) -> float:
    """Solve one night and report; return its value over that of the best dispatch rule."""
    problem, target = night.problem, TARGETS[size]
    case = f"{size}, seed {seed}, load {CASES[seed]:.0%}"
    report.surroundings(case)
    report.figure(case, "orders", len(problem.jobs), "orders")
    report.figure(case, "orders nobody can serve", sum(night.skipped.values()), "orders")
    report.figure(case, "steps", sum(len(j.steps) for j in problem.jobs), "steps")
    report.figure(case, "resources", len(problem.resources), "resources")
    best = _yardsticks(report, case, problem)
    served = value_of(problem, list_schedule(problem, first_come_first_served))
    course = _Course(beats=served)
    options = Options(
        seconds=seconds or target.seconds - target.reserve,
        workers=WORKERS,
        on_progress=course,
    )
    with PeakMemory() as peak:
        plan = solve(problem, options)
    took = time.monotonic() - course.began
    report.figure(case, "seconds", took, "s", at_most=target.seconds)
    report.figure(
        case,
        "seconds to a plan that beats first come first served",
        course.first_plan,
        "s",
        at_most=target.first_plan,
    )
    report.figure(case, "waves", plan.waves, "waves")
    report.figure(
        case, "peak memory of all processes", peak.mib, "MiB", at_most=target.memory
    )
    broken = len(list(broken_rules(problem, plan.placements)))
    report.figure(case, "rules broken", broken, "rules", at_most=0)
    report.figure(case, "value", plan.value, "points/100")
    report.figure(case, "value / first come first served", plan.value / served, "ratio")
    report.figure(case, "value / best dispatch rule", plan.value / best, "ratio")
    report.figure(case, "orders placed", len(by_job(plan.placements)), "orders")
    total = sum(j.value for j in problem.jobs)
    report.figure(case, "value / sum of all values", plan.value / total, "ratio")
    report.figure(case, "sum of all values", total, "points/100")
    report.figure(case, "bound", plan.bound, "points/100")
    if plan.bound is not None:
        gap = 1 - plan.value / plan.bound
        report.figure(case, "gap", gap, "share of the bound", at_most=target.gap)
    if (size, CASES[seed]) == ("M", 1.0):
        options = replace(options, explain=0, bound=False, on_progress=None)
        trade_offs.fairness(report, case, plan, problem, options)
        trade_offs.repair(report, case, plan, problem, options)
    for cause, count in Counter(r.cause for r in plan.reasons).most_common():
        report.figure(case, f"left out: {cause}", count, "orders")
    without = sum(not r.ways_out for r in plan.reasons)
    report.figure(case, "left out without a way out", without, "orders")
    return plan.value / best


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


if __name__ == "__main__":
    raise SystemExit(main())
