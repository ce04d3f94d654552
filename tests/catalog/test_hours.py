"""When a resource is open: weeks, exceptions, holidays, zones, midnight."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from platform_booking.catalog.filefields import minute_of_day
from platform_booking.catalog.hours import (
    UNBROKEN,
    Hours,
    Minutes,
    Span,
    attended_hours,
    is_holiday,
    is_made_up,
    longest_stretch,
    opening_hours,
    spans,
    week_of,
)
from platform_booking.catalog.models import Calendar, CalendarException

PARK = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")
WORKDAYS = ("mon", "tue", "wed", "thu", "fri")
DAY_SHIFT = {day: [["09:00", "17:30"]] for day in WORKDAYS}
DAYS = (*WORKDAYS, "sat", "sun")
ALWAYS = {day: [["00:00", "24:00"]] for day in DAYS}


def local(text: str, zone: ZoneInfo = PARK) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


def calendar(weekly: dict[str, list[list[str]]], **given: object) -> Calendar:
    return Calendar(
        **{
            "weekly": weekly,
            "attended": {},
            "keeps_holidays": False,
            "exceptions": [],
            **given,
        }
    )


def open_spans(
    hours: Hours, from_day: str, to_day: str, zone: ZoneInfo = PARK
) -> list[tuple[str, str]]:
    """Return the open stretches in local words."""
    found = spans(
        hours,
        from_at=local(f"{from_day}T00:00", zone),
        to_at=local(f"{to_day}T00:00", zone),
        zone=zone,
    )
    return [tuple(t.astimezone(zone).strftime("%d %H:%M") for t in s) for s in found]


def length(found: list[Span]) -> timedelta:
    return sum((end - start for start, end in found), timedelta())


def test_a_week_opens_day_by_day_and_closes_at_its_end() -> None:
    hours = opening_hours(calendar(DAY_SHIFT))
    assert open_spans(hours, "2027-03-05", "2027-03-10") == [
        ("05 09:00", "05 17:30"),
        ("08 09:00", "08 17:30"),
        ("09 09:00", "09 17:30"),
    ]


def test_spans_are_utc_instants_cut_to_what_is_asked() -> None:
    hours = opening_hours(calendar(DAY_SHIFT))
    asked = (local("2027-03-08T10:00"), local("2027-03-08T11:00"))
    assert spans(hours, from_at=asked[0], to_at=asked[1], zone=PARK) == [
        (datetime(2027, 3, 8, 2, tzinfo=UTC), datetime(2027, 3, 8, 3, tzinfo=UTC))
    ]
    evening = (local("2027-03-08T17:30"), local("2027-03-08T23:00"))
    assert spans(hours, from_at=evening[0], to_at=evening[1], zone=PARK) == []


def test_hours_that_run_past_midnight_are_one_stretch() -> None:
    night = {
        "mon": [["18:00", "24:00"]],
        "tue": [["00:00", "08:00"], ["18:00", "24:00"]],
        "wed": [["00:00", "08:00"]],
    }
    hours = opening_hours(calendar(night))
    assert open_spans(hours, "2027-03-08", "2027-03-12") == [
        ("08 18:00", "09 08:00"),
        ("09 18:00", "10 08:00"),
    ]
    assert open_spans(hours, "2027-03-09", "2027-03-10")[0] == ("09 00:00", "09 08:00")


def test_round_the_clock_is_one_stretch() -> None:
    found = open_spans(opening_hours(calendar(ALWAYS)), "2027-03-01", "2027-04-01")
    assert found == [("01 00:00", "01 00:00")]


def test_an_exception_stands_above_the_week_and_above_holidays() -> None:
    hours = opening_hours(
        calendar(
            DAY_SHIFT,
            keeps_holidays=True,
            exceptions=[
                CalendarException(on_date=date(2027, 3, 8), hours=[]),
                CalendarException(on_date=date(2027, 3, 13), hours=[["10:00", "12:00"]]),
                CalendarException(on_date=date(2025, 10, 1), hours=[["08:00", "24:00"]]),
            ],
        )
    )
    assert hours.on(date(2027, 3, 8)) == ()
    assert hours.on(date(2027, 3, 13)) == ((600, 720),)
    assert hours.on(date(2025, 10, 1)) == ((480, 1440),)


def test_statutory_holidays_are_closed_for_whoever_keeps_them() -> None:
    """The National Day holidays of 2025: 1 to 8 October, with the Mid-Autumn festival."""
    keeping = opening_hours(calendar(DAY_SHIFT, keeps_holidays=True))
    assert [d.day for d in _october(2025) if keeping.on(d)][:3] == [9, 10, 11]
    running = opening_hours(calendar(DAY_SHIFT, keeps_holidays=False))
    assert running.on(date(2025, 10, 1)) == ((540, 1050),)
    assert is_holiday(date(2025, 1, 28))  # New Year's Eve of the lunar calendar
    assert not is_holiday(date(2025, 10, 9))


@pytest.mark.parametrize(
    "day",
    ["2025-01-26", "2025-02-08", "2025-04-27", "2025-09-28", "2025-10-11", "2026-02-14"],
)
def test_a_weekend_day_that_is_worked_in_exchange_has_a_weekdays_hours(day: str) -> None:
    worked = date.fromisoformat(day)
    assert is_made_up(worked)
    weekly = DAY_SHIFT | {"sat": [["10:00", "12:00"]]}
    keeping = opening_hours(calendar(weekly, keeps_holidays=True))
    assert keeping.on(worked) == ((540, 1050),)
    running = opening_hours(calendar(DAY_SHIFT, keeps_holidays=False))
    assert running.on(worked) == ()


def test_ordinary_weekends_are_not_made_up_for() -> None:
    assert not is_made_up(date(2025, 9, 27))
    assert not is_made_up(date(2025, 10, 9))  # a weekday


def test_staff_keep_holidays_where_the_tool_runs_through_them() -> None:
    unattended = calendar(ALWAYS, attended=DAY_SHIFT)
    assert opening_hours(unattended).on(date(2025, 10, 1)) == ((0, 1440),)
    assert attended_hours(unattended).on(date(2025, 10, 1)) == ()
    assert attended_hours(unattended).on(date(2025, 10, 9)) == ((540, 1050),)
    assert attended_hours(calendar(ALWAYS)).on(date(2025, 10, 1)) == ((0, 1440),)


def test_clocks_that_go_forward_make_a_day_of_23_hours() -> None:
    always = opening_hours(calendar(ALWAYS))
    spring = spans(
        always,
        from_at=local("2027-03-28T00:00", BERLIN),
        to_at=local("2027-03-29T00:00", BERLIN),
        zone=BERLIN,
    )
    assert len(spring) == 1
    assert length(spring) == timedelta(hours=23)
    night = opening_hours(calendar({"sun": [["01:00", "04:00"]]}))
    assert length(
        spans(
            night,
            from_at=local("2027-03-27T00:00", BERLIN),
            to_at=local("2027-03-30T00:00", BERLIN),
            zone=BERLIN,
        )
    ) == timedelta(hours=2)


def test_an_hour_that_the_clock_leaves_out_is_never_open() -> None:
    gap = opening_hours(calendar({"sun": [["02:00", "03:00"]]}))
    assert open_spans(gap, "2027-03-28", "2027-03-29", BERLIN) == []


def test_clocks_that_go_back_make_a_day_of_25_hours_and_keep_stretches_apart() -> None:
    always = opening_hours(calendar(ALWAYS))
    autumn = spans(
        always,
        from_at=local("2027-10-31T00:00", BERLIN),
        to_at=local("2027-11-01T00:00", BERLIN),
        zone=BERLIN,
    )
    assert length(autumn) == timedelta(hours=25)
    found = spans(
        opening_hours(calendar({"sun": [["01:30", "02:30"], ["02:30", "04:00"]]})),
        from_at=local("2027-10-30T00:00", BERLIN),
        to_at=local("2027-11-02T00:00", BERLIN),
        zone=BERLIN,
    )
    assert found == sorted(found)
    assert all(a[1] < b[0] for a, b in pairwise(found))


@pytest.mark.parametrize(
    ("weekly", "minutes"),
    [
        (DAY_SHIFT, 510),
        ({}, 0),
        (ALWAYS, UNBROKEN),
        ({day: [["08:00", "24:00"]] for day in DAYS[:6]}, 960),
        ({"fri": [["18:00", "24:00"]], "sat": [["00:00", "06:00"]]}, 720),
        ({"sun": [["18:00", "24:00"]], "mon": [["00:00", "06:00"]]}, 720),
        ({"mon": [["08:00", "12:00"], ["12:00", "18:00"]]}, 600),
        (ALWAYS | {"sun": [["00:00", "23:59"]]}, 7 * 1440 - 1),
        (ALWAYS | {"wed": [["00:01", "24:00"]]}, 7 * 1440 - 1),
        ({day: ALWAYS[day] for day in DAYS[:5]}, 5 * 1440),
    ],
    ids=lambda value: str(value)[:40],
)
def test_the_longest_stretch_is_found_across_midnight_and_across_the_weekend(
    weekly: dict[str, list[list[str]]], minutes: int
) -> None:
    assert longest_stretch(Hours(week=week_of(weekly))) == minutes


@pytest.mark.parametrize(
    ("text", "minute"),
    [
        ("00:00", 0), ("09:30", 570), ("23:59", 1439), ("24:00", 1440), ("24:01", None),
        ("9:30", None), ("09:60", None), ("-1:00", None), ("09:30:00", None), ("", None),
        (None, None), (930, None), ("０９:３０", None), ("09:30\n", None),
    ],
)  # fmt: skip
def test_a_time_of_day_is_read_strictly(text: object, minute: int | None) -> None:
    assert minute_of_day(text) == minute


def test_stretches_of_a_day_are_sorted() -> None:
    weekly = {"mon": [["13:00", "17:00"], ["08:00", "12:00"]]}
    week: tuple[Minutes, ...] = week_of(weekly)
    assert week[0] == ((480, 720), (780, 1020))


def _october(year: int) -> list[date]:
    return [date(year, 10, d) for d in range(1, 32)]
