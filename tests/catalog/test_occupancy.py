"""Load is taken time over open time, whatever the kind of resource."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_booking.catalog.models import ResourceKind
from platform_booking.catalog.occupancy import (
    Level,
    Occupancy,
    Taken,
    cut,
    days,
    merged,
    minutes,
    occupancy,
    share,
    without,
)
from platform_booking.web.charts import WIDTH, Block, block, clock_spans

PARK = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2027, 3, 8, tzinfo=UTC)
UNARY, POOLED, BATCH = ResourceKind.UNARY, ResourceKind.POOLED, ResourceKind.BATCH


def at(hour: float) -> datetime:
    return START + timedelta(hours=hour)


def spans(*pairs: tuple[float, float]) -> list[tuple[datetime, datetime]]:
    return [(at(a), at(b)) for a, b in pairs]


def look(
    kind: ResourceKind,
    *taken: tuple[float, float, int],
    capacity: int = 1,
    opening: tuple[tuple[float, float], ...] = ((0, 10),),
    down: tuple[tuple[float, float], ...] = (),
    until: float = 24,
) -> Occupancy:
    return occupancy(
        kind=kind,
        capacity=capacity,
        opening=spans(*opening),
        outages=spans(*down),
        taken=[Taken(at(a), at(b), n) for a, b, n in taken],
        from_at=at(0),
        to_at=at(until),
    )


def test_a_tool_is_busy_for_the_time_that_it_is_taken() -> None:
    found = look(UNARY, (1, 2, 1), (4, 6, 1))
    assert (found.open_min, found.busy_min, found.share) == (600, 180, 0.3)


def test_of_a_pool_each_stay_counts_by_its_units() -> None:
    found = look(POOLED, (0, 5, 2), (2, 4, 1), capacity=4)
    # (5 h of 2 + 2 h of 1) of 4 units for 10 h
    assert found.share == pytest.approx(12 / 40)
    assert [(v.starts_at, v.share) for v in found.levels] == [
        (at(0), 0.5), (at(2), 0.75), (at(4), 0.5),
    ]  # fmt: skip


def test_loads_that_share_a_run_occupy_the_furnace_once() -> None:
    assert look(BATCH, (0, 4, 10), (0, 4, 25), capacity=50).share == 0.4


def test_a_stay_through_closed_hours_counts_for_the_open_part_alone() -> None:
    """The clock of a `working` or `ends` stay may stop; a share never exceeds 1."""
    found = look(UNARY, (0, 24, 1), opening=((2, 4), (8, 12)))
    assert (found.open_min, found.busy_min, found.share) == (360, 360, 1)


def test_outages_are_no_open_time() -> None:
    found = look(UNARY, (0, 2, 1), down=((2, 6), (5, 8)))
    assert found.open_min == 240
    assert found.share == 0.5
    assert list(found.free()) == spans((8, 10))


def test_what_lies_outside_the_time_looked_at_does_not_count() -> None:
    found = look(UNARY, (-5, 1, 1), (9, 20, 1), opening=((-10, 30),), until=10)
    assert (found.open_min, found.busy_min) == (600, 120)


def test_what_never_opens_has_no_share() -> None:
    assert look(UNARY, (1, 2, 1), opening=()).share is None
    assert share(0, 0) is None


def test_a_pool_is_free_until_its_last_unit_is_taken() -> None:
    found = look(POOLED, (0, 6, 3), (2, 4, 1), capacity=4)
    assert list(found.free()) == spans((0, 2), (4, 10))


def test_a_day_is_a_part_of_the_whole() -> None:
    whole = look(UNARY, (20, 28, 1), opening=((0, 48),), until=48)
    first, second = whole.within(at(0), at(24)), whole.within(at(24), at(48))
    assert first.busy_min + second.busy_min == whole.busy_min == 480
    assert first.levels == (Level(at(20), at(24), 1.0),)


@given(
    st.lists(
        st.tuples(st.integers(0, 100), st.integers(1, 30), st.integers(1, 3)), max_size=12
    ),
    st.lists(st.tuples(st.integers(0, 100), st.integers(1, 30)), max_size=4),
    st.sampled_from([UNARY, POOLED, BATCH]),
)
def test_counting_minute_by_minute_agrees(
    stays: list[tuple[int, int, int]], holes: list[tuple[int, int]], kind: ResourceKind
) -> None:
    def minute(n: int) -> datetime:
        return START + timedelta(minutes=n)

    found = occupancy(
        kind=kind,
        capacity=4,
        opening=[(minute(10), minute(50)), (minute(60), minute(90))],
        outages=[(minute(a), minute(a + n)) for a, n in holes],
        taken=[Taken(minute(a), minute(a + n), q) for a, n, q in stays],
        from_at=minute(0),
        to_at=minute(80),
    )
    open_min, busy = 0, 0.0
    for n in range(80):
        if not (10 <= n < 50 or 60 <= n < 90) or any(a <= n < a + m for a, m in holes):
            continue
        open_min += 1
        held = sum(q for a, m, q in stays if a <= n < a + m)
        busy += min(1, held / 4) if kind is POOLED else bool(held)
    assert found.open_min == open_min
    assert found.busy_min == pytest.approx(busy)


def test_stretches_that_touch_or_overlap_are_one() -> None:
    assert merged(spans((4, 6), (0, 2), (2, 3), (5, 7))) == spans((0, 3), (4, 7))


def test_holes_are_cut_out_of_stretches() -> None:
    assert list(without(spans((0, 10), (12, 14)), spans((2, 3), (8, 13)))) == spans(
        (0, 2), (3, 8), (13, 14)
    )
    assert cut(spans((0, 10), (12, 14)), at(5), at(13)) == spans((5, 10), (12, 13))
    assert minutes(spans((0, 1), (2, 4))) == 180


def test_days_are_the_parks_and_may_be_longer_or_shorter_than_others() -> None:
    first = datetime(2027, 3, 7, 16, tzinfo=UTC)  # midnight in the park
    found = days(first, first + timedelta(days=2), PARK)
    assert [day for day, _ in found] == [date(2027, 3, 8), date(2027, 3, 9)]
    spring = datetime(2027, 3, 27, 23, tzinfo=UTC)  # midnight in Berlin
    (only,) = days(spring, spring + timedelta(hours=23), BERLIN)
    assert only[1][1].timestamp() - only[1][0].timestamp() == 23 * 3600


def test_a_block_is_placed_by_its_share_of_the_day() -> None:
    day = (at(0), at(24))
    assert block(day, at(6), at(12), 0.25) == Block(WIDTH / 4, WIDTH / 4, 25)
    assert block(day, at(6), at(12), 0.25).y == 75
    short = (at(0), at(12))
    assert block(short, at(6), at(12)) == Block(WIDTH / 2, WIDTH / 2)


def test_the_end_of_a_day_is_24_in_words() -> None:
    midnight = datetime(2027, 3, 7, 16, tzinfo=UTC)
    day = (midnight, midnight + timedelta(days=1))
    free = [
        (midnight, midnight + timedelta(hours=9)),
        (midnight + timedelta(hours=18), day[1]),
    ]
    assert clock_spans(day, free, PARK) == "00:00–09:00, 18:00–24:00"
