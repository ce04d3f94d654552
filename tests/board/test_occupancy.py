from datetime import datetime, timedelta
from uuid import uuid4

from platform_booking.board.occupancy import Level, levels, runs, taken
from platform_booking.board.queries import Stay, Stop
from tests.factories import MONDAY


def at(hour: int) -> datetime:
    return MONDAY + timedelta(hours=hour)


def stay(
    start: int, end: int, quantity: int = 1, *, seen: bool = False, **more: object
) -> Stay:
    return Stay(
        1, at(start), at(end), quantity, public_id=uuid4() if seen else None, **more
    )  # type: ignore[arg-type]


def test_a_curve_steps_up_and_down_and_tells_what_is_seen_of_it() -> None:
    held = [stay(1, 4, 2), stay(2, 3, 1, seen=True)]

    assert levels(held, from_at=at(0), to_at=at(10)) == [
        Level(at(1), 2, 0),
        Level(at(2), 3, 1),
        Level(at(3), 2, 0),
        Level(at(4), 0, 0),
    ]


def test_stays_that_follow_one_another_make_no_step() -> None:
    curve = levels([stay(1, 2), stay(2, 3)], from_at=at(0), to_at=at(10))

    assert [(level.at, level.total) for level in curve] == [(at(1), 1), (at(3), 0)]


def test_a_curve_ends_at_the_edges_of_the_window() -> None:
    curve = levels([stay(-5, 50), stay(20, 30)], from_at=at(0), to_at=at(10))

    assert [(level.at, level.total) for level in curve] == [(at(0), 1), (at(10), 0)]


def test_loads_of_one_run_are_added_and_the_recipe_tells_what_it_takes() -> None:
    held = [stay(1, 4, 2), stay(1, 4, 1, seen=True, recipe_capacity=6), stay(5, 8, 3)]

    first, second = runs(held, capacity=9)

    assert (first.load, first.seen, first.capacity) == (3, 1, 6)
    assert (second.load, second.seen, second.capacity) == (3, 0, 9)


def test_an_occurrence_is_filled_by_what_is_booked_for_just_its_time() -> None:
    stop = Stop("occurrence", 1, uuid4(), at(1), at(4), "MPW", "", 100, None)

    assert taken([stay(1, 4, 30), stay(1, 4, 20, seen=True), stay(5, 6, 9)], stop) == (
        50,
        20,
    )
