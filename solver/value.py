"""What a plan is worth."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from solver.allocation import Allocation
from solver.fairness import bonus
from solver.problem import Interval, Job, Placement, Problem


def value_of(problem: Problem, plan: Allocation | Iterable[Placement]) -> int:
    """Return the value of a plan: the sum over its jobs, and what fair shares add.

    Whatever rules it may break.
    Placements of jobs that the problem does not know count nothing.
    """
    placements = plan.placements if isinstance(plan, Allocation) else plan
    by_job: dict[str, list[Placement]] = defaultdict(list)
    for placement in placements:
        by_job[placement.job].append(placement)
    placed = [job for job in problem.jobs if job.id in by_job]
    served: dict[str, int] = defaultdict(int)
    for job in placed:
        served[job.organisation] += job.value
    return sum(job_value(job, by_job[job.id]) for job in placed) + bonus(problem, served)


def job_value(job: Job, placements: Sequence[Placement]) -> int:
    """Return what one placed job is worth: its value, less lateness, moving, straying."""
    late = max(0, max(p.end for p in placements) - job.due) if job.due is not None else 0
    moved = bool(job.previous) and set(placements) != set(job.previous)
    stray = sum(not _within(job.preferred, p) for p in placements) if job.stray_cost else 0
    return job.value - job.late_cost * late - job.move_cost * moved - job.stray_cost * stray


def _within(preferred: Sequence[Interval], p: Placement) -> bool:
    return any(opens <= p.start and p.end <= closes for opens, closes in preferred)
