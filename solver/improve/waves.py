"""Waves of neighbourhoods over an executor, merged in fixed order.

A wave has the same width whatever the number of workers, its members free disjoint jobs,
and what comes back is checked and applied in the order in which it was sent. So the plan
depends on the problem, the seed and the number of waves alone. A member whose worker dies
is solved again; one that fails or comes back worse than what stands is dropped: the
incumbent is never lost.
"""

import logging
import multiprocessing
import pickle
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
)
from random import Random
from types import TracebackType
from typing import Self
from uuid import uuid4

from solver.components import components
from solver.cpsat.search import Found
from solver.fairness import bonus, served_by
from solver.greedy import by_job
from solver.improve.neighbourhoods import SIZE, Chooser, Wave
from solver.improve.worker import Parcel, Task, begin, forget, work
from solver.lanes import BatchLane, UnaryLane
from solver.problem import Placement, Problem
from solver.timeline import Timeline
from solver.value import job_value

WIDTH = 4  # members of a wave; constant, or the plan would depend on the machine
EFFORT = 0.05  # CP-SAT's deterministic time for one member: a few tenths of a second
GROWTH = 1.04  # of the neighbourhoods after one solved to the end, or its shrinking if not
SMALLEST, LARGEST = 30, 400  # steps of a neighbourhood

_WHOLE = 4 * WIDTH  # small components of a wave
_PHASE = 4  # waves: all but the first of them keep to the orders of single platforms
_TRIES = 3  # of a task whose worker dies

Jobs = tuple[str, ...]  # ids

log = logging.getLogger(__name__)


class Crew:
    """Who does the work: this process, a pool of its own, or an executor from outside."""

    def __init__(
        self, problem: Problem, *, workers: int, executor: Executor | None = None
    ) -> None:
        self._workers = workers
        self._own = executor is None
        self._executor = executor
        self._content = pickle.dumps(problem)
        self._parcel = Parcel(uuid4().hex, self._content)

    def __enter__(self) -> Self:
        """Start nothing yet: the pool comes with the first wave."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop what was started here."""
        if self._own and self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
        forget(self._parcel.name)

    def solve(self, tasks: Sequence[Task]) -> list[Found | None]:
        """Return what came of each task, in order; None for one that failed.

        Tasks of a worker that died are done again: what comes of them is the same.
        """
        if self._own and self._workers == 1:
            return [self._alone(task) for task in tasks]
        found: dict[int, Found | None] = {}
        for _try in range(_TRIES):
            waiting = {n: t for n, t in enumerate(tasks) if n not in found}
            found |= self._collect(waiting)
        return [found.get(n) for n in range(len(tasks))]

    def _collect(self, tasks: Mapping[int, Task]) -> dict[int, Found | None]:
        """Return what came of these tasks, without those whose worker died."""
        sent = {n: self._submit(task) for n, task in tasks.items()}
        found: dict[int, Found | None] = {}
        died = False
        for n, future in sent.items():
            try:
                found[n] = future.result()
            except (BrokenExecutor, CancelledError):
                died = True
            except Exception:
                log.exception("a neighbourhood failed and is dropped")
                found[n] = None
        if died:
            log.warning("a worker died; its neighbourhoods are solved again")
            self._bury()
        return found

    def _submit(self, task: Task) -> "Future[Found | None]":
        try:
            return self._pool().submit(work, self._sent(), task)
        except BrokenExecutor as died:
            future: Future[Found | None] = Future()
            future.set_exception(died)
            return future

    def _sent(self) -> Parcel:
        return Parcel(self._parcel.name, None) if self._own else self._parcel

    def _pool(self) -> Executor:
        if self._executor is None:
            self._executor = ProcessPoolExecutor(
                self._workers,
                # A fork would take locks and connections of the parent's threads along.
                mp_context=multiprocessing.get_context("spawn"),
                initializer=begin,
                initargs=(self._parcel,),
            )
        return self._executor

    def _bury(self) -> None:
        """Give up a broken pool of our own; the next task begins another."""
        if self._own and self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = None

    def _alone(self, task: Task) -> Found | None:
        try:
            return work(self._parcel, task)
        except Exception:
            log.exception("a neighbourhood failed and is dropped")
            return None


class Search:
    """A plan under improvement."""

    def __init__(
        self,
        problem: Problem,
        placements: Sequence[Placement],
        *,
        crew: Crew,
        seed: int,
        keep_placed: Collection[str] = (),
    ) -> None:
        self._problem = problem
        self._jobs = problem.job_by_id()
        self._crew = crew
        self._seed = seed
        self._keep = frozenset(keep_placed)
        self._touches = {j.id: j.resources() for j in problem.jobs}
        self._state = Timeline(problem)
        self._bonus = 1 + sum(j.value for j in problem.jobs)
        for job, whole in by_job(placements).items():
            self._state.restore(self._jobs[job], whole)
        self._chooser = Chooser(problem, self._state.placed)
        sizes = [(sum(len(j.steps) for j in c), c) for c in components(problem)]
        self._large = any(steps > SIZE for steps, _ in sizes)
        self._whole = [  # components that are yet to be solved whole
            tuple(sorted(j.id for j in jobs)) for steps, jobs in sizes if steps <= SIZE
        ]
        self._size = float(SIZE)
        self.waves = 0
        self.done = False  # nothing is left to gain

    @property
    def placements(self) -> tuple[Placement, ...]:
        """The incumbent, sorted by (job, step)."""
        return self._state.placements()

    def wave(self) -> int:
        """Run one wave; return how many members changed the plan for the better."""
        rng = Random(f"{self._seed}/{self.waves}")  # noqa: S311 -- chance, no secret
        whole = self._whole[:_WHOLE]
        free = whole or self._neighbourhoods(rng)
        tasks = [self._task(jobs, seed=rng.randrange(1 << 30)) for jobs in free]
        self.waves += 1
        proven = []
        better = 0
        for task, found in zip(tasks, self._crew.solve(tasks), strict=True):
            if found is None:
                continue
            better += self._apply(task, found)
            self._chooser.changed(task.free, self._state.placed)
            if found.proven:
                proven.append(task.free)
            if not whole:
                self._size *= GROWTH if found.proven else 1 / GROWTH
        self._size = min(max(self._size, SMALLEST), LARGEST)
        if whole:
            self._settle(whole, proven)
        self.done = not tasks or not (self._whole or self._large)
        return better

    def _settle(self, whole: Sequence[Jobs], proven: Sequence[Jobs]) -> None:
        """Let components alone that stand at their best; if all are small, try on.

        Where shares count, what is best for some depends on all the others.
        """
        del self._whole[: len(whole)]
        for jobs in whole:
            if jobs in proven and (not self._problem.alpha or len(jobs) == len(self._jobs)):
                self._chooser.settle(jobs)
            elif not self._large:
                self._whole.append(jobs)

    def _neighbourhoods(self, rng: Random) -> list[Jobs]:
        taken = Wave()
        chosen = (
            self._chooser.choose(
                self._state.placed,
                rng,
                taken,
                size=round(self._size),
                crossing=self.waves % _PHASE == 0,
            )
            for _ in range(WIDTH)
        )
        return [jobs for jobs in chosen if jobs]

    def _task(self, free: Sequence[str], *, seed: int) -> Task:
        freed = set(free)
        touched = frozenset[str]().union(*(self._touches[j] for j in free))
        groups = {self._jobs[j].one_of for j in free} - {None}
        return Task(
            # What stands on other resources, and in no group of theirs, is no matter.
            plan=tuple(
                p
                for j, whole in self._state.placed.items()
                if j not in freed
                and (
                    not touched.isdisjoint(self._touches[j])
                    or self._jobs[j].one_of in groups
                )
                for p in whole
            ),
            served=self._served_beside(freed),
            free=tuple(free),
            hints=tuple(p for j in free for p in self._state.placed.get(j, ())),
            keep=tuple(j for j in free if j in self._keep),
            seed=seed,
            effort=EFFORT,
        )

    def _served_beside(self, freed: Collection[str]) -> Mapping[str, int]:
        """Return what the jobs that stand give each organisation that has free ones."""
        if not self._problem.alpha:
            return {}
        served = served_by(self._problem, self._state.placed.keys() - set(freed))
        return {
            self._jobs[j].organisation: served[self._jobs[j].organisation] for j in freed
        }

    def _apply(self, task: Task, found: Found) -> bool:
        """Accept what a member found if it fits and is no worse; tell if it is better."""
        before = {j: self._state.placed[j] for j in task.free if j in self._state.placed}
        gain = self._worth(found.placements) - self._worth(before)
        gain += self._fairer(found.placements, before)
        if gain < 0 or found.placements == before:
            return False
        for job in before:
            self._state.drop(self._jobs[job])
        adopted = []
        for job, whole in found.placements.items():
            if not self._state.adopt(self._jobs[job], whole, thin=True):
                break
            adopted.append(job)
        if len(adopted) < len(found.placements) or not self._sound(task.free):
            for job in adopted:
                self._state.drop(self._jobs[job])
            for job, whole in before.items():
                self._state.restore(self._jobs[job], whole)
            return False
        return gain > 0

    def _worth(self, placements: Mapping[str, tuple[Placement, ...]]) -> int:
        return sum(
            job_value(self._jobs[j], whole) + self._bonus * self._jobs[j].mandatory
            for j, whole in placements.items()
        )

    def _fairer(self, after: Collection[str], before: Collection[str]) -> int:
        """Return what the shares gain when some placed jobs give way to others."""
        if not self._problem.alpha:
            return 0
        stay = served_by(self._problem, self._state.placed.keys() - set(before))
        return sum(
            sign * bonus(self._problem, _sum(stay, served_by(self._problem, jobs)))
            for sign, jobs in ((1, after), (-1, before))
        )

    def _sound(self, freed: Sequence[str]) -> bool:
        """Tell whether what the freed jobs left behind keeps the rules on resources."""
        if next(self._state.thin_runs(), None) is not None:
            return False
        touched = {
            a.resource for j in freed for s in self._jobs[j].steps for a in s.alternatives
        }
        for resource in touched:
            lane = self._state.lanes[resource]
            unary = lane.lane if isinstance(lane, BatchLane) else lane
            if isinstance(unary, UnaryLane) and not (
                unary.well_spaced() and next(unary.short_campaigns(), None) is None
            ):
                return False
        return True


def _sum(a: Mapping[str, int], b: Mapping[str, int]) -> dict[str, int]:
    return {name: a.get(name, 0) + b.get(name, 0) for name in a.keys() | b.keys()}
