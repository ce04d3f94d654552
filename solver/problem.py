"""The problem: what is asked for, and of what. Frozen, whole slots, no clock.

Time is counted in slots from an origin that only the caller knows (slot 0). All
intervals are half open ``[start, end)``. A slot may be negative: what has begun before the
origin. Ids are opaque strings, unique within their kind.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

Interval = tuple[int, int]

SHARE_STEPS = (0, 20, 40, 60, 70, 80, 90, 100)  # per cent of an entitlement
SHARE_CAP = 400  # per cent: at most so much a point of value counts beyond itself


class Kind(StrEnum):
    """How a resource is occupied."""

    UNARY = "unary"  # one stay at a time
    POOLED = "pooled"  # stays share `capacity` units
    BATCH = "batch"  # one run at a time; loads of one recipe share start and end
    EVENT = "event"  # dated occurrences, each with its own capacity


class StayRule(StrEnum):
    """How a stay meets closed hours."""

    INSIDE = "inside"  # the whole stay within one stretch of opening hours
    ENDS = "ends"  # first and last slot within opening hours, the middle may run through
    WORKING = "working"  # the clock stops when closed; the resource stays held


@dataclass(frozen=True, slots=True)
class Changeover:
    """Slots needed between a stay of family `before` and the next of family `after`."""

    before: str
    after: str
    slots: int


@dataclass(frozen=True, slots=True)
class Recipe:
    """Conditions under which loads may share a run of one batch resource.

    Wafer size and contamination class are part of the recipe's identity: two loads share a
    run exactly when they name the same recipe.
    """

    id: str
    resource: str
    capacity: int  # units of load in one run
    min_load: int = 1  # a run lighter than this does not pay; 1 for none
    family: str | None = None  # set-up family, for changeover between runs


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One dated run of an event resource: a shuttle, a class."""

    id: str
    resource: str
    start: int
    end: int
    capacity: int  # in the resource's unit


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that can be occupied.

    `open` are its opening hours up to `Problem.calendar_end`: sorted, disjoint, not
    touching. `outages` are subtracted from them for INSIDE and WORKING stays, and no stay
    of any rule may overlap an outage. Event resources ignore `open`.
    """

    id: str
    kind: Kind
    capacity: int = 1  # units at once; 1 for unary; unused for batch and event
    open: tuple[Interval, ...] = ()
    outages: tuple[Interval, ...] = ()
    site: int = 0  # index into Problem.travel
    platform: str = ""  # for decomposition and for reports; no rule reads it
    changeovers: tuple[Changeover, ...] = ()  # unary and batch; a pair not named costs 0
    min_campaign: int = 1  # stays (runs) of a family in a row before another's; see README


@dataclass(frozen=True, slots=True)
class Use:
    """A pooled or unary resource held beside the main one, for the same stay."""

    resource: str
    quantity: int = 1


@dataclass(frozen=True, slots=True)
class Alternative:
    """One way to serve a step.

    `duration` is the processing time in slots. Under INSIDE and ENDS the stay lasts just
    that; under WORKING it lasts until that many open slots have passed. On an event
    resource the stay is the occurrence and `duration` is ignored.
    """

    resource: str
    duration: int
    quantity: int = 1  # units of the pool, of the run's load, or of the occurrence
    recipe: str | None = None  # required on a batch resource, forbidden elsewhere
    family: str | None = None  # set-up family, unary only (a batch: its recipe's)
    stay: StayRule = StayRule.INSIDE
    also: tuple[Use, ...] = ()  # further resources, held for the same stay; opening hours
    # of these are not asked for, their outages and capacity are


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of a job. The stay lies whole within one of `windows`."""

    id: str
    alternatives: tuple[Alternative, ...]
    windows: tuple[Interval, ...]  # sorted, disjoint; release and deadline bind too


@dataclass(frozen=True, slots=True)
class Lag:
    """Elapsed slots from the end of step `before` to the start of step `after`.

    Steps are named by index in `Job.steps`, `before < after`. Travel time between the two
    sites is added to `least`, never to `most`.
    """

    before: int
    after: int
    least: int = 0
    most: int | None = None  # a queue-time limit; None for none


@dataclass(frozen=True, slots=True)
class Begun:
    """A lag from a step of the route that has ended already, or that is running.

    Such steps are not among `Job.steps` any more: one that runs is a fixed stay. Travel
    from its site is added to `least`, never to `most`.
    """

    end: int  # the slot at which it has ended, or will; negative before the origin
    after: int  # index in Job.steps of the step that waits for it
    least: int = 0
    most: int | None = None  # a queue-time limit; None for none
    site: int = 0  # where it was done: index into Problem.travel


@dataclass(frozen=True, slots=True)
class Placement:
    """One step on one resource at one time. The heart of a plan."""

    job: str
    step: int  # index in Job.steps
    alternative: int  # index in Step.alternatives
    start: int
    end: int
    occurrence: str | None = None  # on event resources


@dataclass(frozen=True, slots=True)
class Job:
    """An order, as the solver sees it: placed whole or not at all."""

    id: str
    organisation: str
    value: int  # gained when placed; at least 0
    steps: tuple[Step, ...]
    lags: tuple[Lag, ...] = ()
    submitted: int = 0  # rank of submission; first come first served goes by it
    priority: int = 0  # higher is served earlier by the dispatch rules
    release: int = 0  # no step starts earlier
    due: int | None = None  # every slot that the last end exceeds it costs `late_cost`
    late_cost: int = 0  # late_cost * (deadline - due) must not exceed value
    deadline: int | None = None  # no step ends later; None: bounded by calendar_end alone
    mandatory: bool = False  # an order already placed: it may move, but is never dropped
    previous: tuple[Placement, ...] = ()  # where it stands in the plan in force
    move_cost: int = 0  # once, if any placement differs from `previous`
    one_of: str | None = None  # a group: at most one job of it is placed
    preferred: tuple[Interval, ...] = ()  # sorted, disjoint; () for no wish
    stray_cost: int = 0  # for each step whose stay is not whole within one of `preferred`
    begun: tuple[Begun, ...] = ()  # a route under way: what its remaining steps wait for

    def resources(self) -> frozenset[str]:
        """Return the ids of all resources that the job could hold."""
        return frozenset(
            name
            for step in self.steps
            for a in step.alternatives
            for name in (a.resource, *(u.resource for u in a.also))
        )


@dataclass(frozen=True, slots=True)
class Stay:
    """An occupation that the plan must accept as it is: a booking in force, a running lot.

    A load may join a fixed batch run that has room, whose recipe it shares, exactly when
    `joinable`.
    """

    resource: str
    start: int
    end: int
    quantity: int = 1
    recipe: str | None = None
    occurrence: str | None = None
    family: str | None = None
    joinable: bool = False


@dataclass(frozen=True, slots=True)
class Share:
    """What an organisation is entitled to, and what it has had of it before this plan.

    Both in value, over the window that the caller looks back on: `entitled` is what it
    asked for then and asks for now, times its weight; so a debt is carried over. A point
    of value that finds it at the share s = served / entitled counts s^-alpha - 1 beyond
    itself, at most `SHARE_CAP`, by steps of `SHARE_STEPS`; nothing from s = 1 on.
    """

    organisation: str
    entitled: int
    served: int = 0


@dataclass(frozen=True, slots=True)
class Problem:
    """Everything that one solve reads."""

    horizon: int  # slots; no step starts at or after it; a stay may run past it
    calendar_end: int  # slots; every interval ends here at the latest; >= horizon
    resources: tuple[Resource, ...]
    jobs: tuple[Job, ...]
    recipes: tuple[Recipe, ...] = ()
    occurrences: tuple[Occurrence, ...] = ()
    stays: tuple[Stay, ...] = ()
    travel: tuple[tuple[int, ...], ...] = ((0,),)  # slots from site to site, square
    earliest: int = 0  # the end of the freeze: no new placement starts before it
    shares: tuple[Share, ...] = ()  # one for each organisation whose share counts
    alpha: int = 0  # hundredths: 0 the plain sum, 100 Nash, more goes towards max-min

    def resource_by_id(self) -> Mapping[str, Resource]:
        """Return the resources by id."""
        return {r.id: r for r in self.resources}

    def recipe_by_id(self) -> Mapping[str, Recipe]:
        """Return the recipes by id."""
        return {r.id: r for r in self.recipes}

    def job_by_id(self) -> Mapping[str, Job]:
        """Return the jobs by id."""
        return {j.id: j for j in self.jobs}
