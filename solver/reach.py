"""Where each step of a job could stand if the job were alone with the bookings in force.

Everything here errs to the generous side: what a step could do in some plan is in its
reach, so that bounds built on it are true.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from solver.calendars import first
from solver.problem import Alternative, Job, Problem
from solver.timeline import ANYWHEN, Timeline


@dataclass(frozen=True, slots=True)
class Reach:
    """The starts of one alternative of one step, for one length of its stay."""

    alternative: Alternative
    length: int  # slots
    starts: int  # mask; never empty
    site: int

    @property
    def earliest_end(self) -> int:
        """The first slot at which such a stay can have ended."""
        return first(self.starts) + self.length

    @property
    def latest_start(self) -> int:
        """The last slot at which such a stay can begin."""
        return self.starts.bit_length() - 1


Route = tuple[tuple[Reach, ...], ...]  # for each step, in order


def empty_park(problem: Problem) -> Timeline:
    """Return a timeline of the bookings in force, generous where neighbours matter.

    Changeovers are left out: a booking's changeover may be cut short by a stay of a third
    family between, so that it bars nothing for certain.
    """
    plain = tuple(replace(r, changeovers=(), min_campaign=1) for r in problem.resources)
    return Timeline(replace(problem, resources=plain))


def reach_of(park: Timeline, job: Job) -> Route | None:
    """Return the reach of every step, heads and tails of the route considered.

    Returns None when some step has no start left: the job is in no plan.
    """
    route: list[tuple[Reach, ...]] = []
    for step in job.steps:
        mine = []
        for alternative in step.alternatives:
            site = park.resources[alternative.resource].site
            for choice in park.starts(job, step, alternative, within=ANYWHEN, thin=True):
                starts = choice.starts | choice.joins
                if starts:
                    mine.append(Reach(alternative, choice.length, starts, site))
        route.append(tuple(mine))
    return narrowed(park.problem.travel, job, tuple(route))


def narrowed(travel: Sequence[Sequence[int]], job: Job, route: Route) -> Route | None:
    """Return a route less what its heads and tails rule out; None when a step has none."""
    steps = list(route)
    for _ in range(3):  # later rounds hardly ever narrow anything
        before = list(steps)
        for narrow in (_forwards, _backwards):
            if not all(steps):
                return None
            narrow(travel, job, steps)
        if before == steps:
            break
    return tuple(steps) if all(steps) else None


def tails(job: Job, route: Route, travel: Sequence[Sequence[int]]) -> list[int]:
    """Return, for each step, the slots that pass at least from its end to the job's."""
    found = [0] * len(job.steps)
    for lag in sorted(job.lags, key=lambda lag: -lag.after):
        way = min(
            travel[a.site][b.site] + b.length
            for a in route[lag.before]
            for b in route[lag.after]
        )
        found[lag.before] = max(found[lag.before], lag.least + way + found[lag.after])
    return found


def _forwards(
    travel: Sequence[Sequence[int]], job: Job, route: list[tuple[Reach, ...]]
) -> None:
    """Narrow each step by what must pass before it, and by its queue-time limits."""
    for lag in sorted(job.lags, key=lambda lag: lag.after):
        before = route[lag.before]
        last = max((r.latest_start + r.length for r in before), default=0)
        kept = []
        for reach in route[lag.after]:
            lo = min(
                (r.earliest_end + travel[r.site][reach.site] for r in before), default=0
            )
            hi = reach.latest_start if lag.most is None else last + lag.most
            kept.append(_within(reach, lo + lag.least, hi))
        route[lag.after] = tuple(r for r in kept if r is not None)


def _backwards(
    travel: Sequence[Sequence[int]], job: Job, route: list[tuple[Reach, ...]]
) -> None:
    """Narrow each step by what must pass after it, and by the queue-time limits there."""
    for lag in sorted(job.lags, key=lambda lag: -lag.before):
        after = route[lag.after]
        soonest = min((first(r.starts) for r in after), default=0)
        kept = []
        for reach in route[lag.before]:
            last = max(
                (r.latest_start - travel[reach.site][r.site] for r in after), default=-1
            )
            lo = 0 if lag.most is None else soonest - lag.most - reach.length
            kept.append(_within(reach, lo, last - lag.least - reach.length))
        route[lag.before] = tuple(r for r in kept if r is not None)


def _within(reach: Reach, lo: int, hi: int) -> Reach | None:
    """Return the reach with starts in ``[lo, hi]``, or None when none is left."""
    if hi < 0:
        return None
    lo = max(lo, 0)
    starts = (reach.starts & ((1 << (hi + 1)) - 1)) >> lo << lo
    if not starts:
        return None
    return reach if starts == reach.starts else replace(reach, starts=starts)
