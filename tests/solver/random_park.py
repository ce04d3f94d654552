"""Small random problems in which every rule of the solver can bind."""

from dataclasses import replace
from random import Random

from solver.problem import (
    Alternative,
    Begun,
    Changeover,
    Interval,
    Job,
    Kind,
    Lag,
    Occurrence,
    Problem,
    Recipe,
    Resource,
    Stay,
    StayRule,
    Step,
    Use,
)

FAMILIES = ("red", "blue")


def random_problem(
    rng: Random, *, jobs: int = 4, rules: bool = True, horizon: int = 24, steps: int = 3
) -> Problem:
    """Return a problem with one resource of each kind and a second etcher.

    With `rules` false it has no outages, fixed stays, changeovers, least loads or freeze.
    """
    end = horizon + 6
    resources = (
        Resource(
            "etcher",
            Kind.UNARY,
            open=_hours(rng, end),
            outages=_outages(rng, end) if rules else (),
            changeovers=_changeovers(rng) if rules else (),
        ),
        Resource("etcher-2", Kind.UNARY, open=_hours(rng, end), site=1),
        Resource(
            "seats",
            Kind.POOLED,
            capacity=3,
            open=_hours(rng, end),
            outages=_outages(rng, end) if rules else (),
        ),
        Resource(
            "furnace",
            Kind.BATCH,
            open=_hours(rng, end),
            changeovers=_changeovers(rng) if rules else (),
        ),
        Resource("class", Kind.EVENT, outages=_outages(rng, end) if rules else ()),
    )
    recipes = (
        Recipe("dry", "furnace", 3, rng.choice((1, 2)) if rules else 1, "red"),
        Recipe("wet", "furnace", 2, 1, "blue"),
    )
    first = rng.randrange(2, horizon // 2)
    second = rng.randrange(horizon // 2, horizon - 1)
    occurrences = (
        Occurrence("monday", "class", first, first + 3, 2),
        Occurrence("friday", "class", second, second + 2, 1),
    )
    return Problem(
        horizon=horizon,
        calendar_end=end,
        resources=resources,
        jobs=tuple(_job(rng, n, end, steps) for n in range(jobs)),
        recipes=recipes,
        occurrences=occurrences,
        stays=_stays(rng, horizon) if rules else (),
        travel=((0, 2), (2, 0)),
        earliest=rng.choice((0, 0, 2)) if rules else 0,
    )


def with_wishes(problem: Problem, rng: Random) -> Problem:
    """Return the problem with groups of which one is wanted, and preferred times."""
    jobs = []
    for job in problem.jobs:
        wish = replace(job, one_of=rng.choice((None, "this", "that")))
        if rng.random() < 0.6:
            lo = rng.randrange(problem.horizon)
            wish = replace(
                wish,
                preferred=((lo, lo + rng.randrange(2, 10)),),
                stray_cost=rng.randrange(1, 12),
            )
        jobs.append(wish)
    return replace(problem, jobs=tuple(jobs))


def with_begun(problem: Problem, rng: Random) -> Problem:
    """Return the problem with some routes under way: steps that wait for one that ended."""
    jobs = []
    for job in problem.jobs:
        lags = []
        for after in range(len(job.steps)):
            if rng.random() < 0.5:
                least = rng.randrange(4)
                most = rng.choice((None, least + rng.randrange(2, 12)))
                end = rng.randrange(-4, problem.horizon // 2)
                lags.append(Begun(end, after, least, most, site=rng.randrange(2)))
        jobs.append(replace(job, begun=tuple(lags)))
    return replace(problem, jobs=tuple(jobs))


def with_campaigns(problem: Problem, rng: Random) -> Problem:
    """Return the problem with campaigns on the etchers and the furnace."""
    resources = tuple(
        replace(r, min_campaign=rng.choice((2, 2, 3)))
        if r.kind in (Kind.UNARY, Kind.BATCH)
        else r
        for r in problem.resources
    )
    return replace(problem, resources=resources)


def _hours(rng: Random, end: int) -> tuple[Interval, ...]:
    if rng.random() < 0.3:
        return ((0, end),)
    lunch = rng.randrange(end // 4, end // 2)
    return ((rng.randrange(0, 3), lunch), (lunch + rng.randrange(1, 4), end))


def _outages(rng: Random, end: int) -> tuple[Interval, ...]:
    start = rng.randrange(end)
    return ((start, start + rng.randrange(1, 4)),) if rng.random() < 0.6 else ()


def _changeovers(rng: Random) -> tuple[Changeover, ...]:
    return (Changeover("red", "blue", rng.randrange(3)), Changeover("blue", "red", 1))


def _stays(rng: Random, horizon: int) -> tuple[Stay, ...]:
    start = rng.randrange(-2, horizon - 4)
    run = rng.randrange(0, horizon - 4)
    return (
        Stay("etcher", start, start + 2, family=rng.choice((None, *FAMILIES))),
        Stay("seats", start, start + 5, quantity=rng.randrange(1, 3)),
        Stay("furnace", run, run + 3, recipe="dry", joinable=rng.random() < 0.6),
        Stay("class", 0, 1, occurrence=rng.choice(("monday", "friday"))),
    )


def _job(rng: Random, number: int, end: int, most: int) -> Job:
    steps = tuple(_step(rng, n, end) for n in range(min(most, rng.choice((1, 1, 2, 3)))))
    lags = tuple(
        Lag(n, n + 1, rng.randrange(2), rng.choice((None, 4, 8)))
        for n in range(len(steps) - 1)
        if rng.random() < 0.8
    )
    deadline = rng.choice((None, None, rng.randrange(end // 2, end)))
    due = rng.choice((None, rng.randrange(end // 8, end // 2)))
    value = rng.randrange(40, 200)
    return Job(
        f"job-{number}",
        organisation="firm",
        value=value,
        steps=steps,
        lags=lags,
        submitted=number,
        priority=rng.randrange(3),
        release=rng.choice((0, 0, rng.randrange(6))),
        due=due,
        late_cost=rng.randrange(2) if due is not None else 0,
        deadline=deadline,
    )


def _step(rng: Random, number: int, end: int) -> Step:
    windows: tuple[Interval, ...] = ((0, end),)
    if rng.random() < 0.3:
        cut = rng.randrange(end // 3, end // 2)
        windows = ((rng.randrange(4), cut), (cut + 2, end))
    alternatives = [_alternative(rng)]
    if rng.random() < 0.4:
        alternatives.append(_alternative(rng))
    return Step(f"step-{number}", tuple(alternatives), windows)


def _alternative(rng: Random) -> Alternative:
    resource = rng.choice(("etcher", "etcher-2", "seats", "furnace", "furnace", "class"))
    stay = rng.choice(tuple(StayRule))
    beside = rng.choice(("seats", "etcher"))
    also = (Use(beside),) if resource != beside and rng.random() < 0.2 else ()
    if resource == "furnace":
        recipe = rng.choice(("dry", "wet"))
        return Alternative(resource, 3, rng.randrange(1, 3), recipe, stay=stay)
    if resource == "class":
        return Alternative(resource, 1, also=also)
    if resource == "seats":
        units = rng.randrange(1, 3)
        return Alternative(resource, rng.randrange(1, 7), units, stay=stay, also=also)
    family = rng.choice((None, *FAMILIES))
    return Alternative(resource, rng.randrange(1, 6), family=family, stay=stay, also=also)
