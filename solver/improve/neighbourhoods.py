"""Which jobs to free together: those that stand in each other's way."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from solver.greedy import insert
from solver.problem import Job, Placement, Problem
from solver.timeline import Timeline
from solver.value import job_value

SIZE = 160  # steps of one neighbourhood
APART = 8 * SIZE  # steps of a platform's own orders from which it is searched by itself
PLACED = 0.4  # share of them that stands in the plan, while enough are left out


@dataclass(slots=True)
class Wave:
    """What the neighbourhoods of one wave have taken so far."""

    jobs: set[str] = field(default_factory=set)
    resources: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Reach:
    """Where and when a job could be served."""

    resources: frozenset[str]
    opens: int
    closes: int


class Chooser:
    """Chooses neighbourhoods. All chance comes from the generator that it is given.

    It must be told what changes of the plan: `changed`.
    """

    def __init__(self, problem: Problem, plan: Mapping[str, Sequence[Placement]]) -> None:
        self.jobs = problem.job_by_id()
        self._reach = {j.id: _reach(problem, j) for j in problem.jobs}
        self._able: dict[str, list[str]] = defaultdict(list)  # jobs by resource
        twins: dict[str, set[str]] = defaultdict(set)
        for job in problem.jobs:
            for resource in sorted(self._reach[job.id].resources):
                self._able[resource].append(job.id)
            for step in job.steps:
                same = {a.resource for a in step.alternatives}
                for resource in same:
                    twins[resource] |= same
        self._twins = {r: sorted(same) for r, same in twins.items()}
        groups: dict[str, list[str]] = defaultdict(list)
        for job in problem.jobs:
            if job.one_of is not None:
                groups[job.one_of].append(job.id)
        self._siblings = {
            j: [other for other in group if other != j]
            for group in groups.values()
            for j in group
        }
        self._home = _homes(problem)
        self._tried: dict[str, int] = defaultdict(int)
        alone = Timeline(problem)
        self._best = {j.id: _worth_alone(alone, j) for j in problem.jobs}
        self._dearest = 1 + 10 * max((j.value for j in problem.jobs), default=0)
        self._settled: set[str] = set()
        self._losses: dict[str, int] = {}  # of the jobs that could gain
        self.changed(self.jobs, plan)

    def changed(self, jobs: Iterable[str], plan: Mapping[str, Sequence[Placement]]) -> None:
        """Look again at what some jobs could gain."""
        for name in jobs:
            for job in (name, *self._siblings.get(name, ())):
                loss = self._loss(job, plan)
                if loss > 0 and job not in self._settled:
                    self._losses[job] = loss
                else:
                    self._losses.pop(job, None)

    def settle(self, jobs: Iterable[str]) -> None:
        """Look no more at a component that stands as well as it can."""
        for job in jobs:
            self._settled.add(job)
            self._losses.pop(job, None)

    def choose(
        self,
        plan: Mapping[str, Sequence[Placement]],
        rng: Random,
        wave: Wave,
        *,
        size: int = SIZE,
        crossing: bool = True,
    ) -> tuple[str, ...]:
        """Return the jobs of one neighbourhood; none of them is in the wave already.

        With `crossing` false they are a single platform's own, of a large one.

        Each lies around a job that is worth less in the plan than it would be alone in the
        park, the more likely the greater the loss and the less often it was tried. Half
        of them take in all of its resources, half only one of them with its twins.
        Resources that another neighbourhood of the wave frees are avoided as far as a few
        tries go.
        """
        losses = self._losses
        crossing = crossing or not self._home
        sore = [j for j in losses if j not in wave.jobs and (crossing or j in self._home)]
        if not sore:
            return ()
        weights = [losses[j] / (1 + self._tried[j]) for j in sore]
        for _ in range(6):
            center = rng.choices(sore, weights)[0]
            reach = self._reach[center]
            resources = set(reach.resources)
            if rng.random() < 0.5:
                resources = set(self._twins[rng.choice(sorted(resources))])
            if not resources & wave.resources:
                break
        self._tried[center] += 1
        moment = rng.randrange(reach.opens, max(reach.closes, reach.opens + 1))
        chosen = self._gather(
            plan,
            center,
            resources,
            rng=rng,
            wave=wave,
            size=size,
            moment=moment,
            home=None if crossing else self._home[center],
        )
        wave.jobs.update(chosen)
        wave.resources |= resources
        return tuple(chosen)

    def _loss(self, job: str, plan: Mapping[str, Sequence[Placement]]) -> int:
        """Return what a job could gain; one that must be kept and is not comes first."""
        best = self._best[job]
        for stands in (job, *self._siblings.get(job, ())):  # it, or one in its place
            if stands in plan:
                return best - job_value(self.jobs[stands], plan[stands])
        return best + (self._dearest if self.jobs[job].mandatory else 0)

    def _gather(
        self,
        plan: Mapping[str, Sequence[Placement]],
        center: str,
        resources: set[str],
        *,
        rng: Random,
        wave: Wave,
        size: int,
        moment: int,
        home: str | None,
    ) -> list[str]:
        siblings = [j for j in self._siblings.get(center, ()) if j not in wave.jobs]
        chosen = [center, *siblings]
        near = {
            j: self._distance(plan.get(j), j, resources, moment)
            for r in sorted(resources)
            for j in self._able[r]
            if j not in chosen
            and j not in wave.jobs
            and (home is None or self._home.get(j) == home)
        }
        reach = self._reach[center]
        left_out = [j for j in near if j not in plan and _overlap(self._reach[j], reach)]
        placed = sorted(
            (d + rng.random() * 200, j) for j, d in near.items() if j in plan and d >= 0
        )
        rng.shuffle(left_out)
        steps = sum(len(self.jobs[j].steps) for j in chosen)
        room = round(size * (1 - PLACED))
        for j in left_out:
            if steps + len(self.jobs[j].steps) <= room:
                chosen.append(j)
                steps += len(self.jobs[j].steps)
        for _, j in placed:
            if steps + len(self.jobs[j].steps) <= size:
                chosen.append(j)
                steps += len(self.jobs[j].steps)
        return chosen

    def _distance(
        self,
        placements: Sequence[Placement] | None,
        job: str,
        resources: Iterable[str],
        moment: int,
    ) -> int:
        """Return how far in time a placed job is from the moment, -1 when elsewhere."""
        if placements is None:
            return 0
        steps = self.jobs[job].steps
        gaps = [
            max(p.start - moment, moment - p.end, 0)
            for p in placements
            if steps[p.step].alternatives[p.alternative].resource in resources
        ]
        return min(gaps, default=-1)


def _homes(problem: Problem) -> dict[str, str]:
    """Return the platform of each job that stays on one, where that has enough of them."""
    platform = {r.id: r.platform for r in problem.resources}
    steps: dict[str, int] = defaultdict(int)
    homes: dict[str, str] = {}
    for job in problem.jobs:
        where = {platform[name] for name in job.resources()}
        if len(where) == 1:
            homes[job.id] = where.pop()
            steps[homes[job.id]] += len(job.steps)
    return {job: home for job, home in homes.items() if steps[home] >= APART}


def _worth_alone(alone: Timeline, job: Job) -> int:
    """Return what a job would be worth in a park that holds bookings only."""
    placements = insert(alone, job, thin=True)
    return 0 if placements is None else job_value(job, placements)


def _reach(problem: Problem, job: Job) -> _Reach:
    resources = {a.resource for s in job.steps for a in s.alternatives}
    closes = problem.horizon if job.deadline is None else min(job.deadline, problem.horizon)
    return _Reach(frozenset(resources), max(job.release, problem.earliest), closes)


def _overlap(a: _Reach, b: _Reach) -> bool:
    return a.opens < b.closes and b.opens < a.closes
