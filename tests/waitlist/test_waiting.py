"""Who finds no room joins, is offered what becomes free, and answers in time."""

from datetime import UTC, timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking.bookings.models import Booking, Waiting
from platform_booking.bookings.states import BookingState, WaitingState
from platform_booking.catalog.models import Qualification, Resource
from platform_booking.clock import utcnow
from platform_booking.waitlist.offering import Watch
from tests.attendance.place import Place, made
from tests.factories import (
    make_booking,
    make_member,
    make_occurrence,
    make_recipe,
    make_resource,
    writing,
)
from tests.waitlist.queue import (
    HOUR,
    ZONE,
    answer,
    entry_row,
    nobody_works_alone_at_night,
    offers,
    run,
    show,
    tomorrow,
    wait,
)


@pytest.fixture
def place(app: Flask) -> Place:
    return made(app)


def cancelled(place: Place, booking: Booking) -> None:
    done = place.program(place.engineer)("POST", f"/bookings/{booking.public_id}/cancel")
    assert done.status_code == 200, done.text


def rules_of(answer) -> set[str]:
    assert answer.status_code == 422, answer.text
    return {v["rule"] for v in answer.json["violations"]}


def test_what_is_cancelled_is_offered_to_the_one_who_waits_and_accepted(place) -> None:
    held = place.booking(at=tomorrow())
    joined = wait(place, place.rival)
    assert joined.status_code == 201, joined.text
    entry = joined.json
    assert entry["state"] == "waiting"
    watch = Watch()
    assert run(watch)["offered"] == 0
    cancelled(place, held)
    assert run(watch)["offered"] == 1
    told = show(place, place.rival, entry)
    assert told["state"] == "offered"
    assert told["offer"]["starts_at"] == entry["from"]
    assert ("waiting.offered", place.rival.id) in place.told()
    accepted = answer(place, place.rival, entry, "accept")
    assert accepted.status_code == 200, accepted.text
    assert accepted.json["state"] == "accepted"
    assert accepted.json["offer"]["state"] == "confirmed"
    assert accepted.json["offer"]["respond_by"] is None
    again = answer(place, place.rival, entry, "accept")
    assert again.status_code == 422


def test_an_offer_holds_its_place_and_others_cannot_book_it(place) -> None:
    entry = wait(place, place.rival).json
    run()
    booked = place.program(place.engineer)(
        "POST",
        "/bookings",
        json={
            "resource_id": str(place.tool.public_id),
            "starts_at": entry["from"],
            "ends_at": entry["to"],
        },
    )
    assert booked.status_code == 409


def test_an_offer_says_that_it_is_one_to_whoever_takes_it_for_a_booking(place) -> None:
    wait(place, place.rival)
    run()
    [offer] = offers()
    call, path = place.program(place.rival), f"/bookings/{offer.public_id}"
    moved = call("PATCH", path, headers={"If-Match": "*"}, json={"quantity": 1})
    begun = call("POST", f"{path}/check-in")
    for refused in (moved, begun):
        assert "这是候补提供的时段" in str(refused.json)
    home = place.browser(place.rival).get("/?lang=en").text
    assert "What you wait for is free" in home
    assert "Your next booking" not in home


def test_silence_lapses_the_offer_and_the_next_one_is_asked(place) -> None:
    first, second = wait(place, place.rival).json, wait(place, place.engineer).json
    run()
    assert show(place, place.rival, first)["state"] == "offered"
    later = utcnow() + timedelta(minutes=61)
    done = run(now=later)
    assert (done["lapsed"], done["offered"]) == (1, 1)
    told = show(place, place.rival, first)
    assert (told["state"], told["passed"]) == ("waiting", 1)
    assert show(place, place.engineer, second)["state"] == "offered"
    [offer] = offers()
    assert offer.member_id == place.engineer.id
    assert ("waiting.offer_lapsed", place.rival.id) in place.told()


def test_who_passes_waits_on_and_is_not_offered_the_same_place_again(place) -> None:
    entry = wait(place, place.rival, window=30).json
    run()
    first = show(place, place.rival, entry)["offer"]
    assert answer(place, place.rival, entry, "pass").json["passed"] == 1
    run()
    second = show(place, place.rival, entry)["offer"]
    assert second["starts_at"] >= first["ends_at"]


def test_after_three_offers_let_go_the_entry_is_withdrawn_and_told(place) -> None:
    entry = wait(place, place.rival, window=30).json
    for _n in range(3):
        run()
        done = answer(place, place.rival, entry, "pass")
        assert done.status_code == 200, done.text
    assert done.json["state"] == "withdrawn"
    assert ("waiting.given_up", place.rival.id) in place.told()
    assert offers() == []


def test_a_late_accept_is_refused_though_nobody_has_swept(place) -> None:
    entry = wait(place, place.rival).json
    run()
    with writing() as session:
        session.execute(
            sa.update(Booking)
            .where(Booking.state == BookingState.OFFERED)
            .values(respond_by=utcnow() - timedelta(seconds=1))
        )
    assert answer(place, place.rival, entry, "accept").status_code == 422


def test_the_time_to_answer_is_shorter_when_the_start_is_near(place) -> None:
    soon = (utcnow() + timedelta(minutes=20)).replace(second=0, microsecond=0)
    soon = soon.replace(minute=soon.minute // 5 * 5)
    entry = wait(place, place.rival, at=soon).json
    run()
    [offer] = offers()
    assert offer.respond_by == offer.starts_at == entry_row(entry).from_at


def test_the_policy_says_how_long_an_offer_stands(place) -> None:
    place.policy(offer_minutes=15)
    wait(place, place.rival)
    run()
    [offer] = offers()
    left = offer.respond_by - utcnow()
    assert timedelta(minutes=14) < left <= timedelta(minutes=15)


def test_an_accepted_offer_is_a_request_where_approval_is_asked(place) -> None:
    place.policy(approval_hours=24)
    entry = wait(place, place.rival).json
    run()
    accepted = answer(place, place.rival, entry, "accept").json
    assert accepted["offer"]["state"] == "requested"
    assert accepted["offer"]["respond_by"] is not None


def test_the_rules_are_asked_again_when_one_accepts(place) -> None:
    entry = wait(place, place.rival).json
    run()
    with writing() as session:
        tool = session.get_one(Resource, place.tool.id)
        need = Qualification(code="Q", name_zh="证", name_en="Q")
        session.add(need)
        session.flush()
        tool.self_run, tool.qualification_id = True, need.id
    assert "not_qualified" in rules_of(answer(place, place.rival, entry, "accept"))
    assert show(place, place.rival, entry)["state"] == "offered"  # it stands


def test_who_may_not_book_there_may_not_wait_there(place) -> None:
    with writing() as session:
        firm = session.get_one(type(place.firm), place.firm.id)
        firm.contract_ref = firm.nda_ref = ""
    assert "no_contract" in rules_of(wait(place, place.engineer))


def test_an_outage_keeps_nobody_from_waiting(place) -> None:
    down = {
        "starts_at": tomorrow().isoformat(),
        "ends_at": (tomorrow() + HOUR).isoformat(),
        "kind": "scheduled_down",
        "reason": "x",
    }
    path = f"/resources/{place.tool.public_id}/outages"
    declared = place.program(place.operator)("POST", path, json=down)
    assert declared.status_code == 201
    entry = wait(place, place.rival)
    assert entry.status_code == 201
    watch = Watch()
    assert run(watch)["offered"] == 0
    place.program(place.operator)("DELETE", f"/outages/{declared.json['id']}")
    assert run(watch)["offered"] == 1  # what an outage gives back is offered


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ({"minutes": 120}, "window"),
        ({"minutes": 7}, "grid"),
        ({"minutes": 0}, "grid"),
        ({"minutes": -5}, "grid"),
        ({"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T01:00:00Z"}, "too_late"),
        ({"to": "9999-12-31T00:00:00Z"}, "window"),
        ({"quantity": 10**9}, "quantity"),
        ({"quantity": 0}, "quantity"),
        ({"resource_id": "00000000-0000-4000-8000-000000000000"}, "unknown_resource"),
        ({"recipe_id": "00000000-0000-4000-8000-000000000000"}, "no_recipe"),
        ({"project_id": "00000000-0000-4000-8000-000000000000"}, "unknown_project"),
    ],
)
def test_nonsense_is_refused_by_name(place, body, rule) -> None:
    assert rule in rules_of(wait(place, place.rival, **body))


def test_a_member_waits_in_ten_places_at_most(place) -> None:
    for n in range(10):
        assert wait(place, place.rival, at=tomorrow() + n * HOUR).status_code == 201
    eleventh = wait(place, place.rival, at=tomorrow() + 10 * HOUR)
    assert rules_of(eleventh) == {"waits_enough"}


def test_nobody_waits_twice_for_the_same_thing(place) -> None:
    assert wait(place, place.rival, window=3).status_code == 201
    again = wait(place, place.rival, at=tomorrow() + HOUR, window=4)
    assert rules_of(again) == {"waits_already"}
    assert wait(place, place.rival, at=tomorrow() + 3 * HOUR).status_code == 201
    assert wait(place, place.colleague, window=3).status_code == 201  # another one


def test_what_is_free_is_booked_and_not_waited_for(place) -> None:
    place.booking(at=tomorrow())
    asked = {
        "resource_id": str(place.tool.public_id),
        "from": tomorrow().isoformat(),
        "to": (tomorrow() + 2 * HOUR).isoformat(),
        "minutes": 60,
    }
    call = place.program(place.rival)
    assert rules_of(call("POST", "/waiting", json=asked)) == {"free_now"}
    taken = asked | {"to": (tomorrow() + HOUR).isoformat()}
    assert call("POST", "/waiting", json=taken).status_code == 201


def test_a_wish_is_looked_for_beyond_hours_that_the_rules_refuse(place) -> None:
    """Its window begins in the evening, when nobody works alone."""
    nobody_works_alone_at_night(place)
    evening = tomorrow().astimezone(ZONE).replace(hour=18, minute=30) + timedelta(days=1)
    entry = wait(place, place.rival, at=evening.astimezone(UTC), window=42)
    assert entry.status_code == 201, entry.text
    assert run()["offered"] == 1
    [offer] = offers()
    begins = offer.starts_at.astimezone(ZONE)
    assert (begins.date(), begins.hour) == (evening.date() + timedelta(days=1), 8)


def test_an_offer_that_left_little_time_counts_for_nobody_as_let_go(place) -> None:
    place.policy(offer_minutes=10)
    entry = wait(place, place.rival).json
    run()
    assert run(now=utcnow() + timedelta(minutes=11))["lapsed"] == 1
    assert show(place, place.rival, entry)["passed"] == 0


def test_nobody_waits_beyond_the_horizon(place) -> None:
    place.policy(horizon_days=7)
    with writing() as session:
        session.get_one(Resource, place.tool.id).self_run = True
    assert "beyond_horizon" in rules_of(wait(place, place.rival, window=24 * 10))


def test_first_right_comes_first_then_the_smaller_share_then_who_came_first(place) -> None:
    now = utcnow()
    with writing() as session:
        poor = make_member(session)
        late = make_member(session)
        make_booking(  # the rival's firm has had time of this platform
            session,
            resource=place.tool,
            organisation_id=place.rival.organisation_id,
            starts_at=now - timedelta(days=3),
            state=BookingState.COMPLETED,
        )
    rival = wait(place, place.rival).json
    first, second = wait(place, poor).json, wait(place, late).json
    displaced = wait(place, place.engineer).json
    with writing() as session:
        session.execute(
            sa.update(Waiting)
            .where(Waiting.public_id == displaced["id"])
            .values(first_right=True)
        )
    asked = []
    members = {
        displaced["id"]: place.engineer,
        first["id"]: poor,
        second["id"]: late,
        rival["id"]: place.rival,
    }
    for _n in range(4):
        run()
        [offer] = offers()
        [entry] = [e for e in members if entry_row({"id": e}).booking_id == offer.id]
        asked.append(entry)
        assert answer(place, members[entry], {"id": entry}, "pass").status_code == 200
    assert asked == list(members)


def test_who_withdraws_gives_the_offer_back(place) -> None:
    first, second = wait(place, place.rival).json, wait(place, place.engineer).json
    run()
    assert answer(place, place.rival, first, "withdraw").json["state"] == "withdrawn"
    run()
    assert show(place, place.engineer, second)["state"] == "offered"


def test_an_entry_whose_window_is_over_ends_and_is_told(place) -> None:
    place.booking(at=tomorrow())
    entry = wait(place, place.rival).json
    run(now=tomorrow() + timedelta(minutes=5))
    assert entry_row(entry).state is WaitingState.LAPSED
    assert ("waiting.over", place.rival.id) in place.told()


def test_colleagues_and_strangers_do_not_answer_for_another(place) -> None:
    entry = wait(place, place.engineer).json
    run()
    assert answer(place, place.colleague, entry, "accept").status_code == 403
    assert answer(place, place.rival, entry, "accept").status_code == 404
    assert answer(place, place.rival, entry, "withdraw").status_code == 404
    assert answer(place, place.operator, entry, "accept").status_code == 403


def test_operators_see_who_waits_in_order(place) -> None:
    wait(place, place.rival)
    wait(place, place.engineer)
    found = place.program(place.operator)("GET", "/waiting").json
    names = [e["organisation"]["name_en"] for e in found["items"]]
    assert len(names) == 2
    assert names[1] == place.firm.name_en
    assert place.program(place.stranger)("GET", "/waiting").json["total"] == 0


def test_a_look_that_finds_nothing_changed_reads_one_statement_a_part(place) -> None:
    place.booking(at=tomorrow())
    wait(place, place.rival)
    watch = Watch()
    run(watch)
    seen = dict(watch.seen)
    assert seen
    run(watch)
    assert watch.seen == seen


@pytest.mark.parametrize("kind", ["pooled", "batch"])
def test_pools_and_shared_runs_are_waited_for_too(place, kind) -> None:
    with writing() as session:
        tool = make_resource(session, kind=kind, platform_id=place.platform.id, capacity=4)
        recipe = make_recipe(session, tool, capacity=4) if kind == "batch" else None
    place.tool = tool
    place.booking(at=tomorrow(), quantity=3, recipe_id=recipe.id if recipe else None)
    body = {"quantity": 2}
    if recipe:
        body["recipe_id"] = str(recipe.public_id)
    entry = wait(place, place.rival, **body)
    assert entry.status_code == 201, entry.text
    assert run()["offered"] == 0
    small = wait(place, place.engineer, **body | {"quantity": 1})
    assert small.status_code == 201
    assert run()["offered"] == 1  # what is too small for the first is not wasted
    [offer] = offers()
    assert offer.quantity == 1


def test_who_finds_a_dated_run_full_waits_for_the_next_one(place) -> None:
    def full(at):
        one = make_occurrence(session, shuttle, starts_at=at, capacity=4)
        make_booking(
            session, resource=shuttle, organisation=place.firm, occurrence_id=one.id,
            starts_at=one.starts_at, minutes=120, quantity=4,
        )  # fmt: skip
        return one

    with writing() as session:
        shuttle = make_resource(session, kind="event", capacity=4,
                                platform_id=place.platform.id)  # fmt: skip
        first, second = full(tomorrow()), full(tomorrow() + timedelta(days=30))
    place.tool = shuttle
    entry = place.program(place.rival)(
        "POST",
        "/waiting",
        json={
            "resource_id": str(shuttle.public_id),
            "from": first.starts_at.isoformat(),
            "to": first.ends_at.isoformat(),
            "minutes": 120,
            "quantity": 2,
        },
    )
    assert entry.status_code == 201, entry.text
    begun = first.starts_at + timedelta(minutes=5)
    assert run(now=begun)["carried_over"] == 1
    row = entry_row(entry.json)
    assert (row.state, row.to_at) == (WaitingState.WAITING, second.ends_at)
    assert ("waiting.carried_over", place.rival.id) in place.told()
    with writing() as session:
        third = make_occurrence(
            session, shuttle, starts_at=second.starts_at + timedelta(days=30), capacity=4
        )
    late = second.starts_at + timedelta(minutes=5)
    done = run(now=late)
    assert (done["carried_over"], done["offered"]) == (1, 1)
    assert [offer.occurrence_id for offer in offers()] == [third.id]
    assert run(now=third.starts_at + timedelta(minutes=5))["carried_over"] == 0
