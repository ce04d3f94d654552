"""List scheduling: operations one after another, each as early as it fits.

The serial scheme of Kolisch (1996), with the operation of the longest tail first, disturbed
at random; a project is then pushed to the right and back to the left, again and again, as
long as that shortens it (forward-backward improvement: Li and Willis 1992). Maximum lags
are not kept: problems that have them are not scheduled here.
"""

import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from solver.makespan.bounds import tails
from solver.makespan.problem import MakespanProblem, Start


def can_schedule(problem: MakespanProblem) -> bool:
    """Tell whether every lag points forward: then a list can always be scheduled."""
    return all(lag.least >= 0 for lag in problem.lags) and not problem.setups


def best_of_many(
    problem: MakespanProblem, *, seed: int, seconds: float, tries: int, least: int = 0
) -> tuple[Start, ...]:
    """Return the shortest of several list schedules; none is shorter than `least`."""
    random, until = Random(seed), time.monotonic() + seconds  # noqa: S311 - no secret
    tail = tails(problem)
    best: tuple[Start, ...] = ()
    length = None
    for n in range(tries):
        spread = 0.0 if n == 0 else random.choice((0.1, 0.3, 0.6))
        rank = [-t * (1 + spread * random.random()) for t in tail]
        found = _improved(problem, _serial(problem, rank))
        if length is None or _length(problem, found) < length:
            best, length = found, _length(problem, found)
        if time.monotonic() > until or _length(problem, best) <= least:
            break
    return best


def _length(problem: MakespanProblem, starts: Sequence[Start]) -> int:
    return max(
        one.start + problem.operations[n].modes[one.mode].duration
        for n, one in enumerate(starts)
    )


def _improved(problem: MakespanProblem, starts: tuple[Start, ...]) -> tuple[Start, ...]:
    """Return a schedule that forward-backward passes do not shorten any more."""
    mirror = _mirrored(problem)
    while True:
        length = _length(problem, starts)
        modes = [one.mode for one in starts]
        ends = [
            -(one.start + problem.operations[n].modes[one.mode].duration)
            for n, one in enumerate(starts)
        ]
        back = _serial(mirror, ends, modes)
        again = [
            -(one.start + problem.operations[n].modes[one.mode].duration)
            for n, one in enumerate(back)
        ]
        found = _serial(problem, again, modes)
        if _length(problem, found) >= length:
            return starts
        starts = found


def _mirrored(problem: MakespanProblem) -> MakespanProblem:
    """Return the problem with time turned round; lags of starts are taken roughly."""
    return replace(
        problem,
        lags=tuple(
            replace(lag, before=lag.after, after=lag.before) for lag in problem.lags
        ),
    )


class _Profile:
    """How much of one resource is held, as steps."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._times = [0]
        self._held = [0]

    def earliest(self, start: int, duration: int, quantity: int) -> int:
        """Return the first start from which so much is free for so long."""
        times, held, most = self._times, self._held, self._capacity - quantity
        at = bisect_right(times, start) - 1
        end = start + duration
        n = at
        while n < len(times) and times[n] < end:
            if held[n] > most:
                n += 1
                while held[n] > most:
                    n += 1
                start = times[n]
                end = start + duration
            else:
                n += 1
        return start

    def hold(self, start: int, end: int, quantity: int) -> None:
        """Take so much away between two times."""
        first, last = self._split(start), self._split(end)
        for n in range(first, last):
            self._held[n] += quantity

    def _split(self, at: int) -> int:
        n = bisect_right(self._times, at) - 1
        if self._times[n] == at:
            return n
        self._times.insert(n + 1, at)
        self._held.insert(n + 1, self._held[n])
        return n + 1


def _serial(
    problem: MakespanProblem, rank: Sequence[float], modes: Sequence[int] | None = None
) -> tuple[Start, ...]:
    """Schedule the operation of the smallest rank first among those that may go."""
    before: list[list[tuple[int, int, bool]]] = [[] for _o in problem.operations]
    after: list[list[int]] = [[] for _o in problem.operations]
    for lag in problem.lags:
        before[lag.after].append((lag.before, lag.least, lag.of_starts))
        after[lag.before].append(lag.after)
    missing = [len(b) for b in before]
    ready = {n for n, count in enumerate(missing) if not count}
    profiles = [_Profile(capacity) for capacity in problem.capacities]
    starts: list[Start] = [Start(0, 0)] * len(before)
    ends = [0] * len(before)
    while ready:
        n = min(ready, key=lambda one: (rank[one], one))
        ready.remove(n)
        earliest = max(
            (
                (starts[b].start if of_starts else ends[b]) + least
                for b, least, of_starts in before[n]
            ),
            default=0,
        )
        best: tuple[int, int, int] | None = None
        operation = problem.operations[n]
        chosen = range(len(operation.modes)) if modes is None else (modes[n],)
        for m in chosen:
            start = _fit(profiles, operation.modes[m].demands, earliest,
                         operation.modes[m].duration)  # fmt: skip
            told = (start + operation.modes[m].duration, operation.modes[m].duration, m)
            best = min(best or told, told)
        assert best is not None
        end, duration, m = best
        starts[n], ends[n] = Start(m, end - duration), end
        for resource, quantity in operation.modes[m].demands:
            if duration:
                profiles[resource].hold(end - duration, end, quantity)
        for follower in after[n]:
            missing[follower] -= 1
            if not missing[follower]:
                ready.add(follower)
    return tuple(starts)


def _fit(
    profiles: Sequence[_Profile],
    demands: Sequence[tuple[int, int]],
    start: int,
    duration: int,
) -> int:
    """Return the first start at which every resource has enough for the whole duration."""
    if not duration:
        return start
    while True:
        later = start
        for resource, quantity in demands:
            later = profiles[resource].earliest(later, duration, quantity)
        if later == start:
            return start
        start = later
