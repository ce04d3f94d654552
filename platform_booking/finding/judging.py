"""Whether the rules of bookings accept a place: asked before it is offered.

A search of its own must not know better than the rules: what it offers would be refused.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from platform_booking.accounts.models import Project
from platform_booking.bookings import facts, rules
from platform_booking.bookings.facts import Named
from platform_booking.bookings.picked import Bookable, Picked, Slot, Stretch
from platform_booking.catalog.hours import Hours, attended_hours, opening_hours, spans
from platform_booking.catalog.models import (
    Occurrence,
    Recipe,
    Resource,
    ResourceKind,
    StayRule,
)
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

_OF_THE_HOUR = frozenset(
    {"gap", "level_hours", "class_window", "buddy_needed", "promised_as_buddy"}
)
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
    _hours: dict[tuple[int, bool], Hours] = field(default_factory=dict)
    _before: dict[tuple[object, ...], Picked] = field(default_factory=dict)

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
            way = (able.resource.id, recipe, occurrence, beside)
            slot = Slot(
                starts_at=starts_at,
                ends_at=ends_at,
                quantity=quantity,
                wafer_mm=wish.wafer_mm,
                class_rank=wish.class_rank,
                flags=wish.flags,
            )
            told = self._from_before(able, way, slot)
            if told is None:
                told = self._asked(able, wish, slot, recipe, occurrence, beside=beside)
            if self._looks_for_nobody(wish):
                told = tuple(v for v in told if v.rule != "unknown_organisation")
            self._known[key] = told
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
        self._before[able.resource.id, recipe, occurrence, beside] = found.picked
        return tuple(rules.violations(found.picked, now=self.now))

    def _from_before(
        self, able: Able, way: tuple[object, ...], slot: Slot
    ) -> tuple[Violation, ...] | None:
        """Judge by what was read for another slot; None where the database must be asked.

        The search has seen to outages. What depends on the slot itself, such as
        quotas, is read anew, but only for a slot that breaks nothing else.
        """
        before = self._before.get(way)
        if before is None:
            return None
        picked = replace(
            before,
            slot=slot,
            on=replace(
                before.on,
                opening=self._opening(able.resource, slot),
                outages=(),
                taken_back=(),
                requires=(),
            ),
            by=replace(before.by, quotas=(), buddy_elsewhere=()),
        )
        broken = tuple(rules.violations(picked, now=self.now))
        alone = not (before.on.requires or before.by.quotas or before.on.offhours)
        return broken if broken or (alone and self.buddy_id is None) else None

    def _opening(self, resource: Resource, slot: Slot) -> tuple[Stretch, ...]:
        ends = resource.stay_rule is StayRule.ENDS
        key = (resource.calendar_id, ends)
        if key not in self._hours:
            calendar = resource.calendar
            self._hours[key] = attended_hours(calendar) if ends else opening_hours(calendar)
        return tuple(
            spans(
                self._hours[key],
                from_at=slot.starts_at,
                to_at=slot.ends_at,
                zone=self.zone,
            )
        )

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


def of_the_hour(broken: tuple[Violation, ...]) -> bool:
    """Tell whether a later hour of the same day might please the rules."""
    return all(v.rule in _OF_THE_HOUR for v in broken)


def of_time(broken: tuple[Violation, ...]) -> bool:
    """Tell whether another time might please the rules."""
    return all(v.where in OF_TIME or v.rule in _OF_OTHERS for v in broken)
