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

Plan = Mapping[str, tuple[Placement, ...]]  # by job


@dataclass(frozen=True, slots=True)
class Forced:
    """The park with one job forced in."""

    placements: tuple[Placement, ...]  # of the job
    displaced: tuple[str, ...]  # jobs that drop out
    moved: tuple[str, ...]  # jobs that stand elsewhere than in the plan
    cost: int  # value that the plan loses, the job's own gain counted; without shares
    plan: tuple[Placement, ...]  # of all jobs, as the park would be, by (job, step)


def forced(
    problem: Problem,
    placements: Sequence[Placement],
    job: Job,
    *,
    seed: int = 1,
    effort: float = EFFORT,
    seconds: float | None = None,
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
    seconds : float | None
        A bound by the clock on top, where somebody waits for the answer.
    """
    plan = by_job(placements)
    jobs = {**problem.job_by_id(), job.id: job}
    state = Timeline(problem)
    for name, stands in plan.items():
        state.restore(jobs[name], stands)
    free = _in_the_way(jobs, plan, job)
    hint = _beside(state, jobs, job, without=free)
    if hint is None:  # the cheapest do not make room
        for name in free:
            if name in plan:
                state.restore(jobs[name], plan[name])
        free = _in_the_way(jobs, plan, job, first=_giving_way(state, jobs, plan, job))
        hint = _beside(state, jobs, job, without=free, thin=True)
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
        seconds=seconds,
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
        plan=tuple(
            sorted(
                (p for whole in (state.placed | after).values() for p in whole),
                key=lambda p: (p.job, p.step),
            )
        ),
    )


def _rather_stays(job: Job, stands: tuple[Placement, ...]) -> Job:
    """Return the job with the least price on moving, if it has none."""
    return job if job.move_cost else replace(job, previous=stands, move_cost=1)


def _beside(
    state: Timeline,
    jobs: Mapping[str, Job],
    job: Job,
    *,
    without: Sequence[str],
    thin: bool = False,
) -> tuple[Placement, ...] | None:
    """Take jobs away; return where the job would go then.

    With `thin` its batch runs may be light: the search has to find company.
    """
    for name in without:
        if name in state.placed:
            state.drop(jobs[name])
    return insert(state, job, thin=thin)


def _giving_way(
    state: Timeline, jobs: Mapping[str, Job], plan: Plan, job: Job
) -> list[str]:
    """Return who must go if the job takes its earliest place among all who may go.

    Those worth most are put back first. The state is left as it was.
    """
    here = [job.id] if job.id in state.placed else []
    near = [n for n in _near(jobs, plan, job) if not jobs[n].mandatory]
    spot = _beside(state, jobs, job, without=[*here, *near], thin=True)
    gone = []
    if spot is not None and state.adopt(job, spot, thin=True):
        near.sort(key=lambda n: -job_value(jobs[n], plan[n]))
        gone = [n for n in near if not state.adopt(jobs[n], plan[n], thin=True)]
        state.drop(job)
    for name in [*here, *near]:
        if name not in state.placed:
            state.restore(jobs[name], plan[name])
    return gone


def _in_the_way(
    jobs: Mapping[str, Job], plan: Plan, job: Job, *, first: Sequence[str] = ()
) -> list[str]:
    """Return the job and those on its resources in its time, the least valuable first."""
    rivals = [
        n for n in plan if n != job.id and job.one_of and jobs[n].one_of == job.one_of
    ]
    chosen = list(dict.fromkeys([job.id, *rivals, *first]))
    room = SIZE - sum(len(jobs[n].steps) for n in {job.id, *first})
    for name in sorted(
        _near(jobs, plan, job),
        key=lambda n: (jobs[n].mandatory, job_value(jobs[n], plan[n])),
    ):
        if name not in chosen and len(jobs[name].steps) <= room:
            chosen.append(name)
            room -= len(jobs[name].steps)
    return chosen


def _near(jobs: Mapping[str, Job], plan: Plan, job: Job) -> list[str]:
    """Return the other jobs on a job's resources in its time."""
    resources = job.resources()
    return [
        name
        for name, stands in plan.items()
        if name != job.id
        and any(
            resources.intersection(_held(jobs[name], p))
            and p.end > job.release
            and (job.deadline is None or p.start < job.deadline)
            for p in stands
        )
    ]


def _held(job: Job, p: Placement) -> tuple[str, ...]:
    alternative = job.steps[p.step].alternatives[p.alternative]
    return (alternative.resource, *(u.resource for u in alternative.also))
