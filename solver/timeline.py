"""What is occupied on all resources, and where a step could go beside it.

The timeline puts calendars, windows and lanes together: it is what every search that is
not CP-SAT works on.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from solver.calendars import Calendar, span, spans
from solver.lanes import BatchLane, EventLane, Lane, PooledLane, UnaryLane
from solver.problem import (
    Alternative,
    Interval,
    Job,
    Kind,
    Occurrence,
    Placement,
    Problem,
    Recipe,
    Resource,
    Stay,
    Step,
)

ANYWHEN: Interval = (-(1 << 60), 1 << 60)

Intervals = tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Where one alternative could start, for one length of its stay."""

    length: int  # slots
    starts: int  # mask of a run, stay or occurrence of its own
    joins: int  # mask of the batch runs that it could join
    alone: int  # mask of what the calendar and windows allow, were the resource free


class Timeline:
    """The state of all resources: the bookings in force and what was placed since."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.resources = dict(problem.resource_by_id())
        self.lanes: dict[str, Lane] = {}
        self.calendars: dict[str, Calendar] = {}
        self.placed: dict[str, tuple[Placement, ...]] = {}
        self._groups: dict[str, list[str]] = defaultdict(list)
        for job in problem.jobs:
            if job.one_of is not None:
                self._groups[job.one_of].append(job.id)
        recipes = dict(problem.recipe_by_id())
        occurrences: dict[str, list[Occurrence]] = defaultdict(list)
        for occurrence in problem.occurrences:
            occurrences[occurrence.resource].append(occurrence)
        stays: dict[str, list[Stay]] = defaultdict(list)
        for stay in problem.stays:
            stays[stay.resource].append(stay)
        alike: dict[tuple[Intervals, Intervals], Calendar] = {}  # many keep the same hours
        for r in problem.resources:
            calendar = None if r.kind is Kind.EVENT else alike.get((r.open, r.outages))
            if calendar is None:
                calendar = Calendar(r, occurrences[r.id], problem.calendar_end)
                if r.kind is not Kind.EVENT:
                    alike[r.open, r.outages] = calendar
            self.calendars[r.id] = calendar
            self.lanes[r.id] = self._lane(r, recipes, stays[r.id], occurrences[r.id])

    def _lane(
        self,
        r: Resource,
        recipes: dict[str, Recipe],
        stays: list[Stay],
        occurrences: list[Occurrence],
    ) -> Lane:
        clear = self.calendars[r.id].clear
        if r.kind is Kind.UNARY:
            unary = UnaryLane(r, clear)
            for stay in stays:
                unary.put(stay.start, stay.end, stay.family or "")
            unary.given.update(unary.stays)
            return unary
        if r.kind is Kind.POOLED:
            pooled = PooledLane(r, clear)
            for stay in stays:
                pooled.put(stay.start, stay.end, stay.quantity)
            return pooled
        if r.kind is Kind.BATCH:
            batch = BatchLane(r, clear, recipes)
            batch.fix(stays)
            return batch
        event = EventLane(occurrences)
        for stay in stays:
            if stay.occurrence in event.left:
                event.left[stay.occurrence] -= stay.quantity
        return event

    def starts(
        self,
        job: Job,
        step: Step,
        alternative: Alternative,
        *,
        within: Interval,
        thin: bool,
        campaigns: bool = True,
    ) -> list[Choice]:
        """Return the starts of one alternative beside all that is placed.

        Parameters
        ----------
        within : slots
            The start lies in ``[within[0], within[1])``; release, the freeze and the
            horizon are asked for on top.
        thin : bool
            Whether a batch run may begin lighter than its least load.
        campaigns : bool
            Whether the stay must leave no campaign too short.

        Returns
        -------
        list[Choice]
            One for each length of the stay that calendar and windows allow.
        """
        problem = self.problem
        if job.begun:
            within = self._after_begun(job, step, alternative, within)
        lo = max(within[0], job.release, problem.earliest, 0)
        hi = min(within[1], problem.horizon)
        last = problem.calendar_end if job.deadline is None else job.deadline
        last = min(last, problem.calendar_end)
        choices = []
        calendar = self.calendars[alternative.resource]
        for length, calm in calendar.shapes(alternative.stay, alternative.duration):
            latest = min(hi, last - length + 1)
            mask = _range(step.windows, lo, latest, length)
            for kept in self._frozen(job, step, alternative) if job.previous else ():
                if within[0] <= kept < min(within[1], latest):
                    mask |= _range(step.windows, kept, kept + 1, length)
            mask &= calm
            if not mask:
                continue
            for use in alternative.also:
                mask &= self._room(use.resource, length, quantity=use.quantity)
            own, joins = self._main_room(
                alternative, length, thin=thin, campaigns=campaigns
            )
            if mask:
                choices.append(Choice(length, mask & own, mask & joins, mask))
        return choices

    def _after_begun(
        self, job: Job, step: Step, alternative: Alternative, within: Interval
    ) -> Interval:
        """Narrow where a step starts by the lags from what has begun of its route."""
        lo, hi = within
        there = self.resources[alternative.resource].site
        for lag in job.begun:
            if job.steps[lag.after] is step:
                lo = max(lo, lag.end + lag.least + self.problem.travel[lag.site][there])
                if lag.most is not None:
                    hi = min(hi, lag.end + lag.most + 1)
        return lo, hi

    def _frozen(self, job: Job, step: Step, alternative: Alternative) -> Iterator[int]:
        """Yield where a step stands before the freeze ends; there it may stay."""
        for p in job.previous:
            if job.release <= p.start < self.problem.earliest and (
                job.steps[p.step] is step
                and step.alternatives[p.alternative] is alternative
            ):
                yield p.start

    def _room(self, resource: str, length: int, *, quantity: int) -> int:
        lane = self.lanes[resource]
        if isinstance(lane, UnaryLane):
            return lane.room(length)
        assert isinstance(lane, PooledLane)
        return lane.room(length, quantity)

    def _main_room(
        self, alt: Alternative, length: int, *, thin: bool, campaigns: bool
    ) -> tuple[int, int]:
        lane = self.lanes[alt.resource]
        if isinstance(lane, UnaryLane):
            return lane.room(length, alt.family or "", campaigns=campaigns), 0
        if isinstance(lane, BatchLane):
            assert alt.recipe is not None
            own = lane.room(
                length, alt.recipe, alt.quantity, thin=thin, campaigns=campaigns
            )
            return own, lane.joins(length, alt.recipe, alt.quantity, thin=thin)
        return lane.room(length, alt.quantity), 0

    def placement(
        self, job: Job, step: int, alternative: int, *, start: int, length: int
    ) -> Placement:
        """Return the placement that a choice amounts to."""
        alt = job.steps[step].alternatives[alternative]
        lane = self.lanes[alt.resource]
        occurrence = None
        if isinstance(lane, EventLane):
            occurrence = lane.occurrence_at(start, length, alt.quantity)
        return Placement(job.id, step, alternative, start, start + length, occurrence)

    def put(self, job: Job, p: Placement) -> None:
        """Occupy what one placement needs; it must fit."""
        alt = job.steps[p.step].alternatives[p.alternative]
        lane = self.lanes[alt.resource]
        if isinstance(lane, UnaryLane):
            lane.put(p.start, p.end, alt.family or "")
        elif isinstance(lane, PooledLane):
            lane.put(p.start, p.end, alt.quantity)
        elif isinstance(lane, BatchLane):
            assert alt.recipe is not None
            lane.put(p.start, p.end, alt.recipe, alt.quantity)
        else:
            assert p.occurrence is not None
            lane.left[p.occurrence] -= alt.quantity
        for use in alt.also:
            beside = self.lanes[use.resource]
            if isinstance(beside, UnaryLane):
                beside.put(p.start, p.end)
            else:
                assert isinstance(beside, PooledLane)
                beside.put(p.start, p.end, use.quantity)

    def take(self, job: Job, p: Placement) -> None:
        """Give back what `put` occupied."""
        alt = job.steps[p.step].alternatives[p.alternative]
        lane = self.lanes[alt.resource]
        if isinstance(lane, UnaryLane):
            lane.take(p.start, p.end, alt.family or "")
        elif isinstance(lane, PooledLane):
            lane.take(p.start, p.end, alt.quantity)
        elif isinstance(lane, BatchLane):
            assert alt.recipe is not None
            lane.take(p.start, p.end, alt.recipe, alt.quantity)
        else:
            assert p.occurrence is not None
            lane.left[p.occurrence] += alt.quantity
        for use in alt.also:
            beside = self.lanes[use.resource]
            if isinstance(beside, UnaryLane):
                beside.take(p.start, p.end)
            else:
                assert isinstance(beside, PooledLane)
                beside.take(p.start, p.end, use.quantity)

    def adopt(
        self, job: Job, placements: Sequence[Placement], *, thin: bool = False
    ) -> bool:
        """Place a whole job as given if it fits; else leave everything as it was.

        With `thin` it may leave a run too light or a campaign too short.
        """
        if (
            self.in_place_of(job)
            or len(placements) != len(job.steps)
            or not self._lags_hold(job, placements)
        ):
            return False
        for done, placement in enumerate(placements):
            if not self._fits(job, placement, thin=thin):
                for earlier in placements[:done]:
                    self.take(job, earlier)
                return False
            self.put(job, placement)
        self.placed[job.id] = tuple(placements)
        return True

    def in_place_of(self, job: Job) -> str | None:
        """Return the placed job because of which this one may not be: its group has one."""
        if job.one_of is None:
            return None
        others = self._groups.get(job.one_of, ())
        return next((o for o in others if o != job.id and o in self.placed), None)

    def restore(self, job: Job, placements: Sequence[Placement]) -> None:
        """Place a whole job without asking, as part of a plan known to be sound."""
        for placement in placements:
            self.put(job, placement)
        self.placed[job.id] = tuple(placements)

    def drop(self, job: Job) -> tuple[Placement, ...]:
        """Take a whole job away and return where it stood."""
        placements = self.placed.pop(job.id)
        for placement in placements:
            self.take(job, placement)
        return placements

    def placements(self) -> tuple[Placement, ...]:
        """Return all that was adopted, sorted by (job, step)."""
        return tuple(
            sorted(
                (p for whole in self.placed.values() for p in whole),
                key=lambda p: (p.job, p.step),
            )
        )

    def thin_runs(self) -> Iterator[tuple[str, int]]:
        """Yield (resource, start) of the batch runs lighter than their least load."""
        for resource, lane in self.lanes.items():
            if isinstance(lane, BatchLane):
                for run in lane.thin():
                    yield resource, run.start

    def short_campaigns(self) -> Iterator[tuple[str, int]]:
        """Yield (resource, start) of the stays in campaigns that end too early."""
        for resource, lane in self.lanes.items():
            unary = lane.lane if isinstance(lane, BatchLane) else lane
            if isinstance(unary, UnaryLane):
                for start, _, _ in unary.short_campaigns():
                    yield resource, start

    def travel(self, before: str, after: str) -> int:
        """Return the slots from one resource's site to another's."""
        here, there = self.resources[before].site, self.resources[after].site
        return self.problem.travel[here][there]

    def _fits(self, job: Job, p: Placement, *, thin: bool) -> bool:
        step = job.steps[p.step]
        alt = step.alternatives[p.alternative]
        lane = self.lanes[alt.resource]
        within = (p.start, p.start + 1)
        choices = self.starts(job, step, alt, within=within, thin=thin, campaigns=not thin)
        if isinstance(lane, EventLane) and not (
            p.occurrence in lane.left
            and lane.left[p.occurrence] >= alt.quantity
            and any(
                (o.id, o.start, o.end) == (p.occurrence, p.start, p.end)
                for o in lane.occurrences
            )
        ):
            return False
        return any(c.length == p.end - p.start and c.starts | c.joins for c in choices)

    def _lags_hold(self, job: Job, placements: Sequence[Placement]) -> bool:
        for lag in job.lags:
            a, b = placements[lag.before], placements[lag.after]
            way = self.travel(
                job.steps[a.step].alternatives[a.alternative].resource,
                job.steps[b.step].alternatives[b.alternative].resource,
            )
            if b.start - a.end < lag.least + way:
                return False
            if lag.most is not None and b.start - a.end > lag.most:
                return False
        return True


def _range(windows: Sequence[Interval], lo: int, hi: int, length: int) -> int:
    """Return the starts in ``[lo, hi)`` of stays that lie whole within one window."""
    if len(windows) == 1:
        opens, closes = windows[0]
        return span(max(lo, opens), min(hi, closes - length + 1))
    return spans((opens, closes - length + 1) for opens, closes in windows) & span(lo, hi)
