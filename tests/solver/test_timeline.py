"""Calendars, lanes and the timeline: where a stay may start."""

import random

import pytest

from solver.calendars import Calendar, erode, first, runs, span
from solver.lanes import PooledLane, UnaryLane
from solver.problem import Job, Kind, Occurrence, Placement, Recipe, Stay, StayRule
from solver.timeline import ANYWHEN, Timeline
from tests.solver.factories import (
    make_alternative,
    make_job,
    make_problem,
    make_resource,
    make_step,
)


def starts(timeline: Timeline, job: Job, *, thin: bool = False) -> list[tuple[int, int]]:
    """Return (start, length) of every feasible start of a job's only step."""
    step = job.steps[0]
    found = timeline.starts(job, step, step.alternatives[0], within=ANYWHEN, thin=thin)
    return sorted(
        (s, c.length)
        for c in found
        for lo, hi in runs(c.starts | c.joins)
        for s in range(lo, hi)
    )


def test_a_mask_knows_its_stretches() -> None:
    assert runs(span(3, 5) | span(9, 12)) == [(3, 5), (9, 12)]
    assert runs(0) == []
    assert first(span(7, 9)) == 7
    assert span(-4, 2) == 0b11


@pytest.mark.parametrize("length", [1, 2, 3, 5, 8, 13])
def test_eroding_asks_every_slot_of_the_stay(length: int) -> None:
    rng = random.Random(length)
    mask = rng.getrandbits(200) | rng.getrandbits(200)
    slow = [s for s in range(200) if all(mask >> (s + i) & 1 for i in range(length))]
    assert [s for s in range(200) if erode(mask, length) >> s & 1] == slow


def test_a_stay_inside_opening_hours_spans_no_closed_slot_and_no_outage() -> None:
    hours = make_resource(opens=[(0, 10), (20, 30)], outages=[(25, 26)])
    calendar = Calendar(hours, (), 100)
    assert calendar.shapes(StayRule.INSIDE, 6) == (
        (6, span(0, 5)),
    )  # 20-25 and 26-30: too short


def test_a_stay_attended_at_its_ends_may_run_through_the_night_but_not_through_an_outage() -> (
    None
):
    hours = make_resource(opens=[(0, 10), (20, 30), (40, 50)], outages=[(33, 34)])
    # 15 slots: start s and last slot s + 14 both open. From the first day s + 14 is in
    # [20, 30) for s in [6, 10); from the second s + 14 in [40, 50) for s in [26, 30), all of
    # which would span the outage.
    assert Calendar(hours, (), 100).shapes(StayRule.ENDS, 15) == ((15, span(6, 10)),)


def test_the_clock_of_a_working_stay_stops_when_closed() -> None:
    hours = make_resource(opens=[(0, 10), (20, 30)])
    shapes = dict(Calendar(hours, (), 100).shapes(StayRule.WORKING, 4))
    # From 7 the open slots are 7, 8, 9, 20: the stay lasts 14.
    assert shapes == {4: span(0, 7) | span(20, 27), 14: span(7, 10)}


def test_a_working_stay_does_not_span_an_outage() -> None:
    hours = make_resource(opens=[(0, 30)], outages=[(10, 15)])
    shapes = dict(Calendar(hours, (), 100).shapes(StayRule.WORKING, 4))
    assert {n: mask for n, mask in shapes.items() if mask} == {4: span(0, 7) | span(15, 27)}


def test_release_freeze_window_deadline_and_horizon_all_bind() -> None:
    def starts_of(job: Job, **problem: int) -> list[int]:
        return [s for s, _ in starts(Timeline(make_problem(job, **problem)), job)]

    assert starts_of(make_job(release=85)) == list(range(85, 91))
    assert starts_of(make_job(), earliest=88) == [88, 89, 90]
    assert starts_of(make_job(deadline=12)) == [0, 1, 2]
    assert starts_of(make_job("a", make_step(windows=[(0, 11), (50, 61)]))) == [
        0,
        1,
        50,
        51,
    ]
    assert starts_of(make_job(), horizon=3, calendar_end=100) == [0, 1, 2]


def test_a_unary_lane_keeps_the_changeover_to_both_neighbours() -> None:
    lane = UnaryLane(
        make_resource(changeovers=[("a", "b", 5), ("b", "a", 2)]), clear=span(0, 100)
    )
    lane.put(10, 20, "a")
    lane.put(40, 50, "a")
    # Between them, for b: 5 after a and 2 before a; before the first, 2; after the last, 5.
    assert runs(lane.room(10, "b")) == [(25, 29), (55, 91)]
    assert runs(lane.room(10, "a")) == [(0, 1), (20, 31), (50, 91)]
    lane.take(40, 50, "a")
    assert runs(lane.room(10, "b")) == [(25, 91)]
    assert lane.well_spaced()


def test_taking_a_stay_away_can_leave_neighbours_too_close() -> None:
    lane = UnaryLane(make_resource(changeovers=[("a", "b", 30)]), clear=span(0, 100))
    lane.put(0, 10, "a")
    lane.put(10, 20)  # of no family: no changeover on either side
    lane.put(20, 30, "b")
    assert lane.well_spaced()
    lane.take(10, 20)
    assert not lane.well_spaced()


def test_a_pool_counts_like_a_plain_table() -> None:
    rng = random.Random(7)
    lane = PooledLane(make_resource(kind=Kind.POOLED, capacity=13), clear=span(0, 60))
    table = [0] * 60
    held: list[tuple[int, int, int]] = []
    for _ in range(400):
        if held and rng.random() < 0.4:
            lo, hi, quantity = held.pop(rng.randrange(len(held)))
            lane.take(lo, hi, quantity)
            sign = -1
        else:
            lo, length, quantity = rng.randrange(50), rng.randint(1, 10), rng.randint(1, 9)
            hi = lo + length
            lane.put(lo, hi, quantity)
            held.append((lo, hi, quantity))
            sign = 1
        for slot in range(lo, hi):
            table[slot] += sign * quantity
        assert [lane.used(s) for s in range(60)] == table
        for need in (1, 4, 13, 14):
            free = [s for s in range(58) if max(table[s : s + 3]) + need <= 13]
            assert [s for s in range(60) if lane.room(3, need) >> s & 1] == free


def test_loads_of_one_recipe_share_a_run_up_to_its_capacity() -> None:
    furnace = make_resource("furnace", kind=Kind.BATCH)
    recipes = [Recipe("oxide", "furnace", 4), Recipe("nitride", "furnace", 4)]
    load = make_step(
        make_alternative("furnace", 10, quantity=3, recipe="oxide"), windows=[(0, 20)]
    )
    small = make_step(make_alternative("furnace", 10, recipe="oxide"), windows=[(0, 20)])
    other = make_step(make_alternative("furnace", 10, recipe="nitride"), windows=[(0, 20)])
    a, b, c, d = (
        make_job(n, s) for n, s in zip("abcd", (load, load, small, other), strict=True)
    )
    timeline = Timeline(make_problem(a, b, c, d, resources=[furnace], recipes=recipes))

    assert timeline.adopt(a, [Placement("a", 0, 0, 5, 15)])

    assert starts(timeline, b) == []  # 3 + 3 > 4, and no room for a second run
    assert starts(timeline, c) == [(5, 10)]  # the run in place
    assert starts(timeline, d) == []  # another recipe
    timeline.drop(a)
    assert starts(timeline, b) == [(s, 10) for s in range(11)]


def test_only_a_joinable_booking_of_the_same_recipe_can_be_joined() -> None:
    furnace = make_resource("furnace", kind=Kind.BATCH)
    recipes = [Recipe("oxide", "furnace", 4, min_load=3), Recipe("nitride", "furnace", 4)]
    stays = [
        Stay("furnace", 0, 10, quantity=2, recipe="oxide", joinable=True),
        Stay("furnace", 10, 20, quantity=2, recipe="oxide"),
        Stay("furnace", 20, 30, quantity=2, recipe="nitride", joinable=True),
        Stay("furnace", 30, 100),
    ]
    job = make_job("a", make_step(make_alternative("furnace", 10, recipe="oxide")))
    timeline = Timeline(
        make_problem(job, resources=[furnace], recipes=recipes, stays=stays)
    )
    assert starts(timeline, job) == [(0, 10)]


def test_a_light_run_begins_only_when_thin_runs_are_allowed() -> None:
    furnace = make_resource("furnace", kind=Kind.BATCH)
    recipes = [Recipe("oxide", "furnace", 4, min_load=2)]
    job = make_job("a", make_step(make_alternative("furnace", 100, recipe="oxide")))
    timeline = Timeline(make_problem(job, resources=[furnace], recipes=recipes))
    assert starts(timeline, job) == []
    assert starts(timeline, job, thin=True) == [(0, 100)]
    assert timeline.adopt(job, [Placement("a", 0, 0, 0, 100)], thin=True)
    assert list(timeline.thin_runs()) == [("furnace", 0)]


def test_an_event_has_room_for_what_is_left_of_each_occurrence() -> None:
    shuttle = make_resource("shuttle", kind=Kind.EVENT)
    occurrences = [
        Occurrence("first", "shuttle", 10, 20, 4),
        Occurrence("second", "shuttle", 40, 60, 4),
    ]
    stays = [Stay("shuttle", 10, 20, quantity=2, occurrence="first")]
    job = make_job("a", make_step(make_alternative("shuttle", 1, quantity=3)))
    timeline = Timeline(
        make_problem(job, resources=[shuttle], occurrences=occurrences, stays=stays)
    )
    assert starts(timeline, job) == [(40, 20)]
    assert not timeline.adopt(job, [Placement("a", 0, 0, 10, 20, "first")])
    assert timeline.adopt(job, [Placement("a", 0, 0, 40, 60, "second")])


def test_what_is_held_beside_is_asked_for_capacity_and_outages_but_not_for_hours() -> None:
    etcher = make_resource()
    seat = make_resource(
        "seat", kind=Kind.POOLED, capacity=2, opens=[(0, 1)], outages=[(0, 50)]
    )
    step = make_step(make_alternative(duration=10, also=[("seat", 2)]))
    a, b = make_job("a", step), make_job("b", step)
    timeline = Timeline(make_problem(a, b, resources=[etcher, seat]))
    assert starts(timeline, a)[0] == (50, 10)
    assert timeline.adopt(a, [Placement("a", 0, 0, 60, 70)])
    assert [s for s, _ in starts(timeline, b)] == [50, *range(70, 91)]


def test_a_job_that_does_not_fit_whole_is_not_adopted_at_all() -> None:
    step = make_step()
    job = make_job("a", step, step)
    timeline = Timeline(make_problem(job))
    clash = [Placement("a", 0, 0, 0, 10), Placement("a", 1, 0, 5, 15)]
    assert not timeline.adopt(job, clash)
    assert timeline.placements() == ()
    assert starts(timeline, job)[0] == (0, 10)
