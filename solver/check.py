"""The rules again in plain Python: an independent judge of any plan.

Shares no code with what makes plans (timeline, greedy, model), only the dataclasses, so
that one mistake cannot both make a plan and excuse it. Written to be read beside
`solver/problem.py`; fast enough for a whole park (sorting, no search).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from solver.allocation import Allocation
from solver.check_resources import Held, broken_on_resources
from solver.problem import (
    SHARE_CAP,
    SHARE_STEPS,
    Interval,
    Kind,
    Occurrence,
    Placement,
    Problem,
    Resource,
    StayRule,
)


def broken_rules(problem: Problem, placements: Iterable[Placement]) -> Iterator[str]:
    """Yield a sentence for every rule that the plan breaks; nothing for a sound plan.

    Every sentence names the job, the step, the resource and the stay in slots. Fixed
    stays are given: a clash of two of them is not the plan's fault and not reported.
    Mandatory jobs that are not placed come last, in sentences of their own, so that a
    caller can tell an incomplete plan from an impossible one.
    """
    placements = list(placements)
    held, unreadable = _resolve(problem, placements)
    yield from unreadable
    yield from _jobs_not_whole(problem, placements)
    occurrences = {o.id: o for o in problem.occurrences}
    resources = problem.resource_by_id()
    for one in held:
        yield from _broken_by_itself(problem, one)
        if one.resource.kind is Kind.EVENT:
            yield from _broken_by_occurrence(one, occurrences)
        else:
            yield from _broken_by_hours(one)
        beside = (resources[use.resource] for use in one.alternative.also)
        yield from _broken_by_outages(one, (one.resource, *beside))
    yield from _broken_lags(problem, held)
    yield from _broken_lags_from_begun(problem, held)
    yield from broken_on_resources(problem, held)
    yield from _more_than_one_of(problem, placements)
    yield from missing_mandatory(problem, placements)


def _more_than_one_of(problem: Problem, placements: Sequence[Placement]) -> Iterator[str]:
    placed = {p.job for p in placements}
    first: dict[str, str] = {}
    for job in problem.jobs:
        if job.one_of is None or job.id not in placed:
            continue
        if job.one_of in first:
            yield (
                f"job {job.id} is placed, and so is job {first[job.one_of]}: only one of"
                f" {job.one_of} may be"
            )
        first.setdefault(job.one_of, job.id)


def missing_mandatory(problem: Problem, placements: Iterable[Placement]) -> Iterator[str]:
    """Yield a sentence for every mandatory job without a single placement."""
    placed = {p.job for p in placements}
    for job in problem.jobs:
        if job.mandatory and job.id not in placed:
            yield f"job {job.id} is mandatory and is missing from the plan"


def wrong_figures(problem: Problem, allocation: Allocation) -> Iterator[str]:
    """Yield a sentence for every figure that the allocation states and does not keep."""
    worth = _worth(problem, allocation.placements)
    if allocation.value != worth:
        yield f"the plan states the value {allocation.value}, it is worth {worth}"
    if allocation.bound is not None and allocation.bound < worth:
        yield f"the plan is worth {worth}, more than the bound {allocation.bound} it states"
    keys = [(p.job, p.step) for p in allocation.placements]
    if keys != sorted(keys):
        yield "the placements are not sorted by job and step"


def _worth(problem: Problem, placements: Iterable[Placement]) -> int:
    """Return the plan's value: gains of the placed jobs less lateness and moves."""
    by_job: dict[str, list[Placement]] = defaultdict(list)
    for p in placements:
        by_job[p.job].append(p)
    total = 0
    served: dict[str, int] = defaultdict(int)
    for job in problem.jobs:
        mine = by_job.get(job.id)
        if not mine:
            continue
        total += job.value
        served[job.organisation] += job.value
        if job.due is not None:
            total -= job.late_cost * max(0, max(p.end for p in mine) - job.due)
        if job.previous and set(mine) != set(job.previous):
            total -= job.move_cost
        for p in mine:
            if not any(a <= p.start < p.end <= b for a, b in job.preferred):
                total -= job.stray_cost
    return total + _fair_part(problem, served) // 100


def _fair_part(problem: Problem, served: Mapping[str, int]) -> int:
    """Return what the shares add, in hundredths: step by step what lies on each."""
    total = 0
    for share in problem.shares if problem.alpha else ():
        had, has = share.served, share.served + served.get(share.organisation, 0)
        for lo, hi in pairwise(SHARE_STEPS):
            begins, ends = share.entitled * lo // 100, share.entitled * hi // 100
            here = max(0, min(has, ends) - max(had, begins))
            middle = (lo + hi) / 200
            total += here * min(
                SHARE_CAP, round(100 * (middle ** (-problem.alpha / 100) - 1))
            )
    return total


def _resolve(
    problem: Problem, placements: Sequence[Placement]
) -> tuple[list[Held], list[str]]:
    """Look up what every placement names; return the found, and sentences for the rest."""
    jobs = problem.job_by_id()
    resources = problem.resource_by_id()
    held: list[Held] = []
    faults: list[str] = []
    seen: set[tuple[str, int]] = set()
    for p in placements:
        job = jobs.get(p.job)
        if job is None:
            faults.append(f"job {p.job} is placed and is not part of the problem")
            continue
        if not 0 <= p.step < len(job.steps):
            faults.append(
                f"job {p.job} has {len(job.steps)} steps, step {p.step} is placed"
            )
            continue
        step = job.steps[p.step]
        where = f"job {p.job}, step {p.step} ({step.id})"
        if (p.job, p.step) in seen:
            faults.append(f"{where} is placed more than once")
            continue
        seen.add((p.job, p.step))
        if not 0 <= p.alternative < len(step.alternatives):
            faults.append(
                f"{where} has {len(step.alternatives)} alternatives, "
                f"alternative {p.alternative} is placed"
            )
            continue
        alternative = step.alternatives[p.alternative]
        unknown = [
            name
            for name in (alternative.resource, *(use.resource for use in alternative.also))
            if name not in resources
        ]
        if unknown:
            faults.append(f"{where} is placed on unknown resources: {', '.join(unknown)}")
        elif p.start >= p.end:
            faults.append(f"{where} ends at {p.end}, not after its start at {p.start}")
        else:
            held.append(Held(p, job, alternative, resources[alternative.resource]))
    return held, faults


def _jobs_not_whole(problem: Problem, placements: Sequence[Placement]) -> Iterator[str]:
    """A job is placed whole or not at all."""
    steps: dict[str, set[int]] = defaultdict(set)
    for p in placements:
        steps[p.job].add(p.step)
    for job in problem.jobs:
        if job.id in steps:
            missing = [i for i in range(len(job.steps)) if i not in steps[job.id]]
            if missing:
                names = ", ".join(f"{i} ({job.steps[i].id})" for i in missing)
                yield f"job {job.id} is placed in part; missing steps: {names}"


def _broken_by_itself(problem: Problem, held: Held) -> Iterator[str]:
    """Yield what a single stay breaks of the problem's, the job's and the step's limits."""
    p, job = held.placement, held.job
    if p.start < job.release:
        yield f"{held.name}: starts before the job's release at {job.release}"
    if p.start < problem.earliest and p not in job.previous:
        yield (
            f"{held.name}: starts before {problem.earliest}, where new placements begin, "
            "and does not stand in the plan in force"
        )
    if p.start >= problem.horizon:
        yield f"{held.name}: starts at or after the horizon at {problem.horizon}"
    if p.end > problem.calendar_end:
        yield f"{held.name}: ends after the calendar's end at {problem.calendar_end}"
    if job.deadline is not None and p.end > job.deadline:
        yield f"{held.name}: ends after the job's deadline at {job.deadline}"
    if not _within_one(job.steps[p.step].windows, p.start, p.end):
        yield f"{held.name}: lies within none of the step's windows"


def _broken_by_outages(held: Held, resources: Iterable[Resource]) -> Iterator[str]:
    """No stay overlaps an outage of a resource that it holds."""
    p = held.placement
    for resource in resources:
        for start, end in resource.outages:
            if p.start < end and start < p.end:
                yield f"{held.name}: overlaps the outage {start} to {end} of {resource.id}"


def _within_one(intervals: Iterable[Interval], start: int, end: int) -> bool:
    return any(lo <= start and end <= hi for lo, hi in intervals)


def _broken_by_occurrence(held: Held, occurrences: dict[str, Occurrence]) -> Iterator[str]:
    """On an event resource the stay is one of its occurrences."""
    p = held.placement
    if p.occurrence is None:
        yield f"{held.name}: names no occurrence of the event"
        return
    occurrence = occurrences.get(p.occurrence)
    if occurrence is None or occurrence.resource != held.resource.id:
        yield f"{held.name}: {p.occurrence} is no occurrence of {held.resource.id}"
    elif (p.start, p.end) != (occurrence.start, occurrence.end):
        yield (
            f"{held.name}: occurrence {occurrence.id} runs from {occurrence.start} "
            f"to {occurrence.end}"
        )


def _broken_by_hours(held: Held) -> Iterator[str]:
    """A stay has its length and meets closed hours as its rule says."""
    if held.placement.occurrence is not None:
        yield f"{held.name}: names an occurrence, {held.resource.id} has none"
    p, alternative, hours = held.placement, held.alternative, held.resource.open
    length = p.end - p.start
    if alternative.stay is not StayRule.WORKING and length != alternative.duration:
        yield f"{held.name}: lasts {length} slots instead of {alternative.duration}"
    if alternative.stay is StayRule.INSIDE:
        if not _within_one(hours, p.start, p.end):
            yield f"{held.name}: is not within one stretch of opening hours"
        return
    if not _within_one(hours, p.start, p.start + 1):
        yield f"{held.name}: starts while {held.resource.id} is closed"
    if not _within_one(hours, p.end - 1, p.end):
        yield f"{held.name}: ends while {held.resource.id} is closed"
    if alternative.stay is StayRule.WORKING:
        # Outages are not subtracted here: a stay that meets one is reported for that.
        worked = sum(max(0, min(p.end, hi) - max(p.start, lo)) for lo, hi in hours)
        if worked != alternative.duration:
            wanted = alternative.duration
            yield f"{held.name}: works {worked} open slots instead of {wanted}"


def _broken_lags_from_begun(problem: Problem, held: Iterable[Held]) -> Iterator[str]:
    """After a step that has begun already pass the lag and the travel, and no more."""
    for one in held:
        for lag in one.job.begun:
            if lag.after != one.placement.step:
                continue
            passed = one.placement.start - lag.end
            travel = problem.travel[lag.site][one.resource.site]
            since = f"{one.name}: begins {passed} slots after what has begun ends"
            if passed < lag.least + travel:
                yield f"{since}; at least {lag.least} and {travel} of travel are needed"
            if lag.most is not None and passed > lag.most:
                yield f"{since}; at most {lag.most} are allowed"


def _broken_lags(problem: Problem, held: Sequence[Held]) -> Iterator[str]:
    """Between two steps pass at least the lag and the travel, at most the limit."""
    by_step = {(h.job.id, h.placement.step): h for h in held}
    for job in problem.jobs:
        for lag in job.lags:
            before = by_step.get((job.id, lag.before))
            after = by_step.get((job.id, lag.after))
            if before is None or after is None:
                continue  # reported as a job that is not whole
            travel = problem.travel[before.resource.site][after.resource.site]
            passed = after.placement.start - before.placement.end
            if passed < lag.least + travel:
                yield (
                    f"{after.name}: begins {passed} slots after step {lag.before} ends; "
                    f"at least {lag.least} and {travel} of travel are needed"
                )
            if lag.most is not None and passed > lag.most:
                yield (
                    f"{after.name}: begins {passed} slots after step {lag.before} ends; "
                    f"at most {lag.most} are allowed"
                )
