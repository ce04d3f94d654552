"""The judge's second half: what stays break together on one resource.

A part of `solver.check`, which is the door; see there for why no other code is used.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from solver.problem import (
    Alternative,
    Job,
    Kind,
    Placement,
    Problem,
    Recipe,
    Resource,
    Stay,
)


@dataclass(frozen=True, slots=True)
class Held:
    """A placement together with what it names."""

    placement: Placement
    job: Job
    alternative: Alternative
    resource: Resource

    @property
    def name(self) -> str:
        """How a sentence names it: job, step, resource and stay."""
        p = self.placement
        step = self.job.steps[p.step].id
        return (
            f"job {p.job}, step {p.step} ({step}) on {self.resource.id}, "
            f"slots {p.start} to {p.end}"
        )


@dataclass(frozen=True, slots=True)
class _Hold:
    """A stretch of one resource taken by a placement, by a run, or by a fixed stay."""

    start: int
    end: int
    quantity: int
    family: str | None
    name: str
    placed: bool = True  # whether the plan put it there; False for a fixed stay
    given: bool = False  # whether it stands without the plan, as a fixed run that is joined


def broken_on_resources(problem: Problem, held: Sequence[Held]) -> Iterator[str]:
    """Yield what stays break together, resource by resource."""
    main: dict[str, list[Held]] = defaultdict(list)
    beside: dict[str, list[_Hold]] = defaultdict(list)
    for one in held:
        p = one.placement
        main[one.resource.id].append(one)
        for use in one.alternative.also:
            beside[use.resource].append(
                _Hold(p.start, p.end, use.quantity, None, f"{one.name} (beside)")
            )
    for resource in problem.resources:
        if resource.kind is Kind.EVENT:
            yield from _overfull_occurrences(problem, resource, main[resource.id])
            continue
        if resource.kind is Kind.BATCH:
            sentences, holds = _runs(problem, resource, main[resource.id])
            yield from sentences
        else:
            holds = [_hold_of(one) for one in main[resource.id]]
            holds += [_fixed_hold(s) for s in problem.stays if s.resource == resource.id]
        holds += beside[resource.id]
        if resource.kind is Kind.POOLED:
            yield from _overfull(resource, holds)
        else:
            yield from _overlaps(resource, holds)
            yield from _changeovers_too_short(resource, holds)
            yield from _campaigns_too_short(resource, holds)


def _fixed(start: int, end: int) -> str:
    return f"a fixed stay, slots {start} to {end}"


def _fixed_hold(stay: Stay) -> _Hold:
    name = _fixed(stay.start, stay.end)
    return _Hold(
        stay.start, stay.end, stay.quantity, stay.family, name, placed=False, given=True
    )


def _hold_of(held: Held) -> _Hold:
    p, alternative = held.placement, held.alternative
    return _Hold(p.start, p.end, alternative.quantity, alternative.family, held.name)


def _overlaps(resource: Resource, holds: Iterable[_Hold]) -> Iterator[str]:
    """One stay, or one run, at a time."""
    latest: _Hold | None = None
    for hold in sorted(holds, key=lambda h: (h.start, h.end)):
        if (
            latest is not None
            and hold.start < latest.end
            and (hold.placed or latest.placed)
        ):
            one, other = (hold, latest) if hold.placed else (latest, hold)
            yield f"{one.name}: {resource.id} is held at the same time by {other.name}"
        if latest is None or hold.end > latest.end:
            latest = hold


def _changeovers_too_short(resource: Resource, holds: Iterable[_Hold]) -> Iterator[str]:
    """Between consecutive stays of different families lies their changeover."""
    needed = {(c.before, c.after): c.slots for c in resource.changeovers}
    if not needed:
        return
    for first, then in pairwise(sorted(holds, key=lambda h: (h.start, h.end))):
        if first.family is None or then.family is None or first.family == then.family:
            continue
        slots = needed.get((first.family, then.family), 0)
        gap = then.start - first.end
        if 0 <= gap < slots and (first.placed or then.placed):
            one, other = (then, first) if then.placed else (first, then)
            yield (
                f"{one.name}: {gap} slots lie between it and {other.name}; the changeover "
                f"from {first.family} to {then.family} on {resource.id} takes {slots}"
            )


def _campaigns_too_short(resource: Resource, holds: Iterable[_Hold]) -> Iterator[str]:
    """Enough of a family come in a row before another's; fixed ones alone may be few."""
    in_order = sorted(
        (h for h in holds if h.family is not None), key=lambda h: (h.start, h.end)
    )
    campaigns = [list(group) for _, group in groupby(in_order, lambda h: h.family)]
    for campaign in campaigns[:-1]:
        own = [hold for hold in campaign if not hold.given]
        if own and len(campaign) < resource.min_campaign:
            yield (
                f"{own[0].name}: another family follows on {resource.id} after"
                f" {len(campaign)} of {own[0].family} in a row; there must be"
                f" {resource.min_campaign}"
            )


def _overfull(resource: Resource, holds: Sequence[_Hold]) -> Iterator[str]:
    """At no slot is more taken of a pool than it has."""
    marks = sorted({h.start for h in holds})
    begin: dict[int, list[_Hold]] = defaultdict(list)
    for hold in holds:
        begin[hold.start].append(hold)
    inside: list[_Hold] = []
    for mark in marks:  # the peak of a pool lies where a stay begins
        inside = [h for h in inside if h.end > mark] + begin[mark]
        taken = sum(h.quantity for h in inside)
        placed = [h for h in inside if h.placed]
        if taken > resource.capacity and placed and any(h.placed for h in begin[mark]):
            names = "; ".join(h.name for h in placed)
            yield (
                f"{names}: {taken} units of {resource.id} are taken at slot {mark}, "
                f"it has {resource.capacity}"
            )
        elif taken > resource.capacity and placed:
            yield (
                f"{placed[0].name}: a fixed stay begins at slot {mark} and makes {taken} "
                f"units of {resource.id}, it has {resource.capacity}"
            )


def _overfull_occurrences(
    problem: Problem, resource: Resource, held: Sequence[Held]
) -> Iterator[str]:
    """An occurrence takes as much as its capacity, fixed stays counted."""
    for occurrence in problem.occurrences:
        if occurrence.resource != resource.id:
            continue
        mine = [h for h in held if h.placement.occurrence == occurrence.id]
        taken = sum(h.alternative.quantity for h in mine) + sum(
            s.quantity
            for s in problem.stays
            if s.resource == resource.id and s.occurrence == occurrence.id
        )
        if mine and taken > occurrence.capacity:
            names = "; ".join(h.name for h in mine)
            yield (
                f"{names}: occurrence {occurrence.id} would take {taken}, "
                f"it has {occurrence.capacity}"
            )


@dataclass(slots=True)
class _Run:
    """What shares recipe, start and end on one batch resource."""

    loads: list[Held]
    fixed_load: int = 0
    joinable: bool = True  # while it holds no fixed load, or only joinable ones


def _runs(
    problem: Problem, resource: Resource, held: Sequence[Held]
) -> tuple[list[str], list[_Hold]]:
    """Gather loads into runs; return what is wrong inside runs, and the runs as holds."""
    recipes = problem.recipe_by_id()
    together: dict[tuple[int, int, str], _Run] = defaultdict(lambda: _Run([]))
    faults: list[str] = []
    holds: list[_Hold] = []
    for stay in problem.stays:
        if stay.resource != resource.id:
            continue
        if stay.recipe is None:
            # It blocks the tool and is no run, so that no changeover follows it.
            name = _fixed(stay.start, stay.end)
            holds.append(_Hold(stay.start, stay.end, 1, None, name, placed=False))
            continue
        run = together[stay.start, stay.end, stay.recipe]
        run.fixed_load += stay.quantity
        run.joinable &= stay.joinable
    for one in held:
        recipe = recipes.get(one.alternative.recipe or "")
        if recipe is None or recipe.resource != resource.id:
            faults.append(f"{one.name}: names no recipe of {resource.id}")
        else:
            p = one.placement
            together[p.start, p.end, recipe.id].loads.append(one)
    for (start, end, recipe_id), run in together.items():
        recipe = recipes.get(recipe_id)
        faults += _broken_in_run(recipe, run)
        holds.append(
            _Hold(
                start,
                end,
                1,
                recipe.family if recipe else None,
                run.loads[0].name if run.loads else _fixed(start, end),
                placed=bool(run.loads),
                given=run.fixed_load > 0,
            )
        )
    return faults, holds


def _broken_in_run(recipe: Recipe | None, run: _Run) -> Iterator[str]:
    """A run holds its recipe's least load and no more than its capacity."""
    if recipe is None or not run.loads:
        return
    names = "; ".join(one.name for one in run.loads)
    load = run.fixed_load + sum(one.alternative.quantity for one in run.loads)
    if not run.joinable:
        yield f"{names}: joins a fixed run that takes no further load"
    carries = f"{names}: the run carries {load}, recipe {recipe.id}"
    if load > recipe.capacity:
        yield f"{carries} takes {recipe.capacity}"
    if load < recipe.min_load:
        yield f"{carries} needs {recipe.min_load}"
