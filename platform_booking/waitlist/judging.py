"""The rules of bookings, asked for an entry of the waiting list.

By whom it is run and for which firm comes from the entry, whoever acts on it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking.accounts.models import (
    Member,
    Organisation,
    OrganisationState,
    Project,
)
from platform_booking.bookings import facts, judging
from platform_booking.bookings.facts import Facts, Named
from platform_booking.bookings.models import Booking, Waiting
from platform_booking.bookings.picked import Slot
from platform_booking.catalog.models import Occurrence, Recipe, Resource
from platform_booking.errors import RulesBroken
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
    now: datetime,
    zone: ZoneInfo,
) -> Facts:
    """Refuse a place that breaks rules for the one who waits; return what was read.

    Of what was booked once and displaced, that is not asked again which was judged then.

    Raises
    ------
    RulesBroken
    """
    found = facts.gather(
        session,
        Named(
            resource=Resource.id == entry.resource_id,
            organisation=sa.and_(
                Organisation.id == entry.organisation_id,
                Organisation.state == OrganisationState.APPROVED,
            ),
            runner=entry.member_id or 0,
            project=_row(Project, entry.project_id),
            recipe=_row(Recipe, entry.recipe_id),
            occurrence=_row(Occurrence, place.occurrence_id),
            besides=besides,
        ),
        slot_of(entry, place),
        actor=_asker(session, entry),
        now=now,
        zone=zone,
    )
    displaced = session.get(Booking, entry.displaced_id) if entry.displaced_id else None
    if displaced is not None:
        judging.insist_on_move(found, displaced, reason="", now=now)
    else:
        judging.insist(found, reason="", now=now)
    return found


def breaks(
    session: Session, entry: Waiting, place: Place, *, now: datetime, zone: ZoneInfo
) -> RulesBroken | None:
    """Return what a place breaks for the one who waits."""
    try:
        insist(session, entry, place, now=now, zone=zone)
    except RulesBroken as fault:
        return fault
    return None


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


def _row(table: Any, row_id: int | None) -> sa.ColumnElement[bool] | None:
    return None if row_id is None else table.id == row_id
