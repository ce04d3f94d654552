"""Why a job is left out, in plain causes, and what would bring it in.

Causes come from looking at the park without other people's stays; ways out are found by
placing the relaxed job beside the finished plan, so that none is promised in vain.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from solver.allocation import Blocked, Cause, Reason, Relaxation, WayOut
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
from solver.relax import apply, interchangeable, other_alternatives, relaxed
from solver.timeline import ANYWHEN, Timeline
from solver.value import job_value

__all__ = ["apply", "reasons"]

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


@dataclass(frozen=True, slots=True)
class _Held:
    """A stretch of a resource that somebody holds, whoever it is."""

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
                _Held((stay.start, stay.end), "booking", family)
            )
        for job in problem.jobs:
            if job.id not in placed:
                continue
            self.full.restore(job, placed[job.id])
            for p in placed[job.id]:
                alternative = job.steps[p.step].alternatives[p.alternative]
                here = (p.start, p.end)
                family = self._family(alternative)
                self.held[alternative.resource].append(_Held(here, "placement", family))
                for use in alternative.also:
                    self.held[use.resource].append(_Held(here, "placement", None))

    def reason(self, job: Job, *, look_for_ways_out: bool) -> Reason:
        """Return why a job is out, and with luck what would bring it in."""
        cause, step = self._cause(job)
        steps = range(len(job.steps)) if step is None else (step,)
        blocked = [b for k in steps for b in self._blocked(job, k, cause)]
        look = look_for_ways_out and cause is not Cause.ONE_OF
        ways_out = _WaysOut(self, job).found() if look else ()
        return Reason(job.id, cause, step, tuple(blocked[:_SHOWN]), ways_out)

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
                    names = (resource.id, *(u.resource for u in alternative.also))
                    bars += [(h.stay, h.occupant) for n in names for h in self.held[n]]
                    held = self.held[resource.id]
                    waits = _changeovers(resource, held, self._family(alternative))
                    bars += [(wait, "changeover") for wait in waits]
                yield from _clipped(resource.id, bars, lo, hi)

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


@dataclass(frozen=True, slots=True)
class _WaysOut:
    """The search for what one job could give way on."""

    park: _Park
    job: Job

    def found(self) -> tuple[WayOut, ...]:
        """Return the ways out, cheapest first.

        Another resource costs the asker nothing; then come waiting, coming earlier and
        wider windows, the fewest slots first; then a fuller run, and less quantity last.
        """
        by_time = [*self._later(), *self._earlier()]
        by_time.sort(key=lambda way: way.amount)
        least = by_time[0].amount if by_time else self.park.problem.calendar_end
        # Wider windows ask for more than a date alone: only if fewer slots will do.
        by_time[:0] = [way for way in self._wider() if way.amount < least]
        return (*self._elsewhere(), *by_time, *self._larger(), *self._smaller())

    def _later(self) -> Iterator[WayOut]:
        """Wait for as long as it takes, then ask for no longer than that."""
        if self.job.deadline is None:
            return
        most = self.park.problem.calendar_end - self.job.deadline
        if most <= 0:
            return
        placements = insert(self.park.full, self._relaxed(Relaxation.LATER_DEADLINE, most))
        if placements is not None:
            needed = max(p.end for p in placements) - self.job.deadline
            yield from self._tried(Relaxation.LATER_DEADLINE, max(1, needed))

    def _earlier(self) -> Iterator[WayOut]:
        most = self.job.release - max(0, self.park.problem.earliest)
        yield from self._least(Relaxation.EARLIER_RELEASE, most)

    def _wider(self) -> Iterator[WayOut]:
        problem, job = self.park.problem, self.job
        end = problem.calendar_end
        stretches = [(job.release, end if job.deadline is None else job.deadline)]
        stretches += [window for step in job.steps for window in step.windows]
        most = max(max(lo - problem.earliest, end - hi) for lo, hi in stretches)
        yield from self._least(Relaxation.WIDER_WINDOWS, most)

    def _larger(self) -> Iterator[WayOut]:
        """Fill a run that nobody else makes heavy enough, no fuller than it must be."""
        for k, step in enumerate(self.job.steps):
            least = {
                self.park.recipes[a.recipe].min_load
                for a in step.alternatives
                if a.recipe is not None
            }
            ways = (
                way
                for amount in sorted(least)
                if amount > max(a.quantity for a in step.alternatives)
                for way in self._tried(Relaxation.LARGER_QUANTITY, amount, step=k)
            )
            yield from _one(ways)

    def _smaller(self) -> Iterator[WayOut]:
        """Find the most that a step could have, by halving what is in question."""
        for k, step in enumerate(self.job.steps):
            too_much = max((a.quantity for a in step.alternatives), default=0)
            amount, best = 1, None
            while amount < too_much:
                fits = next(self._tried(Relaxation.SMALLER_QUANTITY, amount, step=k), None)
                if fits is None and best is None:
                    break
                if fits is None:
                    too_much = amount
                else:
                    best = fits
                amount = (best.amount + too_much) // 2 if best else amount
                if best and amount == best.amount:
                    break
            if best is not None:
                yield best

    def _elsewhere(self) -> Iterator[WayOut]:
        for k, step in enumerate(self.job.steps):
            ways = (
                way
                for other in other_alternatives(self.park.twins, step)
                for way in self._tried(Relaxation.OTHER_RESOURCE, 0, step=k, instead=other)
            )
            yield from _one(ways)

    def _least(self, relaxation: Relaxation, most: int) -> Iterator[WayOut]:
        """Find about the least amount of slots: double until it fits, then halve back."""
        if most <= 0:
            return
        amount, fits = 1, None
        while fits is None:
            amount = min(amount, most)
            fits = next(self._tried(relaxation, amount), None)
            if fits is None and amount == most:
                return
            amount *= 2
        short = fits.amount // 2
        while fits.amount - short > max(1, fits.amount // 16):
            middle = (short + fits.amount) // 2
            better = next(self._tried(relaxation, middle), None)
            if better is None:
                short = middle
            else:
                fits = better
        yield fits

    def _tried(
        self,
        relaxation: Relaxation,
        amount: int,
        *,
        step: int | None = None,
        instead: Alternative | None = None,
    ) -> Iterator[WayOut]:
        """Yield the way out if the relaxed job finds a place beside the plan."""
        job = self._relaxed(relaxation, amount, step=step, instead=instead)
        placements = insert(self.park.full, job)
        if placements is not None and job_value(job, placements) >= 0:
            resource = instead.resource if instead else None
            yield WayOut(relaxation, step, amount, resource, placements)

    def _relaxed(
        self,
        relaxation: Relaxation,
        amount: int,
        *,
        step: int | None = None,
        instead: Alternative | None = None,
    ) -> Job:
        return relaxed(self.job, relaxation, step=step, amount=amount, instead=instead)


def _one(ways: Iterator[WayOut]) -> Iterator[WayOut]:
    """Yield the first way only."""
    for way in ways:
        yield way
        return
