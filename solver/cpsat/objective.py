"""The value of a plan as an expression, one function for each term of `solver.value`."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from ortools.sat.python.cp_model import CpModel, LinearExprT

from solver.calendars import spans
from solver.cpsat.variables import JobVars, StepVars, domain_of
from solver.fairness import hundredths, lines
from solver.greedy import sorted_steps
from solver.problem import Problem


def gains(jobs: Sequence[JobVars], *, bonus: int) -> list[LinearExprT]:
    """What the placed jobs are worth; a mandatory one is worth `bonus` more."""
    return [j.placed * (j.job.value + bonus * j.job.mandatory) for j in jobs]


def lateness(model: CpModel, jobs: Sequence[JobVars]) -> list[LinearExprT]:
    """Less `late_cost` for each slot by which the last end exceeds the due date."""
    terms: list[LinearExprT] = []
    for j in jobs:
        due = j.job.due
        last = _last_steps(j)
        latest = max(
            m.mode.starts.bit_length() - 1 + m.mode.length for s in last for m in s.modes
        )
        if due is None or not j.job.late_cost or latest <= due:
            continue
        late = model.new_int_var(0, latest - due, "")
        model.add_hint(late, max(0, max((p.end for p in j.hint), default=due) - due))
        for step in last:
            model.add(late >= step.end - due).only_enforce_if(j.placed)
        terms.append(late * -j.job.late_cost)
    return terms


def _last_steps(j: JobVars) -> list[StepVars]:
    """Return the steps that no other step of the route comes after."""
    followed = {lag.before for lag in j.job.lags if lag.least >= 0}
    return [step for step in j.steps if step.index not in followed]


def moves(model: CpModel, jobs: Sequence[JobVars]) -> list[LinearExprT]:
    """Less `move_cost` for a job placed elsewhere than in the plan in force."""
    terms: list[LinearExprT] = []
    for j in jobs:
        if not j.job.previous or not j.job.move_cost:
            continue
        terms.append(j.placed * -j.job.move_cost)
        stood = sorted_steps(j.job.previous)
        if len(stood) != len(j.steps):
            continue
        kept = model.new_bool_var("")
        model.add_hint(kept, set(j.hint) == set(stood))
        model.add_implication(kept, j.placed)
        for step, p in zip(j.steps, stood, strict=True):
            same = [
                m.chosen
                for m in step.modes
                if m.mode.alternative == p.alternative
                and m.mode.length == p.end - p.start
                and m.mode.occurrence == p.occurrence
                and m.mode.starts >> p.start & 1
            ]
            if same:
                model.add(step.start == p.start).only_enforce_if(kept)
                model.add(sum(same) == 1).only_enforce_if(kept)
            else:
                model.add(kept == 0)
        terms.append(kept * j.job.move_cost)
    return terms


def straying(model: CpModel, jobs: Sequence[JobVars]) -> list[LinearExprT]:
    """Less `stray_cost` for each step that does not lie whole within a preferred window."""
    terms: list[LinearExprT] = []
    for j in jobs:
        if not j.job.stray_cost:
            continue
        for step in j.steps:
            terms.append(j.placed * -j.job.stray_cost)
            within = model.new_bool_var("")
            homes = []
            for m in step.modes:
                length = m.mode.length
                starts = m.mode.starts & spans(
                    (opens, closes - length + 1) for opens, closes in j.job.preferred
                )
                if not starts:
                    continue
                here = model.new_bool_var("")
                model.add_implication(here, m.chosen)
                model.add_linear_expression_in_domain(
                    step.start, domain_of(starts)
                ).only_enforce_if(here)
                homes.append(here)
            model.add(within <= sum(homes))
            terms.append(within * j.job.stray_cost)
    return terms


def shares(
    model: CpModel, jobs: Sequence[JobVars], problem: Problem, served: Mapping[str, int]
) -> list[LinearExprT]:
    """What serving each organisation counts beyond its value, in hundredths.

    `served` is what the jobs that stand give each. Concave, so the least of its lines.
    """
    terms: list[LinearExprT] = []
    free: dict[str, list[JobVars]] = defaultdict(list)
    for j in jobs:
        free[j.job.organisation].append(j)
    for share in problem.shares if problem.alpha else ():
        mine = free.get(share.organisation, ())
        base = share.served + served.get(share.organisation, 0)
        now = hundredths(share, problem.alpha, base)
        if len(mine) == 1:
            more = hundredths(share, problem.alpha, base + mine[0].job.value)
            terms.append(mine[0].placed * (more - now))
        elif mine:
            most = base + sum(j.job.value for j in mine)
            top = hundredths(share, problem.alpha, most) - now
            if not top:
                continue
            added = model.new_int_var(0, top, "")
            stands = base + sum(j.job.value for j in mine if j.hint)
            model.add_hint(added, hundredths(share, problem.alpha, stands) - now)
            value = sum(j.placed * j.job.value for j in mine)
            for a, b in lines(share, problem.alpha):
                if b or a - now < top:
                    model.add(added <= a + b * base - now + b * value)
            terms.append(added)
    return terms
