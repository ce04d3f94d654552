"""When a resource is open: weekly hours, dated exceptions, statutory holidays. Pure.

Statutory holidays and the weekend days that are worked in exchange come from the library
`holidays`. The State Council announces the exchanged days each autumn for the year to come;
until the library knows them, holidays count and no weekend day is worked.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache
from typing import TYPE_CHECKING, Any

import holidays

from platform_booking.catalog.filefields import DAYS, minute_of_day

if TYPE_CHECKING:
    from platform_booking.catalog.models import Calendar

Span = tuple[datetime, datetime]
"""Aware UTC instants, half open."""

Minutes = tuple[tuple[int, int], ...]
"""Stretches of one day in minutes since midnight; the end may be 1440."""

_MONDAY, _SATURDAY = 0, 5


@dataclass(frozen=True, slots=True)
class Hours:
    """The opening hours of one calendar, ready to be asked."""

    week: tuple[Minutes, ...]  # Monday first, seven
    keeps_holidays: bool = True
    exceptions: Mapping[date, Minutes] = field(default_factory=dict)

    def on(self, day: date) -> Minutes:
        """Return the stretches of one local day."""
        if day in self.exceptions:
            return self.exceptions[day]
        if self.keeps_holidays:
            if is_made_up(day):  # a weekend day worked in exchange has a weekday's hours
                return self.week[_MONDAY]
            if is_holiday(day):
                return ()
        return self.week[day.weekday()]


def opening_hours(calendar: "Calendar") -> Hours:
    """Return when a calendar is open."""
    return Hours(
        week=week_of(calendar.weekly),
        keeps_holidays=calendar.keeps_holidays,
        exceptions={e.on_date: _minutes(e.hours) for e in calendar.exceptions},
    )


def attended_hours(calendar: "Calendar") -> Hours:
    """Return when somebody is there to load and unload: by default while it is open."""
    if not calendar.attended:
        return opening_hours(calendar)
    # Staff keep holidays even where the tool runs through them.
    return Hours(week=week_of(calendar.attended), keeps_holidays=True)


def spans(hours: Hours, *, from_at: datetime, to_at: datetime, zone: tzinfo) -> list[Span]:
    """Return the open stretches within `[from_at, to_at)`: sorted, apart, in UTC.

    Stretches that touch, as 24:00 and 00:00 do, are one.
    """
    merged: list[Span] = []
    for start, end in _days(hours, from_at=from_at, to_at=to_at, zone=zone):
        begins, ends = max(start, from_at), min(end, to_at)
        if ends <= begins:
            continue
        if merged and merged[-1][1] == begins:
            merged[-1] = (merged[-1][0], ends)
        else:
            merged.append((begins, ends))
    return merged


UNBROKEN = 10**9
"""Minutes of the longest open stretch of what never closes: longer than any stay."""


def longest_stretch(hours: Hours) -> int:
    """Return the minutes of the longest open stretch of the week; `UNBROKEN` for always.

    Dated exceptions and holidays play no part.
    """
    line = [m + day * 1440 for day in range(14) for s in hours.week[day % 7] for m in s]
    longest = begun = 0
    for n in range(0, len(line), 2):
        if n == 0 or line[n] != line[n - 1]:
            begun = line[n]
        longest = max(longest, line[n + 1] - begun)
    return UNBROKEN if longest > 7 * 1440 else longest


@cache
def is_holiday(day: date) -> bool:
    """Tell whether a day is a statutory holiday of China, on a weekday or not."""
    return day in _china(day.year)


@cache
def is_made_up(day: date) -> bool:
    """Tell whether a weekend day is worked in exchange for a holiday."""
    return (
        day.weekday() >= _SATURDAY
        and day not in _china(day.year)
        and _china(day.year).is_working_day(day)
    )


@cache
def _china(year: int) -> Any:
    # The year before decides some of the first days of a year.
    return holidays.country_holidays("CN", years=(year - 1, year, year + 1))


def _days(
    hours: Hours, *, from_at: datetime, to_at: datetime, zone: tzinfo
) -> Iterator[Span]:
    day = from_at.astimezone(zone).date() - timedelta(days=1)
    last = to_at.astimezone(zone).date()
    while day <= last:
        for start, end in hours.on(day):
            yield _instant(day, start, zone), _instant(day, end, zone)
        day += timedelta(days=1)


def _instant(day: date, minute: int, zone: tzinfo) -> datetime:
    extra, minute = divmod(minute, 1440)
    local = datetime.combine(
        day + timedelta(days=extra), time(minute // 60, minute % 60), zone
    )
    return local.astimezone(UTC)


def week_of(weekly: Mapping[str, Sequence[Sequence[str]]]) -> tuple[Minutes, ...]:
    """Return `{"mon": [["09:00", "17:30"]]}` as minutes, Monday first."""
    return tuple(_minutes(weekly.get(day, ())) for day in DAYS)


def _minutes(pairs: Sequence[Sequence[str]]) -> Minutes:
    read = sorted((minute_of_day(a) or 0, minute_of_day(b) or 0) for a, b in pairs)
    return tuple(read)
