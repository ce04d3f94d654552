"""The value of a plan as an expression, one function for each term of `solver.value`."""

from collections.abc import Sequence

from ortools.sat.python.cp_model import CpModel, LinearExprT

from solver.cpsat.variables import JobVars, StepVars
from solver.greedy import sorted_steps


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
