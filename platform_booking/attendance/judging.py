"""The rules of picking a slot, asked of a booking that grows or changes hands."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from platform_booking.bookings import facts, rules
from platform_booking.bookings.facts import Named
from platform_booking.bookings.picked import Slot
from platform_booking.bookings.queries import BookingLine
from platform_booking.errors import Violation
from platform_booking.web.actor import Actor


def broken_by(
    session: Session,
    line: BookingLine,
    *,
    runner: int,
    starts_at: datetime,
    ends_at: datetime,
    actor: Actor,
    now: datetime,
    zone: ZoneInfo,
) -> list[Violation]:
    """Return what a booking would break, run by somebody from a moment until another.

    What was declared and judged when it was booked is not asked again. A stay that has
    begun is judged as of its start: caps and quotas hold for what comes to it.
    """
    now = min(now, starts_at)
    booking = line.booking
    found = facts.gather(
        session,
        Named(
            organisation=booking.organisation_id,
            approved=False,
            runner=runner,
            project=booking.project_id,
            recipe=booking.recipe_id,
            occurrence=booking.occurrence_id,
            buddy_row=booking.buddy_id,
            beside=tuple(part.resource.public_id for part in line.parts),
            besides=booking.id,
        ),
        Slot(
            starts_at=starts_at,
            ends_at=ends_at,
            quantity=booking.quantity,
            wafer_mm=booking.wafer_mm,
            class_rank=booking.class_rank,
            flags=tuple(booking.flags),
        ),
        resource_id=booking.resource_id,
        actor=actor,
        now=now,
        zone=zone,
    )
    picked = found.picked
    member = found.member
    own = member is not None and member.organisation_id == booking.organisation_id
    wafer_mm = picked.on.wafer_mm if booking.wafer_mm is not None else ()
    picked = replace(
        picked,
        on=replace(picked.on, wafer_mm=wafer_mm, licence_use=None),
        by=replace(picked.by, project_named=False, runs_it=own),
    )
    return list(rules.violations(picked, now=now))
