"""Bookings that recur: read, tried, booked, skipped, moved and called off."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from flask.testing import FlaskClient

from platform_booking.accounts.models import Organisation
from platform_booking.bookings import recurring
from platform_booking.bookings.models import Booking, Series
from platform_booking.bookings.states import BookingState
from platform_booking.notices.models import Notice
from tests.bookings.asking import HOUR, Caller, iso, rows, rules_of, slot
from tests.factories import MONDAY, make_booking, make_resource, writing

DAY, WEEK = timedelta(days=1), timedelta(days=7)


@pytest.fixture
def firm(app: Flask, client: FlaskClient) -> Caller:
    return Caller.make(client)


@pytest.fixture
def etcher(app: Flask):
    with writing() as session:
        return make_resource(session)


def weekly(resource, rule: str = "FREQ=WEEKLY;COUNT=4", **more) -> dict:
    return slot(resource, **more) | {"rrule": rule}


def starts(state: BookingState | None = BookingState.CONFIRMED) -> list[datetime]:
    return [b.starts_at for b in rows() if state is None or b.state is state]


def test_a_slot_recurs_by_its_rule_in_one_go(firm, etcher) -> None:
    answer = firm("POST", "/bookings/series", json=weekly(etcher))
    assert answer.status_code == 201, answer.text
    made = answer.json
    assert [o["outcome"] for o in made["occurrences"]] == ["booked"] * 4
    assert starts() == [MONDAY + n * WEEK for n in range(4)]
    (series,) = rows(Series)
    assert (series.rule, series.zone) == ("FREQ=WEEKLY;COUNT=4", "Asia/Shanghai")
    assert {b.series_id for b in rows()} == {series.id}
    listed = firm("GET", "/bookings", query_string={"series": made["id"]}).json
    assert {b["series_id"] for b in listed["items"]} == {made["id"]}
    assert listed["total"] == 4
    (notice,) = rows(Notice)
    assert notice.payload["occurrences"] == 4


def test_a_dry_run_tells_what_would_become_of_each_and_does_nothing(firm, etcher) -> None:
    with writing() as session:
        make_booking(session, resource=etcher, starts_at=MONDAY + WEEK)
    ask = weekly(etcher, dry_run=True)
    answer = firm("POST", "/bookings/series", json=ask)
    assert answer.status_code == 200, answer.text
    told = answer.json["occurrences"]
    assert [o["outcome"] for o in told] == ["booked", "taken", "booked", "booked"]
    free = MONDAY + WEEK + HOUR
    assert told[1]["suggestion"] == {"starts_at": iso(free), "ends_at": iso(free + HOUR)}
    assert answer.json["id"] is None
    assert len(rows()) == 1
    assert rows(Series) == rows(Notice) == []


def test_a_series_with_a_conflict_is_refused_whole_and_every_conflict_listed(
    firm, etcher
) -> None:
    with writing() as session:
        for n in (1, 3):
            make_booking(session, resource=etcher, starts_at=MONDAY + n * WEEK)
    answer = firm("POST", "/bookings/series", json=weekly(etcher))
    assert answer.status_code == 409
    assert [v["where"] for v in answer.json["violations"]] == [
        "occurrences.2.starts_at",
        "occurrences.4.starts_at",
    ]
    assert len(rows()) == 2


def test_what_cannot_be_had_is_skipped_where_that_is_asked(firm, etcher) -> None:
    with writing() as session:
        make_booking(session, resource=etcher, starts_at=MONDAY + WEEK)
    ask = weekly(etcher, on_conflict="skip")
    answer = firm("POST", "/bookings/series", json=ask)
    assert answer.status_code == 201, answer.text
    outcomes = [o["outcome"] for o in answer.json["occurrences"]]
    assert outcomes == ["booked", "taken", "booked", "booked"]
    assert sum(b.series_id is not None for b in rows()) == 3


def test_occurrences_are_left_out_and_put_elsewhere_by_number(firm, etcher) -> None:
    with writing() as session:
        make_booking(session, resource=etcher, starts_at=MONDAY + WEEK)
    other = MONDAY + WEEK + 5 * HOUR
    ask = weekly(
        etcher,
        left_out=[3],
        replacements=[{"number": 2, "starts_at": iso(other), "ends_at": iso(other + HOUR)}],
    )
    answer = firm("POST", "/bookings/series", json=ask)
    assert answer.status_code == 201, answer.text
    mine = sorted(b.starts_at for b in rows() if b.series_id is not None)
    assert mine == [MONDAY, other, MONDAY + 3 * WEEK]
    wrong = weekly(etcher, left_out=[5])
    assert rules_of(firm("POST", "/bookings/series", json=wrong)) == {
        ("no_such_occurrence", "left_out.0")
    }


def test_a_series_keeps_its_clock_when_the_clocks_change(firm, etcher) -> None:
    """Nine in Berlin is 08:00 UTC in winter and 07:00 from 28 March 2027 on."""
    berlin = ZoneInfo("Europe/Berlin")
    first = datetime(2027, 3, 26, 9, tzinfo=berlin).astimezone(UTC)
    ask = slot(etcher, at=first) | {
        "rrule": "FREQ=DAILY;COUNT=4",
        "zone": "Europe/Berlin",
    }
    answer = firm("POST", "/bookings/series", json=ask)
    assert answer.status_code == 201, answer.text
    assert [s.hour for s in starts()] == [8, 8, 7, 7]
    assert {b.ends_at - b.starts_at for b in rows()} == {HOUR}


def test_a_time_that_the_clocks_skip_or_repeat_is_one_stay(firm, etcher) -> None:
    """02:30 is skipped on 28 March 2027: RFC 5545 takes the offset from before, 01:30 UTC.

    It comes twice on 31 October: the first of them, still summer time, 00:30 UTC.
    """
    berlin = ZoneInfo("Europe/Berlin")
    for day, hours in (((3, 27), [1, 1, 0]), ((10, 30), [0, 0, 1])):
        first = datetime(2027, *day, 2, 30, tzinfo=berlin).astimezone(UTC)
        ask = slot(etcher, at=first) | {
            "rrule": "FREQ=DAILY;COUNT=3",
            "zone": "Europe/Berlin",
            "dry_run": True,
        }
        told = firm("POST", "/bookings/series", json=ask).json["occurrences"]
        begins = [datetime.fromisoformat(o["starts_at"]) for o in told]
        assert [b.hour for b in begins] == hours
        assert {o["outcome"] for o in told} == {"booked"}


@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        ("nonsense", ("rrule", "rrule")),
        ("FREQ=DAILY;COUNT=2\nDTSTART:20270101", ("rrule", "rrule")),
        ("FREQ=HOURLY;COUNT=2", ("rrule", "rrule")),
        ("FREQ=YEARLY;BYDAY=2MO;COUNT=2", ("rrule", "rrule")),
        ("FREQ=DAILY;BYDAY=MO;BYSETPOS=1;COUNT=2", ("rrule", "rrule")),
        ("FREQ=MONTHLY;BYSETPOS=1;COUNT=2", ("rrule", "rrule")),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=1;COUNT=2", ("first_occurrence", "starts_at")),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=9;COUNT=2", ("first_occurrence", "starts_at")),
        ("FREQ=DAILY;COUNT=2;BYHOUR=3", ("rrule", "rrule")),
        ("FREQ=DAILY;INTERVAL=0;COUNT=2", ("rrule", "rrule")),
        ("FREQ=DAILY;BYDAY=2MO;COUNT=2", ("rrule", "rrule")),
        ("FREQ=DAILY", ("series_without_end", "rrule")),
        ("FREQ=DAILY;COUNT=2;UNTIL=20270401", ("series_without_end", "rrule")),
        ("FREQ=DAILY;COUNT=0", ("series_too_long", "rrule")),
        ("FREQ=DAILY;COUNT=101", ("series_too_long", "rrule")),
        ("FREQ=DAILY;UNTIL=20271231", ("series_too_long", "rrule")),
        ("FREQ=MONTHLY;COUNT=100", ("too_far", "rrule")),
        ("FREQ=WEEKLY;UNTIL=99991231T235959Z", ("too_far", "rrule")),
        ("FREQ=WEEKLY;BYDAY=TU;COUNT=2", ("first_occurrence", "starts_at")),
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;COUNT=2", ("first_occurrence", "starts_at")),
        ("FREQ=DAILY;UNTIL=00010101", ("first_occurrence", "starts_at")),
    ],
)
def test_a_rule_that_makes_no_series_is_named(firm, etcher, rule, broken) -> None:
    answer = firm("POST", "/bookings/series", json=weekly(etcher, rule))
    assert rules_of(answer) == {broken}
    assert rows() == []


@pytest.mark.parametrize(
    ("rule", "second"),
    [
        ("FREQ=YEARLY;COUNT=2", datetime(2028, 3, 8, tzinfo=UTC)),
        ("FREQ=YEARLY;BYMONTH=3;BYDAY=2MO;COUNT=2", datetime(2028, 3, 13, tzinfo=UTC)),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=2;COUNT=2", datetime(2027, 4, 12, tzinfo=UTC)),
        (
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=6;COUNT=2",
            datetime(2027, 4, 8, tzinfo=UTC),
        ),
    ],
)
def test_a_place_in_the_month_or_a_year_is_understood(rule, second) -> None:
    found = recurring.read(
        rule, starts_at=MONDAY, ends_at=MONDAY + HOUR, zone=ZoneInfo("Asia/Shanghai"),
        now=MONDAY - DAY,
    )  # fmt: skip
    assert [start.date() for start, _end in found.stays] == [MONDAY.date(), second.date()]


def test_what_is_suggested_for_a_refused_occurrence_would_be_accepted(firm) -> None:
    with writing() as session:
        tool = make_resource(session, self_run=True, policy={"gap_minutes": 120})
        make_booking(
            session, resource=tool, organisation=session.get(Organisation, firm.member.organisation_id),
            member_id=firm.member.id, starts_at=MONDAY + WEEK - 1.5 * HOUR,
        )  # fmt: skip
    ask = weekly(tool, "FREQ=WEEKLY;COUNT=2")
    second = firm("POST", "/bookings/series", json=ask | {"dry_run": True}).json[
        "occurrences"
    ][1]
    assert [v["rule"] for v in second["violations"]] == ["gap"]
    free = second["suggestion"]
    assert free["starts_at"] == iso(MONDAY + WEEK + 1.5 * HOUR)
    taken_up = {"replacements": [{"number": 2} | free]}
    assert firm("POST", "/bookings/series", json=ask | taken_up).status_code == 201


def test_nothing_is_suggested_where_the_rules_accept_no_time_of_that_day(firm) -> None:
    with writing() as session:
        days = (MONDAY - datetime.now(UTC)).days + 5
        tool = make_resource(session, self_run=True, policy={"horizon_days": days})
    ask = weekly(tool, "FREQ=WEEKLY;COUNT=2", dry_run=True)
    second = firm("POST", "/bookings/series", json=ask).json["occurrences"][1]
    assert [v["rule"] for v in second["violations"]] == ["beyond_horizon"]
    assert second["suggestion"] is None


def test_a_series_that_overlaps_itself_is_refused(firm, etcher) -> None:
    """B6: a stay that is longer than the time to the next one."""
    ask = weekly(etcher, "FREQ=DAILY;COUNT=3", hours=25)
    assert rules_of(firm("POST", "/bookings/series", json=ask)) == {
        ("overlaps_itself", "rrule")
    }
    with writing() as session:
        pool = make_resource(session, kind="pooled")
    ask = weekly(pool, "FREQ=DAILY;COUNT=3", hours=25)
    assert rules_of(firm("POST", "/bookings/series", json=ask)) == {
        ("overlaps_itself", "rrule")
    }
    told = firm("POST", "/bookings/series", json=ask).json["violations"][0]["message"]
    assert "2027-03-09 08:00" in told, "the park's time"
    touching = weekly(etcher, "FREQ=DAILY;COUNT=3", hours=24)
    assert firm("POST", "/bookings/series", json=touching).status_code == 201


def test_a_replacement_that_meets_another_occurrence_is_refused(firm, etcher) -> None:
    meets = MONDAY + WEEK + HOUR / 2
    ask = weekly(
        etcher,
        replacements=[{"number": 1, "starts_at": iso(meets), "ends_at": iso(meets + HOUR)}],
    )
    assert rules_of(firm("POST", "/bookings/series", json=ask)) == {
        ("overlaps_itself", "rrule")
    }


def test_caps_count_every_occurrence(firm) -> None:
    with writing() as session:
        tool = make_resource(session, self_run=True, policy={"future_minutes": 180})
    answer = firm("POST", "/bookings/series", json=weekly(tool))
    assert rules_of(answer) == {("future_minutes", "occurrences.4.ends_at")}
    answer = firm("POST", "/bookings/series", json=weekly(tool, on_conflict="skip"))
    assert len(starts()) == 3


def test_what_is_wrong_with_all_occurrences_is_said_once(firm, etcher) -> None:
    ask = weekly(etcher, project_id=str(uuid4()), on_conflict="skip")
    answer = firm("POST", "/bookings/series", json=ask)
    assert rules_of(answer) == {("unknown_project", "project_id")}
    assert len(answer.json["violations"]) == 1


@pytest.mark.parametrize("year", ["0001", "9999"])
def test_years_at_the_ends_of_the_calendar_are_refused(firm, etcher, year) -> None:
    ask = weekly(etcher) | {
        "starts_at": f"{year}-01-01T00:00:00Z",
        "ends_at": f"{year}-01-01T01:00:00Z",
        "zone": "America/New_York",
    }
    assert rules_of(firm("POST", "/bookings/series", json=ask)) == {("too_far", "rrule")}


@pytest.mark.parametrize("zone", ["Mars/Base", "../etc/passwd", "/etc/passwd", "x" * 70])
def test_an_unknown_zone_is_named(firm, etcher, zone) -> None:
    answer = firm("POST", "/bookings/series", json=weekly(etcher) | {"zone": zone})
    assert rules_of(answer) == {("unknown_zone", "zone")}


def test_a_retry_with_the_same_key_never_books_a_series_twice(firm) -> None:
    with writing() as session:
        pool = make_resource(session, kind="pooled")
    key = {"Idempotency-Key": "series"}
    first = firm("POST", "/bookings/series", json=weekly(pool), headers=key)
    again = firm("POST", "/bookings/series", json=weekly(pool), headers=key)
    assert first.status_code == again.status_code == 201
    assert first.json == again.json
    assert len(rows()) == 4
    other = weekly(pool, quantity=2)
    assert firm("POST", "/bookings/series", json=other, headers=key).status_code == 422


def test_a_series_takes_its_parts_along_at_every_occurrence(firm, etcher) -> None:
    with writing() as session:
        licence = make_resource(session, kind="pooled")
    ask = weekly(etcher) | {"with": [{"resource_id": str(licence.public_id)}]}
    assert firm("POST", "/bookings/series", json=ask).status_code == 201
    assert len(rows()) == 8
    assert len({b.group_id for b in rows()}) == 4
    assert len({b.series_id for b in rows()}) == 1


def test_one_occurrence_moves_alone_and_never_onto_another(firm, etcher) -> None:
    """B6: a conflict is not missed when a series is edited."""
    made = firm("POST", "/bookings/series", json=weekly(etcher)).json["occurrences"]
    path = f"/bookings/{made[0]['booking']['id']}"
    onto = MONDAY + WEEK + HOUR / 2
    there = {"starts_at": iso(onto), "ends_at": iso(onto + HOUR)}
    any_version = {"If-Match": "*"}
    answer = firm("PATCH", path, json=there, headers=any_version)
    assert answer.status_code == 409
    beside = {"starts_at": iso(MONDAY + DAY), "ends_at": iso(MONDAY + DAY + HOUR)}
    assert firm("PATCH", path, json=beside, headers=any_version).status_code == 200
    assert sorted(starts())[:2] == [MONDAY + DAY, MONDAY + WEEK]


def test_this_and_the_following_or_all_to_come_are_cancelled(firm, etcher) -> None:
    made = firm("POST", "/bookings/series", json=weekly(etcher)).json
    path = f"/bookings/series/{made['id']}/cancel"
    third = made["occurrences"][2]["booking"]["id"]
    answer = firm("POST", path, json={"from_booking": third})
    assert answer.json == {"cancelled": 2, "late": 0}
    assert starts() == [MONDAY, MONDAY + WEEK]
    assert firm("POST", path, json={}).json == {"cancelled": 2, "late": 0}
    assert starts() == []
    assert firm("POST", path, json={}).status_code == 422
    assert {b.state for b in rows(Booking)} == {BookingState.CANCELLED}


def test_a_series_of_another_firm_is_not_there(firm, etcher, client) -> None:
    made = firm("POST", "/bookings/series", json=weekly(etcher)).json
    rival = Caller.make(client)
    answers = [
        rival("POST", f"/bookings/series/{which}/cancel", json={})
        for which in (made["id"], uuid4())
    ]
    assert [a.status_code for a in answers] == [404, 404]
    assert answers[0].json == answers[1].json
    assert len(starts()) == 4


@pytest.mark.parametrize(
    ("begins", "ends", "status"),
    [
        (-2, 0, 201),  # touches the start
        (2, 4, 201),  # touches the end
        (0, 2, 409),  # equal
        (-1, 3, 409),  # contains
        (0.5, 1.5, 409),  # is contained
        (-1, 1, 409),
        (1, 3, 409),
    ],
)
def test_touching_stays_are_allowed_and_overlapping_ones_refused(
    firm, etcher, begins, ends, status
) -> None:
    """B6, for a single booking and for an occurrence of a series alike."""
    with writing() as session:
        make_booking(session, resource=etcher, minutes=120)
    ask = slot(etcher, at=MONDAY + begins * HOUR, hours=ends - begins)
    again = ask | {"rrule": "FREQ=WEEKLY;COUNT=2"}
    assert firm("POST", "/bookings/series", json=again).status_code == status
    with writing() as session:
        other = make_resource(session)
        make_booking(session, resource=other, minutes=120)
    ask = slot(other, at=MONDAY + begins * HOUR, hours=ends - begins)
    assert firm("POST", "/bookings", json=ask).status_code == status
