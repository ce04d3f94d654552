"""What becomes free is offered to whoever waits for it: the scheduler calls `tend`.

Looking costs one statement when nothing has changed: a resource is looked at when its
guard's counter, its capacity or its entries differ from the last look, and now and then all
the same, for hours and qualifications change, too.

However many schedulers run, and wherever one dies, no place is offered twice: an offer is a
booking, made with the entry's row held, so that the guard counts it. One runner at a time
serves a resource, or the second in order might be asked before the first.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from platform_booking.bookings import facts
from platform_booking.bookings.contention import retrying, wait_briefly
from platform_booking.bookings.models import Booking, Waiting
from platform_booking.bookings.placing import confirm_all
from platform_booking.bookings.states import BookingState, WaitingState
from platform_booking.catalog.models import Occurrence, Resource
from platform_booking.db import transaction
from platform_booking.errors import CapacityTaken, Conflict, RulesBroken
from platform_booking.waitlist import queries, rules
from platform_booking.waitlist.displacing import (
    NEXT_RUN,
    displace_companions,
    displace_taken_back,
    take_back_companions,
)
from platform_booking.waitlist.judging import Place, judged
from platform_booking.waitlist.noting import note, note_all
from platform_booking.waitlist.places import Party, free
from platform_booking.waitlist.restoring import give_back
from platform_booking.waitlist.services import lapse_offer

BATCH = 200
_ALL_AFRESH = timedelta(minutes=5)
_SERVED = 7003  # advisory locks: one runner serves a resource
_MOST_TRIES = 8  # places that may break rules before an entry waits on

_LENGTH = sa.func.make_interval(0, 0, 0, 0, 0, Waiting.minutes)

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
        "taken_back": _all(take_back_companions, now),
        "given_back": give_back(now=now),
        "lapsed": _all(_lapse, now),
        "carried_over": _all(_carry_over, now),
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
                party = queries.party(session, entry, skip_locked=True)
                made = bool(party) and _offer(session, party, zone=zone, now=moment)
                return queue, entry_id, made
        return queue, None, False


def _offer(session: Session, party: Party, *, zone: ZoneInfo, now: datetime) -> bool:
    """Offer the best place to a party, if there is one that the rules accept.

    All of it is offered or nothing, for the same times.
    """
    if any(one.state is not WaitingState.WAITING for one, _on in party):
        return False  # the rest of it is being taken back
    if queries.is_torn(session, party, now=now):
        return False  # the rest of it is being displaced
    for _n, place in zip(
        range(_MOST_TRIES), free(session, party, zone=zone, now=now), strict=False
    ):
        made = _hold(session, party, place, zone=zone, now=now)
        if made is None:
            continue
        for (entry, _on), booking in zip(party, made, strict=True):
            entry.state, entry.booking_id = WaitingState.OFFERED, booking.id
            entry.updated_at = now
        session.flush()  # the entries with their offers
        first = made[0]
        assert first.respond_by is not None
        note_all(
            session,
            "waiting.offer",
            party,
            now=now,
            told="waiting.offered",
            booking=str(first.public_id),
            starts_at=first.starts_at.isoformat(),
            ends_at=first.ends_at.isoformat(),
            respond_by=first.respond_by.isoformat(),
        )
        return True
    return False


def _hold(
    session: Session, party: Party, place: Place, *, zone: ZoneInfo, now: datetime
) -> tuple[Booking, ...] | None:
    """Hold a place for all of a party; None if it has no room or breaks rules by now."""
    by = min(
        rules.respond_by(
            on.policy,
            starts_at=place.starts_at,
            first_right=one.first_right,
            now=now,
        )
        for one, on in party
    )
    group = uuid4() if len(party) > 1 else None
    try:
        new = [
            replace(one, state=BookingState.OFFERED, respond_by=by, group_id=group)
            for one in judged(session, party, place, zone=zone, now=now)
        ]
        with session.begin_nested():
            made = confirm_all(session, new, now=now)
            if facts.down_meanwhile(session, *made):
                raise CapacityTaken
    except (RulesBroken, CapacityTaken):
        return None
    return made


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
        sa.select(Waiting, Booking)
        .join(Booking, Booking.id == Waiting.booking_id)
        .where(Waiting.state == WaitingState.OFFERED)
        .where(Booking.state == BookingState.OFFERED, Booking.respond_by <= now)
        .order_by(Waiting.id)
        .limit(BATCH)
        .with_for_update(of=[Waiting, Booking], skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()
    for entry, booking in rows:
        if entry.state is not WaitingState.OFFERED:
            continue  # it has lapsed with what waits together with it
        assert booking.respond_by is not None
        counts = rules.counts_as_passed(booking.created_at, booking.respond_by)
        party = queries.party(session, entry, skip_locked=True)
        if party:
            lapse_offer(session, party, act="waiting.lapse_offer", counts=counts, now=now)
    return len(rows)


def _carry_over(session: Session, now: datetime) -> int:
    """Let those who found a dated run full wait on for the next one, in their order."""
    following = (
        sa.select(Occurrence.ends_at)
        .where(
            Occurrence.resource_id == Waiting.resource_id,
            Occurrence.called_off_at.is_(None),
            Occurrence.starts_at.between(now, now + NEXT_RUN),
            Occurrence.ends_at > Waiting.to_at,
        )
        .order_by(Occurrence.starts_at)
        .limit(1)
        .scalar_subquery()
    )
    rows = session.execute(
        sa.select(Waiting, Resource, following)
        .join(Resource, Resource.id == Waiting.resource_id)
        .where(Waiting.state == WaitingState.WAITING, Waiting.group_id.is_(None))
        .where(Waiting.to_at - _LENGTH < now, following.is_not(None))
        .order_by(Waiting.id)
        .limit(BATCH)
        .with_for_update(of=Waiting, skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()
    for entry, resource, ends_at in rows:
        entry.to_at, entry.updated_at = ends_at, now
        note(session, "waiting.carry_over", entry, resource, now=now,
             told="waiting.carried_over")  # fmt: skip
    return len(rows)


def _end(session: Session, now: datetime) -> int:
    """End entries whose window is over; their owners are told."""
    other = sa.orm.aliased(Waiting)
    rows = session.execute(
        sa.select(Waiting, Resource)
        .join(Resource, Resource.id == Waiting.resource_id)
        .where(Waiting.state == WaitingState.WAITING)
        .where(Waiting.to_at - _LENGTH < now)
        .where(
            ~sa.exists().where(
                other.group_id == Waiting.group_id,
                other.state.in_(queries.OPEN),
                other.to_at - sa.func.make_interval(0, 0, 0, 0, 0, other.minutes) >= now,
            )
        )
        .order_by(Waiting.id)
        .limit(BATCH)
        .with_for_update(of=Waiting, skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()
    told = set[UUID]()
    for entry, resource in rows:
        entry.state, entry.updated_at = WaitingState.LAPSED, now
        group = entry.group_id or entry.public_id
        note(session, "waiting.end", entry, resource, now=now,
             told="" if group in told else "waiting.over")  # fmt: skip
        told.add(group)
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
