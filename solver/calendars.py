"""Opening hours as bit masks: where a stay of a given length may start.

A mask is a Python integer whose bit s stands for slot s. Masks of thousands of slots are
shifted and anded in well under a microsecond, which is what makes list scheduling cheap.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from solver.problem import Interval, Kind, Occurrence, Resource, StayRule

Shape = tuple[int, int]  # (length of the stay in slots, mask of its starts)

_ONES = re.compile("1+")


def span(lo: int, hi: int) -> int:
    """Return the mask of the slots ``[lo, hi)``; what lies before slot 0 is cut off."""
    lo = max(lo, 0)
    return ((1 << (hi - lo)) - 1) << lo if hi > lo else 0


def spans(intervals: Iterable[Interval]) -> int:
    """Return the mask of the union of intervals."""
    mask = 0
    for lo, hi in intervals:
        mask |= span(lo, hi)
    return mask


def erode(mask: int, length: int) -> int:
    """Return the slots s for which all of ``[s, s + length)`` is in the mask.

    It takes about log2(length) shifts: each one doubles the length answered for.
    """
    reach = 1
    while 2 * reach <= length:
        mask &= mask >> reach
        reach *= 2
    return mask & (mask >> (length - reach)) if reach < length else mask


def first(mask: int) -> int:
    """Return the lowest slot of a mask that is not empty."""
    return (mask & -mask).bit_length() - 1


def runs(mask: int) -> list[Interval]:
    """Return the stretches of a mask, in order."""
    return [m.span() for m in _ONES.finditer(bin(mask)[:1:-1])]


class Calendar:
    """The opening hours and outages of one resource, before anything is placed."""

    def __init__(
        self, resource: Resource, occurrences: Sequence[Occurrence], calendar_end: int
    ) -> None:
        whole = span(0, calendar_end)
        self.clear = whole & ~spans(resource.outages)
        self._opening = spans(resource.open) & whole
        self._is_event = resource.kind is Kind.EVENT
        self._occurrences = occurrences
        self._shapes: dict[tuple[StayRule, int], tuple[Shape, ...]] = {}

    def shapes(self, stay: StayRule, duration: int) -> tuple[Shape, ...]:
        """Return the possible lengths of a stay, each with its starts.

        INSIDE and ENDS know one length. A WORKING stay grows by the closed hours that it
        spans, and on an event the stay is the occurrence, so those may know several.
        """
        key = (stay, 0 if self._is_event else duration)
        found = self._shapes.get(key)
        if found is None:
            found = self._shapes[key] = tuple(sorted(self._make(stay, duration)))
        return found

    def _make(self, stay: StayRule, duration: int) -> Iterable[Shape]:
        if self._is_event:
            return self._by_length((o.start, o.end) for o in self._occurrences)
        if stay is StayRule.INSIDE:
            return [(duration, erode(self._opening & self.clear, duration))]
        if stay is StayRule.ENDS:
            both = self._opening & (self._opening >> (duration - 1))
            return [(duration, both & erode(self.clear, duration))]
        return self._working(duration)

    def _working(self, duration: int) -> list[Shape]:
        """Return the stays that last until `duration` open slots have passed.

        The n-th open slot starts a stay that ends with the (n + duration - 1)-th. Both
        walk along the stretches of opening hours; the length changes only where one of
        them comes to the next stretch.
        """
        stretches = runs(self._opening & self.clear)
        masks: dict[int, int] = defaultdict(int)
        j, skipped = 0, duration - 1  # the last slot: `skipped` into stretch j
        for lo, hi in stretches:
            start = lo
            while start < hi:
                while j < len(stretches) and skipped >= stretches[j][1] - stretches[j][0]:
                    skipped -= stretches[j][1] - stretches[j][0]
                    j += 1
                if j == len(stretches):
                    return self._clear_of_outages(masks)
                last = stretches[j][0] + skipped
                steps = min(hi - start, stretches[j][1] - last)
                masks[last + 1 - start] |= span(start, start + steps)
                start += steps
                skipped += steps
        return self._clear_of_outages(masks)

    def _by_length(self, stays: Iterable[Interval]) -> list[Shape]:
        masks: dict[int, int] = defaultdict(int)
        for lo, hi in stays:
            if lo >= 0:
                masks[hi - lo] |= 1 << lo
        return self._clear_of_outages(masks)

    def _clear_of_outages(self, masks: Mapping[int, int]) -> list[Shape]:
        return [(n, mask & erode(self.clear, n)) for n, mask in masks.items()]
