"""The rules of `solver.problem` as constraints, one function for each.

What is not free is not in the model: it stands in the domains of the starts, in the room
that is left of pools, occurrences and batch runs, and nowhere else.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from ortools.sat.python.cp_model import CpModel, IntervalVar, IntVar, LinearExpr

from solver.calendars import first
from solver.cpsat.variables import JobVars, ModeVars, StepVars, domain_of
from solver.lanes import BatchLane, EventLane, PooledLane, UnaryLane
from solver.problem import Lag
from solver.timeline import Timeline


@dataclass(frozen=True, slots=True, eq=False)
class Occupant:
    """A stay, or a new batch run, that would have a resource to itself."""

    step: StepVars
    length: int
    starts: int  # mask
    present: IntVar
    interval: IntervalVar
    family: str
    hinted: bool


def every_mode(jobs: Iterable[JobVars]) -> Iterator[ModeVars]:
    """Yield the modes of all steps of all jobs."""
    return (mode for job in jobs for step in job.steps for mode in step.modes)


def one_of_each_group(model: CpModel, jobs: Iterable[JobVars]) -> None:
    """Of the free jobs of a group at most one is placed."""
    groups: dict[str, list[IntVar]] = defaultdict(list)
    for j in jobs:
        if j.job.one_of is not None:
            groups[j.job.one_of].append(j.placed)
    for placed in groups.values():
        model.add_at_most_one(placed)


def lags_hold(model: CpModel, job: JobVars, state: Timeline) -> None:
    """Steps of a route keep their lags, travel between sites included."""
    for lag in job.job.lags:
        before, after = job.steps[lag.before], job.steps[lag.after]
        ways = {
            (a, b): state.travel(a.alternative.resource, b.alternative.resource)
            for a in before.modes
            for b in after.modes
        }
        shortest = min(ways.values())
        soonest = before.end + (lag.least + shortest)
        model.add(after.start >= soonest).only_enforce_if(job.placed)
        _longer_ways(model, lag, ways, before=before, after=after)
        if lag.most is not None:
            model.add(after.start <= before.end + lag.most).only_enforce_if(job.placed)


def _longer_ways(
    model: CpModel,
    lag: Lag,
    ways: dict[tuple[ModeVars, ModeVars], int],
    *,
    before: StepVars,
    after: StepVars,
) -> None:
    shortest = min(ways.values())
    for (a, b), way in ways.items():
        if way > shortest:
            apart = after.start >= before.end + (lag.least + way)
            model.add(apart).only_enforce_if([a.chosen, b.chosen])


def loads_share_runs(
    model: CpModel, jobs: Sequence[JobVars], state: Timeline
) -> dict[str, list[Occupant]]:
    """Loads of one recipe share a new run up to its capacity, and fill it enough.

    The first load of a run, in the order of the model, leads it and has its start; the
    others follow. Returns the runs that there may be, by resource.
    """
    together: dict[tuple[str, str, int], list[ModeVars]] = defaultdict(list)
    for mode in every_mode(jobs):
        if mode.mode.shares:
            recipe = mode.alternative.recipe or ""
            together[mode.alternative.resource, recipe, mode.mode.length].append(mode)
    found: dict[str, list[Occupant]] = defaultdict(list)
    for (resource, recipe, _), loads in together.items():
        lane = state.lanes[resource]
        assert isinstance(lane, BatchLane)
        found[resource] += _runs_of(model, loads, lane, recipe=recipe)
    return found


def _runs_of(
    model: CpModel, loads: Sequence[ModeVars], lane: BatchLane, *, recipe: str
) -> Iterator[Occupant]:
    limits = lane.recipes[recipe]
    first_at: dict[int, ModeVars] = {}  # who leads in the incumbent, by start
    for load in loads:
        if load.hinted:
            first_at.setdefault(load.step.hint, load)
    part_of: dict[ModeVars, list[IntVar]] = {load: [] for load in loads}
    for i, load in enumerate(loads):
        quantity = load.alternative.quantity
        leads = model.new_bool_var("")
        hinted = load.hinted and first_at[load.step.hint] is load
        model.add_hint(leads, hinted)
        part_of[load].append(leads)
        model.add(LinearExpr.sum(part_of[load]) == load.chosen)
        follows: list[IntVar] = []
        quantities: list[int] = []
        for other in loads[i + 1 :] if load.mode.leads else ():
            more = other.alternative.quantity
            meet = load.mode.leads & other.mode.starts
            if quantity + more > limits.capacity or not meet or other.step is load.step:
                continue
            follow = model.new_bool_var("")
            model.add_hint(
                follow, hinted and other.hinted and other.step.hint == load.step.hint
            )
            model.add(other.step.start == load.step.start).only_enforce_if(follow)
            model.add_implication(follow, leads)
            part_of[other].append(follow)
            follows.append(follow)
            quantities.append(more)
        filled = LinearExpr.weighted_sum(follows, quantities)
        if sum(quantities) + quantity > limits.capacity:
            model.add(filled <= limits.capacity - quantity)
        if quantity < limits.min_load:
            model.add(filled >= limits.min_load - quantity).only_enforce_if(leads)
        if not load.mode.leads:
            model.add(leads == 0)
            continue
        if load.mode.leads != load.mode.starts:
            where = domain_of(load.mode.leads)
            model.add_linear_expression_in_domain(load.step.start, where).only_enforce_if(
                leads
            )
        interval = model.new_optional_fixed_size_interval_var(
            load.step.start, load.mode.length, leads, ""
        )
        yield Occupant(
            load.step,
            load.mode.length,
            load.mode.leads,
            leads,
            interval,
            limits.family or "",
            hinted=hinted,
        )


def runs_in_place_have_room(
    model: CpModel, jobs: Sequence[JobVars], state: Timeline
) -> None:
    """Loads that join a run in place fit into it, and make it heavy enough.

    Of resources that the free jobs do not touch the state need not know every load.
    """
    joining: dict[tuple[str, int], list[ModeVars]] = defaultdict(list)
    for mode in every_mode(jobs):
        if mode.mode.joins is not None:
            joining[mode.alternative.resource, mode.mode.joins].append(mode)
    touched = {a.resource for j in jobs for s in j.job.steps for a in s.alternatives}
    thin = {run for run in state.thin_runs() if run[0] in touched}
    for resource, start in sorted(thin | joining.keys()):
        lane = state.lanes[resource]
        assert isinstance(lane, BatchLane)
        run = lane.runs[start]
        loads = joining[resource, start]
        joined = _quantity(loads)
        recipe = lane.recipes[run.recipe]
        if sum(m.alternative.quantity for m in loads) > recipe.capacity - run.load:
            model.add(joined <= recipe.capacity - run.load)
        lacking = recipe.min_load - run.load
        if (resource, start) in thin:
            model.add(joined >= lacking)
        else:  # heavy enough, or a booking alone, which may stay so
            for mode in loads:
                if mode.alternative.quantity < lacking:
                    model.add(joined >= lacking).only_enforce_if(mode.chosen)


def occurrences_have_room(model: CpModel, jobs: Sequence[JobVars], state: Timeline) -> None:
    """An occurrence of an event takes no more than is left of it."""
    attending: dict[tuple[str, str], list[ModeVars]] = defaultdict(list)
    for mode in every_mode(jobs):
        if mode.mode.occurrence is not None:
            attending[mode.alternative.resource, mode.mode.occurrence].append(mode)
    for (resource, occurrence), modes in attending.items():
        lane = state.lanes[resource]
        assert isinstance(lane, EventLane)
        if sum(m.alternative.quantity for m in modes) > lane.left[occurrence]:
            model.add(_quantity(modes) <= lane.left[occurrence])


def stays(jobs: Sequence[JobVars], state: Timeline) -> dict[str, list[Occupant]]:
    """Return the stays on unary resources, main and beside, by resource."""
    found: dict[str, list[Occupant]] = defaultdict(list)
    for mode in every_mode(jobs):
        if mode.interval is None:
            continue
        alternative = mode.alternative
        held = [(alternative.resource, alternative.family or "")]
        held += [(use.resource, "") for use in alternative.also]
        for resource, family in held:
            if isinstance(state.lanes[resource], UnaryLane):
                found[resource].append(
                    Occupant(
                        mode.step,
                        mode.mode.length,
                        mode.mode.starts,
                        mode.chosen,
                        mode.interval,
                        family,
                        hinted=mode.hinted,
                    )
                )
    return found


def one_at_a_time(model: CpModel, occupants: Iterable[Sequence[Occupant]]) -> None:
    """A unary resource serves one stay at a time, a batch resource one run."""
    for sharing in occupants:
        if len(sharing) > 1:
            model.add_no_overlap([o.interval for o in sharing])


def changeovers_fit(
    model: CpModel, occupants: Sequence[Occupant], costs: dict[tuple[str, str], int]
) -> None:
    """Between free stays of different families lies their changeover, whoever is first.

    Asked of all pairs, not of neighbours only: where a changeover is longer than the way
    through a third family, this is stricter than the rule.
    """
    for a, b in combinations(occupants, 2):
        ab, ba = costs.get((a.family, b.family), 0), costs.get((b.family, a.family), 0)
        if a.step is b.step or not (ab or ba) or not _can_meet(a, b, ab=ab, ba=ba):
            continue
        order = model.new_bool_var("")
        model.add_hint(order, a.step.hint <= b.step.hint)
        both = [a.present, b.present]
        model.add(b.step.start >= a.step.start + (a.length + ab)).only_enforce_if(
            [order, *both]
        )
        model.add(a.step.start >= b.step.start + (b.length + ba)).only_enforce_if(
            [order.negated(), *both]
        )


def _can_meet(a: Occupant, b: Occupant, *, ab: int, ba: int) -> bool:
    """Tell whether some pair of starts breaks the changeover one way or the other."""
    a_ends = a.starts.bit_length() - 1 + a.length
    b_ends = b.starts.bit_length() - 1 + b.length
    return first(b.starts) < a_ends + ab and first(a.starts) < b_ends + ba


def pools_suffice(model: CpModel, jobs: Sequence[JobVars], state: Timeline) -> None:
    """Stays on a pool never use more than its capacity, what is fixed included."""
    using: dict[str, list[tuple[ModeVars, int]]] = defaultdict(list)
    for mode in every_mode(jobs):
        alternative = mode.alternative
        held = [(alternative.resource, alternative.quantity)]
        held += [(use.resource, use.quantity) for use in alternative.also]
        for resource, quantity in held:
            if isinstance(state.lanes[resource], PooledLane):
                using[resource].append((mode, quantity))
    for resource, uses in using.items():
        lane = state.lanes[resource]
        assert isinstance(lane, PooledLane)
        if len(uses) > 1:
            _cumulative(model, uses, lane)


def _cumulative(
    model: CpModel, uses: Sequence[tuple[ModeVars, int]], lane: PooledLane
) -> None:
    lo = min(first(m.mode.starts) for m, _ in uses)
    hi = max(m.mode.starts.bit_length() - 1 + m.mode.length for m, _ in uses)
    intervals: list[IntervalVar] = []
    demands: list[int] = []
    for mode, quantity in uses:
        assert mode.interval is not None
        intervals.append(mode.interval)
        demands.append(quantity)
    peak = 0
    for start, end, used in lane.profile(lo, hi):
        peak = max(peak, used)
        if used:
            intervals.append(model.new_fixed_size_interval_var(start, end - start, ""))
            demands.append(min(used, lane.capacity))
    if peak + sum(quantity for _, quantity in uses) > lane.capacity:
        model.add_cumulative(intervals, demands, lane.capacity)


def _quantity(modes: Sequence[ModeVars]) -> LinearExpr:
    return LinearExpr.weighted_sum(
        [m.chosen for m in modes], [m.alternative.quantity for m in modes]
    )
