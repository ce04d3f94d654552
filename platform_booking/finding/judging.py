"""Whether the rules of bookings accept a place: asked before it is offered.

A search of its own must not know better than the rules: what it offers would be refused.
"""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from platform_booking.accounts.models import Project
from platform_booking.bookings import facts, rules
from platform_booking.bookings.facts import Named
from platform_booking.bookings.picked import Bookable, Picked, Slot
from platform_booking.catalog.models import Occurrence, Recipe, Resource, ResourceKind
from platform_booking.errors import Forbidden, Violation
from platform_booking.finding.asking import Wish
from platform_booking.finding.queries import Able
from platform_booking.web.actor import Actor
from platform_booking.web.i18n import named

_OF_WAFERS = frozenset(
    {"wafers_undeclared", "wafer_size", "materials_class", "material_flags"}
)
_OF_ASKER = frozenset({"unknown_organisation", "no_contract"})
_COUNTED = frozenset({ResourceKind.UNARY, ResourceKind.POOLED})
_OF_OTHERS = frozenset({"buddy_needed", "area_needed"})
"""Rules about what must be there, too, at some times."""

OF_TIME = frozenset({"starts_at", "ends_at"})
"""Fields of rules that another time may satisfy."""


@dataclass(slots=True)
class Judge:
    """Asks the rules on behalf of one asker; the same question once."""

    session: Session
    actor: Actor
    now: datetime
    zone: ZoneInfo
    project_id: UUID | None = None  # what the slot names beside
    buddy_id: UUID | None = None
    _known: dict[tuple[object, ...], tuple[Violation, ...]] = field(default_factory=dict)

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
        key = (able.resource.id, starts_at, ends_at, quantity, recipe, occurrence, beside)
        if key not in self._known:
            slot = Slot(
                starts_at=starts_at,
                ends_at=ends_at,
                quantity=quantity,
                wafer_mm=wish.wafer_mm,
                class_rank=wish.class_rank,
                flags=wish.flags,
            )
            self._known[key] = self._asked(
                able, wish, slot, recipe, occurrence, beside=beside
            )
        return self._known[key]

    def _asked(
        self,
        able: Able,
        wish: Wish,
        slot: Slot,
        recipe: Recipe | None,
        occurrence: Occurrence | None,
        *,
        beside: tuple[UUID, ...],
    ) -> tuple[Violation, ...]:
        try:
            found = facts.gather(
                self.session,
                Named(
                    resource=Resource.id == able.resource.id,
                    organisation=facts.of_organisation(self.actor, wish.organisation_id),
                    runner=self.actor.member_id,
                    project=(
                        Project.public_id == self.project_id if self.project_id else None
                    ),
                    buddy=self.buddy_id,
                    beside=beside,
                    recipe=Recipe.id == recipe.id if recipe else None,
                    occurrence=Occurrence.id == occurrence.id if occurrence else None,
                ),
                slot,
                actor=self.actor,
                now=self.now,
                zone=self.zone,
                hold=False,
                read=(able.resource, able.qualification),
            )
        except Forbidden:
            return (Violation("forbidden", "", "organisation_id"),)
        broken = tuple(rules.violations(found.picked, now=self.now))
        if self._looks_for_nobody(wish):
            return tuple(v for v in broken if v.rule != "unknown_organisation")
        return broken

    def _looks_for_nobody(self, wish: Wish) -> bool:
        """Tell whether staff look around without saying for which organisation."""
        return self.actor.organisation_id is None and wish.organisation_id is None


def unfit_for(resource: Resource, wish: Wish, *, now: datetime) -> tuple[Violation, ...]:
    """Return why a resource can never take what is asked, without looking at its time."""
    slot = Slot(
        starts_at=now,
        ends_at=now,
        quantity=wish.quantity,
        wafer_mm=wish.wafer_mm,
        class_rank=wish.class_rank,
        flags=wish.flags,
    )
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


def of_time(broken: tuple[Violation, ...]) -> bool:
    """Tell whether another time might please the rules."""
    return all(v.where in OF_TIME or v.rule in _OF_OTHERS for v in broken)
