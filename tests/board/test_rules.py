from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from flask import Flask

from platform_booking.board.rules import home, view, window
from platform_booking.errors import RulesBroken
from tests.factories import MONDAY

SHANGHAI = ZoneInfo("Asia/Shanghai")
GOOD = "2027-03-08T00:00Z"
LATER = "2027-03-15T08:00+08:00"


def broken(
    app: Flask, from_text: str | None, to_text: str | None, *platforms: str
) -> set[tuple[str, str]]:
    with app.test_request_context(), pytest.raises(RulesBroken) as caught:
        window(
            from_text,
            to_text,
            platforms=platforms,
            known=["NFB", "MEM"],
            draft=False,
            now=MONDAY,
        )
    assert all(v.message for v in caught.value.violations)
    return {(v.rule, v.where) for v in caught.value.violations}


def test_a_window_is_read_in_any_zone(app: Flask) -> None:
    asked = window(GOOD, LATER, platforms=["NFB"], known=["NFB"], draft=False, now=MONDAY)

    assert asked.to_at - asked.from_at == timedelta(days=7)


@pytest.mark.parametrize(
    ("from_text", "to_text", "expected"),
    [
        (None, "", {("missing", "from"), ("missing", "to")}),
        ("2027-03-08T00:00", LATER, {("naive", "from")}),
        ("2027-03-08", LATER, {("naive", "from")}),
        ("tomorrow", "\x00", {("not_a_time", "from"), ("not_a_time", "to")}),
        (LATER, GOOD, {("empty", "to")}),
        (GOOD, GOOD, {("empty", "to")}),
        (GOOD, "2027-11-08T00:00Z", {("too_long", "to")}),
        ("0001-01-01T00:00+14:00", LATER, {("not_a_time", "from")}),
        (
            "1999-01-01T00:00Z",
            "9999-12-31T23:00-12:00",
            {("out_of_reach", "from"), ("not_a_time", "to")},
        ),
    ],
)
def test_every_fault_of_a_window_is_named(
    app: Flask, from_text: str | None, to_text: str | None, expected: set[tuple[str, str]]
) -> None:
    assert broken(app, from_text, to_text) == expected


def test_an_unknown_platform_is_named_beside_the_other_faults(app: Flask) -> None:
    assert broken(app, None, LATER, "NFB", "XYZ") == {
        ("missing", "from"),
        ("unknown_platform", "platform"),
    }


def test_an_unknown_zoom_is_refused(app: Flask) -> None:
    with app.test_request_context(), pytest.raises(RulesBroken):
        view(
            None, "century", platforms=[], known=[], draft=False, now=MONDAY, zone=SHANGHAI
        )


@pytest.mark.parametrize(
    ("zoom", "expected"),
    [
        ("hour", "2027-03-10T09:00"),
        ("shift", "2027-03-10T08:00"),
        ("day", "2027-03-10T00:00"),
        ("week", "2027-03-10T00:00"),
        ("fortnight", "2027-03-08T00:00"),
        ("month", "2027-03-01T00:00"),
        ("quarter", "2027-03-01T00:00"),
    ],
)
def test_a_view_of_the_present_begins_at_an_even_time_of_the_park(
    zoom: str, expected: str
) -> None:
    now = datetime(2027, 3, 10, 1, 37, tzinfo=UTC)  # Wednesday, 09:37 in the park

    assert (
        home(zoom, now=now, zone=SHANGHAI).astimezone(SHANGHAI).strftime("%Y-%m-%dT%H:%M")
        == expected
    )
