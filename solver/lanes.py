"""Lanes: what is occupied on one resource, by kind.

A lane answers with masks (`solver.calendars`): from which slots a stay of some length would
find room. Stays are put and taken away again; a lane knows no windows and no opening hours.
"""

from bisect import insort
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from solver.calendars import erode, first, span
from solver.problem import Occurrence, Recipe, Resource, Stay

FamilyStay = tuple[int, int, str]  # start, end, set-up family ("" for none)


class UnaryLane:
    """One stay at a time, with changeover between neighbours of different family."""

    def __init__(self, resource: Resource, clear: int) -> None:
        self.costs = {
            (c.before, c.after): c.slots
            for c in resource.changeovers
            if c.slots and c.before != c.after
        }
        self.min_campaign = resource.min_campaign
        self.stays: list[FamilyStay] = []  # kept where families matter
        self.given: set[FamilyStay] = set()  # those of them that are bookings
        self._families = bool(self.costs) or self.min_campaign > 1
        self._clear = clear
        self._free = clear
        self._known: dict[tuple[int, str, bool], int] = {}

    def room(self, length: int, family: str = "", *, campaigns: bool = True) -> int:
        """Return the starts from which a stay finds the lane free, changeovers included.

        With `campaigns` neither its own campaign nor another's becomes too short by it.
        """
        campaigns = campaigns and self.min_campaign > 1 and family != ""
        key = (length, family if self._families else "", campaigns)
        mask = self._known.get(key)
        if mask is None:
            free = self._free & self._reachable(family)
            if campaigns:
                free &= self._in_campaign(family)
            mask = self._known[key] = erode(free, length)
        return mask

    def put(self, start: int, end: int, family: str = "") -> None:
        """Occupy ``[start, end)``."""
        self._free &= ~span(start, end)
        if self._families:
            insort(self.stays, (start, end, family))
        self._known.clear()

    def take(self, start: int, end: int, family: str = "") -> None:
        """Give back what `put` occupied; nothing else may lie there."""
        self._free |= span(start, end) & self._clear
        if self._families:
            self.stays.remove((start, end, family))
        self._known.clear()

    def well_spaced(self) -> bool:
        """Tell whether all neighbours stand a changeover apart.

        It can fail only after a stay between two others was taken away.
        """
        return all(
            b[0] - a[1] >= self.costs.get((a[2], b[2]), 0)
            for a, b in zip(self.stays, self.stays[1:], strict=False)
        )

    def short_campaigns(self) -> Iterator[FamilyStay]:
        """Yield the stays, bookings apart, of campaigns that end too early."""
        if self.min_campaign > 1:
            for campaign in self._campaigns()[:-1]:
                if not self._complete(campaign):
                    yield from (stay for stay in campaign if stay not in self.given)

    def _campaigns(self) -> list[list[FamilyStay]]:
        """Return the stays of one family in a row, in order; those of none are nothing."""
        stays = (stay for stay in self.stays if stay[2])
        return [list(campaign) for _, campaign in groupby(stays, lambda stay: stay[2])]

    def _complete(self, campaign: Sequence[FamilyStay]) -> bool:
        return len(campaign) >= self.min_campaign or self.given.issuperset(campaign)

    def _in_campaign(self, family: str) -> int:
        """Return where a stay lengthens a campaign, or begins one after all others."""
        campaigns = self._campaigns()
        mask = 0
        for n, campaign in enumerate(campaigns):
            if campaign[0][2] != family:
                continue
            opens = campaigns[n - 1][-1][1] if n else 0
            if campaign is campaigns[-1]:
                mask |= -1 << max(opens, 0)
            elif len(campaign) + 1 >= self.min_campaign:
                # One of bookings alone may be short, but not with the stay beside them.
                mask |= span(opens, campaigns[n + 1][0][0])
        if not campaigns:
            return -1
        last = campaigns[-1]
        if self._complete(last):
            mask |= -1 << max(last[-1][1], 0)
        return mask

    def _reachable(self, family: str) -> int:
        """Return the slots of all gaps, less the changeovers to both neighbours."""
        if not self.costs or not self.stays:
            return -1
        mask = 0
        opens = 0
        for start, end, other in self.stays:
            mask |= span(opens, start - self.costs.get((family, other), 0))
            opens = end + self.costs.get((other, family), 0)
        return mask | (-1 << max(opens, 0))


class PooledLane:
    """Stays share the capacity. What is used is kept as binary digits, a mask a digit."""

    def __init__(self, resource: Resource, clear: int) -> None:
        self.capacity = resource.capacity
        self.digits: list[int] = []
        self._clear = clear
        self._known: dict[tuple[int, int], int] = {}

    def room(self, length: int, quantity: int) -> int:
        """Return the starts from which `quantity` units are free throughout the stay."""
        mask = self._known.get((length, quantity))
        if mask is None:
            mask = erode(self._at_most(self.capacity - quantity), length)
            self._known[length, quantity] = mask
        return mask

    def put(self, start: int, end: int, quantity: int) -> None:
        """Use `quantity` units more throughout ``[start, end)``."""
        where, carry, digit = span(start, end), 0, 0
        while quantity >> digit or carry:
            if digit == len(self.digits):
                self.digits.append(0)
            old, more = self.digits[digit], where if quantity >> digit & 1 else 0
            self.digits[digit] = old ^ more ^ carry
            carry = (old & more) | (old & carry) | (more & carry)
            digit += 1
        self._known.clear()

    def take(self, start: int, end: int, quantity: int) -> None:
        """Give `quantity` units back throughout ``[start, end)``."""
        where, borrow, digit = span(start, end), 0, 0
        while quantity >> digit or borrow:
            old, less = self.digits[digit], where if quantity >> digit & 1 else 0
            self.digits[digit] = old ^ less ^ borrow
            borrow = (~old & (less | borrow)) | (less & borrow)
            digit += 1
        self._known.clear()

    def profile(self, lo: int, hi: int) -> list[tuple[int, int, int]]:
        """Return the stretches (start, end, units in use) that make up ``[lo, hi)``."""
        changes = 0
        for mask in self.digits:
            changes |= mask ^ (mask << 1)
        inside = (changes & span(lo + 1, hi)) >> lo
        marks = [lo]
        while inside:
            marks.append(lo + first(inside))
            inside &= inside - 1
        return [(a, b, self.used(a)) for a, b in zip(marks, [*marks[1:], hi], strict=True)]

    def used(self, slot: int) -> int:
        """Return the units in use in one slot."""
        return sum((mask >> slot & 1) << digit for digit, mask in enumerate(self.digits))

    def _at_most(self, limit: int) -> int:
        """Return the slots, outside outages, in which at most `limit` units are used."""
        if limit < 0:
            return 0
        if limit >> len(self.digits):
            return self._clear
        more, same = 0, self._clear
        for digit in reversed(range(len(self.digits))):
            if limit >> digit & 1:
                same &= self.digits[digit]
            else:
                more |= same & self.digits[digit]
                same &= ~self.digits[digit]
        return self._clear & ~more


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a batch resource."""

    start: int
    end: int
    recipe: str
    load: int
    fixed: int  # load of the bookings among it: it stands even when all others leave
    joinable: bool


class BatchLane:
    """One run at a time; loads of one recipe share it up to the recipe's capacity."""

    def __init__(self, resource: Resource, clear: int, recipes: dict[str, Recipe]) -> None:
        self.lane = UnaryLane(resource, clear)
        self.runs: dict[int, Run] = {}  # by start
        self.recipes = recipes
        self._of: dict[str, set[int]] = defaultdict(set)  # starts of runs by recipe

    def family(self, recipe: str) -> str:
        """Return the set-up family of a recipe, "" for none."""
        return self.recipes[recipe].family or ""

    def joins(self, length: int, recipe: str, quantity: int, *, thin: bool) -> int:
        """Return the starts of the runs that a load may join; `thin` waives the least load.

        A booking stands alone in a run as light as it is, but not with a load beside it.
        """
        known = self.recipes[recipe]
        least = 0 if thin else known.min_load - quantity
        most = known.capacity - quantity
        mask = 0
        for start in self._of[recipe]:
            run = self.runs[start]
            if start >= 0 and run.joinable and least <= run.load <= most:
                mask |= (run.end - start == length) << start
        return mask

    def room(
        self, length: int, recipe: str, quantity: int, *, thin: bool, campaigns: bool = True
    ) -> int:
        """Return the starts of a run of its own; `thin` waives the least load."""
        known = self.recipes[recipe]
        if quantity > known.capacity or (quantity < known.min_load and not thin):
            return 0
        return self.lane.room(length, known.family or "", campaigns=campaigns)

    def put(self, start: int, end: int, recipe: str, quantity: int) -> None:
        """Join the run that starts here, or begin one."""
        run = self.runs.get(start)
        if run is None:
            self.lane.put(start, end, self.family(recipe))
            run = Run(start, end, recipe, 0, fixed=0, joinable=True)
            self._of[recipe].add(start)
        self.runs[start] = replace(run, load=run.load + quantity)

    def take(self, start: int, end: int, recipe: str, quantity: int) -> None:
        """Leave the run that starts here; the last load ends it."""
        run = self.runs[start]
        if run.load == quantity and not run.fixed:
            del self.runs[start]
            self._of[recipe].discard(start)
            self.lane.take(start, end, self.family(recipe))
        else:
            self.runs[start] = replace(run, load=run.load - quantity)

    def thin(self) -> Iterator[Run]:
        """Yield the runs that loads were put into and that are too light for them."""
        for run in self.runs.values():
            if run.fixed < run.load < self.recipes[run.recipe].min_load:
                yield run

    def fix(self, stays: Sequence[Stay]) -> None:
        """Accept the bookings of this resource as they are."""
        together: dict[tuple[int, int, str | None], list[Stay]] = defaultdict(list)
        for stay in stays:
            together[stay.start, stay.end, stay.recipe].append(stay)
        for (start, end, recipe), loads in together.items():
            self.lane.put(start, end, self.family(recipe) if recipe in self.recipes else "")
            if recipe is not None and start not in self.runs:
                load = sum(s.quantity for s in loads)
                joinable = all(s.joinable for s in loads)
                self.runs[start] = Run(
                    start, end, recipe, load, fixed=load, joinable=joinable
                )
                self._of[recipe].add(start)
        self.lane.given.update(self.lane.stays)


class EventLane:
    """Dated occurrences, each with its own room."""

    def __init__(self, occurrences: Sequence[Occurrence]) -> None:
        self.occurrences = tuple(occurrences)
        self.left = {o.id: o.capacity for o in self.occurrences}

    def room(self, length: int, quantity: int) -> int:
        """Return the starts of the occurrences of this length that have room."""
        mask = 0
        for o in self.occurrences:
            if o.end - o.start == length and self.left[o.id] >= quantity and o.start >= 0:
                mask |= 1 << o.start
        return mask

    def occurrence_at(self, start: int, length: int, quantity: int) -> str:
        """Return the first occurrence with room that starts here and lasts so long."""
        return next(
            o.id
            for o in self.occurrences
            if o.start == start and o.end - start == length and self.left[o.id] >= quantity
        )


Lane = UnaryLane | PooledLane | BatchLane | EventLane
