"""Secret addresses: made, revoked, and what is read at them."""

import secrets
from datetime import datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from flask_babel import gettext as _

from platform_booking import audit
from platform_booking.bookings.models import Feed
from platform_booking.bookings.queries import taken
from platform_booking.db import db, transaction
from platform_booking.errors import NotFound, RulesBroken, Violation
from platform_booking.feeds import ics, queries, wording
from platform_booking.feeds.queries import FeedStanding
from platform_booking.web.actor import Actor, hashed
from platform_booking.web.i18n import named

BEHIND, AHEAD = timedelta(days=30), timedelta(days=365)
GONE_FOR = timedelta(days=14)  # how long a cancelled booking is shown as cancelled
MOST_FEEDS = 20
_BYTES = 32  # 256 bits: nobody guesses them
_PREFIX = 6


def make(
    *, resource_id: UUID | None, whole_firm: bool, actor: Actor, now: datetime
) -> tuple[Feed, str]:
    """Make a secret address; return it with its secret, which is kept nowhere.

    Raises
    ------
    NotFound
        If there is no such resource.
    RulesBroken
        If the member has too many already.
    """
    secret = secrets.token_urlsafe(_BYTES)
    with transaction() as session:
        resource = (
            None if resource_id is None else queries.resource_called(session, resource_id)
        )
        if len(queries.feeds(session)) >= MOST_FEEDS:
            raise RulesBroken(
                [
                    Violation(
                        "too_many_feeds",
                        _(
                            "you have %(n)s calendars, and that is the most; revoke one"
                            " that you no longer read",
                            n=MOST_FEEDS,
                        ),
                        "resource",
                        limit=MOST_FEEDS,
                    )
                ]
            )
        feed = Feed(
            member_id=actor.member_id,
            resource_id=resource.id if resource else None,
            whole_firm=whole_firm and actor.organisation_id is not None,
            prefix=secret[:_PREFIX],
            token_hash=hashed(secret),
            created_at=now,
        )
        session.add(feed)
        session.flush()  # feed.public_id
        audit.record(
            session,
            act="feed.make",
            subject=f"feed {feed.public_id}",
            organisation_id=actor.organisation_id,
            detail={"resource": resource.code} if resource else {},
        )
        return feed, secret


def revoke(feed_id: UUID, *, actor: Actor, now: datetime) -> None:
    """Make a secret address worthless, at once.

    Raises
    ------
    NotFound
        If there is no such feed of the actor's.
    """
    with transaction() as session:
        feed = session.scalars(
            sa.select(Feed).where(Feed.public_id == feed_id).with_for_update()
        ).one_or_none()
        if feed is None:
            raise NotFound
        if feed.revoked_at is not None:
            return
        feed.revoked_at = now
        audit.record(
            session,
            act="feed.revoke",
            subject=f"feed {feed.public_id}",
            organisation_id=actor.organisation_id,
        )


def standing(secret: str) -> FeedStanding | None:
    """Return what a secret address shows; None if it is none. Needs no identity."""
    return queries.feed_standing(db.session(), hashed(secret))


def content(
    feed: FeedStanding, *, actor: Actor, now: datetime, zone: ZoneInfo, base_url: str
) -> bytes:
    """Return a feed's calendar, read as its member; the same until something changes."""
    session = db.session()
    # Whole local days: within one of them the answer stays the same.
    today = datetime.combine(now.astimezone(zone).date(), time(), tzinfo=zone)
    window = (today - BEHIND, today + AHEAD)
    lines = queries.lines_of(
        session, feed, actor, window=window, gone_since=today - GONE_FOR
    )
    entries = [
        wording.entry_of(line, base_url=base_url, own_firm=actor.organisation_id)
        for line in lines
    ]
    if feed.resource_id is None:
        name = _("Our bookings") if feed.whole_firm else _("My bookings")
        return ics.calendar(entries, zone=zone, name=name)
    resource = queries.resource_row(session, feed.resource_id)
    all_taken = taken(session, resource.id, from_at=window[0], to_at=window[1])
    own = [line.booking for line in lines]
    entries += [
        wording.busy_entry(resource, one)
        for one in queries.others(all_taken, own)[-queries.MOST :]
    ]
    return ics.calendar(entries, zone=zone, name=named(resource))
