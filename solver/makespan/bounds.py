"""How early and how late: heads, tails, and what no schedule can be shorter than."""

from collections import defaultdict

from solver.makespan.problem import MakespanProblem


def shortest(problem: MakespanProblem) -> list[int]:
    """Return the shortest duration of each operation."""
    return [min(m.duration for m in o.modes) for o in problem.operations]


def heads(problem: MakespanProblem) -> list[int]:
    """Return the earliest start of each operation that its lags alone allow."""
    least = shortest(problem)
    arcs = [
        (lag.before, lag.after, lag.least + (0 if lag.of_starts else least[lag.before]))
        for lag in problem.lags
    ]
    return _longest_paths(len(least), arcs)


def tails(problem: MakespanProblem) -> list[int]:
    """Return how long the schedule goes on at least after each operation's start."""
    least = shortest(problem)
    arcs = [
        (lag.after, lag.before, lag.least + (0 if lag.of_starts else least[lag.before]))
        for lag in problem.lags
    ]
    return _longest_paths(len(least), arcs, least)


def _longest_paths(
    nodes: int, arcs: list[tuple[int, int, int]], begin: list[int] | None = None
) -> list[int]:
    """Return the longest path to each node, by Bellman and Ford; there is no cycle."""
    found = list(begin or [0] * nodes)
    out = defaultdict(list)
    for source, target, length in arcs:
        out[source].append((target, length))
    waiting = list(range(nodes))
    while waiting:
        raised = set[int]()
        for source in waiting:
            for target, length in out[source]:
                if found[source] + length > found[target]:
                    found[target] = found[source] + length
                    raised.add(target)
        waiting = sorted(raised)
    return found


def lower_bound(problem: MakespanProblem) -> int:
    """Return what no schedule is shorter than: longest path, and load of each resource."""
    head, tail = heads(problem), tails(problem)
    best = max(h + t for h, t in zip(head, tail, strict=True))
    least = shortest(problem)
    work: dict[int, int] = defaultdict(int)
    begin: dict[int, list[int]] = defaultdict(list)
    rest: dict[int, list[int]] = defaultdict(list)
    for n, operation in enumerate(problem.operations):
        always = {resource for resource, _q in operation.modes[0].demands}
        for mode in operation.modes[1:]:
            always &= {resource for resource, _q in mode.demands}
        for resource in always:
            work[resource] += min(
                mode.duration * dict(mode.demands)[resource] for mode in operation.modes
            )
            begin[resource].append(head[n])
            rest[resource].append(tail[n] - least[n])
    for resource, energy in work.items():
        length = -(-energy // problem.capacities[resource])
        best = max(best, min(begin[resource]) + length + min(rest[resource]))
    return best
