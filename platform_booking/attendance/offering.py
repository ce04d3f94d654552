"""What a booking's page offers to whoever looks at it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking.accounts.models import Member
from platform_booking.attendance import answering, attending, rules
from platform_booking.attendance.codes import code_of
from platform_booking.bookings import services
from platform_booking.bookings.models import Usage
from platform_booking.bookings.queries import BookingLine
from platform_booking.bookings.states import ACTIVE, BookingState
from platform_booking.catalog.models import ResourceKind
from platform_booking.web.actor import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """The deeds that are open to the asker now, and what has happened so far."""

    answerable: bool = False
    to_confirm: bool = False
    confirm_from: datetime | None = None  # he will be asked from then on
    check_in_from: datetime | None = None
    check_in_now: bool = False
    missed_after: datetime | None = None
    check_out: bool = False
    extend: bool = False
    code: str = ""  # for the kiosk; its owner's alone
    usage: Usage | None = None
    colleagues: Sequence[Member] = ()  # to whom it may be handed over


def offered(
    session: Session, line: BookingLine, *, actor: Actor, now: datetime, secret_key: str
) -> Offered:
    """Return what the asker may do with a booking now."""
    booking, policy = line.booking, line.resource.policy
    state, mine = booking.state, services.may_change(line, actor)
    ahead = state is BookingState.CONFIRMED and now < booking.ends_at
    opens = rules.checkin_opens(policy, booking.starts_at)
    asks = rules.confirmation_opens(policy, booking.starts_at)
    usage = attending.usage_of(session, booking)
    running = not attending.is_over(booking, usage)
    sizable = line.resource.kind in {ResourceKind.UNARY, ResourceKind.POOLED}
    return Offered(
        answerable=state is BookingState.REQUESTED and services.is_staff_of(line, actor),
        to_confirm=mine and answering.awaits_confirmation(line, now=now),
        confirm_from=(
            asks if mine and ahead and booking.confirm_by and now < asks else None
        ),
        check_in_from=opens if mine and ahead else None,
        check_in_now=mine and ahead and opens <= now,
        missed_after=rules.missed_after(policy, booking.starts_at) if ahead else None,
        check_out=mine and running,
        extend=mine and running and sizable and now < booking.ends_at,
        code=(
            code_of(secret_key, booking.public_id, booking.member_id)
            if owns(line, actor) and (ahead or running)
            else ""
        ),
        usage=usage,
        colleagues=_colleagues(session, line, actor=actor, now=now) if mine else (),
    )


def owns(line: BookingLine, actor: Actor) -> bool:
    """Tell whether a booking is the asker's own, or was made by staff for his firm."""
    if line.organisation.id != actor.organisation_id:
        return False
    return line.member is None or line.member.id == actor.member_id


def _colleagues(
    session: Session, line: BookingLine, *, actor: Actor, now: datetime
) -> Sequence[Member]:
    booking = line.booking
    if (
        line.organisation.id != actor.organisation_id
        or booking.state not in ACTIVE - {BookingState.OFFERED}
        or booking.ends_at <= now
    ):
        return ()
    return session.scalars(
        sa.select(Member)
        .where(
            Member.organisation_id == line.organisation.id,
            Member.active,
            Member.id.is_distinct_from(booking.member_id),
        )
        .order_by(Member.name)
    ).all()
