"""Tabu search in flexible job shops: critical operations move to better places.

The neighbourhood is that of Mastrolilli and Gambardella (2000): an operation on the longest
path is taken out and put back, on any of its machines, where it passes neither what must
end before it nor what must begin after it. Moves are judged by an estimate, the best that
is not tabu is made; after a long time without success the search goes on from its best
schedule, disturbed.
"""

import time
from collections.abc import Callable, Sequence
from random import Random

from solver.makespan.problem import MakespanProblem, Start

_TENURE = (8, 24)  # moves for which an operation does not return to a machine
_STALE = 600  # moves without a better schedule before the best is taken up again
_KICK = 12  # moves made at random then


def is_job_shop(problem: MakespanProblem) -> bool:
    """Tell whether each operation takes one machine alone, and routes are chains."""
    before = [lag.before for lag in problem.lags]
    after = [lag.after for lag in problem.lags]
    return (
        not problem.setups
        and all(capacity == 1 for capacity in problem.capacities)
        and all(len(m.demands) == 1 for o in problem.operations for m in o.modes)
        and all(m.duration > 0 for o in problem.operations for m in o.modes)
        and all(lag.least == 0 and not lag.of_starts for lag in problem.lags)
        and len(set(before)) == len(before)
        and len(set(after)) == len(after)
    )


def improve(
    problem: MakespanProblem,
    starts: Sequence[Start],
    *,
    seed: int,
    until: float,
    least: int,
    patience: int | None = None,
    on_better: Callable[[tuple[Start, ...], int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> tuple[Start, ...]:
    """Return a schedule that is at least as short, found until `time.monotonic()` says so.

    `least` ends the search: no schedule is shorter. So does `patience`: as many moves
    without a better schedule.
    """
    shop = _Shop(problem, starts)
    random = Random(seed)  # noqa: S311 - no secret
    best, shortest = shop.starts(), shop.makespan
    keep, stale, moves, last = shop.saved(), 0, 0, 0
    tabu: dict[tuple[int, int], int] = {}
    while shortest > least and time.monotonic() < until:
        if should_stop is not None and should_stop():
            break
        if patience is not None and moves - last > patience:
            break
        moves += 1
        stale += 1
        if stale > _STALE:
            shop.restore(keep)
            tabu.clear()
            for _n in range(_KICK):
                shop.move_at_random(random)
            stale = 0
        move = shop.best_move(random, tabu, moves, shortest)
        if move is None or not shop.make(*move):
            shop.move_at_random(random)
            continue
        operation, left, _machine, _at = move[0], move[1], move[2], move[3]
        tabu[operation, left] = moves + random.randint(*_TENURE)
        if shop.makespan < shortest:
            best, shortest, keep = shop.starts(), shop.makespan, shop.saved()
            stale, last = 0, moves
            if on_better is not None:
                on_better(best, shortest)
    return best


_Saved = tuple[list[int], list[list[int]]]


class _Shop:
    """A schedule as the order of operations on each machine, with heads and tails."""

    def __init__(self, problem: MakespanProblem, starts: Sequence[Start]) -> None:
        number = len(problem.operations)
        self._before = [-1] * number  # in the route
        self._after = [-1] * number
        for lag in problem.lags:
            self._before[lag.after], self._after[lag.before] = lag.before, lag.after
        self._ways = [
            [(m.demands[0][0], m.duration) for m in o.modes] for o in problem.operations
        ]
        self._mode = [one.mode for one in starts]
        self._order: list[list[int]] = [[] for _c in problem.capacities]
        for n in sorted(range(number), key=lambda n: starts[n].start):
            self._order[self._ways[n][self._mode[n]][0]].append(n)
        self.makespan = 0
        self._head = [0] * number
        self._tail = [0] * number
        self._time = [0] * number
        self._look()

    def starts(self) -> tuple[Start, ...]:
        """Return the schedule in which everything starts as early as it can."""
        return tuple(Start(m, h) for m, h in zip(self._mode, self._head, strict=True))

    def saved(self) -> _Saved:
        """Return what `restore` takes."""
        return self._mode[:], [order[:] for order in self._order]

    def restore(self, saved: _Saved) -> None:
        """Go back to what was saved."""
        self._mode, self._order = saved[0][:], [order[:] for order in saved[1]]
        self._look()

    def best_move(
        self, random: Random, tabu: dict[tuple[int, int], int], now: int, shortest: int
    ) -> tuple[int, int, int, int] | None:
        """Return the operation, the machine that it leaves, its new mode and place."""
        best, chosen = None, None
        head, tail, times = self._head, self._tail, self._time
        for n in range(len(head)):
            if head[n] + times[n] + tail[n] != self.makespan:
                continue
            left = self._ways[n][self._mode[n]][0]
            for mode, (machine, duration) in enumerate(self._ways[n]):
                for at, estimate in self._places(n, machine, duration):
                    if tabu.get((n, machine), 0) > now and estimate >= shortest:
                        continue
                    rank = (estimate, random.random())
                    if best is None or rank < best:
                        best, chosen = rank, (n, left, mode, at)
        return chosen

    def move_at_random(self, random: Random) -> None:
        """Put a critical operation somewhere else."""
        critical = [
            n
            for n, head in enumerate(self._head)
            if head + self._time[n] + self._tail[n] == self.makespan
        ]
        n = random.choice(critical)
        mode = random.randrange(len(self._ways[n]))
        places = self._places(n, *self._ways[n][mode])
        if places:
            left = self._ways[n][self._mode[n]][0]
            self.make(n, left, mode, random.choice(places)[0])

    def _places(self, n: int, machine: int, duration: int) -> list[tuple[int, int]]:
        """Return where an operation may stand on a machine, each with an estimate.

        Places count without the operation itself. The estimate is the longest path through
        it there.
        """
        head, tail, times = self._head, self._tail, self._time
        before, after = self._before[n], self._after[n]
        early = head[before] + times[before] if before >= 0 else 0
        late = tail[after] + times[after] if after >= 0 else 0
        order = [x for x in self._order[machine] if x != n]
        first, last = 0, len(order)
        for at, x in enumerate(order):
            ends_late = head[x] + times[x] > early
            long_after = tail[x] + times[x] > late
            if long_after and not ends_late:
                first = at + 1  # far from the end: before it
            if ends_late and not long_after and at < last:
                last = at
        if first > last:
            first, last = last, first
        here = self._order[machine].index(n) if self._on(n) == machine else -1
        found = []
        for at in range(first, last + 1):
            if at == here:
                continue
            starts, rest = early, late
            if at:
                x = order[at - 1]
                starts = max(starts, head[x] + times[x])
            if at < len(order):
                x = order[at]
                rest = max(rest, tail[x] + times[x])
            found.append((at, starts + duration + rest))
        return found

    def _on(self, n: int) -> int:
        return self._ways[n][self._mode[n]][0]

    def make(self, n: int, left: int, mode: int, at: int) -> bool:
        """Move an operation; return False, and leave all as it was, if that is a cycle."""
        saved_mode, saved_at = self._mode[n], self._order[left].index(n)
        self._order[left].remove(n)
        self._mode[n] = mode
        self._order[self._on(n)].insert(at, n)
        if self._look():
            return True
        self._order[self._on(n)].remove(n)
        self._mode[n] = saved_mode
        self._order[left].insert(saved_at, n)
        self._look()
        return False

    def _look(self) -> bool:
        """Compute heads, tails and makespan anew; False if the orders are a cycle."""
        number = len(self._mode)
        times = [self._ways[n][m][1] for n, m in enumerate(self._mode)]
        left, right = [-1] * number, [-1] * number  # on the machine
        for order in self._order:
            for x, y in zip(order, order[1:]):  # noqa: B905, RUF007 - quick
                right[x], left[y] = y, x
        before, after = self._before, self._after
        missing = [(b >= 0) + (x >= 0) for b, x in zip(before, left, strict=True)]
        ready = [n for n, count in enumerate(missing) if not count]
        head = [0] * number
        for n in ready:  # it grows meanwhile
            end = head[n] + times[n]
            for follower in (after[n], right[n]):
                if follower >= 0:
                    head[follower] = max(head[follower], end)
                    missing[follower] -= 1
                    if not missing[follower]:
                        ready.append(follower)
        if len(ready) < number:
            return False
        tail = [0] * number
        for n in reversed(ready):
            rest = tail[n] + times[n]
            if before[n] >= 0:
                tail[before[n]] = max(tail[before[n]], rest)
            if left[n] >= 0:
                tail[left[n]] = max(tail[left[n]], rest)
        self._time, self._head, self._tail = times, head, tail
        self.makespan = max(h + t for h, t in zip(head, times, strict=True))
        return True
