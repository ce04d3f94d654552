"""`python -m solver … --format fjsp` and its like: files of makespan problems."""

import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path

from solver.errors import BadProblem
from solver.formats.fjsp import read_fjsp, read_fjsp_sdst
from solver.formats.rcpsp import read_patterson, read_sch, read_sm
from solver.formats.schedule_json import read_schedule, write_schedule
from solver.makespan.bounds import lower_bound
from solver.makespan.check import broken_rules
from solver.makespan.faults import faults
from solver.makespan.problem import MakespanProblem

READERS: Mapping[str, Callable[[Path], MakespanProblem]] = {
    "fjsp": read_fjsp,
    "fjsp-sdst": read_fjsp_sdst,
    "patterson": read_patterson,
    "sm": read_sm,
    "sch": read_sch,
}


def solve_file(given: Namespace) -> int:
    """Make a schedule and write it; return the exit code."""
    problem = _read(given)
    # Only this command needs OR-Tools, which takes most of a second to load.
    from solver.makespan.search import solve

    found = solve(
        problem,
        seconds=given.seconds,
        workers=given.workers,
        seed=given.seed,
        on_progress=_report,
    )
    write_schedule(problem, found, given.output)
    print(f"makespan {found.makespan}")
    print(f"bound    {found.bound}{', so it is optimal' if found.optimal else ''}")
    return 0


def check_file(given: Namespace) -> int:
    """Judge a schedule; return the exit code."""
    problem, solution = _read(given), read_schedule(given.plan)
    found = list(broken_rules(problem, solution))
    for sentence in found:
        print(sentence)
    if found:
        print(f"{len(found)} faults", file=sys.stderr)
        return 1
    print(f"sound: {len(solution.starts)} operations, makespan {solution.makespan}")
    return 0


def bound_file(given: Namespace) -> int:
    """Say what no schedule is shorter than, by paths and loads alone."""
    print(f"bound {lower_bound(_read(given))}")
    return 0


def _read(given: Namespace) -> MakespanProblem:
    """Read a problem that does not contradict itself.

    Raises
    ------
    BadFile, BadProblem
        With every fault and its place.
    """
    problem = READERS[given.format](given.problem)
    wrong = list(faults(problem))
    if wrong:
        raise BadProblem(wrong)
    return problem


def _report(seconds: float, makespan: int, bound: int) -> None:
    print(
        f"{seconds:6.1f} s  makespan {makespan}  bound {bound}", file=sys.stderr, flush=True
    )
