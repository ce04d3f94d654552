"""What might do instead of a slot that was refused: looked up after the refusal alone.

It tells no more than the search does, which anybody may ask: when something is free.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from heapq import merge
from itertools import islice
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from platform_booking.bookings.asking import AskedSlot
from platform_booking.bookings.rules import FARTHEST, GRID_MIN
from platform_booking.catalog.models import Occurrence, Recipe, Resource, ResourceKind
from platform_booking.errors import RulesBroken
from platform_booking.finding import queries, services
from platform_booking.finding.asking import Beside, Wish
from platform_booking.finding.judging import Judge, of_time
from platform_booking.finding.lanes import LaneMaker, Size, instant, slot_after, slot_of
from platform_booking.finding.queries import Able, Read
from platform_booking.finding.search import (
    Interval,
    Lane,
    Piece,
    longest_from,
    of_length,
    pieces,
)
from platform_booking.web.actor import Actor

_AROUND = timedelta(days=7)
_STRIDE = 6
"""Slots from one try to the next where a rule refuses a place: half an hour."""

_TRIES = 24
_TOOLS = 2
"""Other tools of which the rules are asked."""

_LONGEST = timedelta(days=31)
"""Nothing is looked for in place of a longer stay: it is an order's affair."""


class Kind(StrEnum):
    """In what an alternative differs."""

    EARLIER = "earlier"
    LATER = "later"
    OTHER_TOOL = "other_tool"
    SHORTER = "shorter"
    LONGER = "longer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """A place that the rules accept, near the one that was refused."""

    kind: Kind
    resource: Resource
    starts_at: datetime
    ends_at: datetime
    recipe: Recipe | None = None
    occurrence: Occurrence | None = None


@dataclass(frozen=True, slots=True)
class _Spot:
    lane: Lane
    start: int
    end: int
    run: int | None = None


def alternatives(
    session: Session, asked: AskedSlot, *, actor: Actor, now: datetime, zone: ZoneInfo
) -> list[Alternative]:
    """Return what might do instead of a slot: earlier, later, another tool, shorter."""
    if not timedelta(0) < asked.ends_at - asked.starts_at <= _LONGEST:
        return []
    if asked.resource_id is None or asked.parts:
        return _together(session, asked, actor=actor, now=now, zone=zone)
    everything = queries.able(
        session, [str(asked.resource_id)], siblings_of=asked.resource_id
    )
    own = next(
        (a.resource for a in everything if a.resource.public_id == asked.resource_id), None
    )
    if own is None:
        return []
    asked, lengthened = _long_enough(asked, own)
    days = own.policy.get("horizon_days")
    farthest = FARTHEST if days is None else timedelta(days=days)
    begin = min(max(now, asked.starts_at), now + farthest)
    from_at = max(now, begin - _AROUND)
    to_at = begin + (asked.ends_at - asked.starts_at) + _AROUND
    known = queries.read(
        session,
        [one.resource for one in everything],
        from_at=from_at,
        to_at=to_at,
        now=now,
        organisation_id=actor.organisation_id,
        changeovers=False,
    )
    maker = LaneMaker(known, from_at, to_at, now, zone)
    judge = Judge(
        session,
        actor,
        now,
        zone,
        (from_at, to_at),
        project_id=asked.project_id,
        buddy_id=asked.buddy_id,
    )
    within = (slot_after(from_at), slot_of(to_at))
    able = {one.resource.id: one for one in everything}
    near = _Near(
        asked=asked,
        own=own,
        able=able,
        known=known,
        maker=maker,
        judge=judge,
        within=within,
    )
    return [*near.longer(), *near.all()] if lengthened else list(near.all())


def _long_enough(asked: AskedSlot, own: Resource) -> tuple[AskedSlot, bool]:
    """Return a slot as long as its resource wants it at least, and if it was not."""
    least = own.policy.get("min_minutes")
    if own.kind is ResourceKind.BATCH:
        return asked, False  # its recipe says how long it takes
    if least is None or asked.ends_at - asked.starts_at >= timedelta(minutes=least):
        return asked, False
    return replace(asked, ends_at=asked.starts_at + timedelta(minutes=least)), True


def _together(
    session: Session, asked: AskedSlot, *, actor: Actor, now: datetime, zone: ZoneInfo
) -> list[Alternative]:
    """Return when all that was asked for is free next, from the start asked for on."""
    if any(part.recipe_id for part in asked.parts):
        return []
    from_at = max(now, min(asked.starts_at, now + FARTHEST))
    length = asked.ends_at - asked.starts_at
    wish = Wish(
        capability=asked.capability,
        resources=(str(asked.resource_id),) if asked.resource_id else (),
        from_at=from_at,
        to_at=from_at + length + _AROUND,
        minutes=length // timedelta(minutes=1),
        quantity=asked.quantity,
        beside=tuple(
            Beside(called=part.capability or str(part.resource_id), quantity=part.quantity)
            for part in asked.parts
        ),
        wafer_mm=asked.wafer_mm,
        class_rank=asked.class_rank,
        flags=asked.flags,
        recipe=str(asked.recipe_id or ""),
        organisation_id=asked.organisation_id,
        project_id=asked.project_id,
        buddy_id=asked.buddy_id,
        limit=2,
    )
    try:
        found = services.find(session, wish, actor=actor, now=now, zone=zone)
    except RulesBroken:  # what is asked for names something that is not there
        return []
    return [
        Alternative(
            kind=Kind.LATER if one.starts_at > asked.starts_at else Kind.OTHER_TOOL,
            resource=one.resource,
            starts_at=one.starts_at,
            ends_at=one.ends_at,
            recipe=one.recipe,
            occurrence=one.occurrence,
        )
        for one in found.offers
    ]


class _Near:
    """The neighbourhood of a slot that was refused."""

    def __init__(
        self,
        *,
        asked: AskedSlot,
        own: Resource,
        able: dict[int, Able],
        known: Read,
        maker: LaneMaker,
        judge: Judge,
        within: Interval,
    ) -> None:
        self._judge = judge
        self._within = within
        self._able = able
        self._recipes = {r.id: r for rows in known.recipes.values() for r in rows}
        self._runs = {r.id: r for rows in known.runs.values() for r in rows}
        self._asked = asked
        self._start, self._end = slot_of(asked.starts_at), slot_after(asked.ends_at)
        minutes = (asked.ends_at - asked.starts_at) // timedelta(minutes=1)
        size = Size(minutes=minutes, quantity=max(1, asked.quantity))
        recipe = next(
            (r for r in self._recipes.values() if r.public_id == asked.recipe_id), None
        )
        lanes = [
            lane
            for one in able.values()
            for lane in maker.lanes(one.resource, size, _alike(known, one.resource, recipe))
        ]
        self._own = [lane for lane in lanes if lane.resource == own.id]
        self._others = [lane for lane in lanes if lane.resource != own.id]
        self._wish = Wish(
            from_at=asked.starts_at,
            to_at=asked.ends_at,
            quantity=max(1, asked.quantity),
            wafer_mm=asked.wafer_mm,
            class_rank=asked.class_rank,
            flags=asked.flags,
            organisation_id=asked.organisation_id,
        )

    def all(self) -> Iterator[Alternative]:
        """Yield one of each kind that there is, and a second tool.

        What the rules must know of all of them is read in one go.
        """
        elsewhere = list(self._elsewhere())
        tools = dict.fromkeys(lane.resource for lane in self._own)
        tools |= dict.fromkeys(spot.lane.resource for spot in elsewhere)
        if tools:
            self._judge.look_at([self._able[row_id] for row_id in tools], self._wish)
        for lane in self._own:
            yield from islice(self._by_recipe(lane), 1)
            yield from islice(self._pleasing(Kind.EARLIER, self._before(lane)), 1)
            yield from islice(self._pleasing(Kind.LATER, self._after(lane)), 1)
        yield from self._pleasing(Kind.OTHER_TOOL, iter(elsewhere))
        for lane in self._own:
            yield from islice(self._pleasing(Kind.SHORTER, self._shorter(lane)), 1)

    def longer(self) -> Iterator[Alternative]:
        """Yield the slot itself, where it was too short and has been lengthened."""
        for lane in self._own:
            self._judge.look_at([self._able[lane.resource]], self._wish)
            same = self._as_asked(lane)
            yield from islice(self._pleasing(Kind.LONGER, same), 1)

    def _by_recipe(self, lane: Lane) -> Iterator[Alternative]:
        """Yield the slot itself as long as its recipe takes, where that was not asked."""
        if lane.kind is ResourceKind.BATCH:
            grown = lane.length > self._end - self._start
            same = (spot for spot in self._as_asked(lane) if spot.end != self._end)
            yield from self._pleasing(Kind.LONGER if grown else Kind.SHORTER, same)

    def _as_asked(self, lane: Lane) -> Iterator[_Spot]:
        """Yield places that start when the slot does."""
        yield from (spot for spot in self._fixed(lane) if spot.start == self._start)
        for piece in self._pieces(lane):
            if piece.first <= self._start <= piece.last:
                yield _Spot(lane, self._start, self._start + piece.length)

    def _before(self, lane: Lane) -> Iterator[_Spot]:
        """Yield places that start earlier, the nearest first."""
        fixed = reversed([s for s in self._fixed(lane) if s.start < self._start])
        free = (
            _Spot(lane, start, start + piece.length)
            for piece in reversed(self._pieces(lane))
            if piece.first < self._start
            for start in reversed(self._starts(piece))
            if start < self._start
        )
        return merge(fixed, free, key=lambda spot: -spot.start)

    def _after(self, lane: Lane) -> Iterator[_Spot]:
        """Yield places that start later, the nearest first."""
        fixed = (spot for spot in self._fixed(lane) if spot.start > self._start)
        free = (
            _Spot(lane, start, start + piece.length)
            for piece in self._pieces(lane)
            if piece.last > self._start
            for start in self._starts(piece)
            if start > self._start
        )
        return merge(fixed, free, key=lambda spot: spot.start)

    def _elsewhere(self) -> Iterator[_Spot]:
        """Yield the nearest place of each other tool, the nearest tool first."""
        nearest = [spot for lane in self._others if (spot := self._nearest(lane))]
        seen: set[int] = set()
        for spot in sorted(
            nearest,
            key=lambda s: (self._far(s), s.lane.load, s.lane.code),
        ):
            if spot.lane.resource not in seen and len(seen) < _TOOLS:
                seen.add(spot.lane.resource)
                yield spot

    def _nearest(self, lane: Lane) -> _Spot | None:
        """Return the place that starts nearest to the slot."""
        spots = self._fixed(lane)
        for piece in self._pieces(lane):
            start = min(max(self._start, piece.first), piece.last)
            spots.append(_Spot(lane, start, start + piece.length))
        return min(spots, key=self._far, default=None)

    def _far(self, spot: _Spot) -> int:
        return abs(spot.start - self._start)

    def _shorter(self, lane: Lane) -> Iterator[_Spot]:
        """Yield stays that begin as asked and end sooner, the longest first."""
        below = self._end
        resource = self._able[lane.resource].resource
        if resource.policy.get("max_minutes") is not None:
            most: int = resource.policy["max_minutes"]
            below = min(below, self._start + most // GRID_MIN + 1)
        if resource.kind in {ResourceKind.EVENT, ResourceKind.BATCH}:
            return
        if self._start < self._within[0]:
            return
        end = longest_from(lane, self._start, below=below)
        if end is not None:
            yield _Spot(lane, self._start, end)

    def _fixed(self, lane: Lane) -> list[_Spot]:
        """Return runs to join and dated runs, in order."""
        return sorted(
            (
                _Spot(lane, place.start, place.end, place.key)
                for place in lane.fixed
                if place.room >= lane.quantity
                and lane.earliest <= place.start <= lane.latest
            ),
            key=lambda spot: spot.start,
        )

    def _starts(self, piece: Piece) -> list[int]:
        """Return starts within a piece: its edges, those near the slot, and strides."""
        near = {self._start + n for n in (-_STRIDE, -1, 0, 1, _STRIDE)}
        starts = {piece.last, *range(piece.first, piece.last, _STRIDE)}
        starts |= {start for start in near if piece.first <= start <= piece.last}
        return sorted(starts)

    def _pieces(self, lane: Lane) -> list[Piece]:
        """Return from where stays may start: a shared run lasts as its recipe says."""
        if lane.kind is ResourceKind.EVENT:
            return []
        if lane.kind is ResourceKind.BATCH:
            return pieces(lane, self._within)
        return of_length(lane, self._end - self._start, self._within)

    def _pleasing(self, kind: Kind, spots: Iterator[_Spot]) -> Iterator[Alternative]:
        """Yield what the rules accept."""
        for spot in islice(spots, _TRIES):
            able = self._able[spot.lane.resource]
            recipe = self._recipes.get(spot.lane.recipe or 0)
            run = self._runs.get(spot.run or 0)
            starts_at, ends_at = instant(spot.start), instant(spot.end)
            broken = self._judge.broken(
                able,
                self._wish,
                starts_at=starts_at,
                ends_at=ends_at,
                quantity=self._wish.quantity,
                recipe=recipe,
                occurrence=run,
            )
            if not broken:
                yield Alternative(
                    kind=kind,
                    resource=able.resource,
                    starts_at=starts_at,
                    ends_at=ends_at,
                    recipe=recipe,
                    occurrence=run,
                )
            elif not of_time(broken) and kind is not Kind.OTHER_TOOL:
                return


def _alike(known: Read, resource: Resource, asked: Recipe | None) -> list[Recipe]:
    """Return the recipes of a resource that do what the one asked for does."""
    if asked is None:
        return []
    return [
        one
        for one in known.recipes.get(resource.id, ())
        if one.id == asked.id
        or (
            one.resource_id != asked.resource_id
            and (one.capability_id, one.wafer_mm, one.class_rank)
            == (asked.capability_id, asked.wafer_mm, asked.class_rank)
        )
    ]
