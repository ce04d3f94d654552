"""Hours and occupancy of resources, laid out for pages."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from flask_babel import format_date
from flask_babel import gettext as _

from platform_booking.catalog import wording
from platform_booking.catalog.filefields import DAYS
from platform_booking.catalog.hours import is_holiday, is_made_up
from platform_booking.catalog.models import Calendar, Resource
from platform_booking.catalog.occupancy import days
from platform_booking.catalog.shares import Outlook, together
from platform_booking.web.charts import Column, Lane, block, blocks, clock_spans

_DATES_AHEAD = 60
_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class WeekdayLine:
    """The hours of one day of the week, in words; "" where there are none."""

    day: str
    open: str
    attended: str
    offhours: str
    lifted: str


def week(of: Resource) -> list[WeekdayLine]:
    """Return the hours of a week, Monday first."""
    calendar = of.calendar
    lifted = of.policy.get("lifted", {})
    return [
        WeekdayLine(
            str(wording.WEEKDAYS[day]),
            *(
                ", ".join(f"{a}–{b}" for a, b in sorted(part.get(day, ())))
                for part in (calendar.weekly, calendar.attended, calendar.offhours, lifted)
            ),
        )
        for day in DAYS
    ]


def dates(calendar: Calendar, today: date) -> list[tuple[date, str, str]]:
    """Return the dates ahead that differ from the week: date, hours in words, why."""
    named = {e.on_date: e for e in calendar.exceptions if e.on_date >= today}
    found = []
    for day in sorted({*named, *_ahead(calendar, today)}):
        if day in named:
            hours = ", ".join(f"{a}–{b}" for a, b in sorted(named[day].hours))
            found.append((day, hours or str(_("closed")), named[day].note))
        elif is_made_up(day):
            hours = ", ".join(f"{a}–{b}" for a, b in sorted(calendar.weekly.get("mon", ())))
            why = str(_("weekend day worked in exchange for a holiday"))
            found.append((day, hours or str(_("closed")), why))
        else:
            found.append((day, str(_("closed")), str(_("statutory holiday"))))
    return found


def lanes(
    outlook: Outlook, from_at: datetime, to_at: datetime, *, zone: ZoneInfo
) -> list[Lane]:
    """Return a lane for each day; [] for event resources."""
    if outlook.occupancy is None:
        return []
    found = []
    for day, span in days(from_at, to_at, zone):
        part = outlook.occupancy.within(*span)
        found.append(
            Lane(
                label=day_label(day),
                rest=_rest(day),
                open=blocks(span, part.open),
                down=blocks(span, part.down),
                busy=tuple(
                    block(span, v.starts_at, v.ends_at, v.share) for v in part.levels
                ),
                open_hours=part.open_min / 60,
                busy_hours=part.busy_min / 60,
                free=clock_spans(span, list(part.free()), zone),
            )
        )
    return found


def columns(
    outlooks: Iterable[Outlook], from_at: datetime, to_at: datetime, *, zone: ZoneInfo
) -> list[Column]:
    """Return the load of several resources together, a column for each day."""
    known = [o for o in outlooks if o.occupancy is not None]
    return [
        Column(
            day_label(day),
            f"{day.day}\n{format_date(day, 'EEEEE')}",
            together(
                Outlook(o.occupancy.within(*span)) for o in known if o.occupancy is not None
            ),
            _rest(day),
        )
        for day, span in days(from_at, to_at, zone)
    ]


def day_label(day: date) -> str:
    """Return a date as `03-08 Mon`, `03-08 周一`."""
    return f"{day:%m-%d} {format_date(day, 'EEE')}"


def _ahead(calendar: Calendar, today: date) -> list[date]:
    if not calendar.keeps_holidays:
        return []
    coming = (today + timedelta(days=n) for n in range(_DATES_AHEAD))
    return [
        day
        for day in coming
        if is_made_up(day) or (is_holiday(day) and calendar.weekly.get(DAYS[day.weekday()]))
    ]


def _rest(day: date) -> bool:
    return is_holiday(day) or (day.weekday() >= _SATURDAY and not is_made_up(day))
