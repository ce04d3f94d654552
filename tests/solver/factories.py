"""Builders of small problems. Everything has a default that makes the least fuss."""

from collections.abc import Sequence

from solver.problem import (
    Alternative,
    Changeover,
    Interval,
    Job,
    Kind,
    Lag,
    Occurrence,
    Placement,
    Problem,
    Recipe,
    Resource,
    Stay,
    StayRule,
    Step,
    Use,
)

HORIZON = 100  # slots, of a problem that names none


def make_resource(
    name: str = "etcher",
    *,
    kind: Kind = Kind.UNARY,
    capacity: int = 1,
    opens: Sequence[Interval] = ((0, HORIZON),),
    outages: Sequence[Interval] = (),
    site: int = 0,
    platform: str = "",
    changeovers: Sequence[tuple[str, str, int]] = (),
) -> Resource:
    """Return a resource that is open throughout."""
    return Resource(
        id=name,
        kind=kind,
        capacity=capacity,
        open=() if kind is Kind.EVENT else tuple(opens),
        outages=tuple(outages),
        site=site,
        platform=platform,
        changeovers=tuple(Changeover(*c) for c in changeovers),
    )


def make_alternative(
    resource: str = "etcher",
    duration: int = 10,
    *,
    quantity: int = 1,
    recipe: str | None = None,
    family: str | None = None,
    stay: StayRule = StayRule.INSIDE,
    also: Sequence[tuple[str, int]] = (),
) -> Alternative:
    """Return one way to serve a step."""
    uses = tuple(Use(*u) for u in also)
    return Alternative(resource, duration, quantity, recipe, family, stay, uses)


def make_step(
    *alternatives: Alternative, windows: Sequence[Interval] = ((0, 10 * HORIZON),)
) -> Step:
    """Return a step; its id is of no account."""
    return Step("step", alternatives or (make_alternative(),), tuple(windows))


def make_job(
    name: str = "a",
    *steps: Step,
    value: int = 10,
    lags: Sequence[Lag] = (),
    submitted: int = 0,
    priority: int = 0,
    release: int = 0,
    due: int | None = None,
    late_cost: int = 0,
    deadline: int | None = None,
    mandatory: bool = False,
    previous: Sequence[Placement] = (),
    move_cost: int = 0,
    organisation: str = "firm",
) -> Job:
    """Return a job of one step of 10 slots on the etcher."""
    return Job(
        id=name,
        organisation=organisation,
        value=value,
        steps=steps or (make_step(),),
        lags=tuple(lags),
        submitted=submitted,
        priority=priority,
        release=release,
        due=due,
        late_cost=late_cost,
        deadline=deadline,
        mandatory=mandatory,
        previous=tuple(previous),
        move_cost=move_cost,
    )


def make_problem(
    *jobs: Job,
    resources: Sequence[Resource] = (),
    recipes: Sequence[Recipe] = (),
    occurrences: Sequence[Occurrence] = (),
    stays: Sequence[Stay] = (),
    horizon: int = HORIZON,
    calendar_end: int = HORIZON,
    travel: Sequence[Sequence[int]] = ((0,),),
    earliest: int = 0,
) -> Problem:
    """Return a problem with one etcher, unless resources are named."""
    return Problem(
        horizon=horizon,
        calendar_end=calendar_end,
        resources=tuple(resources) or (make_resource(),),
        jobs=jobs,
        recipes=tuple(recipes),
        occurrences=tuple(occurrences),
        stays=tuple(stays),
        travel=tuple(tuple(row) for row in travel),
        earliest=earliest,
    )
