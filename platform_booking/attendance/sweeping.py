"""What time itself does to bookings: the scheduler calls `sweep` each minute.

Every part takes what is due in batches, a transaction each, and passes over what somebody
else holds just then: a check-in that is under way wins, and whoever comes second finds the
state that the first has left. The clock is the database's, the same for every runner.

Bookings of a plan are left alone: their orders decide what becomes of them.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from platform_booking.attendance import rules
from platform_booking.attendance.noting import note
from platform_booking.attendance.parting import release_with
from platform_booking.audit import AuditEntry
from platform_booking.bookings.contention import retrying
from platform_booking.bookings.models import Booking, Source, Usage
from platform_booking.bookings.placing import release_all
from platform_booking.bookings.states import BookingState
from platform_booking.catalog.models import Outage, Recipe, Resource
from platform_booking.db import transaction

BATCH = 200
_MOST_BATCHES = 500  # of one part in one sweep: the next minute goes on
CLASS_MARKED = timedelta(days=14)
"""How long after a class staff may mark who was there."""
ASKED = "booking.ask"
Part = Callable[[Session, datetime], int]


def sweep(
    now: datetime | None = None, *, parts: Sequence[Part] | None = None
) -> dict[str, int]:
    """Do everything that is due; return how many bookings each part met.

    `now` None is the database's clock. What goes wrong in one part keeps no other from its
    work, and is raised in the end.
    """
    met: dict[str, int] = {}
    failed: Exception | None = None
    for part in PARTS if parts is None else parts:
        try:
            met[part.__name__] = _all(part, now)
        except Exception as fault:
            failed = failed or fault
    if failed is not None:
        raise failed
    return met


def _all(part: Part, now: datetime | None) -> int:
    met = 0
    for _batch in range(_MOST_BATCHES):
        done = retrying(partial(_once, part, now))
        met += done
        if done < BATCH:
            break
    return met


def _once(part: Part, now: datetime | None) -> int:
    with transaction() as session:
        moment = now or session.scalar(sa.select(sa.func.now()))
        assert moment is not None
        return part(session, moment)


def lapse_unanswered(session: Session, now: datetime) -> int:
    """Let requests lapse that nobody has answered in time."""
    due = _due(session, Booking.state == BookingState.REQUESTED, Booking.respond_by <= now)
    return _release(session, due, BookingState.LAPSED, "booking.lapse", now=now,
                    told="booking.lapsed", why="unanswered")  # fmt: skip


def ask_to_confirm(session: Session, now: datetime) -> int:
    """Ask owners, once, to confirm bookings that are so near now as the policy says."""
    opens = Booking.starts_at - _hours("confirm_hours")
    asked = sa.exists().where(
        AuditEntry.subject == sa.literal("booking ") + sa.cast(Booking.public_id, sa.Text),
        AuditEntry.act == ASKED,
        AuditEntry.at >= opens,
    )
    due = _due(
        session, Booking.state == BookingState.CONFIRMED, Booking.confirm_by > now,
        opens <= now, ~asked,
    )  # fmt: skip
    for booking, resource in due:
        assert booking.confirm_by is not None
        note(
            session,
            ASKED,
            booking,
            resource,
            now=now,
            told="booking.to_confirm",
            members=(booking.member_id,),
            detail={"confirm_by": booking.confirm_by.isoformat()},
        )
    return len(due)


def lapse_unconfirmed(session: Session, now: datetime) -> int:
    """Let bookings lapse whose owners were to confirm them and did not."""
    due = _due(session, Booking.state == BookingState.CONFIRMED, Booking.confirm_by <= now)
    return _release(session, due, BookingState.LAPSED, "booking.lapse", now=now,
                    told="booking.lapsed", why="unconfirmed")  # fmt: skip


def lapse_underfilled(session: Session, now: datetime) -> int:
    """Let the loads of a shared run lapse that is too light when its cut-off comes."""
    other = aliased(Booking)
    loaded = (
        sa.select(sa.func.sum(other.quantity))
        .where(
            other.resource_id == Booking.resource_id,
            other.starts_at == Booking.starts_at,
            other.recipe_id == Booking.recipe_id,
            other.active,
        )
        .scalar_subquery()
    )
    least = sa.select(Recipe.min_load).where(Recipe.id == Booking.recipe_id)
    due = _due(
        session,
        Booking.state.in_([BookingState.REQUESTED, BookingState.CONFIRMED]),
        Booking.recipe_id.is_not(None),
        Booking.starts_at > now,
        Booking.starts_at - _hours("cutoff_hours") <= now,
        loaded < least.scalar_subquery(),
    )
    return _release(session, due, BookingState.LAPSED, "booking.lapse", now=now,
                    told="booking.lapsed", why="underfilled")  # fmt: skip


def mark_no_shows(session: Session, now: datetime) -> int:
    """Give away what its owner has not begun so long after the start as the policy says.

    What was booked together counts as begun when one of it is; an outage excuses.
    """
    other = aliased(Booking)
    begun = sa.exists().where(
        other.group_id == Booking.group_id,
        sa.or_(
            other.state == BookingState.IN_USE,
            sa.exists().where(Usage.booking_id == other.id),
        ),
    )
    down = sa.exists().where(
        Outage.resource_id == Booking.resource_id,
        Outage.starts_at < Booking.ends_at,
        Outage.ends_at > Booking.starts_at,
    )
    due = _due(
        session, Booking.state == BookingState.CONFIRMED, Booking.starts_at < now,
        Booking.starts_at + _minutes("no_show_minutes") < now, ~begun, ~down,
    )  # fmt: skip
    return _release(session, due, BookingState.NO_SHOW, "booking.no_show", now=now,
                    told="booking.no_show")  # fmt: skip


def complete(session: Session, now: datetime) -> int:
    """Complete what is over on resources where nobody checks in."""
    due = _due(
        session, Booking.state == BookingState.CONFIRMED, Booking.ends_at <= now,
        ~Resource.policy.has_key("no_show_minutes"),
        sa.or_(
            ~Resource.policy.has_key("grants"), Booking.ends_at <= now - CLASS_MARKED
        ),
    )  # fmt: skip
    return _release(session, due, BookingState.COMPLETED, "booking.complete", now=now)


def close_forgotten(session: Session, now: datetime) -> int:
    """Check out whoever has forgotten to: at his end, for nothing proves more."""
    due = _due(
        session, Booking.state == BookingState.IN_USE,
        Booking.ends_at <= now - rules.FORGOTTEN,
    )  # fmt: skip
    ended = {booking.id: booking.ends_at for booking, _resource in due}
    for usage in session.scalars(
        sa.select(Usage).where(Usage.booking_id.in_(ended), Usage.ended_at.is_(None))
    ):
        usage.ended_at = max(ended[usage.booking_id], usage.began_at)
    return _release(session, due, BookingState.COMPLETED, "booking.complete", now=now,
                    why="forgotten")  # fmt: skip


def release_companions(session: Session, now: datetime) -> int:
    """Cancel what was booked together with a booking that was declined or has lapsed.

    That is done with it; here it is made sure of.
    """
    other = aliased(Booking)
    broken = sa.exists().where(
        other.group_id == Booking.group_id,
        other.state.in_([BookingState.DECLINED, BookingState.LAPSED]),
    )
    due = _due(
        session,
        Booking.state.in_([BookingState.REQUESTED, BookingState.CONFIRMED]),
        Booking.group_id.is_not(None),
        Booking.starts_at > now - timedelta(days=1),
        broken,
    )
    return _release(session, due, BookingState.CANCELLED, "booking.cancel", now=now,
                    told="booking.cancelled", why="companion")  # fmt: skip


PARTS: tuple[Part, ...] = (
    lapse_unanswered,
    ask_to_confirm,
    lapse_unconfirmed,
    lapse_underfilled,
    mark_no_shows,
    complete,
    close_forgotten,
    release_companions,
)


def _due(
    session: Session, *which: sa.ColumnElement[bool]
) -> list[tuple[Booking, Resource]]:
    """Take a batch of what is due; others' locks are passed over, not waited for."""
    rows = session.execute(
        sa.select(Booking, Resource)
        .join(Resource, Resource.id == Booking.resource_id)
        .where(Booking.source != Source.PLAN, *which)
        .order_by(Booking.resource_id, Booking.id)
        .limit(BATCH)
        .with_for_update(of=Booking, skip_locked=True)
        .execution_options(populate_existing=True)
    )
    return [(booking, resource) for booking, resource in rows]


def _release(
    session: Session,
    due: list[tuple[Booking, Resource]],
    to: BookingState,
    act: str,
    *,
    now: datetime,
    told: str = "",
    why: str = "",
) -> int:
    release_all(session, [booking.id for booking, _resource in due], to=to, now=now)
    for booking, resource in due:
        detail = {"why": why} if why else {}
        note(session, act, booking, resource, now=now, told=told, detail=detail)
    if to is BookingState.LAPSED:
        release_with(session, [booking for booking, _resource in due], now=now)
    return len(due)


def _minutes(key: str) -> sa.ColumnElement[timedelta]:
    """Return a policy's minutes as a span; NULL where the policy has none."""
    return sa.func.make_interval(0, 0, 0, 0, 0, Resource.policy[key].as_integer())


def _hours(key: str) -> sa.ColumnElement[timedelta]:
    return sa.func.make_interval(0, 0, 0, 0, Resource.policy[key].as_integer())
