"""The rules of bookings, asked for an entry of the waiting list.

By whom it is run and for which firm comes from the entry, whoever acts on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from platform_booking.accounts.models import (
    Member,
)
from platform_booking.bookings import facts, judging, rules
from platform_booking.bookings.asking import NewBooking
from platform_booking.bookings.facts import Facts, Named
from platform_booking.bookings.models import Booking, Source, Waiting
from platform_booking.bookings.picked import Slot, Stretch
from platform_booking.catalog.models import (
    Occurrence,
    Qualification,
    Recipe,
    Resource,
    ResourceKind,
)
from platform_booking.errors import RulesBroken, Violation
from platform_booking.web.actor import Actor

_NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stay would be. `occurrence_id` is the row id of a dated run."""

    starts_at: datetime
    ends_at: datetime
    occurrence_id: int | None = None


def insist(
    session: Session,
    entry: Waiting,
    place: Place,
    *,
    besides: int | None = None,
    beside: Sequence[Resource] = (),
    now: datetime,
    zone: ZoneInfo,
) -> Facts:
    """Refuse a place that breaks rules for the one who waits; return what was read.

    Of what was booked once and displaced, that is not asked again which was judged then.
    `beside` are the resources that he gets with it.

    Raises
    ------
    RulesBroken
    """
    found = facts.gather(
        session,
        _named_by(
            entry,
            beside=beside,
            recipe=entry.recipe_id,
            occurrence=place.occurrence_id,
            besides=besides,
        ),
        slot_of(entry, place),
        resource_id=entry.resource_id,
        actor=_asker(session, entry),
        now=now,
        zone=zone,
    )
    displaced = displaced_by(session, entry)
    if displaced is not None:
        judging.insist_on_move(found, displaced, reason="", now=now)
    else:
        judging.insist(found, reason="", now=now)
    return found


def judged(
    session: Session,
    party: Sequence[tuple[Waiting, Resource]],
    place: Place,
    *,
    now: datetime,
    zone: ZoneInfo,
) -> list[NewBooking]:
    """Return what a party would book at a place, all of it; see `insist`.

    The dated run is that of the part whose resource has one.

    Raises
    ------
    RulesBroken
    """
    new = []
    for entry, on in party:
        run = place.occurrence_id if on.kind is ResourceKind.EVENT else None
        there = Place(place.starts_at, place.ends_at, run)
        others = [other for _one, other in party if other is not on]
        found = insist(session, entry, there, beside=others, now=now, zone=zone)
        new.append(
            NewBooking(
                resource_id=on.id,
                organisation_id=entry.organisation_id,
                member_id=entry.member_id,
                project_id=entry.project_id,
                starts_at=place.starts_at,
                ends_at=place.ends_at,
                quantity=entry.quantity,
                recipe_id=entry.recipe_id,
                occurrence_id=run,
                family=found.recipe.family if found.recipe else None,
                source=Source.WAITLIST,
                wafer_mm=entry.wafer_mm,
                class_rank=entry.class_rank,
                flags=tuple(entry.flags),
            )
        )
    return new


def breaks(
    session: Session, entry: Waiting, place: Place, *, now: datetime, zone: ZoneInfo
) -> RulesBroken | None:
    """Return what a place breaks for the one who waits."""
    try:
        insist(session, entry, place, now=now, zone=zone)
    except RulesBroken as fault:
        return fault
    return None


class Judge:
    """Asks the rules about many places for one entry, having read once what they need."""

    def __init__(
        self,
        session: Session,
        entry: Waiting,
        resource: Resource,
        *,
        within: Stretch,
        beside: Sequence[Resource],
        now: datetime,
        zone: ZoneInfo,
    ) -> None:
        self._entry, self._resource, self._now = entry, resource, now
        needed = None
        if resource.self_run and resource.qualification_id is not None:
            needed = session.get(Qualification, resource.qualification_id)
        actor = _asker(session, entry)
        self._around = facts.look_around(
            session,
            _named_by(entry, beside=beside),
            slot_of(entry, Place(*within)),
            [(resource, needed)],
            actor=actor,
            now=now,
            zone=zone,
        )[resource.id]
        displaced = displaced_by(session, entry)
        if displaced is not None and self._around is not None:
            own = actor.organisation_id is not None
            self._around = judging.as_moved(self._around, displaced, own=own)

    def broken(
        self, place: Place, *, recipe: Recipe | None, occurrence: Occurrence | None
    ) -> tuple[Violation, ...]:
        """Return what a place within the stretch breaks."""
        if self._around is None:
            return (Violation("forbidden", "", "organisation_id"),)
        slot = slot_of(self._entry, place)
        picked = facts.at(
            self._around, slot, self._resource, recipe=recipe, occurrence=occurrence
        )
        return tuple(rules.violations(picked, now=self._now))


def displaced_by(session: Session, entry: Waiting) -> Booking | None:
    """Return the booking that an entry stands for, if it was displaced."""
    return session.get(Booking, entry.displaced_id) if entry.displaced_id else None


def _named_by(
    entry: Waiting,
    *,
    beside: Sequence[Resource],
    recipe: int | None = None,
    occurrence: int | None = None,
    besides: int | None = None,
) -> Named:
    return Named(
        organisation=entry.organisation_id,
        runner=entry.member_id or 0,
        project=entry.project_id,
        recipe=recipe,
        occurrence=occurrence,
        beside=tuple(one.public_id for one in beside),
        besides=besides,
    )


def slot_of(entry: Waiting, place: Place) -> Slot:
    """Return the slot that an entry would have at a place."""
    return Slot(
        starts_at=place.starts_at,
        ends_at=place.ends_at,
        quantity=entry.quantity,
        wafer_mm=entry.wafer_mm,
        class_rank=entry.class_rank,
        flags=tuple(entry.flags),
    )


def _asker(session: Session, entry: Waiting) -> Actor:
    """Return by whose rights an entry is judged: its owner's, or staff's for the firm."""
    member = session.get(Member, entry.member_id) if entry.member_id else None
    own = member is not None and member.organisation_id == entry.organisation_id
    return Actor(
        member_id=entry.member_id or 0,
        public_id=_NOBODY,
        name="",
        locale="",
        organisation_id=entry.organisation_id if own else None,
        organisation_name=None,
        roles=frozenset(),
        platform_ids=() if own else (entry.platform_id,),
    )
