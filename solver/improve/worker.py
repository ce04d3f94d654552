"""The far side of the executor: one neighbourhood in, the places of its jobs out.

A worker keeps the problem and a timeline between tasks, so that a task carries no more than
the plan around the neighbourhood.
"""

import gc
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from solver.cpsat.search import Found, solve_part
from solver.greedy import by_job
from solver.problem import Job, Placement, Problem
from solver.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Task:
    """One neighbourhood: pure data, so that it can go to any machine."""

    plan: tuple[Placement, ...]  # what stands around it, on the resources that it touches
    served: Mapping[str, int]  # what all that stands gives the free jobs' organisations
    free: tuple[str, ...]  # the jobs to place anew
    hints: tuple[Placement, ...]  # where those stand now
    keep: tuple[str, ...]  # free jobs that must stay placed
    seed: int
    effort: float  # deterministic time


@dataclass(frozen=True, slots=True)
class Parcel:
    """A problem on its way to workers that may know it already."""

    name: str  # unlike that of any other problem of this executor
    content: bytes | None  # the pickled problem; None when every worker has been given it


class _Desk:
    """What a worker keeps of one problem."""

    def __init__(self, problem: Problem) -> None:
        self.jobs: Mapping[str, Job] = problem.job_by_id()
        self.state = Timeline(problem)

    def lay_out(self, plan: tuple[Placement, ...]) -> None:
        """Make the timeline hold just the plan."""
        wanted = by_job(plan)
        for job in [j for j, where in self.state.placed.items() if wanted.get(j) != where]:
            self.state.drop(self.jobs[job])
        for job, placements in wanted.items():
            if job not in self.state.placed:
                self.state.restore(self.jobs[job], placements)


_desks: dict[str, _Desk] = {}


def prepare(parcel: Parcel) -> None:
    """Unpack a problem before the first task comes."""
    if parcel.name not in _desks:
        if parcel.content is None:
            raise LookupError(f"the worker was never given problem {parcel.name}")
        _desks.clear()  # one problem at a time: a park takes hundreds of megabytes
        _desks[parcel.name] = _Desk(pickle.loads(parcel.content))  # noqa: S301 -- our own


def begin(parcel: Parcel) -> None:
    """Prepare a process of our own pool.

    Ctrl-C reaches every process of a terminal; only the first one is to act on it. One
    that is killed outright takes its workers along: they would wait for ever.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    prepare(parcel)
    gc.freeze()  # the problem stays: the collector need not look at it again and again


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def forget(name: str) -> None:
    """Let go of a problem."""
    _desks.pop(name, None)


def work(parcel: Parcel, task: Task) -> Found | None:
    """Solve one neighbourhood."""
    prepare(parcel)
    desk = _desks[parcel.name]
    try:
        desk.lay_out(task.plan)
        return solve_part(
            desk.state,
            [desk.jobs[name] for name in task.free],
            hints=by_job(task.hints),
            keep=frozenset(task.keep),
            served=task.served,
            seed=task.seed,
            effort=task.effort,
        )
    except BaseException:
        forget(parcel.name)  # the timeline may be half laid out
        raise
