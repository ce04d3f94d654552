"""The solver on the command line.

``solve problem.json -o plan.json`` makes a plan; ``check problem.json plan.json`` judges
one; ``bound problem.json`` says what none is worth more than; ``explain problem.json
plan.json`` says why jobs are left out or late; ``bench problem.json`` compares the search
with list scheduling; ``schema problem`` says what the files are. With ``--format fjsp`` and
others the first three read a public scheduling problem, whose schedule is to be short.

The exit code is 0 when all is well, 1 when no plan could be made or the plan is not sound,
and 2 when a file cannot be read or written. Ctrl-C ends the search after the wave under
way: the plan so far is written, without bound.
"""

import argparse
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event

from solver import describe
from solver.allocation import Allocation
from solver.check import broken_rules, wrong_figures
from solver.errors import BadFile, BadProblem, SolverError
from solver.formats.json_format import read_plan, read_problem, write_plan
from solver.greedy import first_come_first_served, list_schedule
from solver.makespan import commands as makespan
from solver.options import Options
from solver.problem import Problem
from solver.value import value_of

PARK = "park"
_SCARCE = 10  # shadow prices that are shown
_REPORTS = {"text": describe.as_text, "json": describe.as_json, "none": None}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    given = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = given.command
    try:
        return command(given)
    except (BadFile, BadProblem) as e:
        for fault in e.faults:
            print(fault, file=sys.stderr)
        return 2
    except SolverError as e:
        print(e, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; nothing was written", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m solver", description=__doc__)
    commands = parser.add_subparsers(required=True)
    solve = commands.add_parser("solve", help="make a plan")
    solve.set_defaults(command=_solve)
    solve.add_argument("problem", type=Path)
    solve.add_argument("-o", "--output", type=Path, required=True, metavar="PLAN")
    solve.add_argument(
        "--seconds", type=_positive_number, default=60.0, help="length of the search"
    )
    solve.add_argument("--waves", type=_natural, help="length of the search, repeatable")
    solve.add_argument("--seed", type=_natural, default=1)
    solve.add_argument("--workers", type=_positive, default=2, help="processes")
    solve.add_argument(
        "--executor",
        choices=["processes", "dask"],
        default="processes",
        help="who searches: processes of this machine, or a Dask cluster",
    )
    solve.add_argument("--address", help="of the Dask scheduler, tcp://host:port")
    solve.add_argument(
        "--explain", type=_natural, help="left-out jobs to look for ways out for"
    )
    solve.add_argument(
        "--progress",
        choices=["text", "json", "none"],
        default="text",
        help="on standard error: lines for people, one JSON object a line, or nothing",
    )
    check = commands.add_parser("check", help="judge a plan")
    check.set_defaults(command=_check)
    check.add_argument("problem", type=Path)
    check.add_argument("plan", type=Path)
    bound = commands.add_parser(
        "bound", help="say what no plan is worth more than, or no schedule shorter"
    )
    bound.set_defaults(command=_bound)
    bound.add_argument("problem", type=Path)
    explain = commands.add_parser("explain", help="say why jobs are left out or late")
    explain.set_defaults(command=describe.explain)
    explain.add_argument("problem", type=Path)
    explain.add_argument("plan", type=Path)
    explain.add_argument("--job", action="append", help="only of this; again for more")
    explain.add_argument(
        "--limit", type=_natural, default=20, help="jobs, the most valuable first"
    )
    explain.add_argument("--json", action="store_true", help="one JSON object a line")
    bench = commands.add_parser("bench", help="compare the search with list scheduling")
    bench.set_defaults(command=describe.bench)
    bench.add_argument("problems", type=Path, nargs="+", metavar="problem")
    bench.add_argument("--seconds", type=_positive_number, default=60.0, help="each")
    bench.add_argument("--seed", type=_natural, default=1)
    bench.add_argument("--workers", type=_positive, default=2, help="processes")
    schema = commands.add_parser("schema", help="print the JSON Schema of a file")
    schema.set_defaults(command=describe.print_schema)
    schema.add_argument("of", choices=sorted(describe.KINDS))
    for command in (solve, check, bound):
        command.add_argument(
            "--format",
            choices=[PARK, *sorted(makespan.READERS)],
            default=PARK,
            help="of the problem: a park's night as JSON, or a public format",
        )
    return parser


def _natural(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0 up")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 up")
    return int(text)


def _positive_number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return number


def _solve(given: argparse.Namespace) -> int:
    if given.format != PARK:
        return makespan.solve_file(given)
    if (given.executor == "dask") != (given.address is not None):
        raise SolverError("--executor dask and --address go together")
    problem = read_problem(given.problem)
    # Only this command needs OR-Tools, which takes most of a second to load.
    from solver.improve.executors import dask_executor
    from solver.solve import solve

    interrupted = Event()
    signal.signal(signal.SIGINT, lambda *_: interrupted.set())
    options = Options(
        seed=given.seed,
        waves=given.waves,
        seconds=given.seconds,
        workers=given.workers,
        explain=given.explain,
        on_progress=_REPORTS[given.progress],
        should_stop=interrupted.is_set,
    )
    if given.executor == "dask":
        with dask_executor(given.address) as executor:
            plan = solve(problem, options, executor=executor)
    else:
        plan = solve(problem, options)
    write_plan(plan, given.output)
    _summarise(problem, plan)
    placed = {p.job for p in plan.placements}
    missing = [j.id for j in problem.jobs if j.mandatory and j.id not in placed]
    for job in missing:
        print(f"job {job} is mandatory and could not be placed", file=sys.stderr)
    return 1 if missing else 0


def _summarise(problem: Problem, plan: Allocation) -> None:
    served = value_of(problem, list_schedule(problem, first_come_first_served))
    placed = {p.job for p in plan.placements}
    print(f"value                   {plan.value}")
    print(f"first come first served {served}")
    if plan.bound is not None:
        gap = (plan.bound - plan.value) / max(1, plan.bound)
        print(f"bound                   {plan.bound}")
        print(f"gap                     {gap:.1%}")
    print(
        f"left out                {len(problem.jobs) - len(placed)} of {len(problem.jobs)}"
    )
    for cause, count in Counter(r.cause for r in plan.reasons).most_common():
        print(f"  {cause:21} {count}")
    print(f"seed, waves             {plan.seed}, {plan.waves}")


def _bound(given: argparse.Namespace) -> int:
    if given.format != PARK:
        return makespan.bound_file(given)
    from solver.bounds import proof

    found = proof(read_problem(given.problem))
    print(f"bound {found.bound}")
    for scarce in sorted(found.prices, key=lambda p: -p.price)[:_SCARCE]:
        lo, hi = scarce.interval
        print(f"{scarce.resource}, slots {lo} to {hi}: one more is worth {scarce.price}")
    return 0


def _check(given: argparse.Namespace) -> int:
    if given.format != PARK:
        return makespan.check_file(given)
    problem = read_problem(given.problem)
    plan = read_plan(given.plan)
    found = [*broken_rules(problem, plan.placements), *wrong_figures(problem, plan)]
    for sentence in found:
        print(sentence)
    if found:
        print(f"{len(found)} faults", file=sys.stderr)
        return 1
    placed = len({p.job for p in plan.placements})
    print(f"sound: {placed} of {len(problem.jobs)} jobs placed, value {plan.value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
