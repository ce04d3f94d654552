"""Fixed stays that contradict the problem: set aside, so that a night goes on.

A booking whose recipe or dated run is gone still holds its resource. It is taken for a
stay without either, which blocks the time; one that holds nothing at all is left out.
"""

import re
from dataclasses import replace

from solver.faults import faults
from solver.problem import Problem, Stay

_STAY = re.compile(r"stays\[(\d+)\]")


def set_aside(problem: Problem) -> tuple[Problem, dict[int, str]]:
    """Return the problem with sound stays, and what is wrong with which of its own."""
    wrong: dict[int, str] = {}
    for fault in faults(replace(problem, jobs=())):
        if found := _STAY.match(fault):
            wrong.setdefault(int(found[1]), fault)
    if not wrong:
        return problem, wrong
    known = problem.resource_by_id()
    stays = []
    for n, stay in enumerate(problem.stays):
        if n not in wrong:
            stays.append(stay)
        elif stay.resource in known and stay.end > stay.start:
            stays.append(Stay(stay.resource, stay.start, stay.end, max(1, stay.quantity)))
    return replace(problem, stays=tuple(stays)), wrong
