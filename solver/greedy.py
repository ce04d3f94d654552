"""List scheduling: jobs one by one, each at its earliest, whole or not at all.

It gives the yardsticks (first come first served, the dispatch rules), the seed of the
search, the fallback when the search dies, and quick estimates. Plain Python: a web process
may import it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from solver.calendars import first
from solver.problem import Alternative, Job, Kind, Lag, Placement, Problem, Step
from solver.timeline import Timeline
from solver.value import job_value

_TRIES = 60  # how often one route may be pushed back for a queue-time limit
_NEVER = 1 << 60

Rank = tuple[float, ...]
Rule = Callable[[Job], Rank]


def insert(
    state: Timeline, job: Job, *, thin: bool = False
) -> tuple[Placement, ...] | None:
    """Find the earliest place for a whole job beside all that is placed.

    Steps go in index order, each to the alternative that ends first; a batch load joins a
    run rather than begin its own unless it would wait longer than the run lasts. When a
    step misses a queue-time limit, the step before it is pushed back, a bounded number of
    times. The state is left as it was: `Timeline.adopt` places what is returned. The job
    need not be one of the problem's.

    Parameters
    ----------
    thin : bool
        Whether a load may begin a batch run lighter than the recipe's least load.

    Returns
    -------
    tuple[Placement, ...] | None
        One for each step, or None when the job finds no place.
    """
    route = _Route(state, job, thin=thin)
    try:
        return route.search()
    finally:
        route.clear()


def earliest_date(problem: Problem, job: Job) -> int | None:
    """Return the slot at which a job would end at the earliest beside the fixed stays.

    An estimate for people: other jobs of the problem are not looked at, and a batch run is
    taken to find its company. None when the job has no place even so.
    """
    placements = insert(Timeline(problem), job, thin=True)
    return max(p.end for p in placements) if placements else None


@dataclass(frozen=True, slots=True)
class _Candidate:
    rank: tuple[int, int, int]  # when it ends, less the run's length for one that joins
    alternative: int
    start: int
    length: int


class _Route:
    """The search for a place for one job."""

    def __init__(self, state: Timeline, job: Job, *, thin: bool) -> None:
        self._state = state
        self._job = job
        self._thin = thin
        self._placed: list[Placement] = []
        self._ends_from = [0] * len(job.steps)  # pushed back: no step ends earlier
        self._lags_into: dict[int, list[Lag]] = defaultdict(list)
        for lag in job.lags:
            self._lags_into[lag.after].append(lag)

    def search(self) -> tuple[Placement, ...] | None:
        """Place step after step; push back and try again at a queue-time limit."""
        if self._state.in_place_of(self._job):
            return None
        tries = _TRIES
        while (k := len(self._placed)) < len(self._job.steps):
            best = self._earliest(k, limits=True)
            if best is not None:
                placement = self._state.placement(
                    self._job, k, best.alternative, start=best.start, length=best.length
                )
                self._state.put(self._job, placement)
                self._placed.append(placement)
                continue
            tries -= 1
            back = self._push_back(k) if tries else None
            if back is None:
                return None
            self._undo(back)
        return tuple(self._placed)

    def clear(self) -> None:
        """Leave the state as it was found."""
        self._undo(0)

    def _undo(self, keep: int) -> None:
        while len(self._placed) > keep:
            self._state.take(self._job, self._placed.pop())

    def _push_back(self, k: int) -> int | None:
        """Make the steps before step k end later, so that it meets its queue-time limits.

        Returns the first step to place again, or None when nothing is left to try.
        """
        late = self._earliest(k, limits=False)
        if late is None:
            return None
        pushed = []
        for lag in self._lags_into[k]:
            end = self._placed[lag.before].end
            if lag.most is not None and late.start - lag.most > end:
                self._ends_from[lag.before] = late.start - lag.most
                pushed.append(lag.before)
        return min(pushed, default=None)

    def _earliest(self, k: int, *, limits: bool) -> _Candidate | None:
        step = self._job.steps[k]
        best: _Candidate | None = None
        for a, alternative in enumerate(step.alternatives):
            lo, hi = self._bounds(k, alternative, limits=limits)
            if lo >= hi or (best is not None and self._soonest(step, a, lo) > best.rank):
                continue
            pushed = self._ends_from[k]
            slack = alternative.duration if pushed else 0
            found = self._state.starts(
                self._job,
                step,
                alternative,
                within=(max(lo, pushed - slack), hi),
                thin=self._thin,
            )
            for choice in found:
                floor = max(0, pushed - choice.length)
                for joins, starts in ((1, choice.joins), (0, choice.starts)):
                    mask = starts >> floor << floor
                    if mask:
                        start = first(mask)
                        end = start + choice.length
                        rank = (end - choice.length * joins, end, a)
                        if best is None or rank < best.rank:
                            best = _Candidate(rank, a, start, choice.length)
        return best

    def _soonest(self, step: Step, a: int, lo: int) -> tuple[int, int, int]:
        """Return a rank that no start of an alternative is better than."""
        job, state = self._job, self._state
        if job.previous or not step.windows:
            return (-_NEVER, 0, 0)
        alternative = step.alternatives[a]
        start = max(lo, job.release, state.problem.earliest, step.windows[0][0], 0)
        kind = state.resources[alternative.resource].kind
        if kind is Kind.EVENT:  # it lasts as its occurrence does
            return (start, start, a)
        end = start + alternative.duration
        return (start if kind is Kind.BATCH else end, end, a)

    def _bounds(self, k: int, alternative: Alternative, *, limits: bool) -> tuple[int, int]:
        lo, hi = -_NEVER, _NEVER
        for lag in self._lags_into[k]:
            before = self._placed[lag.before]
            origin = self._job.steps[lag.before].alternatives[before.alternative].resource
            way = self._state.travel(origin, alternative.resource)
            lo = max(lo, before.end + lag.least + way)
            if limits and lag.most is not None:
                hi = min(hi, before.end + lag.most + 1)
        return lo, hi


def first_come_first_served(job: Job) -> Rank:
    """In order of submission, as booking sites serve."""
    return (job.submitted,)


def by_priority(job: Job) -> Rank:
    """Higher priority first, within it the earlier due date."""
    return (-job.priority, _due(job), job.submitted)


def by_due_date(job: Job) -> Rank:
    """The earlier due date first."""
    return (_due(job), -job.priority, job.submitted)


def by_density(job: Job) -> Rank:
    """More value for each slot of resource time first."""
    return (-job.value / max(1, work(job)), job.submitted)


def by_slack(job: Job) -> Rank:
    """Less room between release and deadline, beyond the work itself, first."""
    last = _NEVER if job.deadline is None else job.deadline
    return (min(last, _due(job)) - job.release - work(job), -job.priority, job.submitted)


RULES: Mapping[str, Rule] = {
    "priority": by_priority,  # first: it beats first come, first served on most nights
    "first_come_first_served": first_come_first_served,
    "due_date": by_due_date,
    "density": by_density,
    "slack": by_slack,
}


def work(job: Job) -> int:
    """Return the slots of resource time that a job needs at least."""
    return sum(min(a.duration for a in s.alternatives) for s in job.steps if s.alternatives)


def _due(job: Job) -> int:
    if job.due is not None:
        return job.due
    return _NEVER if job.deadline is None else job.deadline


def list_schedule(
    problem: Problem, rule: Rule, *, start: Iterable[Placement] = ()
) -> tuple[Placement, ...]:
    """Place the jobs in the order of a rule; return the placements by (job, step).

    Mandatory jobs come first, where they stand if that still fits, and elsewhere if not.
    The jobs of `start` come next, as they stand there. Another job goes where it stands in
    the plan in force if it can, and where `insert` finds room if not, unless that would
    cost more than it is worth. Batch runs may begin light; those that stay so are dissolved
    at the end, and what stood before in campaigns now too short; their jobs are tried once
    more.
    """
    state = Timeline(problem)
    queue = sorted(problem.jobs, key=lambda j: (not j.mandatory, *rule(j), j.id))
    for job in queue:
        if job.mandatory and job.previous:
            state.adopt(job, sorted_steps(job.previous), thin=True)
    standing = by_job(start)
    for job in queue:
        if job.id in standing and job.id not in state.placed:
            state.adopt(job, standing[job.id], thin=True)
    for job in queue:
        if job.id not in state.placed:
            _place(state, job, thin=True)
    dissolve(state, queue)
    return state.placements()


def dissolve(state: Timeline, queue: Sequence[Job]) -> None:
    """Drop the jobs of runs too light and campaigns too short; place again what fits."""
    out: list[Job] = []
    while thin := {*state.thin_runs(), *state.short_campaigns()}:
        for job in queue:
            stays = state.placed.get(job.id, ())
            if any((resource_of(job, p), p.start) in thin for p in stays):
                state.drop(job)
                out.append(job)
    for job in out:
        _place(state, job, thin=False)


def _place(state: Timeline, job: Job, *, thin: bool) -> None:
    if job.previous and state.adopt(job, sorted_steps(job.previous), thin=thin):
        return
    route = _Route(state, job, thin=thin)
    placements = route.search()
    if placements and (job.mandatory or job_value(job, placements) >= 0):
        state.placed[job.id] = placements  # the search has put them
    else:
        route.clear()


def resource_of(job: Job, placement: Placement) -> str:
    """Return the main resource of a placement."""
    return job.steps[placement.step].alternatives[placement.alternative].resource


def sorted_steps(placements: Iterable[Placement]) -> tuple[Placement, ...]:
    """Return one job's placements in the order of its steps."""
    return tuple(sorted(placements, key=lambda p: p.step))


def by_job(placements: Iterable[Placement]) -> dict[str, tuple[Placement, ...]]:
    """Return the placements of each job in the order of its steps."""
    found: dict[str, list[Placement]] = defaultdict(list)
    for placement in placements:
        found[placement.job].append(placement)
    return {job: sorted_steps(whole) for job, whole in found.items()}
