"""A seeded demand in the shapes of a real park."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from platform_booking.catalog import loader
from platform_booking.catalog.demand import ORDERS_AT_FULL_LOAD, Demand, demand
from platform_booking.catalog.hours import is_holiday
from platform_booking.catalog.models import ResourceKind, StayRule

ZONE = ZoneInfo("Asia/Shanghai")
TODAY = datetime(2027, 3, 8, 1, tzinfo=UTC)
MIDNIGHT = datetime(2027, 3, 8, tzinfo=ZONE)
SIX_WEEKS = timedelta(days=42)


@cache
def catalogue() -> loader.Content:
    return loader.parsed(loader.demo_text())


@cache
def made(
    seed: int = 1, load: float = 1.0, orders: int | None = None, today: datetime = TODAY
) -> Demand:
    return demand(catalogue(), seed=seed, today=today, zone=ZONE, load=load, orders=orders)


@cache
def resources() -> dict[str, Any]:
    return {r["code"]: r for r in catalogue()["resources"]}


def test_the_same_seed_makes_the_same_demand_and_another_makes_another() -> None:
    first = demand(catalogue(), seed=7, today=TODAY, zone=ZONE)
    again = demand(catalogue(), seed=7, today=TODAY, zone=ZONE)
    assert first == again
    assert first != demand(catalogue(), seed=8, today=TODAY, zone=ZONE)


@pytest.mark.parametrize(("load", "number"), [(0.1, 100), (0.5, 500), (1.2, 1200)])
def test_the_load_sets_the_number_of_orders(load: float, number: int) -> None:
    assert len(made(load=load).wishes) == number == round(load * ORDERS_AT_FULL_LOAD)


def test_their_number_may_be_given_instead() -> None:
    assert len(made(orders=37).wishes) == 37


def test_the_mix_of_priorities_follows_the_park() -> None:
    many = made(orders=10_000)
    shares = Counter(firm.priority_class for firm in many.firms)
    total = len(many.firms)
    for priority, share in {
        "KEY": 0.12,
        "SME": 0.5,
        "LOCAL": 0.14,
        "ACAD": 0.16,
        "OUT": 0.08,
    }.items():
        assert shares[priority] / total == pytest.approx(share, abs=0.09), priority
    classes = {entry["code"] for entry in catalogue()["priority_classes"]}
    assert shares.keys() <= classes


def test_few_firms_ask_for_much_and_many_for_little() -> None:
    counts = sorted(Counter(w.firm for w in made().wishes).values(), reverse=True)
    busiest = sum(counts[: len(counts) // 5])
    assert busiest > 0.4 * sum(counts)
    assert {w.firm for w in made().wishes} <= {f.code for f in made().firms}


def test_people_submit_by_day_and_on_weekdays() -> None:
    many = made(orders=10_000).wishes
    shape = catalogue()["demand"]
    hours = Counter(w.submitted_at.astimezone(ZONE).hour for w in many)
    all_hours = sum(shape["hour_of_day"].values())
    for hour in range(24):
        expected = shape["hour_of_day"][str(hour)] / all_hours
        assert hours[hour] / len(many) == pytest.approx(expected, abs=0.015), hour
    days = Counter(w.submitted_at.astimezone(ZONE).weekday() for w in many)
    all_days = sum(shape["day_of_week"].values())
    for number, day in enumerate(("mon", "tue", "wed", "thu", "fri", "sat", "sun")):
        expected = shape["day_of_week"][day] / all_days
        assert days[number] / len(many) == pytest.approx(expected, abs=0.02), day


def test_a_third_of_the_orders_are_routes_and_the_rest_are_short() -> None:
    many = made(orders=10_000).wishes
    routes = sum(w.route is not None for w in many) / len(many)
    assert routes == pytest.approx(0.35 * 0.94, abs=0.02)  # some begin a route of months
    assert sum(len(w.steps) == 1 for w in many) / len(many) > 0.6
    assert any(len(w.steps) > 1 for w in many)


def test_dates_are_relative_to_today() -> None:
    here, later = made(), made(today=TODAY + timedelta(days=70))
    for one, other in zip(here.wishes, later.wishes, strict=True):
        assert other.submitted_at - one.submitted_at == timedelta(days=70)
    for wish in here.wishes:
        assert MIDNIGHT - timedelta(days=14) <= wish.submitted_at < MIDNIGHT
        assert MIDNIGHT < wish.earliest_at < wish.due_at <= wish.deadline_at
        assert wish.earliest_at < MIDNIGHT + timedelta(days=14)
    assert list(here.wishes) == sorted(here.wishes, key=lambda w: (w.submitted_at, w.title))


@pytest.mark.parametrize("day", range(7))
def test_a_stress_of_six_weeks_is_under_way_begun_and_ended_by_staff(day: int) -> None:
    today = TODAY + timedelta(days=day)
    (stress,) = made(today=today).running
    assert stress.ends_at - stress.starts_at == SIX_WEEKS
    assert stress.starts_at < today - timedelta(days=7)
    assert stress.ends_at > today + timedelta(days=21)
    resource = resources()[stress.resource]
    assert resource["kind"] is ResourceKind.POOLED
    assert resource["stay"] is StayRule.ENDS
    assert 1 <= stress.quantity <= resource["capacity"]
    for moment in (stress.starts_at, stress.ends_at):
        assert moment.weekday() < 5
        assert not is_holiday(moment.date())


def test_somebody_asks_for_a_shuttle_and_somebody_for_a_class_within_the_fortnight() -> (
    None
):
    events = [
        step
        for wish in made(orders=10).wishes
        for step in wish.steps
        if any(resources()[c]["kind"] is ResourceKind.EVENT for c in step.resources)
    ]
    shuttle = next(s for s in events if s.capability.startswith("MPW"))
    assert shuttle.quantity is not None
    policy = resources()[shuttle.resources[0]]["policy"]
    assert shuttle.quantity >= policy["min_area_001mm2"]
    assert shuttle.quantity % policy["area_step_001mm2"] == 0
    assert [s for s in events if s is not shuttle]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_wish_names_what_the_catalogue_has(seed: int) -> None:
    content = catalogue()
    capabilities = {c["code"] for c in content["capabilities"]}
    classes = {c["code"] for c in content["materials"]["classes"]}
    flags = {f["code"] for f in content["materials"]["flags"]}
    routes = {r["code"]: r for r in content["routes"]}
    for wish in made(seed, orders=2000).wishes:
        assert (wish.route is None) == bool(wish.steps)
        assert wish.route is None or wish.route in routes
        assert wish.materials_class in classes
        assert set(wish.flags) <= flags
        for step in wish.steps:
            assert step.capability in capabilities
            assert step.duration_min >= 1
            for code in step.resources:
                assert step.capability in resources()[code]["capabilities"]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_named_tool_can_take_what_is_asked_of_it(seed: int) -> None:
    for wish in made(seed, orders=2000).wishes:
        for step in wish.steps:
            for code in step.resources:
                tool = resources()[code]
                if wish.wafer_mm and tool["wafer_mm"] and len(wish.steps) == 1:
                    assert wish.wafer_mm in tool["wafer_mm"]
                if tool["kind"] is ResourceKind.POOLED and step.quantity:
                    assert step.quantity <= tool["capacity"]


def test_the_steps_of_long_design_routes_are_asked_for_too() -> None:
    """What never closes is open long enough for a step of weeks."""
    long_steps = [
        s for w in made(orders=10_000).wishes for s in w.steps if s.duration_min > 10080
    ]
    assert {c for s in long_steps for c in s.resources} & {"ICD-LIC-SIM", "ICD-LIC-SCH"}
