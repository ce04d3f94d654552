"""Whether a schedule keeps a makespan problem's rules. Shares no code with the search."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from solver.makespan.problem import MakespanProblem, Solution, Start


def broken_rules(problem: MakespanProblem, solution: Solution) -> Iterator[str]:
    """Yield a sentence for each rule that a schedule breaks."""
    starts = solution.starts
    if len(starts) != len(problem.operations):
        yield f"{len(starts)} starts of {len(problem.operations)} operations"
        return
    wrong = False
    for n, (operation, one) in enumerate(zip(problem.operations, starts, strict=True)):
        if not 0 <= one.mode < len(operation.modes):
            wrong = True
            yield f"operation {n} has no mode {one.mode}"
        if one.start < 0:
            wrong = True
            yield f"operation {n} starts at {one.start}, before 0"
    if wrong:
        return
    ends = [
        one.start + problem.operations[n].modes[one.mode].duration
        for n, one in enumerate(starts)
    ]
    if solution.makespan != max(ends, default=0):
        yield f"makespan {solution.makespan} is stated, it is {max(ends, default=0)}"
    if solution.bound > solution.makespan:
        yield f"bound {solution.bound} exceeds the makespan {solution.makespan}"
    for lag in problem.lags:
        since = starts[lag.before].start if lag.of_starts else ends[lag.before]
        if starts[lag.after].start < since + lag.least:
            yield (
                f"operation {lag.after} starts at {starts[lag.after].start}, before"
                f" {since} + {lag.least} of operation {lag.before}"
            )
    yield from _overloads(problem, starts, ends)
    yield from _setups(problem, starts, ends)


def _overloads(
    problem: MakespanProblem, starts: Sequence[Start], ends: Sequence[int]
) -> Iterator[str]:
    changes: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for n, one in enumerate(starts):
        for resource, quantity in problem.operations[n].modes[one.mode].demands:
            if ends[n] > one.start:
                changes[resource] += [(one.start, quantity), (ends[n], -quantity)]
    for resource, told in sorted(changes.items()):
        held = 0
        for moment, change in sorted(told):
            held += change
            if held > problem.capacities[resource]:
                yield (
                    f"resource {resource} has {problem.capacities[resource]}, {held} are"
                    f" held at {moment}"
                )
                break


def _setups(
    problem: MakespanProblem, starts: Sequence[Start], ends: Sequence[int]
) -> Iterator[str]:
    for resource, table in sorted(problem.setups.items()):
        there = sorted(
            (one.start, ends[n], n)
            for n, one in enumerate(starts)
            if any(r == resource for r, _q in problem.operations[n].modes[one.mode].demands)
        )
        for (_start, end, before), (start, _end, after) in pairwise(there):
            if start < end + table[before][after]:
                yield (
                    f"operation {after} starts at {start} on resource {resource}, before"
                    f" {end} + {table[before][after]} of operation {before}"
                )
