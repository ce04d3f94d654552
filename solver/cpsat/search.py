"""Solving a part of a problem: some jobs free, the rest as it stands."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ortools.sat.python.cp_model import (
    FEASIBLE,
    OPTIMAL,
    CpModel,
    CpSolver,
    LinearExpr,
)

from solver.cpsat import constraints, objective
from solver.cpsat.campaigns import campaigns_last
from solver.cpsat.variables import JobVars, add_job, modes_of
from solver.lanes import BatchLane, UnaryLane
from solver.problem import Job, Placement
from solver.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Found:
    """What became of the free jobs; one not named is left out."""

    placements: Mapping[str, tuple[Placement, ...]]
    proven: bool  # whether the model has no better solution


def solve_part(
    state: Timeline,
    jobs: Sequence[Job],
    *,
    hints: Mapping[str, tuple[Placement, ...]],
    keep: Collection[str] = (),
    served: Mapping[str, int] = MappingProxyType({}),
    seed: int = 1,
    effort: float = 1.0,
    seconds: float | None = None,
) -> Found | None:
    """Place the free jobs as well as possible beside all that the state holds.

    Parameters
    ----------
    state : Timeline
        All that stands, without the free jobs. Not changed.
    hints : Mapping
        Where free jobs stood in the incumbent, by step.
    keep : Collection[str]
        Jobs that must stay placed, if they have a hint.
    served : Mapping[str, int]
        What the jobs that stand give each organisation, in value; only read where shares
        count.
    effort : float
        Bound on the search in CP-SAT's deterministic time. With the same
        effort and seed the same part gives the same answer on any machine.
    seconds : float | None
        A bound by the clock on top; what it cuts short is not repeatable.

    Returns
    -------
    Found | None
        None when the search ended without a solution.
    """
    model = CpModel()
    free: list[JobVars] = []
    for job in jobs:
        route = None if state.in_place_of(job) else modes_of(state, job)
        hint = hints.get(job.id, ())
        must = bool(hint) and (job.mandatory or job.id in keep)
        if route is not None:
            free.append(add_job(model, job, route, must=must, hint=hint))
        elif must:
            return None
    _constrain(model, free, state)
    bonus = 1 + sum(j.job.value for j in free)
    terms = objective.gains(free, bonus=bonus)
    terms += objective.lateness(model, free)
    terms += objective.moves(model, free)
    terms += objective.straying(model, free)
    problem = state.problem
    if problem.alpha:
        terms = [100 * t for t in terms] + objective.shares(model, free, problem, served)
    model.maximize(LinearExpr.sum(terms))
    solver = CpSolver()
    parameters = solver.parameters
    parameters.num_workers = 1
    parameters.random_seed = seed
    parameters.max_deterministic_time = effort
    if seconds is not None:
        parameters.max_time_in_seconds = seconds
    parameters.linearization_level = 0
    parameters.cp_model_probing_level = 0
    parameters.symmetry_level = 0
    parameters.max_presolve_iterations = 1
    status = solver.solve(model)
    if status not in (OPTIMAL, FEASIBLE):
        return None
    placed = {j.job.id: _read(solver, j) for j in free if solver.boolean_value(j.placed)}
    return Found(placed, proven=status == OPTIMAL)


def _constrain(model: CpModel, free: Sequence[JobVars], state: Timeline) -> None:
    constraints.one_of_each_group(model, free)
    for job in free:
        constraints.lags_hold(model, job, state)
    new_runs = constraints.loads_share_runs(model, free, state)
    constraints.runs_in_place_have_room(model, free, state)
    constraints.occurrences_have_room(model, free, state)
    constraints.pools_suffice(model, free, state)
    for occupants in (constraints.stays(free, state), new_runs):
        constraints.one_at_a_time(model, occupants.values())
        for resource, sharing in occupants.items():
            lane = state.lanes[resource]
            unary = lane.lane if isinstance(lane, BatchLane) else lane
            assert isinstance(unary, UnaryLane)
            if unary.costs:
                constraints.changeovers_fit(model, sharing, unary.costs)
            if unary.min_campaign > 1:
                campaigns_last(model, sharing, unary)


def _read(solver: CpSolver, j: JobVars) -> tuple[Placement, ...]:
    placements = []
    for step in j.steps:
        mode = next(m.mode for m in step.modes if solver.boolean_value(m.chosen))
        start = solver.value(step.start)
        placements.append(
            Placement(
                j.job.id,
                step.index,
                mode.alternative,
                start,
                start + mode.length,
                mode.occurrence,
            )
        )
    return tuple(placements)
