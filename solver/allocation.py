"""The answer: which jobs are placed where, how good that is, and why the rest is not."""

from dataclasses import dataclass
from enum import StrEnum

from solver.problem import Interval, Placement


class Cause(StrEnum):
    """Why a job is left out or late, from the plainest cause to the subtlest."""

    NO_ALTERNATIVE = "no_alternative"  # a step has no resource that could ever serve it
    NO_START = "no_start"  # a step alone finds no start: hours, outages, window, deadline
    ROUTE_TOO_LONG = "route_too_long"  # each step fits alone, the whole route does not
    TOO_LIGHT = "too_light"  # there is room, but not enough company for a batch run
    ONE_OF = "one_of"  # another job of its group is placed
    FULL = "full"  # it would fit an empty park; what is placed or booked is in the way
    NOT_MOVED = "not_moved"  # of a late job: there is room in time, and the plan left it


class Relaxation(StrEnum):
    """What the asker could give way on."""

    LATER_DEADLINE = "later_deadline"
    EARLIER_RELEASE = "earlier_release"
    WIDER_WINDOWS = "wider_windows"
    OTHER_RESOURCE = "other_resource"
    LARGER_QUANTITY = "larger_quantity"
    SMALLER_QUANTITY = "smaller_quantity"


@dataclass(frozen=True, slots=True)
class WayOut:
    """The cheapest single change that places the job beside the finished plan.

    Found by placing it, not by guessing: `placements` is where it would go.
    """

    relaxation: Relaxation
    step: int | None  # the step that it concerns; None for the whole job
    amount: int  # slots later/earlier/wider, or the quantity that would fit
    resource: str | None  # for OTHER_RESOURCE
    placements: tuple[Placement, ...]


@dataclass(frozen=True, slots=True)
class Blocked:
    """Where the way is barred: a resource and a stretch of time, never whose."""

    resource: str
    interval: Interval
    occupant: str  # "placement", "booking", "outage", "closed", "changeover"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why one job is not in the plan, or not in time, and what would bring it in."""

    job: str
    cause: Cause
    step: int | None  # index of the step that fails first; None for the job as a whole
    blocked: tuple[Blocked, ...] = ()
    ways_out: tuple[WayOut, ...] = ()  # cheapest first; empty when none was found


@dataclass(frozen=True, slots=True)
class ShadowPrice:
    """What one more unit of a resource would add to the bound, about."""

    resource: str
    interval: Interval  # slots; a day, or what the horizon leaves of it
    price: float  # value for each unit and slot, the mean of the stretch


@dataclass(frozen=True, slots=True)
class Late:
    """Why one job ends after its due date, and what would bring it in before that."""

    slots: int  # from the due date to its end
    reason: Reason  # with the due date as if it were the deadline


@dataclass(frozen=True, slots=True)
class Allocation:
    """A plan. Placements are sorted by (job, step); a job has all of its steps or none."""

    placements: tuple[Placement, ...]
    value: int  # by `solver.value.value_of`
    bound: int | None = None  # no allocation is worth more; None when not computed
    prices: tuple[ShadowPrice, ...] = ()  # those that prove the bound, by resource and day
    reasons: tuple[Reason, ...] = ()  # one for every job left out, when asked for
    seed: int = 0
    waves: int = 0  # the search's length; (problem, seed, waves) names a solve
    seconds: float = 0.0  # wall clock, for reports only
