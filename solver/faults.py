"""What a problem must be before it can be solved. Pure: a problem in, sentences out.

A problem that comes from a file is always asked; one built by a program that keeps these
promises itself need not be.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from solver.problem import Alternative, Begun, Interval, Job, Kind, Lag, Problem, Resource

MAX_SLOTS = 1_000_000  # of a calendar; nine years of five minutes

MAX_ALPHA = 1000  # hundredths; beyond it every step is at the cap or nothing


def faults(problem: Problem) -> Iterator[str]:
    """Yield every way in which the problem contradicts itself, each with its path.

    The path is that of the JSON form: ``jobs[3].steps[0].windows[1]: end before start``.
    """
    if not 0 < problem.horizon <= problem.calendar_end:
        yield (
            f"horizon: must be at least 1 and at most calendar_end {problem.calendar_end}, "
            f"it is {problem.horizon}"
        )
    if problem.calendar_end > MAX_SLOTS:
        yield f"calendar_end: at most {MAX_SLOTS} slots, it is {problem.calendar_end}"
    yield from _twice("resources", [r.id for r in problem.resources])
    yield from _twice("recipes", [r.id for r in problem.recipes])
    yield from _twice("occurrences", [o.id for o in problem.occurrences])
    yield from _twice("jobs", [j.id for j in problem.jobs])
    firms = [s.organisation for s in problem.shares]
    yield from _twice("shares", firms, field="organisation")
    if not 0 <= problem.alpha <= MAX_ALPHA:
        yield f"alpha: must be from 0 to {MAX_ALPHA} hundredths, it is {problem.alpha}"
    for n, share in enumerate(problem.shares):
        for name, amount in (("entitled", share.entitled), ("served", share.served)):
            if amount < 0:
                yield f"shares[{n}].{name}: must not be negative, it is {amount}"
    yield from _travel(problem)
    for n, resource in enumerate(problem.resources):
        yield from _resource(f"resources[{n}]", resource, sites=len(problem.travel))
    yield from _recipes(problem)
    yield from _occurrences(problem)
    yield from _stays(problem)
    names = _Names(problem)
    must: dict[str, str] = {}
    for n, job in enumerate(problem.jobs):
        yield from _job(f"jobs[{n}]", job, names)
        if job.mandatory and job.one_of is not None:
            if job.one_of in must:
                yield (
                    f"jobs[{n}].one_of: {job.id} and {must[job.one_of]} are both mandatory,"
                    f" only one of {job.one_of} can be placed"
                )
            must.setdefault(job.one_of, job.id)


class _Names:
    """Who is who, looked up once."""

    def __init__(self, problem: Problem) -> None:
        self.resources = problem.resource_by_id()
        self.recipes = problem.recipe_by_id()
        self.sites = len(problem.travel)


def _twice(path: str, ids: Sequence[str], *, field: str = "id") -> Iterator[str]:
    first: dict[str, int] = {}
    for n, name in enumerate(ids):
        if name in first:
            yield f"{path}[{n}].{field}: {name} is already {path}[{first[name]}]"
        first.setdefault(name, n)


def _travel(problem: Problem) -> Iterator[str]:
    sites = len(problem.travel)
    for n, row in enumerate(problem.travel):
        if len(row) != sites:
            yield f"travel[{n}]: has {len(row)} entries, there are {sites} sites"
        for m, slots in enumerate(row):
            if slots < 0:
                yield f"travel[{n}][{m}]: must not be negative"


def _intervals(
    path: str, intervals: Iterable[Interval], *, may_touch: bool
) -> Iterator[str]:
    intervals = list(intervals)
    for n, (start, end) in enumerate(intervals):
        if end <= start:
            word = "end before start" if end < start else "empty"
            yield f"{path}[{n}]: {word}, from {start} to {end}"
    for n, (one, then) in enumerate(pairwise(intervals), start=1):
        if then[0] < one[1] or (then[0] == one[1] and not may_touch):
            yield f"{path}[{n}]: starts at {then[0]}, not after the end of the one before"


def _resource(path: str, r: Resource, *, sites: int) -> Iterator[str]:
    if r.capacity < 1:
        yield f"{path}.capacity: must be at least 1, it is {r.capacity}"
    if r.kind is Kind.UNARY and r.capacity > 1:
        yield f"{path}.capacity: a unary resource has 1, it is {r.capacity}"
    if not 0 <= r.site < sites:
        yield f"{path}.site: {r.site} is not one of the {sites} sites of travel"
    yield from _intervals(f"{path}.open", r.open, may_touch=False)
    yield from _intervals(f"{path}.outages", r.outages, may_touch=True)
    if r.min_campaign < 1:
        yield f"{path}.min_campaign: must be at least 1, it is {r.min_campaign}"
    if r.min_campaign > 1 and r.kind not in (Kind.UNARY, Kind.BATCH):
        yield f"{path}.min_campaign: only unary and batch resources have campaigns"
    if r.changeovers and r.kind not in (Kind.UNARY, Kind.BATCH):
        yield f"{path}.changeovers: only unary and batch resources have changeovers"
    seen = set()
    for n, c in enumerate(r.changeovers):
        if c.slots < 0:
            yield f"{path}.changeovers[{n}].slots: must not be negative"
        if c.before == c.after:
            yield f"{path}.changeovers[{n}]: {c.before} follows itself without changeover"
        if (c.before, c.after) in seen:
            yield f"{path}.changeovers[{n}]: {c.before} to {c.after} is named twice"
        seen.add((c.before, c.after))


def _recipes(problem: Problem) -> Iterator[str]:
    resources = problem.resource_by_id()
    for n, recipe in enumerate(problem.recipes):
        path = f"recipes[{n}]"
        yield from _of_kind(f"{path}.resource", recipe.resource, resources, (Kind.BATCH,))
        if recipe.capacity < 1:
            yield f"{path}.capacity: must be at least 1, it is {recipe.capacity}"
        elif not 0 <= recipe.min_load <= recipe.capacity:
            yield (
                f"{path}.min_load: must lie between 0 and the capacity {recipe.capacity}, "
                f"it is {recipe.min_load}"
            )


def _of_kind(
    path: str, name: str, resources: object, kinds: tuple[Kind, ...]
) -> Iterator[str]:
    assert isinstance(resources, dict)
    if name not in resources:
        yield f"{path}: there is no resource {name}"
    elif resources[name].kind not in kinds:
        wanted = " or ".join(kinds)
        yield f"{path}: {name} is {resources[name].kind}, it must be {wanted}"


def _occurrences(problem: Problem) -> Iterator[str]:
    resources = problem.resource_by_id()
    for n, o in enumerate(problem.occurrences):
        path = f"occurrences[{n}]"
        yield from _of_kind(f"{path}.resource", o.resource, resources, (Kind.EVENT,))
        if o.end <= o.start:
            yield f"{path}: ends at {o.end}, not after its start at {o.start}"
        if o.capacity < 0:
            yield f"{path}.capacity: must not be negative"


def _stays(problem: Problem) -> Iterator[str]:
    resources = problem.resource_by_id()
    recipes = problem.recipe_by_id()
    occurrences = {o.id: o for o in problem.occurrences}
    for n, s in enumerate(problem.stays):
        path = f"stays[{n}]"
        yield from _of_kind(f"{path}.resource", s.resource, resources, tuple(Kind))
        if s.end <= s.start:
            yield f"{path}: ends at {s.end}, not after its start at {s.start}"
        if s.quantity < 1:
            yield f"{path}.quantity: must be at least 1, it is {s.quantity}"
        if s.recipe is not None:
            recipe = recipes.get(s.recipe)
            if recipe is None or recipe.resource != s.resource:
                yield f"{path}.recipe: {s.recipe} is no recipe of {s.resource}"
        if s.occurrence is not None:
            o = occurrences.get(s.occurrence)
            if o is None or o.resource != s.resource:
                yield f"{path}.occurrence: {s.occurrence} is no occurrence of {s.resource}"


def _wish(path: str, job: Job) -> Iterator[str]:
    yield from _intervals(f"{path}.preferred", job.preferred, may_touch=True)
    if job.stray_cost and not job.preferred:
        yield f"{path}.stray_cost: costs {job.stray_cost} outside preferred, which is empty"


def _job(path: str, job: Job, names: _Names) -> Iterator[str]:
    if not job.steps:
        yield f"{path}.steps: a job has at least one step"
    for field in ("value", "late_cost", "move_cost", "stray_cost"):
        if getattr(job, field) < 0:
            yield f"{path}.{field}: must not be negative"
    if job.due is not None and job.deadline is not None:
        most = job.late_cost * max(0, job.deadline - job.due)
        if most > job.value:
            yield (
                f"{path}.late_cost: costs up to {most} by the deadline, more than the "
                f"value {job.value}"
            )
    yield from _wish(path, job)
    for n, step in enumerate(job.steps):
        here = f"{path}.steps[{n}]"
        yield from _intervals(f"{here}.windows", step.windows, may_touch=True)
        for m, alternative in enumerate(step.alternatives):
            yield from _alternative(f"{here}.alternatives[{m}]", alternative, names)
    for n, lag in enumerate(job.lags):
        yield from _lag(f"{path}.lags[{n}]", lag, steps=len(job.steps))
    for n, begun in enumerate(job.begun):
        yield from _begun(f"{path}.begun[{n}]", begun, job, names)
    for n, p in enumerate(job.previous):
        if p.job != job.id:
            yield f"{path}.previous[{n}].job: is {p.job}, it must be {job.id}"
        if not 0 <= p.step < len(job.steps):
            yield f"{path}.previous[{n}].step: the job has {len(job.steps)} steps"


def _lag(path: str, lag: Lag, *, steps: int) -> Iterator[str]:
    if not 0 <= lag.before < lag.after < steps:
        yield (
            f"{path}: goes from step {lag.before} to step {lag.after}; it must go "
            f"forward within {steps} steps"
        )
    yield from _least_and_most(path, lag)


def _least_and_most(path: str, lag: Lag | Begun) -> Iterator[str]:
    if lag.least < 0:
        yield f"{path}.least: must not be negative"
    if lag.most is not None and lag.most < lag.least:
        yield f"{path}.most: {lag.most} is less than least {lag.least}"


def _begun(path: str, begun: Begun, job: Job, names: _Names) -> Iterator[str]:
    if not 0 <= begun.after < len(job.steps):
        yield f"{path}.after: is {begun.after}, the job has {len(job.steps)} steps"
    if not 0 <= begun.site < names.sites:
        yield f"{path}.site: {begun.site} is not one of the {names.sites} sites of travel"
    yield from _least_and_most(path, begun)


def _alternative(path: str, a: Alternative, names: _Names) -> Iterator[str]:
    resource = names.resources.get(a.resource)
    if resource is None:
        yield f"{path}.resource: there is no resource {a.resource}"
    if a.duration < 1:
        yield f"{path}.duration: must be at least 1 slot, it is {a.duration}"
    if a.quantity < 1:
        yield f"{path}.quantity: must be at least 1, it is {a.quantity}"
    if resource is not None:
        if resource.kind is Kind.BATCH:
            recipe = names.recipes.get(a.recipe or "")
            if recipe is None or recipe.resource != resource.id:
                yield f"{path}.recipe: {a.recipe} is no recipe of {resource.id}"
        elif a.recipe is not None:
            yield f"{path}.recipe: {resource.id} is {resource.kind} and runs no recipe"
        if a.family is not None and resource.kind is not Kind.UNARY:
            yield f"{path}.family: only a stay on a unary resource has a family"
    for n, use in enumerate(a.also):
        here = f"{path}.also[{n}]"
        kinds = (Kind.POOLED, Kind.UNARY)
        yield from _of_kind(f"{here}.resource", use.resource, names.resources, kinds)
        if use.quantity < 1:
            yield f"{here}.quantity: must be at least 1, it is {use.quantity}"
