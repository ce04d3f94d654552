"""Giving way: a job with one of its wishes relaxed. Pure: frozen data in and out.

`apply` is the one definition of what a way out means; finding one and trying one both go
through it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from solver.allocation import Relaxation, WayOut
from solver.problem import Alternative, Interval, Job, Problem, Step

_Mode = tuple[str, str | None]  # a resource and the recipe run there
Twins = dict[_Mode, tuple[_Mode, ...]]
_Change = Callable[[int, int], Interval]


def apply(problem: Problem, job: str, way_out: WayOut) -> Problem:
    """Return the problem with the way out taken by the job of this id.

    Who gives way has been promised a place, so that the job is mandatory from now on and
    stands where the way out says: solving from the plan that the way out was found beside,
    with `Options(keep_placed=True)`, places it. Otherwise a rival that was left out too
    might take the place first.
    """
    twins = interchangeable(problem)
    return replace(
        problem,
        jobs=tuple(
            _with_way_out(twins, j, way_out) if j.id == job else j for j in problem.jobs
        ),
    )


def _with_way_out(twins: Twins, job: Job, way_out: WayOut) -> Job:
    changed = relaxed(
        job,
        way_out.relaxation,
        step=way_out.step,
        amount=way_out.amount,
        instead=_twin(twins, job, way_out),
    )
    # A job of the plan in force keeps that as its measure of what moving it costs.
    stands = job.previous or way_out.placements
    return replace(changed, mandatory=True, previous=stands)


def relaxed(
    job: Job,
    relaxation: Relaxation,
    *,
    step: int | None,
    amount: int,
    instead: Alternative | None = None,
) -> Job:
    """Return a job that gives way on one thing.

    LATER_DEADLINE
        Deadline and due date move together, and so do the windows that end with the
        deadline: lateness is counted from the new date.
    EARLIER_RELEASE
        The windows that begin with the release move with it.
    WIDER_WINDOWS
        Every window of the step grows by `amount` at both ends; without a step every
        window of the job does, and release, due date and deadline give way with them.
    SMALLER_QUANTITY
        No alternative of the step takes more than `amount`.
    LARGER_QUANTITY
        No batch run serves the step with less than `amount`: whoever asks fills it up.
    OTHER_RESOURCE
        `instead` joins the alternatives of the step, as the last one.
    """
    if relaxation is Relaxation.LATER_DEADLINE:
        assert job.deadline is not None
        later = replace(job, deadline=job.deadline + amount, due=_plus(job.due, amount))
        return _with_windows(
            later, lambda lo, hi: (lo, hi + amount * (hi >= (job.deadline or 0)))
        )
    if relaxation is Relaxation.EARLIER_RELEASE:
        sooner = replace(job, release=job.release - amount)
        return _with_windows(sooner, lambda lo, hi: (lo - amount * (lo <= job.release), hi))
    if relaxation is Relaxation.WIDER_WINDOWS:
        wider = _with_windows(job, lambda lo, hi: (lo - amount, hi + amount), step=step)
        if step is not None:
            return wider
        return replace(
            wider,
            release=job.release - amount,
            due=_plus(job.due, amount),
            deadline=_plus(job.deadline, amount),
        )
    assert step is not None
    changed = job.steps[step]
    if relaxation is Relaxation.SMALLER_QUANTITY:
        smaller = tuple(
            replace(a, quantity=min(a.quantity, amount)) for a in changed.alternatives
        )
        changed = replace(changed, alternatives=smaller)
    elif relaxation is Relaxation.LARGER_QUANTITY:
        larger = tuple(
            replace(a, quantity=max(a.quantity, amount)) if a.recipe is not None else a
            for a in changed.alternatives
        )
        changed = replace(changed, alternatives=larger)
    elif instead is not None:
        changed = replace(changed, alternatives=(*changed.alternatives, instead))
    return replace(job, steps=(*job.steps[:step], changed, *job.steps[step + 1 :]))


def interchangeable(problem: Problem) -> Twins:
    """Return, for each way to serve a step, those that stand beside it in some job.

    The solver knows no capabilities: two tools serve the same need when somebody names
    both as alternatives of one step.
    """
    beside: dict[_Mode, dict[_Mode, None]] = {}
    for job in problem.jobs:
        for step in job.steps:
            modes = [(a.resource, a.recipe) for a in step.alternatives]
            for mode in modes:
                beside.setdefault(mode, {}).update(dict.fromkeys(modes))
    return {mode: tuple(others) for mode, others in beside.items()}


def other_alternatives(twins: Twins, step: Step) -> Iterator[Alternative]:
    """Yield what could serve a step on resources that it does not name."""
    named = {a.resource for a in step.alternatives}
    for alternative in step.alternatives:
        for resource, recipe in twins.get((alternative.resource, alternative.recipe), ()):
            if resource not in named:
                named.add(resource)
                yield replace(alternative, resource=resource, recipe=recipe)


def _twin(twins: Twins, job: Job, way_out: WayOut) -> Alternative | None:
    if way_out.relaxation is not Relaxation.OTHER_RESOURCE or way_out.step is None:
        return None
    others = other_alternatives(twins, job.steps[way_out.step])
    return next((a for a in others if a.resource == way_out.resource), None)


def _plus(slot: int | None, amount: int) -> int | None:
    return None if slot is None else slot + amount


def _with_windows(job: Job, change: _Change, *, step: int | None = None) -> Job:
    return replace(
        job,
        steps=tuple(
            replace(s, windows=_merged(change(lo, hi) for lo, hi in s.windows))
            if step in (None, n)
            else s
            for n, s in enumerate(job.steps)
        ),
    )


def _merged(windows: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return sorted, disjoint windows; what has come to overlap is one window now."""
    found: list[Interval] = []
    for lo, hi in sorted(windows):
        if found and lo < found[-1][1]:
            found[-1] = (found[-1][0], max(hi, found[-1][1]))
        else:
            found.append((lo, hi))
    return tuple(found)
