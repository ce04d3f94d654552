"""Public scheduling problems: how short our schedules are, beside PyJobShop's.

Both solve the same instances on the same machine in the same run, by turns, with the same
time and number of workers. Ours has that time for everything, PyJobShop for its search
alone. PyJobShop is installed from its list into `.venv-peers`.
"""

import argparse
import csv
import json
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import RESULTS, Report
from solver.errors import SolveFailed
from solver.formats.fjsp import read_fjsp, read_fjsp_sdst
from solver.formats.rcpsp import read_patterson
from solver.makespan.problem import MakespanProblem
from solver.makespan.search import solve

INSTANCES = Path("../shared/instances")
PEERS = Path(".venv-peers/bin/python")
SEEDS = (1, 2, 3)
SECONDS = (10.0, 30.0)
WORKERS = 2

_PEER = Path(__file__).parent / "peers" / "pyjobshop_solve.py"
_PATIENCE = 120.0  # seconds beyond the limit, for building its model


@dataclass(frozen=True, slots=True)
class Set:
    """Instances that are told together."""

    name: str
    pattern: str
    read: Callable[[Path], MakespanProblem]
    shop: bool  # resources are machines
    at_most: float  # times PyJobShop's total makespan


SETS = (
    Set("Brandimarte", "fjsp/brandimarte/*.txt", read_fjsp, shop=True, at_most=0.97),
    Set("Hurink edata", "fjsp/hurink/edata/*.txt", read_fjsp, shop=True, at_most=1.0),
    Set("Hurink rdata", "fjsp/hurink/rdata/*.txt", read_fjsp, shop=True, at_most=1.0),
    Set("Hurink vdata", "fjsp/hurink/vdata/*.txt", read_fjsp, shop=True, at_most=1.0),
    Set("set-ups", "fjsp-sdst/*.fjs", read_fjsp_sdst, shop=True, at_most=1.0),
    Set("J30", "rcpsp/J30_*.txt", read_patterson, shop=False, at_most=1.0),
    Set("J60", "rcpsp/J60_*.txt", read_patterson, shop=False, at_most=1.0),
    Set("J120", "rcpsp/J120_*.txt", read_patterson, shop=False, at_most=1.0),
)


@dataclass(frozen=True, slots=True)
class Found:
    """What one side has found; `makespan` None: nothing."""

    makespan: int | None
    optimal: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class _Both:
    """What both found on one instance, by seed."""

    ours: list[Found]
    theirs: list[Found]
    best_known: int | None


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every set; return 0 when all of them ran, 2 when something is missing."""
    given = _parser().parse_args(arguments)
    if not given.instances.is_dir():
        print(f"{given.instances}: no instances there; see --instances")
        return 2
    if not given.peers.exists():
        print(f"{given.peers} is missing; `make .venv-peers` makes it")
        return 2
    known = _best_known(given.instances)
    with Report("public", results=given.results) as report:
        report.surroundings("all")
        for seconds in given.seconds:
            for one in SETS:
                if not given.sets or one.name in given.sets:
                    _set(report, one, given, seconds, known)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.public", description=__doc__
    )
    parser.add_argument("--instances", type=Path, default=INSTANCES, help="folder")
    parser.add_argument("--peers", type=Path, default=PEERS, help="their Python")
    parser.add_argument("--seconds", type=float, nargs="+", default=SECONDS)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--sets", nargs="+", choices=[s.name for s in SETS])
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder")
    return parser


def _set(
    report: Report,
    one: Set,
    given: argparse.Namespace,
    seconds: float,
    known: Mapping[str, int],
) -> None:
    found: dict[str, _Both] = {}
    for path in sorted(given.instances.glob(one.pattern)):
        problem = one.read(path)
        both = _Both([], [], known.get(str(path.relative_to(given.instances))))
        for seed in given.seeds:
            both.ours.append(_ours(problem, seconds, seed))
            both.theirs.append(_theirs(problem, one, given.peers, seconds, seed))
        found[path.stem] = both
        case = f"{one.name}, {seconds:g} s, {path.stem}"
        report.figure(case, "ours", _median(both.ours), "makespan")
        report.figure(case, "PyJobShop's", _median(both.theirs), "makespan")
    _total(report, one, seconds, found)


def _total(report: Report, one: Set, seconds: float, found: Mapping[str, _Both]) -> None:
    case = f"{one.name}, {seconds:g} s, all {len(found)}"
    both = [b for b in found.values() if None not in (_median(b.ours), _median(b.theirs))]
    ours = sum(_median(b.ours) or 0 for b in both)
    theirs = sum(_median(b.theirs) or 0 for b in both)
    report.figure(case, "solved by both", len(both), "instances", at_least=len(found))
    report.figure(case, "total, ours", ours, "makespan")
    report.figure(case, "total, PyJobShop's", theirs, "makespan")
    if theirs:
        ratio = ours / theirs
        report.figure(case, "ours / PyJobShop's", ratio, "ratio", at_most=one.at_most)
    told = [b for b in both if b.best_known]
    if told:
        best = sum(b.best_known or 0 for b in told)
        for name, side in (("ours", "ours"), ("PyJobShop's", "theirs")):
            total = sum(_median(getattr(b, side)) or 0 for b in told)
            report.figure(case, f"{name} / best known", total / best, "ratio")
    for name, side in (("ours", "ours"), ("PyJobShop", "theirs")):
        proved = sum(all(f.optimal for f in getattr(b, side)) for b in found.values())
        report.figure(case, f"proved optimal, {name}", proved, "instances")
    proved_by_both = [
        b for b in found.values() if all(f.optimal for f in [*b.ours, *b.theirs])
    ]
    if proved_by_both:
        ours_s = sum(statistics.median(f.seconds for f in b.ours) for b in proved_by_both)
        theirs_s = sum(
            statistics.median(f.seconds for f in b.theirs) for b in proved_by_both
        )
        report.figure(case, "time to proof where both prove, ours", ours_s, "s")
        report.figure(case, "time to proof where both prove, PyJobShop's", theirs_s, "s")


def _median(found: Sequence[Found]) -> float | None:
    there = [f.makespan for f in found if f.makespan is not None]
    return statistics.median(there) if len(there) == len(found) else None


def _ours(problem: MakespanProblem, seconds: float, seed: int) -> Found:
    try:
        told = solve(problem, seconds=seconds, workers=WORKERS, seed=seed)
    except SolveFailed:
        return Found(None, optimal=False, seconds=seconds)
    return Found(told.makespan, optimal=told.optimal, seconds=told.seconds)


def _theirs(
    problem: MakespanProblem, one: Set, python: Path, seconds: float, seed: int
) -> Found:
    asked = {
        "problem": {
            "capacities": problem.capacities,
            "shop": one.shop,
            "operations": [
                [[m.duration, m.demands] for m in o.modes] for o in problem.operations
            ],
            "lags": [[lag.before, lag.after, lag.least] for lag in problem.lags],
            "setups": list(problem.setups.items()),
        },
        "seconds": seconds,
        "workers": WORKERS,
        "seed": seed,
    }
    done = subprocess.run(
        [python, _PEER],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + _PATIENCE,
    )
    told = json.loads(done.stdout)
    return Found(told["makespan"], optimal=told["optimal"], seconds=told["seconds"])


def _best_known(instances: Path) -> dict[str, int]:
    with (instances / "best_known.csv").open(encoding="utf-8") as file:
        rows = csv.DictReader(file)
        return {r["instance"]: int(r["best_known"]) for r in rows if r["best_known"]}


if __name__ == "__main__":
    raise SystemExit(main())
