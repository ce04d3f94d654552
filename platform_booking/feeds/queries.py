"""What feeds read. Row-level security decides which rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking.bookings.models import Booking, Feed
from platform_booking.bookings.queries import BookingLine, Taken, lines_where
from platform_booking.bookings.states import ACTIVE
from platform_booking.catalog.models import Platform, Resource
from platform_booking.errors import NotFound
from platform_booking.feeds.wording import GONE
from platform_booking.web.actor import Actor

MOST = 5_000  # entries of one calendar; the latest ones
Stretch = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class FeedStanding:
    """What a secret address shows, and as whom it is read."""

    feed_id: int
    member_id: int
    resource_id: int | None
    whole_firm: bool


def feed_standing(session: Session, token_hash: str) -> FeedStanding | None:
    """Return what a secret address shows; None if it is none, or was revoked."""
    row = session.execute(
        sa.text("SELECT * FROM feed_standing(:hash)"), {"hash": token_hash}
    ).one_or_none()
    if row is None:
        return None
    return FeedStanding(row.feed_id, row.member_id, row.resource_id, row.whole_firm)


def lines_of(
    session: Session,
    feed: FeedStanding,
    actor: Actor,
    *,
    window: Stretch,
    gone_since: datetime,
) -> list[BookingLine]:
    """Return the bookings that a feed shows in detail, those lately gone included."""
    begins, ends = window
    whose = Booking.member_id == actor.member_id
    if actor.organisation_id is not None:
        firm = Booking.organisation_id == actor.organisation_id
        whose = firm if feed.whole_firm else firm & whose
    chosen = [
        whose,
        Booking.ends_at > begins,
        Booking.starts_at < ends,
        sa.or_(Booking.state.not_in(GONE), Booking.updated_at > gone_since),
    ]
    if feed.resource_id is not None:
        chosen.append(Booking.resource_id == feed.resource_id)
    found = lines_where(
        session, *chosen, order=(Booking.starts_at.desc(), Booking.id.desc()), limit=MOST
    )
    return found[::-1]


def others(taken: Sequence[Taken], own: Sequence[Booking]) -> list[Taken]:
    """Return when a resource is taken beside one's own bookings, and how much of it.

    Out of `taken`, stretches apart from one another, goes what the own ones take up.
    """
    steps: dict[datetime, int] = {}
    for one in taken:
        steps[one.starts_at] = steps.get(one.starts_at, 0) + one.quantity
        steps[one.ends_at] = steps.get(one.ends_at, 0) - one.quantity
    if not steps:
        return []
    first, last = min(steps), max(steps)
    for booking in own:
        begins, ends = max(booking.starts_at, first), min(booking.ends_at, last)
        if booking.state in ACTIVE and begins < ends:
            steps[begins] = steps.get(begins, 0) - booking.quantity
            steps[ends] = steps.get(ends, 0) + booking.quantity
    return _stretches(steps)


def _stretches(steps: dict[datetime, int]) -> list[Taken]:
    """Join what is taken without a gap: how much of it is, a calendar does not say."""
    found: list[Taken] = []
    level, since = 0, None
    for moment in sorted(steps):
        level += steps[moment]
        if level > 0 and since is None:
            since = moment
        elif level <= 0 and since is not None:
            found.append(Taken(since, moment, 1))
            since = None
    return found


def resource_row(session: Session, row_id: int) -> Resource:
    """Return a feed's resource."""
    return session.scalars(sa.select(Resource).where(Resource.id == row_id)).one()


def resource_called(session: Session, public_id: UUID) -> Resource:
    """Return a resource to make a feed of.

    Raises
    ------
    NotFound
    """
    found = session.scalars(
        sa.select(Resource).where(Resource.public_id == public_id)
    ).one_or_none()
    if found is None:
        raise NotFound
    return found


def feeds(session: Session) -> list[tuple[Feed, Resource | None, Platform | None]]:
    """Return one's own feeds in force, the newest first."""
    rows = session.execute(
        sa.select(Feed, Resource, Platform)
        .outerjoin(Resource, Resource.id == Feed.resource_id)
        .outerjoin(Platform, Platform.id == Resource.platform_id)
        .where(Feed.revoked_at.is_(None))
        .order_by(Feed.id.desc())
    )
    return [(feed, resource, platform) for feed, resource, platform in rows]
