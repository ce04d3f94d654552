"""Where batch runs could find enough company, whoever else is placed.

A run holds at least its recipe's least load. At a start where all loads that could ever be
there together are too few, no plan has such a run.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from solver.calendars import runs, spans
from solver.problem import Interval, Job, Problem
from solver.reach import Reach, Route, narrowed

_ROUNDS = 5  # losing one job may leave another without company

_Run = tuple[str, int]  # recipe and length
_Loads = dict[_Run, NDArray[np.int64]]  # by start


def with_company(
    problem: Problem,
    routes: Mapping[str, Route],
    *,
    everywhere: Iterable[Job] = (),
) -> dict[str, Route]:
    """Return the routes less the starts at which a run would be too light for certain.

    Parameters
    ----------
    routes
        The reach of each job by its id, from `solver.reach`.
    everywhere
        Jobs whose reach is not known: they are taken to keep company at any time.

    Returns
    -------
    dict[str, Route]
        A job that is left without a route is in no plan, and not in the answer.
    """
    least = {r.id: r.min_load for r in problem.recipes if r.min_load > 1}
    jobs = problem.job_by_id()
    left = dict(routes)
    if not least:
        return left
    anyway = _quantities(everywhere)
    light = [name for name, route in routes.items() if _is_light(route, least)]
    for _ in range(_ROUNDS):
        loads = _loads(problem, left.values(), least, anyway)
        heavy = {key: _heavy(by_start, least[key[0]]) for key, by_start in loads.items()}
        before = dict(left)
        for name in light:
            if name not in left:
                continue
            route = tuple(
                tuple(_kept(step, least=least, heavy=heavy)) for step in left[name]
            )
            if route == left[name]:
                continue
            found = narrowed(problem.travel, jobs[name], route)
            if found is None:
                del left[name]
            else:
                left[name] = found
        if left == before:
            break
    return left


def _quantities(jobs: Iterable[Job]) -> Mapping[str, int]:
    """Return what jobs could put into runs of each recipe at most."""
    found: dict[str, int] = defaultdict(int)
    for job in jobs:
        for step in job.steps:
            for alternative in step.alternatives:
                if alternative.recipe is not None:
                    found[alternative.recipe] += alternative.quantity
    return found


def _is_light(route: Route, least: Mapping[str, int]) -> bool:
    return any(
        r.alternative.quantity < least.get(r.alternative.recipe or "", 0)
        for step in route
        for r in step
    )


def _loads(
    problem: Problem,
    routes: Iterable[Route],
    least: Mapping[str, int],
    anyway: Mapping[str, int],
) -> _Loads:
    """Return, by start, all that could ever be in a run together."""
    found: _Loads = defaultdict(lambda: np.zeros(problem.calendar_end, dtype=np.int64))
    for route in routes:
        for step in route:
            for r in step:
                recipe = r.alternative.recipe or ""
                if recipe in least:
                    by_start = found[recipe, r.length]
                    for lo, hi in runs(r.starts):
                        by_start[lo:hi] += r.alternative.quantity
    for stay in problem.stays:
        key = (stay.recipe or "", stay.end - stay.start)
        if key in found and stay.joinable and stay.start >= 0:
            found[key][stay.start] += stay.quantity
    return {key: by_start + anyway.get(key[0], 0) for key, by_start in found.items()}


def _heavy(by_start: NDArray[np.int64], least: int) -> int:
    """Return the starts with enough load, as a mask."""
    enough = np.concatenate(([False], by_start >= least, [False]))
    edges = np.flatnonzero(enough[1:] != enough[:-1])
    stretches: list[Interval] = [
        (int(lo), int(hi)) for lo, hi in zip(edges[::2], edges[1::2], strict=True)
    ]
    return spans(stretches)


def _kept(
    step: Sequence[Reach], *, least: Mapping[str, int], heavy: Mapping[_Run, int]
) -> Iterable[Reach]:
    for r in step:
        recipe = r.alternative.recipe or ""
        if r.alternative.quantity >= least.get(recipe, 0):
            yield r
            continue
        starts = r.starts & heavy[recipe, r.length]
        if starts:
            yield r if starts == r.starts else replace(r, starts=starts)
