"""What the command line says of plans, of how a search goes, and of files.

OR-Tools, which takes most of a second to load, is imported where it is needed.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from solver.allocation import Allocation, Reason
from solver.errors import SolverError
from solver.formats.json_format import read_plan, read_problem
from solver.formats.schema import KINDS, schema
from solver.greedy import RULES, by_job, list_schedule
from solver.options import Options, Progress
from solver.problem import Placement, Problem
from solver.value import job_value, value_of

__all__ = ["KINDS", "as_json", "as_text", "bench", "explain", "print_schema"]


def as_text(progress: Progress) -> None:
    """Print one line of progress, for people; the results go to standard output."""
    of = f"/{progress.waves}" if progress.waves else ""
    bound = "" if progress.bound is None else f"  bound {progress.bound}"
    print(
        f"{progress.seconds:6.1f} s  {progress.phase:8} wave {progress.wave}{of}"
        f"  value {progress.value}{bound}",
        file=sys.stderr,
        flush=True,
    )


def as_json(progress: Progress) -> None:
    """Print one line of progress, for programs; `rate` is waves a second."""
    rate = progress.wave / progress.seconds if progress.seconds else 0.0
    line = asdict(progress) | {"rate": round(rate, 3)}
    print(json.dumps(line), file=sys.stderr, flush=True)


def print_schema(given: argparse.Namespace) -> int:
    """Print the schema of a problem or a plan."""
    print(json.dumps(schema(given.of), indent=1))
    return 0


def bench(given: argparse.Namespace) -> int:
    """Print, for each problem, what list scheduling and the search make of it."""
    from solver.solve import solve

    for path in given.problems:
        problem = read_problem(path)
        line: dict[str, Any] = {"problem": path.name, "jobs": len(problem.jobs)}
        values = {}
        for name, rule in RULES.items():
            began = time.monotonic()
            values[name] = value_of(problem, list_schedule(problem, rule))
            line[f"{name}_seconds"] = round(time.monotonic() - began, 3)
        plan = solve(
            problem,
            Options(
                seconds=given.seconds, seed=given.seed, workers=given.workers, explain=0
            ),
        )
        best = max(v for name, v in values.items() if name != "first_come_first_served")
        line |= values | {
            "value": plan.value,
            "bound": plan.bound,
            "times_best_rule": _ratio(plan.value, best),
            "times_first_come_first_served": _ratio(
                plan.value, values["first_come_first_served"]
            ),
            "gap": None if not plan.bound else round(1 - plan.value / plan.bound, 4),
            "waves": plan.waves,
            "seconds": round(plan.seconds, 1),
        }
        print(json.dumps(line), flush=True)
    return 0


def _ratio(value: int, other: int) -> float | None:
    return round(value / other, 4) if other else None


def explain(given: argparse.Namespace) -> int:
    """Print why jobs are left out or late, what would help, and what forcing would cost."""
    problem, plan = read_problem(given.problem), read_plan(given.plan)
    known = problem.job_by_id()
    if unknown := sorted(set(given.job or ()) - known.keys()):
        raise SolverError(f"the problem has no job {', '.join(unknown)}")
    for told in _explained(problem, plan, wanted=given.job, limit=given.limit):
        print(json.dumps(told) if given.json else _sentences(told), flush=True)
    return 0


def _explained(
    problem: Problem, plan: Allocation, *, wanted: list[str] | None, limit: int
) -> Iterator[dict[str, Any]]:
    from solver.explain import late_reasons, reasons
    from solver.force import forced

    jobs, placed = problem.job_by_id(), by_job(plan.placements)
    told = 0
    for reason in reasons(problem, plan.placements, limit=None if wanted else limit):
        if wanted and reason.job not in wanted:
            continue
        if not wanted and told >= limit:
            return
        told += 1
        yield _told(reason) | {
            "value": jobs[reason.job].value,
            "late": None,
            "forcing": _cost(forced(problem, plan.placements, jobs[reason.job])),
        }
    for late in late_reasons(problem, plan.placements, limit=None if wanted else limit):
        job = jobs[late.reason.job]
        if wanted and job.id not in wanted:
            continue
        if not wanted and told >= limit:
            return
        told += 1
        in_time = forced(problem, plan.placements, replace(job, deadline=job.due))
        yield _told(late.reason) | {
            "value": job_value(job, placed[job.id]),
            "late": late.slots,
            "forcing": _cost(in_time),
        }


def _told(reason: Reason) -> dict[str, Any]:
    return {
        "job": reason.job,
        "cause": reason.cause.value,
        "step": reason.step,
        "blocked": [
            {"resource": b.resource, "interval": list(b.interval), "occupant": b.occupant}
            for b in reason.blocked
        ],
        "ways_out": [
            {
                "relaxation": w.relaxation.value,
                "step": w.step,
                "amount": w.amount,
                "resource": w.resource,
                "ends": _end(w.placements),
            }
            for w in reason.ways_out
        ],
    }


def _cost(found: Any) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "displaced": list(found.displaced),
        "moved": list(found.moved),
        "cost": found.cost,
        "ends": _end(found.placements),
    }


def _end(placements: tuple[Placement, ...]) -> int:
    return max(p.end for p in placements)


def _sentences(told: dict[str, Any]) -> str:
    """Say one explanation in lines for people."""
    where = "" if told["step"] is None else f", step {told['step']}"
    late = f"{told['late']} slots late, " if told["late"] else ""
    lines = [f"job {told['job']} (value {told['value']}): {late}{told['cause']}{where}"]
    for b in told["blocked"]:
        first, last = b["interval"]
        lines.append(f"  in the way: {b['resource']} {first}-{last} {b['occupant']}")
    for w in told["ways_out"]:
        step = "" if w["step"] is None else f" of step {w['step']}"
        to = f" {w['resource']}" if w["resource"] else f" by {w['amount']}"
        lines.append(f"  way out: {w['relaxation']}{step}{to}; it ends at {w['ends']}")
    cost = told["forcing"]
    if cost is None:
        lines.append("  no way was found to force it")
    else:
        lines.append(
            f"  forcing it displaces {len(cost['displaced'])} jobs, moves"
            f" {len(cost['moved'])} and costs {cost['cost']}"
        )
    return "\n".join(lines)
