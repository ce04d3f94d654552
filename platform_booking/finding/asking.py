"""What is asked of the search, and what it offers, as frozen values between the layers."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from platform_booking.catalog.models import Occurrence, Recipe, Resource
from platform_booking.errors import Violation


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A co-request: a capability or a resource, free at the same time in a quantity."""

    called: str  # code of a capability, or code or id of a resource
    quantity: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Free time that is looked for. Stays lie within `[from_at, to_at)`.

    Of `capability` and `resources` one at least is named; `minutes` None is the usual
    length, of the recipe where there is one.
    """

    from_at: datetime
    to_at: datetime
    capability: str = ""
    resources: tuple[str, ...] = ()  # codes or ids
    minutes: int | None = None
    quantity: int = 1
    beside: tuple[Beside, ...] = ()
    wafer_mm: int | None = None
    class_rank: int | None = None
    flags: tuple[str, ...] = ()
    recipe: str = ""  # code or id; chosen by capability and wafers where it is not named
    organisation_id: UUID | None = None  # for whom an operator looks
    project_id: UUID | None = None
    buddy_id: UUID | None = None
    limit: int = 10
    a_day: int | None = None  # offers of one day; None for no such limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What a co-request was given."""

    called: str
    quantity: int
    resource: Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A place that the rules accept, with the reasons why it is offered where it stands."""

    resource: Resource
    starts_at: datetime
    ends_at: datetime
    quantity: int
    room: int  # units left all along it, what is asked for included
    why: tuple[str, ...]
    joins: bool = False  # a run of others with the same recipe
    recipe: Recipe | None = None
    occurrence: Occurrence | None = None
    beside: tuple[Chosen, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A resource that could do it, but not for this asker or in this way."""

    resource: Resource
    violations: tuple[Violation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was found, the best first, and what was left out."""

    offers: tuple[Offer, ...]
    left_out: tuple[LeftOut, ...] = ()
