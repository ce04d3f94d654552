"""What is wrong with a makespan problem, each fault with its place."""

from collections.abc import Iterator

from solver.makespan.problem import MOST, MakespanProblem


def faults(problem: MakespanProblem) -> Iterator[str]:
    """Yield a sentence for each contradiction; none for a problem that can be solved."""
    number = len(problem.operations)
    if not number:
        yield "operations: there are none"
    for n, capacity in enumerate(problem.capacities):
        if not 0 <= capacity <= MOST:
            yield f"capacities[{n}]: {capacity} is not from 0 to {MOST}"
    found = False
    for n, operation in enumerate(problem.operations):
        for sentence in _operation(problem, n):
            found = True
            yield sentence
        if not operation.modes:
            found = True
            yield f"operations[{n}].modes: there is no way to do it"
    for n, lag in enumerate(problem.lags):
        for end, which in (("before", lag.before), ("after", lag.after)):
            if not 0 <= which < number:
                found = True
                yield f"lags[{n}].{end}: there is no operation {which}"
        if abs(lag.least) > MOST:
            found = True
            yield f"lags[{n}].least: {lag.least} is too large"
    if _longest(problem) > MOST:
        found = True
        yield f"operations: together they take longer than {MOST}"
    if not found and number:
        yield from _cycle(problem)


def _operation(problem: MakespanProblem, n: int) -> Iterator[str]:
    for m, mode in enumerate(problem.operations[n].modes):
        at = f"operations[{n}].modes[{m}]"
        if not 0 <= mode.duration <= MOST:
            yield f"{at}.duration: {mode.duration} is not from 0 to {MOST}"
        seen = set[int]()
        for resource, quantity in mode.demands:
            if not 0 <= resource < len(problem.capacities):
                yield f"{at}.demands: there is no resource {resource}"
            elif not 0 < quantity <= problem.capacities[resource]:
                yield (
                    f"{at}.demands: {quantity} of resource {resource}, which has"
                    f" {problem.capacities[resource]}"
                )
            if resource in seen:
                yield f"{at}.demands: resource {resource} is named twice"
            seen.add(resource)


def _longest(problem: MakespanProblem) -> int:
    longest = sum(max((m.duration for m in o.modes), default=0) for o in problem.operations)
    setups = sum(max(map(max, table), default=0) for table in problem.setups.values())
    return (
        longest
        + setups * len(problem.operations)
        + sum(abs(lag.least) for lag in problem.lags)
    )


def _cycle(problem: MakespanProblem) -> Iterator[str]:
    """Yield a fault if the lags cannot hold: a cycle of them is longer than zero.

    Longest paths by Bellman and Ford, over the shortest duration of each operation.
    """
    shortest = [min(m.duration for m in o.modes) for o in problem.operations]
    arcs = [
        (lag.before, lag.after, lag.least + (0 if lag.of_starts else shortest[lag.before]))
        for lag in problem.lags
    ]
    earliest = [0] * len(shortest)
    came_by: list[int | None] = [None] * len(shortest)
    for _round in range(len(shortest) + 1):
        raised = None
        for before, after, least in arcs:
            if earliest[before] + least > earliest[after]:
                earliest[after], came_by[after] = earliest[before] + least, before
                raised = after
        if raised is None:
            return
    loop: list[int] = []
    at: int | None = raised
    for _step in shortest:  # into the cycle, wherever the path began
        at = came_by[at] if at is not None else None
    while at is not None and at not in loop:
        loop.append(at)
        at = came_by[at]
    names = " → ".join(problem.operations[n].name for n in [*reversed(loop), loop[-1]])
    yield f"lags: they cannot hold together, {names} is a cycle"
