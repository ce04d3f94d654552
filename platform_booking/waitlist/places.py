"""Free places for those who wait, as the rules of bookings accept them, the best first.

Best is what ends first; for whom an outage has displaced, what is nearest to the old time.
Who waits for several resources together gets them for the same times.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking.bookings.models import Booking, Source, Waiting
from platform_booking.bookings.states import BookingState
from platform_booking.catalog.models import Recipe, Resource, ResourceKind
from platform_booking.finding import queries as reading
from platform_booking.finding.judging import of_the_hour
from platform_booking.finding.lanes import (
    LaneMaker,
    Size,
    days,
    instant,
    slot_after,
    slot_of,
)
from platform_booking.finding.queries import Read
from platform_booking.finding.search import Found, Interval, Lane, Search
from platform_booking.waitlist import rules
from platform_booking.waitlist.judging import Judge, Place, displaced_by

Party = Sequence[tuple[Waiting, Resource]]
"""Entries that are served together, with their resources; mostly a single one."""

_LOOK = timedelta(days=62)  # so much is read at once
_STRIDE = 6  # slots from one try to the next where the rules want another hour
_MOST_TRIES = 2_000  # of one look; they ask the database for nothing


def free(
    session: Session, party: Party, *, now: datetime, zone: ZoneInfo, at_once: bool = False
) -> Iterator[Place]:
    """Yield free places for all of a party; none that it has let go.

    `at_once` looks for what may be booked now, without time to answer an offer.
    """
    party = _main_first(party)
    entry, _resource = party[0]
    first = now if at_once else first_start(party, now=now, zone=zone)
    from_at = max(*(one.from_at for one, _on in party), first)
    to_at = max(one.to_at for one, _on in party)
    if to_at <= from_at:
        return
    displaced = displaced_by(session, entry)
    near = None if displaced is None else slot_of(displaced.starts_at)
    let_go = _let_go(session, entry)
    length = timedelta(minutes=entry.minutes)
    for looked in _looks((from_at, to_at), length, near):
        look = _Look(session, party, looked, now=now, zone=zone)
        parts = [
            (slot_after(a), slot_of(b))
            for a, b in rules.apart_from(looked, let_go, minutes=entry.minutes)
        ]
        yield from look.nearest(parts, near) if near is not None else look.soonest(parts)


def first_start(party: Party, *, now: datetime, zone: ZoneInfo) -> datetime:
    """Return the first start that leaves time to answer an offer of all parts."""
    return max(
        rules.first_start(
            on.policy,
            first_right=one.first_right,
            now=now,
            zone=zone,
        )
        for one, on in party
    )


@dataclass(slots=True)
class _Tries:
    left: int = _MOST_TRIES


class _Look:
    """What is free for a party within a stretch, read once."""

    def __init__(
        self,
        session: Session,
        party: Party,
        within: tuple[datetime, datetime],
        *,
        now: datetime,
        zone: ZoneInfo,
    ) -> None:
        self._zone = zone
        self._party = party
        from_at, to_at = within
        known = reading.read(
            session,
            [resource for _entry, resource in party],
            from_at=from_at,
            to_at=to_at,
            now=now,
            organisation_id=party[0][0].organisation_id,
        )
        self._runs = {run.id: run for rows in known.runs.values() for run in rows}
        self._recipes = [_recipe(known, entry, on) for entry, on in party]
        maker = LaneMaker(known, from_at, to_at, now, zone)
        lanes = [
            _lanes(maker, entry, on, recipe)
            for (entry, on), recipe in zip(party, self._recipes, strict=True)
        ]
        self._lanes, self._beside = lanes[0], lanes[1:]
        self._judges = [
            Judge(
                session,
                entry,
                resource,
                within=within,
                beside=[other for _one, other in party if other is not resource],
                now=now,
                zone=zone,
            )
            for entry, resource in party
        ]
        self._tries = _Tries()

    def soonest(self, parts: Iterable[Interval]) -> Iterator[Place]:
        """Yield the places that please the rules, of each day the first, by their end."""
        for within in parts:
            search = self._search(within, days(within, self._zone))
            order = count()
            queue = [(one.rank, next(order), one) for one in search.first()]  # a heap
            while queue and self._tries.left > 0:
                one = heappop(queue)[2]
                pleases, of_hour = self._pleases(one)
                if pleases:
                    yield self._place(one)
                elif of_hour and (later := search.after(one, _STRIDE)) is not None:
                    heappush(queue, (later.rank, next(order), later))

    def nearest(self, parts: Iterable[Interval], near: int) -> Iterator[Place]:
        """Yield the places that please the rules, the nearest to a slot first."""
        found = [
            one
            for within in parts
            for one in self._search(within, list(_strides(within, near))).first()
        ]
        for one in sorted(found, key=lambda one: (abs(one.start - near), one.rank)):
            if self._tries.left > 0 and self._pleases(one)[0]:
                yield self._place(one)

    def _search(self, within: Interval, stretches: Sequence[Interval]) -> Search:
        return Search(self._lanes, self._beside, within=within, days=stretches)

    def _pleases(self, one: Found) -> tuple[bool, bool]:
        """Tell whether the rules accept a place; if not, whether another hour might do."""
        self._tries.left -= 1
        place = self._place(one)
        run = self._runs.get(place.occurrence_id or 0)
        broken = [
            violation
            for n, judge in enumerate(self._judges)
            for violation in judge.broken(
                place if n == 0 else Place(place.starts_at, place.ends_at),
                recipe=self._recipes[n],
                occurrence=run if n == 0 else None,
            )
        ]
        return not broken, of_the_hour(tuple(broken))

    @staticmethod
    def _place(one: Found) -> Place:
        return Place(instant(one.start), instant(one.end), one.run)


def _main_first(party: Party) -> Party:
    """Put that first whose times are given by a run, the others go with it."""
    of_runs = (ResourceKind.EVENT, ResourceKind.BATCH)
    kinds = {kind: n for n, kind in enumerate(of_runs)}
    return sorted(party, key=lambda one: (kinds.get(one[1].kind, len(kinds)), one[0].id))


def _lanes(
    maker: LaneMaker, entry: Waiting, resource: Resource, recipe: Recipe | None
) -> list[Lane]:
    size = Size(minutes=entry.minutes, quantity=entry.quantity)
    return list(maker.lanes(resource, size, [recipe] if recipe else []))


def _recipe(known: Read, entry: Waiting, resource: Resource) -> Recipe | None:
    recipes = known.recipes.get(resource.id, ())
    return next((one for one in recipes if one.id == entry.recipe_id), None)


def _looks(
    window: tuple[datetime, datetime], length: timedelta, near: int | None
) -> Iterable[tuple[datetime, datetime]]:
    """Return the stretches that are read one by one; a stay lies in one of them whole."""
    begins, ends = window
    found = []
    while begins < ends:
        found.append((begins, min(begins + _LOOK + length, ends)))
        begins += _LOOK
    if near is None:
        return found
    at = instant(near)
    return sorted(found, key=lambda one: max(one[0] - at, at - one[1]))


def _strides(within: Interval, near: int) -> Iterator[Interval]:
    """Yield a stretch in pieces of a stride, one of which begins at a slot or would."""
    begins = within[0]
    while begins < within[1]:
        ends = begins + _STRIDE - (begins - near) % _STRIDE
        yield begins, min(ends, within[1])
        begins = ends


def _let_go(session: Session, entry: Waiting) -> list[tuple[datetime, datetime]]:
    """Return what was offered to the one who waits since he joined, and let go."""
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
