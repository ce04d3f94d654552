"""Whether the rules of bookings accept a place: asked before it is offered.

A search of its own must not know better than the rules: what it offers would be refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from platform_booking.bookings import facts, rules
from platform_booking.bookings.facts import Named
from platform_booking.bookings.picked import Bookable, Picked, Slot, Stretch
from platform_booking.catalog.models import Occurrence, Recipe, Resource, ResourceKind
from platform_booking.errors import Violation
from platform_booking.finding.asking import Wish
from platform_booking.finding.queries import Able
from platform_booking.web.actor import Actor
from platform_booking.web.i18n import named

_OF_WAFERS = frozenset(
    {"wafers_undeclared", "wafer_size", "materials_class", "material_flags"}
)
_OF_ASKER = frozenset({"unknown_organisation", "no_contract"})
_COUNTED = frozenset({ResourceKind.UNARY, ResourceKind.POOLED})
_OF_BUDDY = frozenset({"buddy_needed", "buddy_elsewhere"})
_OF_OTHERS = _OF_BUDDY | {"area_needed"}
"""Rules about what must be there, too, at some times."""

_OF_RUN = frozenset({"class_quota", "one_seat", "registration_closed", "run_called_off"})
"""Rules of one dated run, which another run may satisfy."""

_OF_THE_HOUR = frozenset(
    {"gap", "level_hours", "class_window", *_OF_BUDDY, "promised_as_buddy"}
)
OF_TIME = frozenset({"starts_at", "ends_at"})
"""Fields of rules that another time may satisfy."""


@dataclass(slots=True)
class Judge:
    """Asks the rules on behalf of one asker about slots within a stretch of time.

    What they must know of a resource is read once, for the whole stretch.
    """

    session: Session
    actor: Actor
    now: datetime
    zone: ZoneInfo
    within: Stretch
    project_id: UUID | None = None  # what the slot names beside
    buddy_id: UUID | None = None
    _read: dict[tuple[int, tuple[UUID, ...]], Picked | None] = field(default_factory=dict)

    def look_at(
        self, able: Sequence[Able], wish: Wish, *, beside: tuple[UUID, ...] = ()
    ) -> None:
        """Read what the rules must know of some resources, in one statement."""
        found = facts.look_around(
            self.session,
            Named(
                organisation=facts.of_organisation(self.actor, wish.organisation_id),
                runner=self.actor.member_id,
                project=self.project_id,
                buddy=self.buddy_id,
                beside=beside,
            ),
            _slot(wish, *self.within, wish.quantity),
            [(one.resource, one.qualification) for one in able],
            actor=self.actor,
            now=self.now,
            zone=self.zone,
        )
        self._read |= {(row_id, beside): picked for row_id, picked in found.items()}

    def broken(
        self,
        able: Able,
        wish: Wish,
        *,
        starts_at: datetime,
        ends_at: datetime,
        quantity: int,
        recipe: Recipe | None = None,
        occurrence: Occurrence | None = None,
        beside: tuple[UUID, ...] = (),
    ) -> tuple[Violation, ...]:
        """Return what keeps the asker from booking a place, `beside` others."""
        if (able.resource.id, beside) not in self._read:
            self.look_at([able], wish, beside=beside)
        around = self._read[able.resource.id, beside]
        if around is None:
            return (Violation("forbidden", "", "organisation_id"),)
        slot = _slot(wish, starts_at, ends_at, quantity)
        picked = facts.at(around, slot, able.resource, recipe=recipe, occurrence=occurrence)
        told = rules.violations(picked, now=self.now)
        nobody = self._looks_for_nobody(wish)
        return tuple(v for v in told if not (nobody and v.rule == "unknown_organisation"))

    def _looks_for_nobody(self, wish: Wish) -> bool:
        """Tell whether staff look around without saying for which organisation."""
        return self.actor.organisation_id is None and wish.organisation_id is None


def _slot(wish: Wish, starts_at: datetime, ends_at: datetime, quantity: int) -> Slot:
    return Slot(
        starts_at=starts_at,
        ends_at=ends_at,
        quantity=quantity,
        wafer_mm=wish.wafer_mm,
        class_rank=wish.class_rank,
        flags=wish.flags,
    )


def unfit_for(resource: Resource, wish: Wish, *, now: datetime) -> tuple[Violation, ...]:
    """Return why a resource can never take what is asked, without looking at its time."""
    slot = _slot(wish, now, now, wish.quantity)
    on = Bookable(
        name=named(resource),
        kind=resource.kind,
        stay=resource.stay_rule,
        capacity=resource.capacity,
        wafer_mm=tuple(resource.wafer_mm),
        class_rank=resource.class_rank,
        flags_allowed=(
            None if resource.flags_allowed is None else frozenset(resource.flags_allowed)
        ),
    )
    fixed = _OF_WAFERS | ({"quantity"} if resource.kind in _COUNTED else frozenset())
    broken = rules.violations(Picked(slot=slot, on=on), now=now)
    return tuple(v for v in broken if v.rule in fixed)


def of_asker(broken: tuple[Violation, ...]) -> bool:
    """Tell whether the asker may not book anything at all."""
    return any(v.rule in _OF_ASKER for v in broken)


def of_the_hour(broken: tuple[Violation, ...]) -> bool:
    """Tell whether a later hour of the same day might please the rules."""
    return all(v.rule in _OF_THE_HOUR for v in broken)


def of_time(broken: tuple[Violation, ...]) -> bool:
    """Tell whether another time might please the rules."""
    mended = _OF_OTHERS | _OF_RUN
    return all(v.where in OF_TIME or v.rule in mended for v in broken)
