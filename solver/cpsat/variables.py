"""The variables of a model: some jobs are free, everything else is seen only through the
starts that it leaves them.

Each step has one start variable, whatever resource serves it, and one mode for each way to
serve it: an alternative at one length of its stay, on one occurrence, or in one batch run.
A mode has a literal and, where it takes up a resource, an optional interval of fixed size.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ortools.sat.python.cp_model import CpModel, Domain, IntervalVar, IntVar, LinearExpr

from solver.calendars import first, runs, span
from solver.lanes import BatchLane, EventLane
from solver.problem import Alternative, Job, Lag, Placement
from solver.timeline import ANYWHEN, Timeline


@dataclass(frozen=True, slots=True)
class Mode:
    """One way to serve a step, before it has variables."""

    alternative: int
    length: int  # slots
    starts: int  # mask; never empty
    joins: int | None = None  # start of the batch run in place that the load would join
    shares: bool = False  # the load goes into a new batch run, as its first or a later one
    leads: int = 0  # mask of the starts at which that run finds the tool free
    occurrence: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ModeVars:
    """A mode in the model. True `chosen` means that the step is served so."""

    mode: Mode
    alternative: Alternative
    step: "StepVars"
    chosen: IntVar
    interval: IntervalVar | None  # None where nothing but a run or an occurrence is used
    hinted: bool  # whether the incumbent serves the step so


@dataclass(slots=True, eq=False)
class StepVars:
    """A step in the model. `start` means something only when the job is placed."""

    job: Job
    index: int
    start: IntVar
    end: LinearExpr
    hint: int  # where it starts in the incumbent, or any start when it is left out
    modes: list[ModeVars] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class JobVars:
    """A job in the model."""

    job: Job
    placed: IntVar
    steps: list[StepVars]
    hint: tuple[Placement, ...] = ()  # where it stands now; empty when it is left out


def modes_of(state: Timeline, job: Job) -> list[list[Mode]] | None:
    """Return the modes of each step of a job, or None when a step has none.

    Starts that no lag of the route can keep are already taken out.
    """
    route = [_step_modes(state, job, k) for k in range(len(job.steps))]
    if not all(route):
        return None
    return route if _tighten(state, job, route) else None


def _step_modes(state: Timeline, job: Job, k: int) -> list[Mode]:
    modes = []
    step = job.steps[k]
    for a, alternative in enumerate(step.alternatives):
        lane = state.lanes[alternative.resource]
        for c in state.starts(
            job, step, alternative, within=ANYWHEN, thin=True, campaigns=False
        ):
            if isinstance(lane, EventLane):
                modes += [
                    Mode(a, c.length, 1 << o.start, occurrence=o.id)
                    for o in lane.occurrences
                    if o.end - o.start == c.length
                    and lane.left[o.id] >= alternative.quantity
                    and c.starts >> o.start & 1
                ]
            elif isinstance(lane, BatchLane):
                for lo, hi in runs(c.joins):
                    modes += [Mode(a, c.length, 1 << s, joins=s) for s in range(lo, hi)]
                if c.alone:
                    modes.append(Mode(a, c.length, c.alone, shares=True, leads=c.starts))
            elif c.starts:
                modes.append(Mode(a, c.length, c.starts))
    return modes


def _tighten(state: Timeline, job: Job, route: list[list[Mode]]) -> bool:
    """Cut the starts that the lags rule out; False when a step is left with none."""
    least = {lag: _least(state, job, lag) for lag in job.lags}
    for _ in range(2):
        for lag in job.lags:  # forwards
            ends = min(first(m.starts) + m.length for m in route[lag.before])
            hi = None
            if lag.most is not None:
                hi = (
                    lag.most
                    + 1
                    + max(m.starts.bit_length() - 1 + m.length for m in route[lag.before])
                )
            route[lag.after] = _cut(route[lag.after], ends + least[lag], hi)
            if not route[lag.after]:
                return False
        for lag in reversed(job.lags):  # backwards
            opens = min(first(m.starts) for m in route[lag.after])
            closes = max(m.starts.bit_length() - 1 for m in route[lag.after])
            kept = []
            for mode in route[lag.before]:
                lo = None if lag.most is None else opens - lag.most - mode.length
                kept += _cut([mode], lo, closes - least[lag] - mode.length + 1)
            route[lag.before] = kept
            if not kept:
                return False
    return True


def _least(state: Timeline, job: Job, lag: Lag) -> int:
    ways = [
        state.travel(a.resource, b.resource)
        for a in job.steps[lag.before].alternatives
        for b in job.steps[lag.after].alternatives
    ]
    return lag.least + min(ways)


def _cut(modes: Sequence[Mode], lo: int | None, hi: int | None) -> list[Mode]:
    """Keep the starts in ``[lo, hi)``, and the modes that have any."""
    kept = []
    for mode in modes:
        top = mode.starts.bit_length()
        mask = mode.starts & span(lo or 0, top if hi is None else min(hi, top))
        if mask == mode.starts:
            kept.append(mode)
        elif mask:
            kept.append(replace(mode, starts=mask, leads=mode.leads & mask))
    return kept


def domain_of(mask: int) -> Domain:
    """Return a mask as a domain of CP-SAT."""
    return Domain.from_intervals([[lo, hi - 1] for lo, hi in runs(mask)])


def add_job(
    model: CpModel,
    job: Job,
    route: Sequence[Sequence[Mode]],
    *,
    must: bool,
    hint: tuple[Placement, ...],
) -> JobVars:
    """Add the variables of one job.

    Parameters
    ----------
    must : bool
        Whether every solution places the job.
    hint : tuple[Placement, ...]
        Where it stands in the incumbent, by step; empty when it is left out.
    """
    placed = model.new_constant(1) if must else model.new_bool_var("")
    if not must:
        model.add_hint(placed, bool(hint))
    steps = [
        _add_step(model, job, modes, placed=placed, hint=hint[k] if hint else None, index=k)
        for k, modes in enumerate(route)
    ]
    return JobVars(job, placed, steps, hint)


def _add_step(
    model: CpModel,
    job: Job,
    modes: Sequence[Mode],
    *,
    placed: IntVar,
    hint: Placement | None,
    index: int,
) -> StepVars:
    union = 0
    for mode in modes:
        union |= mode.starts
    start = model.new_int_var_from_domain(domain_of(union), "")
    step = StepVars(
        job, index, start, start + 0, first(union) if hint is None else hint.start
    )
    model.add_hint(start, step.hint)
    hinted = None if hint is None else _hinted(modes, hint)
    for mode in modes:
        chosen = placed
        if len(modes) > 1:
            chosen = model.new_bool_var("")
            model.add_hint(chosen, mode is hinted)
        if mode.starts != union:
            where = model.add_linear_expression_in_domain(start, domain_of(mode.starts))
            where.only_enforce_if(chosen)
        alternative = job.steps[index].alternatives[mode.alternative]
        interval = None
        if alternative.also or not (
            mode.shares or mode.joins is not None or mode.occurrence
        ):
            interval = model.new_optional_fixed_size_interval_var(
                start, mode.length, chosen, ""
            )
        step.modes.append(
            ModeVars(mode, alternative, step, chosen, interval, hinted=mode is hinted)
        )
    if len(modes) > 1:
        model.add(LinearExpr.sum([m.chosen for m in step.modes]) == placed)
    lengths = [m.length for m in modes]
    if len(set(lengths)) == 1:
        step.end = start + lengths[0]
    else:
        chosen_lengths = LinearExpr.weighted_sum([m.chosen for m in step.modes], lengths)
        step.end = start + chosen_lengths
    return step


def _hinted(modes: Sequence[Mode], hint: Placement) -> Mode | None:
    """Return the mode that the incumbent uses; a run in place before one of its own."""
    fits = [
        m
        for m in modes
        if m.alternative == hint.alternative
        and m.length == hint.end - hint.start
        and m.occurrence == hint.occurrence
        and m.starts >> hint.start & 1
    ]
    return min(fits, key=lambda m: m.joins is None, default=None)
