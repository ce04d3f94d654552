"""What it would take to have a job that the plan leaves out, or one earlier than it stands.

The job is placed by force among those that stand in its way, which go elsewhere or drop out
as costs the least: a neighbourhood like those of the search, with the one job mandatory.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from solver.cpsat.search import solve_part
from solver.fairness import served_by
from solver.greedy import by_job, insert
from solver.problem import Job, Placement, Problem
from solver.timeline import Timeline
from solver.value import job_value

SIZE = 200  # steps that are freed at most
EFFORT = 1.0  # CP-SAT's deterministic time


@dataclass(frozen=True, slots=True)
class Forced:
    """The park with one job forced in."""

    placements: tuple[Placement, ...]  # of the job
    displaced: tuple[str, ...]  # jobs that drop out
    moved: tuple[str, ...]  # jobs that stand elsewhere than in the plan
    cost: int  # value that the plan loses, the job's own gain counted


def forced(
    problem: Problem,
    placements: Sequence[Placement],
    job: Job,
    *,
    seed: int = 1,
    effort: float = EFFORT,
) -> Forced | None:
    """Place a job and return what gives way; None when no way was found.

    Parameters
    ----------
    placements : Sequence[Placement]
        A plan that is sound by `solver.check`.
    job : Job
        One of the problem's; perhaps changed, as with an earlier deadline.
    effort : float
        Bound on the search in CP-SAT's deterministic time, so that it is repeatable.
    """
    plan = by_job(placements)
    jobs = {**problem.job_by_id(), job.id: job}
    state = Timeline(problem)
    for name, stands in plan.items():
        state.restore(jobs[name], stands)
    free = _in_the_way(jobs, plan, job)
    for name in free:
        if name in plan:
            state.drop(jobs[name])
    hint = insert(state, job)
    if hint is None:
        return None
    found = solve_part(
        state,
        [
            replace(job, mandatory=True),
            *(_rather_stays(jobs[n], plan[n]) for n in free if n != job.id),
        ],
        hints={**{name: plan[name] for name in free if name in plan}, job.id: hint},
        served=served_by(problem, state.placed),
        seed=seed,
        effort=effort,
    )
    if found is None:
        return None
    after = {name: found.placements[name] for name in free if name in found.placements}
    others = [name for name in free if name in plan and name != job.id]
    return Forced(
        placements=after[job.id],
        displaced=tuple(name for name in others if name not in after),
        moved=tuple(name for name in others if name in after and after[name] != plan[name]),
        cost=sum(job_value(jobs[n], plan[n]) for n in free if n in plan)
        - sum(job_value(jobs[n], stands) for n, stands in after.items()),
    )


def _rather_stays(job: Job, stands: tuple[Placement, ...]) -> Job:
    """Return the job with the least price on moving, if it has none."""
    return job if job.move_cost else replace(job, previous=stands, move_cost=1)


def _in_the_way(
    jobs: Mapping[str, Job], plan: Mapping[str, tuple[Placement, ...]], job: Job
) -> list[str]:
    """Return the job and those on its resources in its time, the least valuable first."""
    resources = job.resources()
    rivals = [
        n for n in plan if n != job.id and job.one_of and jobs[n].one_of == job.one_of
    ]
    chosen, room = [job.id, *rivals], SIZE - len(job.steps)
    for name in sorted(
        plan, key=lambda n: (jobs[n].mandatory, job_value(jobs[n], plan[n]))
    ):
        other = jobs[name]
        if name in chosen or len(other.steps) > room:
            continue
        if any(
            resources.intersection(_held(other, p))
            and p.end > job.release
            and (job.deadline is None or p.start < job.deadline)
            for p in plan[name]
        ):
            chosen.append(name)
            room -= len(other.steps)
    return chosen


def _held(job: Job, p: Placement) -> tuple[str, ...]:
    alternative = job.steps[p.step].alternatives[p.alternative]
    return (alternative.resource, *(u.resource for u in alternative.also))
