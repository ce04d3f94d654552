"""Why a job is left out or late, in plain causes, and what would bring it in or forward.

Causes come from looking at the park without other people's stays; ways out are found by
placing the relaxed job beside the finished plan, so that none is promised in vain.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from solver.allocation import Blocked, Cause, Late, Reason
from solver.greedy import by_job, insert
from solver.lanes import BatchLane
from solver.problem import (
    Alternative,
    Interval,
    Job,
    Kind,
    Placement,
    Problem,
    Resource,
)
from solver.reach import reach_of
from solver.relax import apply, interchangeable
from solver.timeline import ANYWHEN, Timeline
from solver.ways_out import WaysOut

__all__ = ["apply", "late_reasons", "reasons"]

_SHOWN = 12  # blocked stretches of one reason; more than that nobody reads


def reasons(
    problem: Problem, placements: Sequence[Placement], *, limit: int | None
) -> tuple[Reason, ...]:
    """Return one reason for every job left out, the most valuable first.

    Parameters
    ----------
    placements : Sequence[Placement]
        The finished plan, sound by `solver.check`.
    limit : int | None
        For so many jobs, the most valuable, ways out are looked for; None for all.
    """
    placed = by_job(placements)
    left_out = [job for job in problem.jobs if job.id not in placed]
    left_out.sort(key=lambda j: (-j.value, j.id))
    park = _Park(problem, placed)
    return tuple(
        park.reason(job, look_for_ways_out=limit is None or n < limit)
        for n, job in enumerate(left_out)
    )


def late_reasons(
    problem: Problem, placements: Sequence[Placement], *, limit: int | None
) -> tuple[Late, ...]:
    """Return why jobs end after their due date, the costliest delay first.

    A job is looked at as if its due date were its deadline, beside the plan without it.
    The parameters are those of `reasons`.
    """
    placed = by_job(placements)
    late = [
        (job, slots)
        for job in problem.jobs
        if job.due is not None
        and job.id in placed
        and (slots := max(p.end for p in placed[job.id]) - job.due) > 0
    ]
    late.sort(key=lambda one: (-one[0].late_cost * one[1], one[0].id))
    park = _Park(problem, placed)
    return tuple(
        Late(slots, park.late_reason(job, look_for_ways_out=limit is None or n < limit))
        for n, (job, slots) in enumerate(late)
    )


@dataclass(frozen=True, slots=True)
class _Held:
    """A stretch of a resource that somebody holds, whoever it is."""

    job: str | None
    stay: Interval
    occupant: str  # as in Blocked
    family: str | None


class _Park:
    """The park three times: bare, with the plan, and who holds what."""

    def __init__(self, problem: Problem, placed: dict[str, tuple[Placement, ...]]) -> None:
        self.problem = problem
        self.bare = Timeline(replace(problem, stays=()))
        self.full = Timeline(problem)
        self.twins = interchangeable(problem)
        self.recipes = problem.recipe_by_id()
        self.families = {name: r.family for name, r in self.recipes.items()}
        self.held: dict[str, list[_Held]] = defaultdict(list)
        for stay in problem.stays:
            family = stay.family if stay.recipe is None else self.families[stay.recipe]
            self.held[stay.resource].append(
                _Held(None, (stay.start, stay.end), "booking", family)
            )
        for job in problem.jobs:
            if job.id not in placed:
                continue
            self.full.restore(job, placed[job.id])
            for p in placed[job.id]:
                alternative = job.steps[p.step].alternatives[p.alternative]
                here = (p.start, p.end)
                family = self._family(alternative)
                self.held[alternative.resource].append(
                    _Held(job.id, here, "placement", family)
                )
                for use in alternative.also:
                    self.held[use.resource].append(_Held(job.id, here, "placement", None))

    def reason(self, job: Job, *, look_for_ways_out: bool) -> Reason:
        """Return why a job is out, and with luck what would bring it in."""
        cause, step = self._cause(job)
        steps = range(len(job.steps)) if step is None else (step,)
        blocked = [b for k in steps for b in self._blocked(job, k, cause)]
        look = look_for_ways_out and cause is not Cause.ONE_OF
        ways = WaysOut(job, self.full, self.twins, self.recipes)
        ways_out = ways.found() if look else ()
        return Reason(job.id, cause, step, tuple(blocked[:_SHOWN]), ways_out)

    def late_reason(self, job: Job, *, look_for_ways_out: bool) -> Reason:
        """Return why a placed job is not in time, and with luck what would help."""
        assert job.due is not None
        stands = self.full.drop(job)
        in_time = replace(job, deadline=job.due)
        if insert(self.full, in_time) is not None:
            found = Reason(job.id, Cause.NOT_MOVED, None)
        else:
            found = self.reason(in_time, look_for_ways_out=look_for_ways_out)
        self.full.restore(job, stands)
        due = job.due
        in_time_then = (
            w for w in found.ways_out if max(p.end for p in w.placements) <= due
        )
        return replace(found, ways_out=tuple(in_time_then))

    def _cause(self, job: Job) -> tuple[Cause, int | None]:
        for k, step in enumerate(job.steps):
            if not any(self._could_ever(a) for a in step.alternatives):
                return Cause.NO_ALTERNATIVE, k
        for k in range(len(job.steps)):
            if not _has_start(self.bare, job, k):
                return Cause.NO_START, k
        if reach_of(self.bare, job) is None or insert(self.bare, job, thin=True) is None:
            return Cause.ROUTE_TOO_LONG, None
        if self.full.in_place_of(job):
            return Cause.ONE_OF, None
        for k in range(len(job.steps)):
            if not _has_start(self.full, job, k):
                return Cause.FULL, k
        light = self._light_step(job)
        return (Cause.FULL, None) if light is None else (Cause.TOO_LIGHT, light)

    def _light_step(self, job: Job) -> int | None:
        """Return the step whose run is too light, if the job fits beside the plan else."""
        for p in insert(self.full, job, thin=True) or ():
            alternative = job.steps[p.step].alternatives[p.alternative]
            if alternative.recipe is None:
                continue
            lane = self.full.lanes[alternative.resource]
            assert isinstance(lane, BatchLane)
            run = lane.runs.get(p.start)
            load = alternative.quantity + (run.load if run else 0)
            if load < self.recipes[alternative.recipe].min_load:
                return p.step
        return None

    def _could_ever(self, alternative: Alternative) -> bool:
        """Tell whether the resource has hours at all and takes such a quantity."""
        resource = self.bare.resources[alternative.resource]
        if resource.kind is Kind.EVENT:
            return any(
                o.resource == resource.id and o.capacity >= alternative.quantity
                for o in self.problem.occurrences
            )
        most = resource.capacity
        if resource.kind is Kind.BATCH:
            most = self.recipes[alternative.recipe or ""].capacity
        elif resource.kind is Kind.UNARY:
            most = alternative.quantity
        return bool(resource.open) and alternative.quantity <= most

    def _blocked(self, job: Job, k: int, cause: Cause) -> Iterator[Blocked]:
        """Yield the stretches in a step's way, by resource and in order of time."""
        if cause in (
            Cause.NO_ALTERNATIVE, Cause.ROUTE_TOO_LONG, Cause.TOO_LIGHT, Cause.ONE_OF
        ):  # fmt: skip
            return
        for alternative in job.steps[k].alternatives:
            resource = self.bare.resources[alternative.resource]
            for lo, hi in self._range(job, k, alternative):
                bars = [((a, b), "outage") for a, b in resource.outages]
                if cause is Cause.NO_START:
                    bars += [(gap, "closed") for gap in _closed(resource, lo, hi)]
                else:
                    beside = [u.resource for u in alternative.also]
                    held = self._others(job, resource.id)
                    bars += [(h.stay, h.occupant) for h in held]
                    bars += [
                        (h.stay, h.occupant) for n in beside for h in self._others(job, n)
                    ]
                    waits = _changeovers(resource, held, self._family(alternative))
                    bars += [(wait, "changeover") for wait in waits]
                yield from _clipped(resource.id, bars, lo, hi)

    def _others(self, job: Job, resource: str) -> list[_Held]:
        """Return who holds a resource beside the job itself."""
        return [h for h in self.held[resource] if h.job != job.id]

    def _family(self, alternative: Alternative) -> str | None:
        if alternative.recipe is not None:
            return self.families[alternative.recipe]
        return alternative.family

    def _range(self, job: Job, k: int, alternative: Alternative) -> Iterator[Interval]:
        """Yield the time in which a step could lie if the park were empty."""
        step = job.steps[k]
        found = [
            (c.starts | c.joins, c.length)
            for c in self.bare.starts(job, step, alternative, within=ANYWHEN, thin=True)
            if c.starts | c.joins
        ]
        if found:
            lo = min((mask & -mask).bit_length() - 1 for mask, _ in found)
            yield lo, max(mask.bit_length() - 1 + length for mask, length in found)
            return
        last = self.problem.calendar_end if job.deadline is None else job.deadline
        floor = max(job.release, self.problem.earliest, 0)
        for lo, hi in step.windows:
            if max(lo, floor) < min(hi, last, self.problem.calendar_end):
                yield max(lo, floor), min(hi, last, self.problem.calendar_end)


def _has_start(state: Timeline, job: Job, k: int) -> bool:
    step = job.steps[k]
    return any(
        choice.starts | choice.joins
        for alternative in step.alternatives
        for choice in state.starts(job, step, alternative, within=ANYWHEN, thin=True)
    )


def _changeovers(
    resource: Resource, held: Iterable[_Held], family: str | None
) -> Iterator[Interval]:
    """Yield what a stay of a family would have to leave free beside those that stand."""
    needed = {(c.before, c.after): c.slots for c in resource.changeovers}
    if not needed or family is None:
        return
    in_order = sorted(held, key=lambda h: h.stay)
    for one, then in pairwise([None, *in_order, None]):
        opens = one.stay[1] if one else -(1 << 60)
        closes = then.stay[0] if then else 1 << 60
        if one and (after := needed.get((one.family or "", family), 0)):
            yield opens, min(opens + after, closes)
        if then and (before := needed.get((family, then.family or ""), 0)):
            yield max(closes - before, opens), closes


def _closed(resource: Resource, lo: int, hi: int) -> Iterator[Interval]:
    """Yield the closed stretches of a resource between two slots."""
    at = lo
    for opens, closes in resource.open:
        if at < min(opens, hi):
            yield at, min(opens, hi)
        at = max(at, closes)
    if at < hi:
        yield at, hi


def _clipped(
    resource: str, bars: Iterable[tuple[Interval, str]], lo: int, hi: int
) -> Iterator[Blocked]:
    """Yield what bars a stretch of time, neighbours of one kind drawn together."""
    by_kind: dict[str, list[Interval]] = defaultdict(list)
    for (start, end), kind in bars:
        if start < end and start < hi and lo < end:
            by_kind[kind].append((max(start, lo), min(end, hi)))
    found: list[Blocked] = []
    for kind, intervals in by_kind.items():
        stretch: Interval | None = None
        for start, end in sorted(intervals):
            if stretch is not None and start <= stretch[1]:
                stretch = (stretch[0], max(end, stretch[1]))
                continue
            if stretch is not None:
                found.append(Blocked(resource, stretch, kind))
            stretch = (start, end)
        if stretch is not None:
            found.append(Blocked(resource, stretch, kind))
    yield from sorted(found, key=lambda b: b.interval)
