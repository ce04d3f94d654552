"""Schedules of makespan problems as JSON: when each operation starts, and on what.

``format`` is ``schedule/1``. Resources are named by their index; `mode` is the index of the
alternative in the file of the problem.
"""

import json
from pathlib import Path
from typing import Any

from solver.errors import BadFile
from solver.formats.json_format import load, save
from solver.makespan.problem import MakespanProblem, Solution, Start

SCHEDULE = "schedule/1"


def write_schedule(problem: MakespanProblem, solution: Solution, path: Path) -> None:
    """Write a schedule; the file is there whole or not at all."""
    save(schedule_to_data(problem, solution), path)


def schedule_to_data(problem: MakespanProblem, solution: Solution) -> dict[str, Any]:
    """Return a schedule ready for JSON."""
    operations = []
    for operation, one in zip(problem.operations, solution.starts, strict=True):
        mode = operation.modes[one.mode]
        operations.append(
            {
                "name": operation.name,
                "mode": one.mode,
                "start": one.start,
                "end": one.start + mode.duration,
                "resources": [resource for resource, _quantity in mode.demands],
            }
        )
    return {
        "format": SCHEDULE,
        "problem": problem.name,
        "makespan": solution.makespan,
        "bound": solution.bound,
        "optimal": solution.optimal,
        "seconds": round(solution.seconds, 3),
        "operations": operations,
    }


def read_schedule(path: Path) -> Solution:
    """Read a schedule. Whether it keeps the rules is for the checker to say.

    Raises
    ------
    BadFile
        If the file cannot be read or has faults; all of them are listed.
    """
    data = load(path)
    if not isinstance(data, dict) or data.get("format") != SCHEDULE:
        raise BadFile([f"format: must be {json.dumps(SCHEDULE)}"])
    found: list[str] = []
    operations = data.get("operations")
    if not isinstance(operations, list):
        raise BadFile(["operations: must be an array"])
    starts = []
    for n, one in enumerate(operations):
        if not isinstance(one, dict):
            found.append(f"operations[{n}]: must be an object")
            continue
        mode, start = (
            _whole(one, name, f"operations[{n}]", found) for name in ("mode", "start")
        )
        starts.append(Start(mode, start))
    makespan, bound = (_whole(data, name, "", found) for name in ("makespan", "bound"))
    if found:
        raise BadFile(found)
    return Solution(tuple(starts), makespan, bound, 0.0)


def _whole(data: dict[str, Any], name: str, path: str, found: list[str]) -> int:
    value = data.get(name)
    if type(value) is int:
        return value
    where = f"{path}.{name}" if path else name
    found.append(f"{where}: must be a whole number")
    return 0
