"""One test a rule: what is asked for, which field is named, and that all come at once."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask_babel import force_locale

from platform_booking.app import create_app
from platform_booking.bookings.rules import Asker
from platform_booking.catalog.models import ResourceKind, StayRule
from platform_booking.config import Settings
from platform_booking.errors import Violation
from platform_booking.orders import rules, step_rules
from platform_booking.orders.asking import NewOrder
from platform_booking.orders.deriving import derived
from platform_booking.orders.offer import Dated, Offer, Tool
from tests.factories import MONDAY
from tests.orders.asked import DAY, HOUR, MINUTE, NOW, asked, step
from tests.orders.offers import (
    ANNEAL,
    CLASS,
    ETCH,
    SEATS,
    etch,
    furnace,
    offer,
    operation,
    route,
    run,
    tool,
)


@pytest.fixture(autouse=True, scope="module")
def _sentences() -> Iterator[None]:
    """Let the rules speak: they need an application's languages, and no database."""
    nowhere = "postgresql+psycopg://pb_web@127.0.0.1:1/nowhere"
    with create_app(Settings(database_url=nowhere, secret_key="x" * 32)).app_context():
        yield


def broken(
    new: NewOrder,
    within: Offer | None = None,
    *,
    by: Asker | None = None,
    standing_from: datetime | None = None,
) -> set[tuple[str, str]]:
    """Return which rules an order breaks, and where."""
    found = judged(new, within or offer(), by=by, standing_from=standing_from)
    return {(v.rule, v.where) for v in found}


def judged(
    new: NewOrder,
    within: Offer,
    *,
    by: Asker | None = None,
    standing_from: datetime | None = None,
) -> list[Violation]:
    """Return every broken rule of an order."""
    return list(
        rules.violations(
            new,
            derived(new, within),
            within,
            by=by or Asker(),
            now=NOW,
            standing_from=standing_from,
        )
    )


def test_an_ordinary_order_breaks_no_rule() -> None:
    assert broken(asked(etch())) == set()


def test_every_broken_rule_is_named_at_once() -> None:
    new = asked(
        etch(duration_min=0),
        step("NO.SUCH", quantity=0),
        etch(resources=("NOWHERE",), lag_min_min=60, lag_max_min=30),
        title="",
        deadline_at=MONDAY - 9 * DAY,
        materials_class="DIRTY",
        flags=("XX",),
        lot_size=0,
    )
    assert broken(new, by=Asker(contract_on_file=False, nda_on_file=False)) == {
        ("no_contract", ""),
        ("no_title", "title"),
        ("past", "deadline_at"),
        ("unknown_class", "materials_class"),
        ("unknown_flag", "flags[0]"),
        ("lot_size", "lot_size"),
        ("duration", "steps[0].duration_min"),
        ("unknown_capability", "steps[1].capability"),
        ("quantity", "steps[1].quantity"),
        ("unknown_resource", "steps[2].resources[0]"),
        ("lag_order", "steps[2].lag_max_min"),
    }


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        (Asker(contract_on_file=False, nda_on_file=True), set()),
        (Asker(contract_on_file=True, nda_on_file=False), set()),
        (Asker(contract_on_file=False, nda_on_file=False), {("no_contract", "")}),
        (Asker(project_named=True), {("unknown_project", "project_id")}),
        (Asker(project_named=True, project_known=True), set()),
    ],
)
def test_who_asks_needs_papers_and_a_project_of_his_own(by: Asker, expected: set) -> None:
    assert broken(asked(etch()), by=by) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"title": " "}, ("no_title", "title")),
        ({"title": "x" * 201}, ("too_long", "title")),
        ({"note": "x" * 2001}, ("too_long", "note")),
        ({"lot_size": 1001}, ("lot_size", "lot_size")),
        ({"lot_size": -1}, ("lot_size", "lot_size")),
        ({"wafer_mm": 0}, ("wafer_size", "wafer_mm")),
        ({"wafer_mm": 10**30}, ("wafer_size", "wafer_mm")),
        ({"materials_class": "CM0S"}, ("unknown_class", "materials_class")),
        ({"flags": ("AU", "AU")}, ("twice", "flags[1]")),
        ({"flags": ("AG",)}, ("unknown_flag", "flags[0]")),
        ({"earliest_at": NOW - 25 * HOUR}, ("past", "earliest_at")),
        ({"earliest_at": MONDAY + 9 * DAY}, ("deadline_first", "deadline_at")),
        ({"deadline_at": NOW}, ("past", "deadline_at")),
        ({"deadline_at": NOW + 731 * DAY}, ("too_far", "deadline_at")),
        ({"due_at": MONDAY}, ("due_outside", "due_at")),
        ({"due_at": MONDAY + 6 * DAY}, ("due_outside", "due_at")),
    ],
)
def test_fields_of_the_order(given: dict[str, Any], expected: tuple[str, str]) -> None:
    assert broken(asked(etch(), **given)) == {expected}


@pytest.mark.parametrize("year", [1, 9999])
def test_dates_at_the_ends_of_time_are_refused_and_break_nothing(year: int) -> None:
    far = MONDAY.replace(year=year)
    where = "earliest_at" if year == 1 else "deadline_at"
    assert {w for _, w in broken(asked(etch(), **{where: far}))} == {where}


def test_what_could_begin_this_morning_may_be_asked_for_now() -> None:
    assert broken(asked(etch(), earliest_at=NOW - 23 * HOUR)) == set()


def test_an_amended_order_keeps_its_earliest_time_even_when_that_has_passed() -> None:
    long_ago = NOW - 9 * DAY
    new = asked(etch(), earliest_at=long_ago)
    assert broken(new) == {("past", "earliest_at")}
    assert broken(new, standing_from=long_ago) == set()


def test_a_route_or_steps_and_not_both() -> None:
    within = offer(routes=(route(wafer_mm=None),))
    assert broken(asked(route="RT-1"), within) == set()
    assert broken(asked(etch(), route="RT-1"), within) == {("route_or_steps", "steps")}
    assert broken(replace(asked(etch()), steps=()), within) == {("no_steps", "route")}


def test_an_unknown_route_and_the_one_perhaps_meant() -> None:
    within = offer(routes=(route(),))
    new = asked(route="RT-2")
    assert broken(new, within) == {("unknown_route", "route")}
    found = rules.violations(new, derived(new, within), within, by=Asker(), now=NOW)
    assert "RT-1" in next(iter(found)).message


def test_a_route_is_for_one_wafer_size() -> None:
    within = offer(routes=(route(),))
    assert broken(asked(route="RT-1", wafer_mm=150), within) == set()
    assert broken(asked(route="RT-1", wafer_mm=200), within) == {("wafer_size", "wafer_mm")}


def test_an_order_has_two_hundred_steps_at_most() -> None:
    whole = {"deadline_at": MONDAY + 20 * DAY}
    assert broken(asked(*[etch()] * 200, **whole)) == set()
    assert broken(asked(*[etch()] * 201, **whole)) == {("too_many_steps", "steps")}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"name": "x" * 201}, ("too_long", "name")),
        ({"duration_min": 0}, ("duration", "duration_min")),
        ({"duration_min": 10**30}, ("duration", "duration_min")),
        ({"quantity": 0}, ("quantity", "quantity")),
        ({"quantity": 10**30}, ("quantity", "quantity")),
        ({"wafer_mm": -1}, ("wafer_size", "wafer_mm")),
        ({"materials_class": "X"}, ("unknown_class", "materials_class")),
        ({"lag_min_min": -1}, ("lag", "lag_min_min")),
        ({"lag_max_min": -1}, ("lag", "lag_max_min")),
        ({"lag_max_min": 10**30}, ("lag", "lag_max_min")),
        ({"lag_min_min": 9, "lag_max_min": 8}, ("lag_order", "lag_max_min")),
        ({"capability": "ETCHING"}, ("unknown_capability", "capability")),
        ({"resources": ("ETC-9",)}, ("unknown_resource", "resources[0]")),
        ({"resources": ("ETC-1", "ETC-1")}, ("twice", "resources[1]")),
        ({"resources": ("ETC-1", "HOT-1")}, ("unable", "resources[1]")),
        ({"windows": ((MONDAY, MONDAY),)}, ("window_order", "windows[0]")),
        (
            {"windows": ((MONDAY, MONDAY + 59 * MINUTE),)},
            ("window_too_short", "windows[0]"),
        ),
        (
            {"windows": ((MONDAY, MONDAY + 3 * HOUR), (MONDAY + HOUR, MONDAY + 4 * HOUR))},
            ("windows_overlap", "windows[1]"),
        ),
        (
            {"windows": tuple((MONDAY + n * HOUR, MONDAY + (n + 1) * HOUR) for n in range(51))},
            ("too_many_windows", "windows"),
        ),
    ],
)  # fmt: skip
def test_fields_of_a_step(given: dict[str, Any], expected: tuple[str, str]) -> None:
    within = offer(tool("ETC-1", ETCH), tool("HOT-1", ANNEAL))
    rule, field = expected
    new = asked(etch(), step(**{"capability": "ETCH", **given}))
    assert broken(new, within) == {(rule, f"steps[1].{field}")}


def said(code: str, known: list[str]) -> str:
    with force_locale("en"):
        return step_rules.alternatives(code, known, "/api/v1/capabilities")


def test_an_unknown_code_is_answered_with_the_known_ones() -> None:
    many = [f"ETCH.{n:02}" for n in range(11)]
    assert said("X", many[:10]) == f"; known are {', '.join(many[:10])}"
    assert said("X", many) == "; /api/v1/capabilities lists them all"
    near = said("litho.spin", [*many, "Litho.Spin"])
    assert near == "; did you mean Litho.Spin? /api/v1/capabilities lists them all"


def test_unknown_capabilities_routes_and_flags_are_answered_with_the_known_ones() -> None:
    within = offer(tool("ETC-1", ETCH), routes=(route(),))
    by_steps = asked(step(capability="NONE"), flags=("NONE",))
    for new, rule, known in (
        (by_steps, "unknown_capability", sorted(within.capabilities)),
        (by_steps, "unknown_flag", sorted(within.flags)),
        (asked(route="NONE"), "unknown_route", ["RT-1"]),
    ):
        with force_locale("en"):
            found = judged(new, within)
        (told,) = [v.message for v in found if v.rule == rule]
        assert told.endswith(f"NONE; known are {', '.join(known)}")


def test_the_first_step_waits_for_none() -> None:
    assert broken(asked(etch(lag_min_min=5))) == {("lag_first", "steps[0].lag_min_min")}
    assert broken(asked(etch(lag_max_min=5))) == {("lag_first", "steps[0].lag_min_min")}


@pytest.mark.parametrize(
    ("tools", "given", "expected"),
    [
        ((tool("HOT", ANNEAL),), {}, ("no_resource_capability", "steps[0].capability")),
        (
            (tool("E", ETCH, wafer_mm=frozenset({150})),),
            {"wafer_mm": 200},
            ("no_resource_size", "steps[0].wafer_mm"),
        ),
        (
            (tool("E", ETCH, class_rank=1),),
            {"materials_class": "GEN"},
            ("no_resource_class", "steps[0].materials_class"),
        ),
        ((tool("E", ETCH, class_rank=1),), {}, ("no_resource_class", "materials_class")),
        (
            (tool("S", ETCH, kind=ResourceKind.POOLED, capacity=4),),
            {"quantity": 5},
            ("no_resource_capacity", "steps[0].quantity"),
        ),
        (
            (tool("E", ETCH, longest_min=510),),
            {"duration_min": 511},
            ("no_resource_hours", "steps[0].duration_min"),
        ),
        (
            (tool("F", ETCH, kind=ResourceKind.BATCH, runs=(run(capability_id=ETCH),)),),
            {"duration_min": 121},
            ("no_resource_recipe", "steps[0].duration_min"),
        ),
    ],
)
def test_a_step_that_nothing_can_serve_says_which_condition_left_nothing(
    tools: tuple[Tool, ...], given: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert broken(asked(etch(**given)), offer(*tools)) == {expected}


def test_a_lot_of_the_wrong_size_or_with_a_barred_material_is_named_as_the_lots() -> None:
    within = offer(
        tool("E", ETCH, wafer_mm=frozenset({150}), flags_allowed=frozenset({"CU"}))
    )
    assert broken(asked(etch(), wafer_mm=200), within) == {("no_resource_size", "wafer_mm")}
    assert broken(asked(etch(), flags=("AU",)), within) == {("no_resource_flags", "flags")}
    assert broken(asked(etch(), wafer_mm=150, flags=("CU",)), within) == set()


@pytest.mark.parametrize(
    "given",
    [
        {"stay": StayRule.ENDS, "longest_min": 510},
        {"stay": StayRule.WORKING, "longest_min": 510},
        {"longest_min": 7 * 1440},
    ],
)
def test_a_long_stay_is_refused_only_where_it_must_lie_inside_the_hours(
    given: dict,
) -> None:
    assert broken(asked(etch(duration_min=4000)), offer(tool("E", ETCH, **given))) == set()


def test_what_a_route_cannot_do_is_named_as_the_routes() -> None:
    within = offer(tool("E", ETCH, class_rank=0), routes=(route(class_rank=1),))
    assert broken(asked(route="RT-1"), within) == {("no_resource_class", "route")}
    beside = route(operation(ETCH, co_uses=(("SEATS", 9),)), wafer_mm=None)
    within = offer(
        tool("E", ETCH), tool("S", SEATS, kind=ResourceKind.POOLED, capacity=8),
        routes=(beside,),
    )  # fmt: skip
    assert broken(asked(route="RT-1"), within) == {("no_resource_beside", "route")}


def test_loads_of_sized_runs_need_a_wafer_size() -> None:
    within = offer(furnace(run(wafer_mm=150), run(id=2, wafer_mm=200)))
    anneal = step("ANNEAL")
    assert broken(asked(anneal), within) == {("wafer_size_missing", "steps[0].wafer_mm")}
    assert broken(asked(anneal, wafer_mm=150), within) == set()


def test_a_lot_may_take_several_runs_but_not_any_number() -> None:
    within = offer(furnace())
    anneal = step("ANNEAL", quantity=10 * step_rules.MOST_RUNS)
    assert broken(asked(anneal), within) == set()
    more = replace(anneal, quantity=10 * step_rules.MOST_RUNS + 1)
    assert broken(asked(more), within) == {("too_many_runs", "steps[0].quantity")}


def test_the_window_of_the_order_holds_its_step() -> None:
    just = {"deadline_at": MONDAY + HOUR}
    assert broken(asked(etch(), **just)) == set()
    assert broken(asked(etch(duration_min=61), **just)) == {
        ("window_too_short", "deadline_at")
    }


def test_the_window_of_the_order_holds_the_run_that_a_load_goes_into() -> None:
    within = offer(furnace())
    new = asked(step("ANNEAL", duration_min=60), deadline_at=MONDAY + HOUR)
    assert broken(new, within) == {("window_too_short", "deadline_at")}


def test_steps_and_waits_must_fit_before_the_deadline() -> None:
    steps = (etch(), etch(lag_min_min=60))
    assert broken(asked(*steps, deadline_at=MONDAY + 3 * HOUR)) == set()
    new = asked(*steps, deadline_at=MONDAY + 3 * HOUR - MINUTE)
    assert broken(new) == {("window_too_short", "deadline_at")}


def test_steps_side_by_side_need_the_time_of_the_longest() -> None:
    group = {"parallel_group": "A"}
    within = offer(
        routes=(
            route(
                operation(ETCH),
                operation(ETCH, duration_min=120, **group),
                operation(ETCH, duration_min=180, **group),
                operation(ETCH),
            ),
        )
    )
    assert broken(asked(route="RT-1", deadline_at=MONDAY + 5 * HOUR), within) == set()
    new = asked(route="RT-1", deadline_at=MONDAY + 5 * HOUR - MINUTE)
    assert broken(new, within) == {("window_too_short", "deadline_at")}


def test_a_window_must_lie_within_the_dates_of_the_order_and_after_the_step_before() -> (
    None
):
    def second(*windows: tuple[datetime, datetime]) -> set[tuple[str, str]]:
        return broken(asked(etch(duration_min=120), etch(windows=windows)))

    assert second((MONDAY + HOUR, MONDAY + 3 * HOUR)) == set()
    refused = {("window_too_short", "steps[1].windows")}
    assert second((MONDAY, MONDAY + 3 * HOUR - MINUTE)) == refused
    assert second((MONDAY + 6 * DAY, MONDAY + 7 * DAY)) == refused
    later = (MONDAY + 4 * HOUR, MONDAY + 5 * HOUR)
    assert second((MONDAY, MONDAY + HOUR), later) == set()


def test_a_queue_time_limit_that_the_windows_make_impossible() -> None:
    def waits(most: int) -> set[tuple[str, str]]:
        first = etch(windows=((MONDAY, MONDAY + 2 * HOUR),))
        second = etch(windows=((MONDAY + 4 * HOUR, MONDAY + 6 * HOUR),), lag_max_min=most)
        return broken(asked(first, second))

    assert waits(120) == set()
    assert waits(119) == {("lag_impossible", "steps[1].lag_max_min")}


def test_a_lot_of_several_runs_must_be_able_to_keep_its_queue_time_limit() -> None:
    hours = run(duration_min=210, capacity=6)

    def lot(size: int, *furnaces: Tool) -> set[tuple[str, str]]:
        grind = operation(ETCH, lag_max_min=240)
        one = route(grind, operation(ANNEAL, duration_min=210), lot_size=size)
        within = offer(tool("E", ETCH), *furnaces, routes=(one,))
        return broken(asked(route="RT-1"), within)

    alone = furnace(hours)
    second = replace(alone, id=2, code="FUR-2", runs=(replace(hours, id=2),))
    assert lot(12, alone) == set()  # the second run begins 210 min after the first
    assert lot(13, alone) == {("lag_impossible", "lot_size")}
    assert lot(13, alone, second) == set()


def test_several_runs_one_after_the_other_must_fit_before_the_deadline() -> None:
    new = asked(step("ANNEAL", quantity=30), deadline_at=MONDAY + 6 * HOUR)
    assert broken(new, offer(furnace())) == set()
    less = replace(new, deadline_at=MONDAY + 6 * HOUR - MINUTE)
    assert broken(less, offer(furnace())) == {("window_too_short", "deadline_at")}


def test_a_dated_run_with_room_must_lie_within_the_dates() -> None:
    day = Dated(starts_at=MONDAY + DAY, ends_at=MONDAY + DAY + 2 * HOUR, capacity=10)
    within = offer(tool("C", CLASS, kind=ResourceKind.EVENT, capacity=20, dates=(day,)))
    seats = step("CLASS", quantity=10)
    assert broken(asked(seats), within) == set()
    late = asked(seats, earliest_at=MONDAY + DAY + HOUR)
    assert broken(late, within) == {("no_occurrence", "steps[0].capability")}
    assert broken(asked(replace(seats, quantity=11)), within) == {
        ("no_resource_capacity", "steps[0].quantity")
    }


def test_sentences_carry_no_placeholder() -> None:
    new = asked(step("NO.SUCH", quantity=0), etch(duration_min=timedelta.max.days))
    within = offer()
    for violation in rules.violations(
        new, derived(new, within), within, by=Asker(), now=NOW
    ):
        assert "%" not in violation.message
