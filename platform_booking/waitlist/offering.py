"""What becomes free is offered to whoever waits for it: the scheduler calls `tend`.

Looking costs one statement when nothing has changed: a resource is looked at when its
guard's counter, its capacity or its entries differ from the last look, and now and then all
the same, for hours and qualifications change, too.

However many schedulers run, and wherever one dies, no place is offered twice: an offer is a
booking, made with the entry's row held, so that the guard counts it. One runner at a time
serves a resource, or the second in order might be asked before the first.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from platform_booking.bookings import facts
from platform_booking.bookings.asking import NewBooking
from platform_booking.bookings.contention import retrying, wait_briefly
from platform_booking.bookings.models import Booking, Source, Waiting
from platform_booking.bookings.placing import confirm
from platform_booking.bookings.states import BookingState, WaitingState
from platform_booking.catalog.models import Resource
from platform_booking.db import transaction
from platform_booking.errors import CapacityTaken, Conflict, RulesBroken
from platform_booking.finding import queries as reading
from platform_booking.finding.lanes import (
    LaneMaker,
    Size,
    days,
    instant,
    slot_after,
    slot_of,
)
from platform_booking.finding.search import search
from platform_booking.waitlist import queries, rules
from platform_booking.waitlist.displacing import displace_companions, displace_taken_back
from platform_booking.waitlist.judging import Place, insist
from platform_booking.waitlist.noting import note
from platform_booking.waitlist.services import lapse_offer

BATCH = 200
_ALL_AFRESH = timedelta(minutes=5)
_SERVED = 7003  # advisory locks: one runner serves a resource
_MOST_TRIES = 8  # places that may break rules before an entry waits on

_log = structlog.get_logger()
Seen = tuple[int, int, int, datetime]
Part = Callable[[Session, datetime], int]


@dataclass(slots=True)
class Watch:
    """What a runner has seen of the resources that somebody waits for."""

    seen: dict[int, Seen] = field(default_factory=dict)
    afresh_at: datetime | None = None


def tend(watch: Watch, *, zone: ZoneInfo, now: datetime | None = None) -> dict[str, int]:
    """Let lapse what nobody answers, end what is over, offer what is free.

    `now` None is the database's clock. Returns how many entries each part met.
    """
    done = {
        "displaced": _all(displace_taken_back, now, least=1)
        + _all(displace_companions, now),
        "lapsed": _all(_lapse, now),
        "over": _all(_end, now),
        "offered": 0,
    }
    for resource_id, seen in _changed(watch, now).items():
        offered = serve(resource_id, zone=zone, now=now)
        if offered is None:
            continue  # another runner is at it, or many book there: the next look
        done["offered"] += offered
        watch.seen[resource_id] = seen
    return done


def serve(resource_id: int, *, zone: ZoneInfo, now: datetime | None = None) -> int | None:
    """Offer what is free on a resource, in order; return how many were offered something.

    None if somebody else is at it just now.
    """
    offered, tried = 0, set[int]()
    queue: list[int] | None = None  # read anew after each offer: it counts as held
    while True:
        once = partial(_next, resource_id, tried, queue, zone=zone, now=now)
        try:
            step = retrying(once)
        except Conflict:
            _log.info("waitlist_put_off", resource=resource_id)
            return None
        if step is None:
            return None
        queue, asked, made = step
        if asked is None:
            return offered
        tried.add(asked)
        offered += made
        if made:
            queue = None


def _next(
    resource_id: int,
    tried: set[int],
    queue: list[int] | None,
    *,
    zone: ZoneInfo,
    now: datetime | None,
) -> tuple[list[int], int | None, bool] | None:
    """Offer something to the next in order who was not tried yet.

    Returns the order, who it was (None when nobody is left) and whether he was offered
    something; None when somebody else serves the resource.
    """
    with transaction() as session:
        wait_briefly(session)
        mine = sa.func.pg_try_advisory_xact_lock(_SERVED, resource_id)
        if not session.scalar(sa.select(mine)):
            return None
        moment = _moment(session, now)
        resource = queries.resource(session, Resource.id == resource_id)
        if resource is None or not resource.active:
            return [], None, False
        if queue is None:
            queue = queries.in_turn(session, resource_id, now=moment)
        for entry_id in queue:
            if entry_id in tried:
                continue
            entry = session.scalars(
                sa.select(Waiting)
                .where(Waiting.id == entry_id, Waiting.state == WaitingState.WAITING)
                .with_for_update(skip_locked=True)
                .execution_options(populate_existing=True)
            ).one_or_none()
            if entry is not None:  # else its owner is at it
                made = _offer(session, entry, resource, zone=zone, now=moment)
                return queue, entry_id, made
        return queue, None, False


def _offer(
    session: Session, entry: Waiting, resource: Resource, *, zone: ZoneInfo, now: datetime
) -> bool:
    """Offer the best place to an entry, if there is one that the rules accept."""
    for _n, place in zip(
        range(_MOST_TRIES), _places(session, entry, resource, zone=zone, now=now),
        strict=False,
    ):  # fmt: skip
        try:
            found = insist(session, entry, place, now=now, zone=zone)
        except RulesBroken:
            continue
        try:
            with session.begin_nested():
                booking = confirm(session, _new(entry, place, found, now=now), now=now)
                if facts.down_meanwhile(session, booking):
                    raise CapacityTaken
        except CapacityTaken:
            continue
        assert booking.respond_by is not None
        entry.state, entry.booking_id, entry.updated_at = (
            WaitingState.OFFERED, booking.id, now,
        )  # fmt: skip
        session.flush()  # the entry with its offer
        note(
            session,
            "waiting.offer",
            entry,
            resource,
            now=now,
            told="waiting.offered",
            booking=str(booking.public_id),
            starts_at=booking.starts_at.isoformat(),
            ends_at=booking.ends_at.isoformat(),
            respond_by=booking.respond_by.isoformat(),
        )
        return True
    return False


def _new(entry: Waiting, place: Place, found: facts.Facts, *, now: datetime) -> NewBooking:
    resource = found.resource
    return NewBooking(
        resource_id=resource.id,
        organisation_id=entry.organisation_id,
        member_id=entry.member_id,
        project_id=entry.project_id,
        starts_at=place.starts_at,
        ends_at=place.ends_at,
        quantity=entry.quantity,
        recipe_id=entry.recipe_id,
        occurrence_id=place.occurrence_id,
        family=found.recipe.family if found.recipe else None,
        source=Source.WAITLIST,
        state=BookingState.OFFERED,
        respond_by=rules.respond_by(
            resource.policy,
            starts_at=place.starts_at,
            now=now,
        ),
        wafer_mm=entry.wafer_mm,
        class_rank=entry.class_rank,
        flags=tuple(entry.flags),
    )


def _places(
    session: Session, entry: Waiting, resource: Resource, *, zone: ZoneInfo, now: datetime
) -> Iterator[Place]:
    """Yield free places for an entry, the best first; none that it has let go."""
    policy = resource.policy
    from_at = max(entry.from_at, rules.first_start(policy, now=now))
    if entry.to_at <= from_at:
        return
    known = reading.read(
        session,
        [resource],
        from_at=from_at,
        to_at=entry.to_at,
        now=now,
        organisation_id=entry.organisation_id,
    )
    recipes = [r for r in known.recipes.get(resource.id, ()) if r.id == entry.recipe_id]
    size = Size(minutes=entry.minutes, quantity=entry.quantity)
    maker = LaneMaker(known, from_at, entry.to_at, now, zone)
    lanes = list(maker.lanes(resource, size, recipes))
    parts = rules.apart_from(
        (from_at, entry.to_at), _let_go(session, entry), minutes=entry.minutes
    )
    for begins, ends in parts:
        within = (slot_after(begins), slot_of(ends))
        for one in search(lanes, within=within, days=days(within, zone)):
            yield Place(instant(one.start), instant(one.end), one.run)


def _let_go(session: Session, entry: Waiting) -> list[tuple[datetime, datetime]]:
    """Return what was offered to the one who waits since he joined, and let go."""
    if not entry.passed:
        return []
    rows = session.execute(
        sa.select(Booking.starts_at, Booking.ends_at)
        .where(
            Booking.resource_id == entry.resource_id,
            Booking.organisation_id == entry.organisation_id,
            Booking.member_id.is_not_distinct_from(entry.member_id),
            Booking.source == Source.WAITLIST,
            Booking.state == BookingState.LAPSED,
            Booking.created_at >= entry.created_at,
            Booking.respond_by.is_not(None),  # else an outage took it back
        )
        .order_by(Booking.updated_at.desc())
        .limit(rules.MOST_PASSED * rules.MOST_OPEN)
    )
    return [(starts_at, ends_at) for starts_at, ends_at in rows]


def _changed(watch: Watch, now: datetime | None) -> dict[int, Seen]:
    """Return the resources to look at, with what is seen of them now."""
    with transaction() as session:
        moment = _moment(session, now)
        if watch.afresh_at is None or moment - watch.afresh_at >= _ALL_AFRESH:
            watch.seen.clear()
            watch.afresh_at = moment
        rows = session.execute(
            sa.select(
                Resource.id,
                Resource.guard_seq,
                Resource.capacity,
                sa.func.count(Waiting.id),
                sa.func.max(Waiting.updated_at),
            )
            .join(Waiting, Waiting.resource_id == Resource.id)
            .where(Waiting.state == WaitingState.WAITING)
            .group_by(Resource.id)
            .order_by(Resource.id)
        ).all()
    present = {row_id: (seq, room, many, last) for row_id, seq, room, many, last in rows}
    watch.seen = {row_id: seen for row_id, seen in watch.seen.items() if row_id in present}
    return {i: seen for i, seen in present.items() if watch.seen.get(i) != seen}


def _lapse(session: Session, now: datetime) -> int:
    """Let offers lapse that nobody has answered in time."""
    rows = session.execute(
        sa.select(Waiting, Resource)
        .join(Booking, Booking.id == Waiting.booking_id)
        .join(Resource, Resource.id == Waiting.resource_id)
        .where(Waiting.state == WaitingState.OFFERED)
        .where(Booking.state == BookingState.OFFERED, Booking.respond_by <= now)
        .order_by(Waiting.resource_id, Waiting.id)
        .limit(BATCH)
        .with_for_update(of=[Waiting, Booking], skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()
    for entry, resource in rows:
        lapse_offer(session, entry, resource, act="waiting.lapse_offer", now=now)
    return len(rows)


def _end(session: Session, now: datetime) -> int:
    """End entries whose window is over; their owners are told."""
    rows = session.execute(
        sa.select(Waiting, Resource)
        .join(Resource, Resource.id == Waiting.resource_id)
        .where(Waiting.state == WaitingState.WAITING)
        .where(Waiting.to_at - sa.func.make_interval(0, 0, 0, 0, 0, Waiting.minutes) < now)
        .order_by(Waiting.id)
        .limit(BATCH)
        .with_for_update(of=Waiting, skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()
    for entry, resource in rows:
        entry.state, entry.updated_at = WaitingState.LAPSED, now
        note(session, "waiting.end", entry, resource, now=now, told="waiting.over")
    return len(rows)


def _all(part: Part, now: datetime | None, *, least: int = BATCH) -> int:
    """Do a part until it meets fewer than `least`."""
    met = 0
    while True:
        done = retrying(partial(_once, part, now))
        met += done
        if done < least:
            return met


def _once(part: Part, now: datetime | None) -> int:
    with transaction() as session:
        return part(session, _moment(session, now))


def _moment(session: Session, now: datetime | None) -> datetime:
    moment = now or session.scalar(sa.select(sa.func.now()))
    assert moment is not None
    return moment
