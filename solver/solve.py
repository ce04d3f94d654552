"""The one door: a problem in, a plan out.

Greedy seeds, then waves of improvement, then the bound and the reasons, and last the judge:
what the checker does not pass does not leave.
"""

import gc
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager

from solver.allocation import Allocation, Reason
from solver.bounds import Proof, proof
from solver.check import broken_rules, missing_mandatory
from solver.errors import BadProblem, SolveFailed
from solver.explain import reasons
from solver.fairness import served_by
from solver.faults import faults
from solver.greedy import RULES, by_job, list_schedule
from solver.improve.waves import Crew, Search
from solver.options import Options, Progress
from solver.problem import Placement, Problem
from solver.value import value_of

DEFAULT = Options()

log = logging.getLogger(__name__)


def solve(
    problem: Problem,
    options: Options = DEFAULT,
    *,
    start: Sequence[Placement] = (),
    executor: Executor | None = None,
) -> Allocation:
    """Make the best plan that the given waves or seconds allow.

    A mandatory job that cannot be kept, because an outage or another mandatory job stands
    in its way, is left out with its reason like any other.

    Parameters
    ----------
    problem : Problem
        Checked for contradictions first.
    options : Options
        `waves` makes the plan depend on the problem, the start, the seed and the waves
        alone. `seconds` bounds greedy and improvement; bound and reasons come on top.
    start : Sequence[Placement]
        A plan to begin from; what no longer fits of it is left out of the beginning.
    executor : Executor | None
        Who solves the neighbourhoods, such as that of a cluster; None: processes of our
        own, as many as `options.workers`.

    Returns
    -------
    Allocation
        Sound by `solver.check`, and worth at least as much as every dispatch rule's plan
        (with `keep_placed`: as the start completed by them).

    Raises
    ------
    BadProblem
        If the problem contradicts itself; every fault is listed.
    SolveFailed
        If not even the dispatch rules made a sound plan.
    """
    if found := list(faults(problem)):
        raise BadProblem(found)
    with _undisturbed():
        return _solve(problem, options, start=start, executor=executor)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep the collector away from what is there: of a park, millions of objects."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _solve(
    problem: Problem,
    options: Options,
    *,
    start: Sequence[Placement],
    executor: Executor | None,
) -> Allocation:
    report = _Reporter(options)
    seeds = _seeds(problem, start, keep_placed=options.keep_placed, report=report)
    placements, waves = _improve(
        problem,
        seeds[0],
        options=options,
        keep={p.job for p in start} if options.keep_placed else set(),
        executor=executor,
        report=report,
    )
    placements = _judged(problem, [placements, *seeds])
    value = value_of(problem, placements)
    proven = _proof(problem, placements, value=value, options=options, report=report)
    return Allocation(
        placements=placements,
        value=value,
        bound=proven.bound if proven else None,
        prices=proven.prices if proven else (),
        reasons=_reasons(problem, placements, options=options, report=report, value=value),
        seed=options.seed,
        waves=waves,
        seconds=report.seconds,
    )


class _Reporter:
    """Tells the caller how it goes, and asks whether to go on."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def __call__(
        self, phase: str, *, value: int, wave: int = 0, bound: int | None = None
    ) -> None:
        if self._options.on_progress is not None:
            waves = self._options.waves or 0
            self._options.on_progress(
                Progress(phase, wave, waves, value, bound, self.seconds)
            )

    @property
    def stopped(self) -> bool:
        return self._options.should_stop is not None and self._options.should_stop()

    @property
    def enough(self) -> bool:
        return self._options.enough is not None and self._options.enough()


def _seeds(
    problem: Problem,
    start: Sequence[Placement],
    *,
    keep_placed: bool,
    report: _Reporter,
) -> list[tuple[Placement, ...]]:
    """Return the plans of list scheduling, the best first.

    With `keep_placed` all of them begin from the start.
    """
    tries: list[tuple[Callable[..., tuple[float, ...]], Sequence[Placement]]] = []
    if not keep_placed:
        tries += [(rule, ()) for rule in RULES.values()]
    if start or keep_placed:
        tries += [(rule, start) for rule in RULES.values()]
    mandatory = {j.id for j in problem.jobs if j.mandatory}
    ranked = []
    for n, (rule, given) in enumerate(tries):
        plan = list_schedule(problem, rule, start=given)
        value = value_of(problem, plan)
        report("greedy", value=value)
        ranked.append((-len(mandatory & by_job(plan).keys()), -value, n, plan))
    return [plan for *_, plan in sorted(ranked, key=lambda r: r[:3])]


def _improve(
    problem: Problem,
    seed_plan: tuple[Placement, ...],
    *,
    options: Options,
    keep: set[str],
    executor: Executor | None,
    report: _Reporter,
) -> tuple[tuple[Placement, ...], int]:
    """Return the improved plan and the number of waves."""
    if options.waves == 0:
        return seed_plan, 0
    with Crew(problem, workers=options.workers, executor=executor) as crew:
        search = Search(problem, seed_plan, crew=crew, seed=options.seed, keep_placed=keep)
        longest = 0.0
        while not (search.done or report.stopped or report.enough):
            began = report.seconds
            if options.waves is None and began + longest > options.seconds:
                break
            if options.waves is not None and search.waves >= options.waves:
                break
            try:
                search.wave()
            except Exception:
                log.exception("the search died in wave %d; its plan stands", search.waves)
                break
            longest = max(0.8 * longest, report.seconds - began)
            report("improve", value=value_of(problem, search.placements), wave=search.waves)
        return search.placements, search.waves


def _judged(
    problem: Problem, plans: Sequence[tuple[Placement, ...]]
) -> tuple[Placement, ...]:
    """Return the first plan that breaks no rule but that of mandatory jobs."""
    for plan in plans:
        missing = set(missing_mandatory(problem, plan))
        broken = [rule for rule in broken_rules(problem, plan) if rule not in missing]
        if not broken:
            return plan
        log.error("a plan is refused by the checker: %s", "; ".join(broken[:20]))
    raise SolveFailed("no plan passed the checker; its findings are in the log")


def _proof(
    problem: Problem,
    placements: Sequence[Placement],
    *,
    value: int,
    options: Options,
    report: _Reporter,
) -> Proof | None:
    if not options.bound or report.stopped:
        return None
    report("bound", value=value)
    missing = {j.id for j in problem.jobs if j.mandatory} - {p.job for p in placements}
    served = served_by(problem, {p.job for p in placements})
    found = proof(problem, dropped=missing, served=served)
    report("bound", value=value, bound=found.bound)
    return found


def _reasons(
    problem: Problem,
    placements: Sequence[Placement],
    *,
    options: Options,
    report: _Reporter,
    value: int,
) -> tuple[Reason, ...]:
    if options.explain == 0:
        return ()
    report("explain", value=value)
    return reasons(problem, placements, limit=options.explain)
