"""The search for free time over intervals. Pure: frozen data in, frozen data out.

Time is counted in whole slots of the park's grid since the epoch. A stay `[start, end)` has
a place on a lane when it keeps to the opening hours as the lane's stay rule demands, meets
no outage, and finds room for its quantity all along.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from platform_booking.catalog.models import ResourceKind, StayRule

Interval = tuple[int, int]
"""Slots, half open."""

NEVER = 2**31
"""Later than any slot that is asked for."""


@dataclass(frozen=True, slots=True)
class Taken:
    """So much is taken from a slot until before another."""

    start: int
    end: int
    quantity: int


@dataclass(frozen=True, slots=True)
class Place:
    """A stay whose times are given: a run to join, or a dated run; `room` is left in it."""

    start: int
    end: int
    room: int
    key: int | None = None  # row id of the dated run


@dataclass(frozen=True, slots=True)
class Piece:
    """Stays of one length may start at each slot from `first` to `last`, both included."""

    first: int
    last: int
    length: int


@dataclass(frozen=True, kw_only=True)
class Lane:
    """One way to be served: a resource, and the recipe where it is a batch.

    Parameters
    ----------
    opening
        Hours that the stay rule looks at, attended ones for ENDS; sorted and apart.
    down
        Outages, in any order.
    taken
        What is booked, in any order.
    fixed
        Runs to join and dated runs; a dated run is the only place on an event.
    step
        Starts lie on every so many slots.
    earliest, latest
        No stay may start before or after: notice and horizon.
    families
        The asker's own stays as (end, set-up family), sorted; changeovers as minutes by the
        family before.
    """

    resource: int
    code: str
    kind: ResourceKind
    stay: StayRule
    capacity: int
    opening: Sequence[Interval]
    recipe: int | None = None
    down: Sequence[Interval] = ()
    taken: Sequence[Taken] = ()
    fixed: Sequence[Place] = ()
    length: int = 1
    step: int = 1
    quantity: int = 1
    earliest: int = 0
    latest: int = NEVER
    families: Sequence[tuple[int, str]] = ()
    changeovers: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def known(self) -> dict[Interval, list[Piece]]:
        """Return what `pieces` has found already."""
        return {}

    @cached_property
    def blocked(self) -> list[Interval]:
        """Return where a stay of this quantity may not be, sorted and apart."""
        return joined([*self.down, *self._full()])

    @cached_property
    def levels(self) -> list[Taken]:
        """Return how much is taken, in stretches that do not overlap, sorted."""
        steps: dict[int, int] = {}
        for one in self.taken:
            steps[one.start] = steps.get(one.start, 0) + one.quantity
            steps[one.end] = steps.get(one.end, 0) - one.quantity
        found: list[Taken] = []
        level, since = 0, 0
        for at in sorted(steps):
            if level:
                found.append(Taken(since, at, level))
            level, since = level + steps[at], at
        return found

    @cached_property
    def load(self) -> float:
        """Return the share of the open time that is taken, between 0 and 1."""
        whole = sum(b - a for a, b in self.opening)
        share = 1 if self.kind is ResourceKind.BATCH else self.capacity
        busy = sum(
            min(self.capacity, one.quantity) / share * (one.end - one.start)
            for one in self.levels
        )
        return min(1.0, busy / whole) if whole else 1.0

    def room(self, start: int, end: int) -> int:
        """Return how much is left all along a stretch."""
        peak = max(
            (one.quantity for one in self.levels if one.start < end and start < one.end),
            default=0,
        )
        return self.capacity - peak

    def changeover(self, start: int) -> int:
        """Return the minutes of changeover before a start; 0 where nothing is known."""
        at = bisect_right(self.families, (start, "\uffff")) - 1
        if at < 0:
            return 0
        since, family = self.families[at]
        if any(since < one.end <= start for one in self.taken):
            return 0  # somebody else's work lies between; what it is, nobody is told
        return self.changeovers.get(family, 0)

    def _full(self) -> list[Interval]:
        if self.kind is ResourceKind.POOLED:
            left = self.capacity - self.quantity
            return [(one.start, one.end) for one in self.levels if one.quantity > left]
        return [(one.start, one.end) for one in self.taken]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A place, and what of the co-requests goes with it, in their order."""

    lane: Lane
    start: int
    end: int
    room: int
    joins: bool = False
    run: int | None = None  # row id of the dated run
    beside: tuple[Lane, ...] = ()
    changeover: int = 0

    @property
    def rank(self) -> tuple[int, int, float, str]:
        """Return what makes it better: an early end, little changeover, an idle tool."""
        return self.end, self.changeover, self.lane.load, self.lane.code


def search(
    lanes: Sequence[Lane],
    beside: Sequence[Sequence[Lane]] = (),
    *,
    within: Interval,
    days: Sequence[Interval],
) -> list[Found]:
    """Return places, the best first: of each lane the first one of each day.

    Parameters
    ----------
    lanes
        Ways to be served; one of them is needed.
    beside
        For each co-request the lanes that would do; one of each is needed for the same
        stay, no resource twice.
    within
        Stays lie inside.
    days
        The days into which starts are sorted; sorted and apart.
    """
    return Search(lanes, beside, within=within, days=days).first()


def pieces(lane: Lane, within: Interval) -> list[Piece]:
    """Return from where stays of the lane's length may start, in order; found once.

    A WORKING stay grows by the closed hours that it spans.
    """
    if within in lane.known:
        return lane.known[within]
    if lane.stay is StayRule.WORKING:
        raw = list(_working(lane.opening, lane.length))
    else:
        raw = list(_of_length(lane, lane.length))
    lane.known[within] = sorted(
        (p for one in raw for p in _clear(one, lane, within)), key=lambda p: p.first
    )
    return lane.known[within]


def of_length(lane: Lane, length: int, within: Interval) -> list[Piece]:
    """Return from where stays of just that many slots may start, in order."""
    raw = _of_length(lane, length)
    return sorted(
        (p for one in raw for p in _clear(one, lane, within)), key=lambda p: p.first
    )


def longest_from(lane: Lane, start: int, *, below: int) -> int | None:
    """Return the latest end, below a slot, of a stay that starts here; None for none."""
    for begins, ends in lane.blocked:
        if begins <= start < ends:
            return None
        if start < begins:
            below = min(below, begins + 1)
            break
    inside = lane.stay is StayRule.INSIDE
    ends_at = [
        min(closes, below - 1)
        for opens, closes in lane.opening
        if opens < below - 1 and start < closes and (not inside or opens <= start)
    ]
    starts = any(opens <= start < closes for opens, closes in lane.opening)
    if not starts or not ends_at:
        return None
    end = min(ends_at) if inside else max(ends_at)
    return end if end > start else None


def joined(stretches: Iterable[Interval]) -> list[Interval]:
    """Return stretches sorted, those that touch or overlap as one."""
    found: list[Interval] = []
    for start, end in sorted(stretches):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _of_length(lane: Lane, length: int) -> Iterator[Piece]:
    if lane.stay is StayRule.INSIDE:
        for opens, closes in lane.opening:
            yield Piece(opens, closes - length, length)
        return
    for opens, closes in lane.opening:  # begins in one stretch, ends in one
        for begins, ends in lane.opening:
            if begins >= closes + length:
                break
            yield Piece(
                max(opens, begins - length + 1), min(closes - 1, ends - length), length
            )


def _working(opening: Sequence[Interval], length: int) -> Iterator[Piece]:
    """Yield the starts from which a stay has `length` open slots behind it."""
    j, rest = 0, length - 1  # the last slot: `rest` into stretch j
    for opens, closes in opening:
        start = opens
        while start < closes:
            while j < len(opening) and rest >= opening[j][1] - opening[j][0]:
                rest -= opening[j][1] - opening[j][0]
                j += 1
            if j == len(opening):
                return
            last = opening[j][0] + rest
            steps = min(closes - start, opening[j][1] - last)
            yield Piece(start, start + steps - 1, last + 1 - start)
            start += steps
            rest += steps


def _clear(piece: Piece, lane: Lane, within: Interval) -> Iterator[Piece]:
    """Yield the starts of a piece whose stays meet nothing that is in the way."""
    first = max(piece.first, within[0], lane.earliest)
    last = min(piece.last, within[1] - piece.length, lane.latest)
    at = bisect_right(lane.blocked, first, key=lambda stretch: stretch[1])
    for begins, ends in lane.blocked[at:]:
        if first > last or begins >= last + piece.length:
            break
        yield from _on_grid(first, min(last, begins - piece.length), piece, lane)
        first = max(first, ends)
    yield from _on_grid(first, last, piece, lane)


def _on_grid(first: int, last: int, piece: Piece, lane: Lane) -> Iterator[Piece]:
    """Yield the stretch of starts as far as it lies on the lane's own grid."""
    if lane.step == 1:
        if first <= last:
            yield Piece(first, last, piece.length)
        return
    for start in range(-(-first // lane.step) * lane.step, last + 1, lane.step):
        yield Piece(start, start, piece.length)


class _Needs:
    """Co-requests, asked for many stays."""

    def __init__(self, beside: Sequence[Sequence[Lane]], within: Interval) -> None:
        self._beside = beside
        self._within = within
        self._known: dict[tuple[int, int, int], list[Piece]] = {}

    def first(
        self, main: Lane, piece: Piece, first: int, last: int
    ) -> tuple[int, tuple[Lane, ...]] | None:
        """Return the first start within `[first, last]` with all free, and which."""
        start: int | None = first
        while start is not None and start <= last:
            chosen = self.chosen(main, start, piece.length)
            if chosen is not None:
                return start, chosen
            start = self._next(start, piece.length)
        return None

    def chosen(self, main: Lane, start: int, length: int) -> tuple[Lane, ...] | None:
        """Return a lane for each co-request, the idlest; None if one has none."""
        return self._assigned((), {main.resource}, start, length)

    def _assigned(
        self, so_far: tuple[Lane, ...], used: set[int], start: int, length: int
    ) -> tuple[Lane, ...] | None:
        n = len(so_far)
        if n == len(self._beside):
            return so_far
        free = (
            lane
            for m, lane in enumerate(self._beside[n])
            if lane.resource not in used and self._is_free(n, m, start, length)
        )
        for lane in sorted(free, key=lambda one: (one.load, one.code)):
            whole = self._assigned((*so_far, lane), used | {lane.resource}, start, length)
            if whole is not None:
                return whole
        return None

    def _is_free(self, n: int, m: int, start: int, length: int) -> bool:
        found = self._pieces(n, m, length)
        at = bisect_right(found, start, key=lambda p: p.first) - 1
        return at >= 0 and found[at].last >= start  # pieces of one length are apart

    def _next(self, start: int, length: int) -> int | None:
        """Return the next slot after `start` at which one of the lanes becomes free."""
        later = [
            found[at].first
            for n, lanes in enumerate(self._beside)
            for m in range(len(lanes))
            if (found := self._pieces(n, m, length))
            and (at := bisect_right(found, start, key=lambda p: p.first)) < len(found)
        ]
        return min(later, default=None)

    def _pieces(self, n: int, m: int, length: int) -> list[Piece]:
        key = (n, m, length)
        if key not in self._known:
            self._known[key] = of_length(self._beside[n][m], length, self._within)
        return self._known[key]


class Search:
    """A search that may be asked on; see `search`."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        beside: Sequence[Sequence[Lane]],
        *,
        within: Interval,
        days: Sequence[Interval],
    ) -> None:
        self._lanes = lanes
        self._needs = _Needs(beside, within)
        self._within = within
        self._days = days

    def first(self) -> list[Found]:
        """Return the first place of each lane on each day, the best first."""
        found: list[Found] = []
        for lane in self._lanes:
            found += _fixed(lane, self._needs, self._within)
            if lane.kind is not ResourceKind.EVENT:
                found += _free(lane, self._needs, self._within, self._days)
        return sorted(found, key=lambda one: one.rank)

    def after(self, one: Found, stride: int) -> Found | None:
        """Return the next place of a lane on the same day, from a multiple of `stride` on.

        None for dated runs and runs to join, and where the day has no other place.
        """
        if one.joins or one.run is not None:
            return None
        begins = (one.start // stride + 1) * stride
        rest = [(max(a, begins), b) for a, b in self._days if a <= one.start < b]
        return next(_free(one.lane, self._needs, self._within, rest), None)


def _fixed(lane: Lane, needs: _Needs, within: Interval) -> Iterator[Found]:
    for place in lane.fixed:
        if place.room < lane.quantity or not lane.earliest <= place.start <= lane.latest:
            continue
        if place.start < within[0] or place.end > within[1]:
            continue
        if any(a < place.end and place.start < b for a, b in lane.down):
            continue
        chosen = needs.chosen(lane, place.start, place.end - place.start)
        if chosen is not None:
            yield Found(
                lane=lane,
                start=place.start,
                end=place.end,
                room=place.room,
                joins=lane.kind is ResourceKind.BATCH,
                run=place.key,
                beside=chosen,
            )


def _free(
    lane: Lane, needs: _Needs, within: Interval, days: Sequence[Interval]
) -> Iterator[Found]:
    found = pieces(lane, within)
    for begins, ends in days:
        for piece in found:
            if piece.first >= ends:
                break
            first, last = max(piece.first, begins), min(piece.last, ends - 1)
            if first > last:
                continue
            place = needs.first(lane, piece, first, last)
            if place is None:
                continue
            start, chosen = place
            end = start + piece.length
            yield Found(
                lane=lane,
                start=start,
                end=end,
                room=lane.room(start, end),
                beside=chosen,
                changeover=lane.changeover(start),
            )
            break
