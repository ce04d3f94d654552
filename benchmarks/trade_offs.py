"""What fairness costs, and how little a repair moves, on one night."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil

from benchmarks.report import Report
from solver.allocation import Allocation
from solver.fairness import served_by
from solver.greedy import by_job, first_come_first_served, list_schedule, resource_of
from solver.options import Options
from solver.problem import Kind, Placement, Problem, Share
from solver.solve import solve
from solver.value import value_of

NASH = 100
SLOTS_A_DAY = 288  # of five minutes
MOVE_PENALTY = 10  # a move costs a tenth of the order's value, as in a night


def fairness(
    report: Report, case: str, plain: Allocation, problem: Problem, options: Options
) -> None:
    """Report Nash's shares beside the plain sum and first come, first served."""
    asked = served_by(problem, [j.id for j in problem.jobs])
    shares = tuple(Share(firm, value) for firm, value in sorted(asked.items()))
    fair = solve(replace(problem, shares=shares, alpha=NASH), options)
    served = list_schedule(problem, first_come_first_served)
    tenth = {}
    for name, placements in (
        ("first come first served", served),
        ("the plain sum", plain.placements),
        ("Nash", fair.placements),
    ):
        has = served_by(problem, by_job(placements))
        of_each = sorted(has.get(firm, 0) / value for firm, value in asked.items() if value)
        tenth[name] = of_each[ceil(len(of_each) / 10) - 1]
        squares = sum(s * s for s in of_each)
        report.figure(case, f"tenth percentile of shares, {name}", tenth[name], "ratio")
        report.figure(
            case,
            f"Jain's index, {name}",
            sum(of_each) ** 2 / squares / len(of_each),
            "ratio",
        )
    report.figure(
        case,
        "value of Nash / of the plain sum",
        value_of(problem, fair.placements) / plain.value,
        "ratio",
        at_least=0.99,
    )
    lowest = tenth["first come first served"]
    report.figure(
        case,
        "tenth percentile, Nash / first come first served",
        tenth["Nash"] / lowest if lowest else None,
        "ratio",
        at_least=1.9,
    )


def repair(
    report: Report, case: str, plan: Allocation, problem: Problem, options: Options
) -> None:
    """Let the two busiest tools fail for a day; plan again with and without a penalty."""
    failed = _busiest(problem, plan.placements)
    begins = problem.earliest + SLOTS_A_DAY
    outage = (begins, begins + SLOTS_A_DAY)
    stood = by_job(plan.placements)
    jobs = problem.job_by_id()
    hit = {
        name
        for name, placements in stood.items()
        for p in placements
        if resource_of(jobs[name], p) in failed
        and p.start < outage[1]
        and p.end > outage[0]
    }
    broken = replace(
        problem,
        resources=tuple(
            replace(r, outages=_with(r.outages, outage)) if r.id in failed else r
            for r in problem.resources
        ),
        jobs=tuple(
            replace(
                j,
                previous=stood.get(j.id, ()),
                move_cost=j.value // MOVE_PENALTY if j.id in stood else 0,
            )
            for j in problem.jobs
        ),
    )
    free = replace(broken, jobs=tuple(replace(j, move_cost=0) for j in broken.jobs))
    start = tuple(p for p in plan.placements if p.job not in hit)
    repaired = solve(broken, options, start=start)
    unbound = solve(free, options, start=start)
    report.figure(case, "orders that the outages hit", len(hit), "orders")
    for name, found in (("", repaired), (", without a penalty", unbound)):
        moved = _moved(stood, by_job(found.placements), spared=hit)
        report.figure(
            case,
            f"unaffected orders moved{name}",
            moved / (len(stood) - len(hit)),
            "share",
            at_most=None if name else 0.06,
        )
    report.figure(
        case,
        "value, moves not counted / without a penalty",
        value_of(free, repaired.placements) / unbound.value,
        "ratio",
        at_least=0.995,
    )


def _busiest(problem: Problem, placements: Sequence[Placement]) -> set[str]:
    tools = {r.id for r in problem.resources if r.kind is Kind.UNARY}
    jobs = problem.job_by_id()
    held: Counter[str] = Counter()
    for p in placements:
        held[resource_of(jobs[p.job], p)] += p.end - p.start
    return set([name for name, _ in held.most_common() if name in tools][:2])


def _with(
    outages: Sequence[tuple[int, int]], more: tuple[int, int]
) -> tuple[tuple[int, int], ...]:
    """Return the union of outages, sorted and disjoint."""
    found: list[tuple[int, int]] = []
    for lo, hi in sorted([*outages, more]):
        if found and lo <= found[-1][1]:
            found[-1] = (found[-1][0], max(hi, found[-1][1]))
        else:
            found.append((lo, hi))
    return tuple(found)


def _moved(
    before: Mapping[str, tuple[Placement, ...]],
    after: Mapping[str, tuple[Placement, ...]],
    *,
    spared: set[str],
) -> int:
    return sum(
        name not in spared and name in after and after[name] != placements
        for name, placements in before.items()
    )
