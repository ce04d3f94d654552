"""A catalogue for tests of rules, as frozen values: no database."""

from typing import Any

from platform_booking.catalog.models import ResourceKind, StayRule
from platform_booking.orders.asking import NewStep
from platform_booking.orders.offer import Offer, Operation, Route, Run, Tool
from tests.orders.asked import step

ETCH, ANNEAL, SEATS, CLASS, LONG = 1, 2, 3, 4, 5
CODES = {"ETCH": ETCH, "ANNEAL": ANNEAL, "SEATS": SEATS, "CLASS": CLASS, "LONG": LONG}


def tool(code: str, capability: int, **given: Any) -> Tool:
    return Tool(
        **{
            "id": sum(map(ord, code)),
            "code": code,
            "platform_id": 1,
            "kind": ResourceKind.UNARY,
            "capacity": 1,
            "stay": StayRule.INSIDE,
            "longest_min": 7 * 1440,
            "typical_min": 60,
            "class_rank": 3,
            "wafer_mm": frozenset(),
            "flags_allowed": None,
            "imposes_class": False,
            "capability_ids": frozenset({capability}),
            **given,
        }
    )


def run(**given: Any) -> Run:
    return Run(
        **{
            "id": 1,
            "capability_id": ANNEAL,
            "wafer_mm": None,
            "class_rank": 3,
            "duration_min": 120,
            "capacity": 10,
            **given,
        }
    )


def furnace(*runs: Run, **given: Any) -> Tool:
    return tool("FUR", ANNEAL, kind=ResourceKind.BATCH, runs=runs or (run(),), **given)


def operation(capability: int, **given: Any) -> Operation:
    return Operation(
        **{
            "capability_id": capability,
            "name": "工序",
            "duration_min": 60,
            "quantity": None,
            "lag_min_min": 0,
            "lag_max_min": None,
            "parallel_group": None,
            "class_after": 0,
            "sets_flag": None,
            "co_uses": (),
            "candidates": frozenset(),
            "family": None,
            **given,
        }
    )


def route(*operations: Operation, **given: Any) -> Route:
    return Route(
        **{
            "id": 1,
            "code": "RT-1",
            "wafer_mm": 150,
            "lot_size": 25,
            "class_rank": 0,
            "flags": (),
            "operations": operations or (operation(ETCH),),
            **given,
        }
    )


def offer(*tools: Tool, routes: tuple[Route, ...] = ()) -> Offer:
    tools = tools or (tool("ETC-1", ETCH),)
    return Offer(
        capabilities=CODES,
        names={code: code for code in CODES},
        tools={t.code: t for t in tools},
        routes={r.code: r for r in routes},
        classes={"CMOS": 0, "SEMI": 1, "METAL": 2, "GEN": 3},
        flags=frozenset({"AU", "CU"}),
    )


def etch(**given: Any) -> NewStep:
    return step("ETCH", **given)
