"""Stays begin, end, shrink, grow, are missed, and are handed over."""

import threading
from datetime import timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking.attendance import attending, sweeping
from platform_booking.attendance.rules import next_slot
from platform_booking.bookings.models import Booking, Source
from platform_booking.bookings.states import BookingState
from platform_booking.catalog.models import MemberQualification, Outage, Qualification
from platform_booking.clock import utcnow
from platform_booking.db import JOB, acting_as
from platform_booking.errors import BookingError
from platform_booking.web.actor import Actor
from tests.attendance.place import HOUR, MINUTE, Place, made, on_grid
from tests.factories import MONDAY, identity_of, make_booking, make_resource, writing

CONFIRMED, IN_USE = BookingState.CONFIRMED, BookingState.IN_USE
COMPLETED, NO_SHOW = BookingState.COMPLETED, BookingState.NO_SHOW


@pytest.fixture
def place(app: Flask) -> Place:
    return made(app, no_show_minutes=30)


def sweep(now=None) -> dict[str, int]:
    with acting_as(JOB):
        return sweeping.sweep(now)


def do(place: Place, member, booking: Booking, deed: str, **body):
    more = {"json": body} if body else {}
    return place.program(member)("POST", f"/bookings/{booking.public_id}/{deed}", **more)


def rules_of(answer) -> set[str]:
    assert answer.status_code == 422, answer.text
    return {v["rule"] for v in answer.json["violations"]}


def test_one_checks_in_and_out_and_the_rest_of_the_time_is_free(place: Place) -> None:
    begun = on_grid(place.now) - 10 * MINUTE
    booking = place.booking(at=begun, hours=4)
    assert do(place, place.engineer, booking, "check-in").json["state"] == "in_use"
    usage = place.usage(booking)
    assert usage.ended_at is None
    assert usage.member_id == place.engineer.id
    done = do(place, place.engineer, booking, "check-out")
    assert done.json["state"] == "completed"
    assert place.again(booking).ends_at <= utcnow() + 5 * MINUTE
    assert place.usage(booking).ended_at is not None
    assert place.deeds(booking) == ["booking.check_in", "booking.check_out"]
    with writing() as session:  # the time is free for others
        make_booking(session, resource=place.tool, starts_at=begun + HOUR)


def test_check_in_opens_a_quarter_of_an_hour_before_the_start(place: Place) -> None:
    early = place.booking(at=on_grid(place.now) + 30 * MINUTE)
    assert rules_of(do(place, place.engineer, early, "check-in")) == {"too_early"}
    place.policy(checkin_early_minutes=45)
    assert do(place, place.engineer, early, "check-in").status_code == 200
    assert place.again(early).starts_at <= utcnow() + 5 * MINUTE  # held from now on


def test_the_minutes_before_the_start_are_not_taken_from_somebody_else(place) -> None:
    at = on_grid(place.now) + 10 * MINUTE
    mine = place.booking(at=at)
    with writing() as session:
        make_booking(session, resource=place.tool, starts_at=at - HOUR)
    assert rules_of(do(place, place.engineer, mine, "check-in")) == {"early_taken"}


def test_nobody_checks_in_while_somebody_else_is_still_there(place: Place) -> None:
    at = on_grid(place.now) - 5 * MINUTE
    with writing() as session:
        make_booking(session, resource=place.tool, starts_at=at - HOUR, state=IN_USE)
    mine = place.booking(at=at)
    assert rules_of(do(place, place.engineer, mine, "check-in")) == {"in_use"}
    assert place.state(mine) is CONFIRMED
    assert place.usage(mine) is None


def test_what_waits_for_approval_cannot_begin(place: Place) -> None:
    asked = place.booking(at=on_grid(place.now), state=BookingState.REQUESTED)
    assert rules_of(do(place, place.engineer, asked, "check-in")) == {"unanswered"}


def test_colleagues_rivals_and_strangers_do_not_check_in(place: Place) -> None:
    booking = place.booking(at=on_grid(place.now))
    for member, status in (
        (place.colleague, 403),
        (place.rival, 404),
        (place.stranger, 404),
    ):
        assert do(place, member, booking, "check-in").status_code == status
    assert do(place, place.operator, booking, "check-in").status_code == 200


def test_a_retry_with_the_same_key_checks_in_once(place: Place) -> None:
    booking = place.booking(at=on_grid(place.now))
    call, path = place.program(place.engineer), f"/bookings/{booking.public_id}/check-in"
    answers = [call("POST", path, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert [a.status_code for a in answers] == [200, 200]
    assert answers[0].json == answers[1].json


def test_a_stay_is_shortened_and_goes_on(place: Place) -> None:
    at = on_grid(place.now)
    booking = place.booking(at=at, hours=4)
    do(place, place.engineer, booking, "check-in")
    until = (at + HOUR).isoformat()
    answer = do(place, place.engineer, booking, "release", until=until)
    assert (answer.status_code, answer.json["state"]) == (200, "in_use")
    assert place.again(booking).ends_at == at + HOUR
    for wrong in (at - HOUR, at + 61 * MINUTE, at + 9 * HOUR):
        answer = do(place, place.engineer, booking, "release", until=wrong.isoformat())
        assert rules_of(answer) == {"until"}


def test_a_stay_grows_if_the_time_is_free(place: Place) -> None:
    at = on_grid(place.now)
    booking = place.booking(at=at)
    assert do(place, place.engineer, booking, "extend", minutes=30).status_code == 422
    do(place, place.engineer, booking, "check-in")
    assert do(place, place.engineer, booking, "extend", minutes=30).status_code == 200
    assert place.again(booking).ends_at == at + 90 * MINUTE
    assert place.state(booking) is IN_USE
    with writing() as session:
        make_booking(session, resource=place.tool, starts_at=at + 2 * HOUR)
    assert do(place, place.engineer, booking, "extend", minutes=60).status_code == 409
    assert place.again(booking).ends_at == at + 90 * MINUTE
    assert rules_of(do(place, place.engineer, booking, "extend", minutes=7)) == {"grid"}


def test_a_stay_grows_within_the_rules_alone(place: Place) -> None:
    with writing() as session:
        tool = make_resource(
            session, platform_id=place.platform.id, self_run=True,
            policy={"max_minutes": 60},
        )  # fmt: skip
    booking = place.booking(at=on_grid(place.now), resource=tool)
    do(place, place.engineer, booking, "check-in")
    answer = do(place, place.engineer, booking, "extend", minutes=30)
    assert rules_of(answer) == {"too_long"}


def test_a_stay_does_not_grow_into_an_outage(place: Place) -> None:
    at = on_grid(place.now)
    booking = place.booking(at=at)
    do(place, place.engineer, booking, "check-in")
    with writing() as session:
        session.add(
            Outage(
                resource_id=place.tool.id,
                starts_at=at + HOUR,
                ends_at=at + 3 * HOUR,
                kind="scheduled_down",
            )
        )
    answer = do(place, place.engineer, booking, "extend", minutes=30)
    assert rules_of(answer) == {"outage"}


def test_what_nobody_begins_is_a_no_show_after_the_threshold_not_at_it(
    place: Place,
) -> None:
    booking = place.booking(at=MONDAY, hours=4)
    assert sweep(MONDAY + 30 * MINUTE)["mark_no_shows"] == 0
    assert sweep(MONDAY + 30 * MINUTE + timedelta(seconds=1))["mark_no_shows"] == 1
    assert place.state(booking) is NO_SHOW
    assert place.told() == [("booking.no_show", None)]
    with writing() as session:  # its time is free
        make_booking(session, resource=place.tool, starts_at=MONDAY + HOUR)


def test_an_outage_excuses_and_a_companion_that_has_begun_counts(place: Place) -> None:
    together = uuid4()
    with writing() as session:
        other = make_resource(session, platform_id=place.platform.id)
        down = make_resource(
            session, platform_id=place.platform.id, policy={"no_show_minutes": 30}
        )
        session.add(
            Outage(
                resource_id=down.id,
                starts_at=MONDAY,
                ends_at=MONDAY + HOUR,
                kind="unscheduled_down",
            )
        )
    kept = place.booking(at=MONDAY, group_id=together)
    place.booking(at=MONDAY, group_id=together, resource=other, state=IN_USE)
    excused = place.booking(at=MONDAY, resource=down)
    sweep(MONDAY + 40 * MINUTE)
    assert (place.state(kept), place.state(excused)) == (CONFIRMED, CONFIRMED)


def test_where_nobody_checks_in_stays_complete_by_themselves(place: Place) -> None:
    place.policy()
    booking = place.booking(at=MONDAY)
    planned = place.booking(at=MONDAY + HOUR, source=Source.PLAN)
    assert sweep(MONDAY + 59 * MINUTE)["complete"] == 0
    sweep(MONDAY + 3 * HOUR)
    assert (place.state(booking), place.state(planned)) == (COMPLETED, CONFIRMED)


def test_what_goes_wrong_in_one_part_of_the_job_keeps_no_other_from_its_work(place) -> None:
    def broken(_session, _now) -> int:
        raise ZeroDivisionError

    place.policy()
    booking = place.booking(at=MONDAY)
    with acting_as(JOB), pytest.raises(ZeroDivisionError):
        sweeping.sweep(MONDAY + 2 * HOUR, parts=(broken, sweeping.complete))
    assert place.state(booking) is COMPLETED


def test_who_forgets_to_check_out_is_checked_out_at_his_end(place: Place) -> None:
    at = on_grid(place.now)
    booking = place.booking(at=at)
    do(place, place.engineer, booking, "check-in")
    assert sweep(at + HOUR + 29 * MINUTE)["close_forgotten"] == 0
    assert sweep(at + HOUR + 30 * MINUTE)["close_forgotten"] == 1
    assert place.state(booking) is COMPLETED
    assert place.usage(booking).ended_at == at + HOUR


def test_a_plans_booking_is_checked_out_and_stays_with_its_order(place: Place) -> None:
    at = on_grid(place.now)
    booking = place.booking(at=at, source=Source.PLAN)
    do(place, place.operator, booking, "check-in")
    do(place, place.operator, booking, "check-out")
    assert place.state(booking) is IN_USE
    assert place.again(booking).ends_at < at + HOUR
    assert do(place, place.operator, booking, "check-out").status_code == 422
    following = place.booking(at=on_grid(utcnow()) + 10 * MINUTE)
    assert do(place, place.engineer, following, "check-in").status_code == 200


def test_a_check_in_and_the_no_show_job_never_both_win(app: Flask, place: Place) -> None:
    """Twelve bookings are due as no-shows while their owner checks in to each."""
    at = on_grid(place.now) - HOUR
    with writing() as session:
        tools = [
            make_resource(
                session, platform_id=place.platform.id, policy={"no_show_minutes": 30}
            )
            for _ in range(12)
        ]
        who = identity_of(session, place.engineer)
    bookings = [place.booking(at=at, hours=3, resource=tool) for tool in tools]
    actor = _actor(place)
    ready = threading.Barrier(2)
    begun: set[int] = set()

    def arrive() -> None:
        with app.app_context(), acting_as(who):
            ready.wait()
            for booking in bookings:
                try:
                    attending.check_in(booking.public_id, by=actor, now=utcnow())
                except BookingError:
                    continue
                begun.add(booking.id)

    def job() -> None:
        with app.app_context(), acting_as(JOB):
            ready.wait()
            for _ in range(4):
                sweeping.sweep()

    threads = [threading.Thread(target=work) for work in (arrive, job)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for booking in bookings:
        expected = IN_USE if booking.id in begun else NO_SHOW
        assert place.state(booking) is expected
        assert (place.usage(booking) is not None) == (booking.id in begun)


def test_a_booking_goes_to_a_colleague_and_both_are_told(place: Place) -> None:
    booking = place.booking(at=MONDAY)
    code = _attendance(place, place.engineer, booking)["code"]
    colleague = str(place.colleague.public_id)
    answer = do(place, place.engineer, booking, "hand-over", member_id=colleague)
    assert answer.json["member"]["id"] == colleague
    assert {m for _kind, m in place.told()} == {place.engineer.id, place.colleague.id}
    assert place.deeds(booking) == ["booking.hand_over"]
    assert _attendance(place, place.engineer, booking)["code"] is None
    assert _attendance(place, place.colleague, booking)["code"] not in {code, None}


def test_nobody_outside_the_firm_is_handed_a_booking(place: Place) -> None:
    booking = place.booking(at=MONDAY)
    for member in (place.rival, place.operator, place.engineer):
        answer = do(
            place, place.engineer, booking, "hand-over", member_id=str(member.public_id)
        )
        assert rules_of(answer) == {"colleague"}
    colleague = str(place.colleague.public_id)
    for member, status in (
        (place.rival, 404),
        (place.operator, 403),
        (place.colleague, 403),
    ):
        answer = do(place, member, booking, "hand-over", member_id=colleague)
        assert answer.status_code == status


def test_the_rules_about_people_are_asked_of_the_new_runner(place: Place) -> None:
    with writing() as session:
        needed = Qualification(code="Q", name_zh="资质", name_en="Q")
        session.add(needed)
        session.flush()
        tool = make_resource(
            session, platform_id=place.platform.id, self_run=True,
            qualification_id=needed.id,
        )  # fmt: skip
        session.add(
            MemberQualification(
                member_id=place.engineer.id,
                qualification_id=needed.id,
                organisation_id=place.firm.id,
            )
        )
    booking = place.booking(at=MONDAY, resource=tool)
    colleague = str(place.colleague.public_id)
    answer = do(place, place.engineer, booking, "hand-over", member_id=colleague)
    assert rules_of(answer) == {"not_qualified"}
    assert place.again(booking).member_id == place.engineer.id


def test_an_operators_fault_report_declares_an_outage_and_an_engineers_tells_him(
    place: Place,
) -> None:
    path = f"/resources/{place.tool.public_id}/faults"
    told = place.program(place.engineer)("POST", path, json={"reason": "leaks"})
    assert (told.status_code, told.json) == (201, {"declared_down": False})
    assert place.told() == [("resource.fault", place.operator.id)]
    assert "leaks" in place.browser(place.operator).get("/requests").text
    until = (place.now + 4 * HOUR).isoformat()
    for member, down in ((place.engineer, False), (place.operator, True)):
        answer = place.program(member)(
            "POST", path, json={"reason": "pump", "ends_at": until}
        )
        assert answer.json == {"declared_down": down}
    with writing() as session:
        outage = session.scalars(sa.select(Outage)).one()
    assert (outage.reason, outage.kind.value) == ("pump", "unscheduled_down")


def test_the_page_offers_what_is_open_and_no_more(place: Place) -> None:
    booking = place.booking(at=on_grid(place.now), hours=2)
    browser, path = place.browser(place.engineer), f"/bookings/{booking.public_id}"
    assert ">Check in<" in browser.get(path).text
    assert "Code for the kiosk" not in place.browser(place.colleague).get(path).text
    assert "Code for the kiosk" not in place.browser(place.operator).get(path).text
    browser.post(f"{path}/attend", {"act": "check_in"})
    page = browser.get(path).text
    assert ">Check in<" not in page
    assert ">Extend<" in page
    browser.post(f"{path}/attend", {"act": "extend", "minutes": "30"})
    assert place.again(booking).ends_at == booking.ends_at + 30 * MINUTE
    browser.post(f"{path}/attend", {"act": "check_out"})
    assert place.state(booking) is COMPLETED


@pytest.mark.parametrize(("minute", "slot"), [(0, 0), (1, 5), (5, 5), (59, 60)])
def test_the_rest_is_free_from_the_next_whole_slot_on(minute: int, slot: int) -> None:
    assert next_slot(MONDAY + minute * MINUTE) == MONDAY + slot * MINUTE


def _attendance(place: Place, member, booking: Booking) -> dict:
    path = f"/bookings/{booking.public_id}/attendance"
    return place.program(member)("GET", path).json


def _actor(place: Place):
    return Actor(
        member_id=place.engineer.id,
        public_id=place.engineer.public_id,
        name="",
        locale="en",
        organisation_id=place.firm.id,
        organisation_name=None,
        roles=frozenset({"engineer"}),
    )
