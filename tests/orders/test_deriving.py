"""What an order comes to: who may serve each step, as the lot changes on its way."""

from typing import Any

from platform_booking.catalog.models import ResourceKind
from platform_booking.orders.deriving import Derived, derived
from platform_booking.orders.offer import Offer
from tests.orders.asked import asked, step
from tests.orders.offers import (
    ANNEAL,
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


def along(within: Offer, **given: Any) -> Derived:
    return derived(asked(route="RT-1", **given), within)


def codes(found: Derived) -> list[list[str]]:
    return [[t.code for t in one.tools] for one in found.steps]


def test_a_lot_that_has_seen_metal_never_goes_back_to_a_clean_tool() -> None:
    within = offer(
        tool("CLEAN", ETCH, class_rank=0),
        tool("DIRTY", ETCH, class_rank=2),
        routes=(
            route(operation(ETCH, class_after=2), operation(ETCH, class_after=2)),
        ),
    )  # fmt: skip
    assert codes(along(within)) == [["CLEAN", "DIRTY"], ["DIRTY"]]


def test_a_material_bars_the_tools_after_the_step_that_brings_it() -> None:
    within = offer(
        tool("FREE", ETCH),
        tool("NOGOLD", ETCH, flags_allowed=frozenset({"CU"})),
        routes=(route(operation(ETCH, sets_flag="AU"), operation(ETCH)),),
    )
    found = along(within, flags=("CU",))
    assert codes(found) == [["FREE", "NOGOLD"], ["FREE"]]
    assert [one.flags for one in found.steps] == [("CU",), ("AU", "CU")]
    assert found.flags == ("CU",)  # the lot as it enters


def test_own_steps_on_a_tool_that_imposes_its_class_carry_it_on() -> None:
    within = offer(
        tool("CLEAN", ETCH, class_rank=0), furnace(class_rank=2, imposes_class=True)
    )
    steps = (etch(), step("ANNEAL"), etch())
    found = derived(asked(*steps, materials_class="CMOS"), within)
    assert [one.class_rank for one in found.steps] == [0, 0, 2]
    assert codes(found)[2] == []
    cleaned = (etch(), step("ANNEAL"), etch(materials_class="CMOS"))
    found = derived(asked(*cleaned, materials_class="CMOS"), within)
    assert codes(found)[2] == ["CLEAN"]


def test_only_the_resources_that_a_route_or_a_step_names_are_eligible() -> None:
    one, other = tool("ONE", ETCH), tool("OTHER", ETCH)
    within = offer(
        one, other, routes=(route(operation(ETCH, candidates=frozenset({"OTHER"}))),)
    )
    assert codes(along(within)) == [["OTHER"]]
    assert codes(derived(asked(etch(resources=("ONE",))), within)) == [["ONE"]]
    assert codes(derived(asked(etch()), within)) == [["ONE", "OTHER"]]


def test_the_quantity_is_the_steps_else_the_lot_on_a_batch_else_one() -> None:
    within = offer(
        tool("E", ETCH),
        furnace(),
        tool("S", SEATS, kind=ResourceKind.POOLED, capacity=9),
        routes=(
            route(operation(ETCH), operation(ANNEAL), operation(SEATS, quantity=3)),
        ),
    )  # fmt: skip
    assert [one.quantity for one in along(within).steps] == [1, 25, 3]
    assert [one.quantity for one in along(within, lot_size=7).steps] == [1, 7, 3]


def test_the_duration_is_the_steps_else_the_recipes_else_what_is_typical() -> None:
    within = offer(
        tool("FAST", ETCH, typical_min=30),
        tool("SLOW", ETCH, typical_min=90),
        furnace(run(duration_min=480), run(id=2, duration_min=240)),
    )
    steps = (etch(duration_min=None), step("ANNEAL", duration_min=None), etch())
    found = derived(asked(*steps), within)
    assert [one.duration_min for one in found.steps] == [90, 240, 60]


def test_a_route_ties_each_step_to_those_after_it() -> None:
    group = {"parallel_group": "A", "lag_min_min": 5, "lag_max_min": 50}
    within = offer(
        routes=(
            route(
                operation(ETCH, lag_min_min=10),
                operation(ETCH, **group),
                operation(ETCH, **group),
                operation(ETCH),
            ),
        )
    )
    found = [(g.before, g.after, g.least_min, g.most_min) for g in along(within).lags]
    assert found == [(0, 1, 10, None), (0, 2, 10, None), (1, 3, 5, 50), (2, 3, 5, 50)]


def test_what_is_held_beside_a_step_is_the_roomiest_that_can() -> None:
    small = tool("S1", SEATS, kind=ResourceKind.POOLED, capacity=8, platform_id=2)
    large = tool("S2", SEATS, kind=ResourceKind.POOLED, capacity=96, platform_id=3)
    within = offer(
        tool("E", ETCH), small, large, routes=(route(operation(ETCH, co_uses=(("SEATS", 5),))),)
    )  # fmt: skip
    (only,) = along(within).steps
    assert [(t.code, n) for t, n in only.co_uses] == [("S2", 5)]
    assert only.platform_ids == [1, 3]


def test_the_code_and_the_id_of_a_route_name_the_same() -> None:
    one = route()
    within = offer(routes=(one,))
    assert derived(asked(route="RT-1"), within).route is one
    assert derived(asked(route="elsewhere"), within).steps == ()
