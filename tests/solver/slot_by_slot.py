"""The rules once more, by counting slots one at a time: an oracle for small problems.

Slow and blunt on purpose: it says only whether a plan is sound.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

from solver.problem import Kind, Placement, Problem, StayRule


def is_sound(problem: Problem, placements: Sequence[Placement]) -> bool:
    """Tell whether a plan of well-formed placements keeps every rule."""
    jobs = {j.id: j for j in problem.jobs}
    resources = {r.id: r for r in problem.resources}
    by_job = defaultdict(dict)
    for p in placements:
        if p.step in by_job[p.job]:
            return False
        by_job[p.job][p.step] = p
    for job in problem.jobs:
        placed = by_job.get(job.id, {})
        if (placed or job.mandatory) and len(placed) != len(job.steps):
            return False
        for lag in job.lags if placed else ():
            a, b = placed[lag.before], placed[lag.after]
            sites = [
                resources[job.steps[p.step].alternatives[p.alternative].resource].site
                for p in (a, b)
            ]
            least = lag.least + problem.travel[sites[0]][sites[1]]
            if not least <= b.start - a.end <= (1000 if lag.most is None else lag.most):
                return False
        for lag in job.begun if placed else ():
            p = placed[lag.after]
            name = job.steps[p.step].alternatives[p.alternative].resource
            least = lag.least + problem.travel[lag.site][resources[name].site]
            if not least <= p.start - lag.end <= (1000 if lag.most is None else lag.most):
                return False
    groups = Counter(j.one_of for j in problem.jobs if j.one_of and by_job.get(j.id))
    if any(placed > 1 for placed in groups.values()):
        return False
    return all(_stay_is_sound(problem, jobs[p.job], p) for p in placements) and all(
        _resource_is_sound(problem, r, placements, jobs) for r in problem.resources
    )


def _slots(intervals):
    return {s for lo, hi in intervals for s in range(lo, hi)}


def _stay_is_sound(problem, job, p):
    alternative = job.steps[p.step].alternatives[p.alternative]
    resources = {r.id: r for r in problem.resources}
    resource = resources[alternative.resource]
    stay = set(range(p.start, p.end))
    if not stay:
        return False
    if p.start >= problem.horizon or p.end > problem.calendar_end or p.start < job.release:
        return False
    if p.start < problem.earliest and p not in job.previous:
        return False
    if job.deadline is not None and p.end > job.deadline:
        return False
    if not any(stay <= _slots([w]) for w in job.steps[p.step].windows):
        return False
    for name in (resource.id, *(u.resource for u in alternative.also)):
        if stay & _slots(resources[name].outages):
            return False
    if resource.kind is Kind.EVENT:
        return any(
            (o.id, o.start, o.end, o.resource)
            == (p.occurrence, p.start, p.end, resource.id)
            for o in problem.occurrences
        )
    hours = _slots(resource.open)
    worked = len(stay & hours)
    if p.occurrence is not None or min(stay) not in hours or max(stay) not in hours:
        return False
    if alternative.stay is StayRule.WORKING:
        return worked == alternative.duration
    if alternative.stay is StayRule.INSIDE and worked != len(stay):
        return False
    return len(stay) == alternative.duration


def _resource_is_sound(problem, resource, placements, jobs):
    """Fill a ledger of slots and look for a slot that holds too much."""
    capacity = {Kind.UNARY: 1, Kind.POOLED: resource.capacity}.get(resource.kind)
    taken = Counter()
    runs = defaultdict(lambda: [0, False, True])  # load, has a placement, joinable
    families = []  # (start, end, family, placed)
    occurrences = Counter()
    for s in problem.stays:
        if s.resource != resource.id:
            continue
        occurrences[s.occurrence] += s.quantity
        quantity = s.quantity if resource.kind is Kind.POOLED else 1
        if resource.kind is Kind.BATCH:
            runs[s.start, s.end, s.recipe][0] += s.quantity
            runs[s.start, s.end, s.recipe][2] &= s.joinable
        else:
            taken.update(dict.fromkeys(range(s.start, s.end), quantity))
            families.append((s.start, s.end, s.family, False))
    touched = set()
    for p in placements:
        alternative = jobs[p.job].steps[p.step].alternatives[p.alternative]
        stay = range(p.start, p.end)
        for use in alternative.also:
            if use.resource == resource.id:
                taken.update(dict.fromkeys(stay, use.quantity))
                touched.update(stay)
                families.append((p.start, p.end, None, True))
        if alternative.resource != resource.id:
            continue
        if resource.kind is Kind.EVENT:
            occurrences[p.occurrence] += alternative.quantity
        elif resource.kind is Kind.BATCH:
            run = runs[p.start, p.end, alternative.recipe]
            run[0] += alternative.quantity
            run[1] = True
        else:
            quantity = alternative.quantity if resource.kind is Kind.POOLED else 1
            taken.update(dict.fromkeys(stay, quantity))
            touched.update(stay)
            families.append((p.start, p.end, alternative.family, True))
    recipes = {r.id: r for r in problem.recipes}
    for (start, end, recipe), (load, placed, joinable) in runs.items():
        taken.update(dict.fromkeys(range(start, end), 1))
        families.append((start, end, recipes[recipe].family, placed))
        if placed:
            touched.update(range(start, end))
            known = recipes[recipe]
            if not joinable or not known.min_load <= load <= known.capacity:
                return False
    if resource.kind is Kind.EVENT:
        room = {o.id: o.capacity for o in problem.occurrences}
        used = {p.occurrence for p in placements}
        return all(occurrences[o] <= room[o] for o in used if o is not None and o in room)
    if any(taken[slot] > (capacity or 1) for slot in touched):
        return False
    if resource.kind is Kind.POOLED:
        return True
    if not _campaigns_are_long(problem, resource, families):
        return False
    for c in resource.changeovers:
        for a in families:
            for b in families:
                between = any(a[1] <= f[0] and f[1] <= b[0] for f in families)
                named = (a[2], b[2]) == (c.before, c.after) and (a[3] or b[3])
                if named and not between and a[1] <= b[0] < a[1] + c.slots:
                    return False
    return True


def _campaigns_are_long(problem, resource, families):
    fixed = {(s.start, s.end) for s in problem.stays if s.resource == resource.id}
    row, before = [], None
    for start, end, family, _ in sorted(families, key=lambda f: f[:2]):
        if family is None:
            continue
        if before is not None and family != before:
            if not all(row) and len(row) < resource.min_campaign:
                return False
            row = []
        row.append((start, end) in fixed)
        before = family
    return True
