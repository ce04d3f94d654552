"""The best value of a tiny problem, over every way in which each job could be placed.

A boolean for each whole placement of a job that the judge lets through alone, capacity
slot by slot, and the judge again: what it refuses is cut off and the next best is tried.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from ortools.sat.python import cp_model

from solver.check import broken_rules
from solver.problem import Job, Kind, Placement, Problem, StayRule

Way = tuple[Placement, ...]


def optimum(problem: Problem) -> int | None:
    """Return the value of the best plan; None when the mandatory jobs cannot be placed."""
    model = cp_model.CpModel()
    chosen = []  # (literal, worth, placements)
    slots = defaultdict(list)  # (resource, slot): (literal, units)
    groups = defaultdict(list)  # by Job.one_of: literals
    runs = defaultdict(list)  # (recipe, start, end): (literal, load)
    for job in problem.jobs:
        mine = []
        for way in _ways(problem, job):
            literal = model.new_bool_var("")
            mine.append(literal)
            chosen.append((literal, _worth(job, way), way))
            for p in way:
                alternative = job.steps[p.step].alternatives[p.alternative]
                uses = [(u.resource, u.quantity) for u in alternative.also]
                if alternative.recipe:
                    runs[alternative.recipe, p.start, p.end].append(
                        (literal, alternative.quantity)
                    )
                else:
                    uses.append(
                        (p.occurrence or alternative.resource, alternative.quantity)
                    )
                for name, units in uses:
                    for slot in range(p.start, p.end):
                        slots[name, slot].append((literal, units))
        (model.add_exactly_one if job.mandatory else model.add_at_most_one)(mine)
        if job.one_of is not None:
            groups[job.one_of] += mine
    for either in groups.values():
        model.add_at_most_one(either)
    recipes = {r.id: r for r in problem.recipes}
    for (name, start, end), loads in runs.items():
        runs_now = model.new_bool_var("")
        recipe = recipes[name]
        fixed = sum(
            s.quantity
            for s in problem.stays
            if (s.recipe, s.start, s.end) == (name, start, end)
        )
        load = sum(q * literal for literal, q in loads)
        model.add(load <= (recipe.capacity - fixed) * runs_now)
        model.add(load >= (recipe.min_load - fixed) * runs_now)
        for slot in range(start, end):
            if not fixed:
                slots[recipe.resource, slot].append((runs_now, 1))
    room = {r.id: r.capacity for r in problem.resources if r.kind is Kind.POOLED}
    room |= {o.id: o.capacity for o in problem.occurrences}
    for (name, slot), users in slots.items():
        pooled = name in room
        taken = sum(
            s.quantity if pooled else 1
            for s in problem.stays
            if name == s.occurrence or (s.resource == name and s.start <= slot < s.end)
        )
        use = sum((units if pooled else 1) * literal for literal, units in users)
        model.add(use <= max(0, room.get(name, 1) - taken))
    model.maximize(sum(worth * literal for literal, worth, _ in chosen))
    optional = replace(
        problem,
        jobs=tuple(replace(j, mandatory=False) for j in problem.jobs),
        recipes=tuple(replace(r, min_load=0) for r in problem.recipes),
    )
    while True:
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        if solver.solve(model) != cp_model.OPTIMAL:
            return None
        taken = [c for c in chosen if solver.value(c[0])]
        if not any(broken_rules(problem, [p for _, _, way in taken for p in way])):
            return sum(worth for _, worth, _ in taken)
        # A changeover or a campaign is missed on some resource, and perhaps not if a further stay comes
        # between. What does not touch the resource is of no account.
        for resource in problem.resources:
            known = {j.id: j for j in problem.jobs}
            touching = [c for c in chosen if resource.id in _resources(known, c[2])]
            here = [c for c in taken if c in touching]
            asking = tuple(
                r if r is resource else replace(r, changeovers=(), min_campaign=1)
                for r in problem.resources
            )
            only_here = replace(optional, resources=asking)
            if any(broken_rules(only_here, [p for _, _, way in here for p in way])):
                others = [c[0] for c in touching if c not in here]
                model.add_bool_or([c[0].negated() for c in here] + others)


def _resources(jobs: dict[str, Job], way: Way) -> set[str]:
    found = set()
    for p in way:
        alternative = jobs[p.job].steps[p.step].alternatives[p.alternative]
        found |= {alternative.resource, *(u.resource for u in alternative.also)}
    return found


def _worth(job: Job, placements: Way) -> int:
    late = 0 if job.due is None else max(0, max(p.end for p in placements) - job.due)
    moved = bool(job.previous) and set(placements) != set(job.previous)
    stray = sum(
        not any(lo <= p.start and p.end <= hi for lo, hi in job.preferred)
        for p in placements
    )
    return job.value - job.late_cost * late - job.move_cost * moved - job.stray_cost * stray


def _ways(problem: Problem, job: Job) -> Iterator[Way]:
    """Yield the whole placements that the judge lets through beside the fixed stays.

    Changeovers and least loads depend on other jobs and are left to the whole plan.
    """
    alone = replace(
        problem,
        jobs=(job,),
        resources=tuple(
            replace(r, changeovers=(), min_campaign=1) for r in problem.resources
        ),
        recipes=tuple(replace(r, min_load=0) for r in problem.recipes),
    )
    for whole in product(*(list(_stays(alone, job, k)) for k in range(len(job.steps)))):
        if not any(broken_rules(alone, whole)):
            yield whole


def _stays(problem: Problem, job: Job, step: int) -> Iterator[Placement]:
    kinds = {r.id: r.kind for r in problem.resources}
    for n, alternative in enumerate(job.steps[step].alternatives):
        if kinds[alternative.resource] is Kind.EVENT:
            stays = [(o.start, o.end, o.id) for o in problem.occurrences]
        else:
            grown = 12 if alternative.stay is StayRule.WORKING else 1
            stays = [
                (start, start + alternative.duration + more, None)
                for start in range(problem.horizon)
                for more in range(grown)
            ]
        for start, end, occurrence in stays:
            p = Placement(job.id, step, n, start, end, occurrence)
            single = Placement(job.id, 0, n, start, end, occurrence)
            before = (single,) if p in job.previous else ()
            own = replace(
                job,
                steps=(job.steps[step],),
                lags=(),
                begun=tuple(replace(b, after=0) for b in job.begun if b.after == step),
                previous=before,
            )
            if not any(broken_rules(replace(problem, jobs=(own,)), [single])):
                yield p
