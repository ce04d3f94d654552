"""Parks of several sizes, made of the demo catalogue, and what is asked of them.

A park of ten copies has ten of each tool, and pools and dated runs ten times as large. Its
firms ask as those of ten demo parks, each copy with firms of its own. They are let in at
the tools of their own copy and of the next one round, so that none can be planned alone.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from platform_booking.catalog.demand import Demand, Firm, Wish, WishedStep, demand
from platform_booking.catalog.models import ResourceKind

Content = dict[str, Any]
_ALONE = {ResourceKind.UNARY, ResourceKind.BATCH}  # what a copy of the park brings itself


@dataclass(frozen=True, slots=True)
class Size:
    """A park, and how many orders are its full load."""

    orders: int
    copies: int = 1
    platforms: tuple[str, ...] = ()  # whose tools there are; () for all


SIZES = {
    "S": Size(100, platforms=("MEM",)),
    "M": Size(1_000),
    "L": Size(5_000, copies=5),
    "XL": Size(20_000, copies=20),
}


def park_of(content: Content, size: Size) -> Content:
    """Return the catalogue of a park of this size."""
    if size.platforms:
        content = _narrowed(content, set(size.platforms))
    return _widened(content, size.copies) if size.copies > 1 else content


def demand_of(
    content: Content, size: Size, *, seed: int, load: float, today: datetime, zone: ZoneInfo
) -> Demand:
    """Return what is asked of such a park; `content` is the demo catalogue.

    `seed` and `load` are those of `catalog.demand`.
    """
    base = park_of(content, replace(size, copies=1))
    alone = {r["code"] for r in base["resources"] if r["kind"] in _ALONE}
    able: dict[str, list[str]] = defaultdict(list)
    for resource in base["resources"]:
        for capability in resource["capabilities"]:
            able[capability].append(resource["code"])
    known = {o["code"] for o in base["organisations"]}
    firms: dict[str, Firm] = {}
    wishes: list[Wish] = []
    running = []
    for copy in range(size.copies):
        part = demand(
            base,
            seed=seed + 1000 * copy,
            today=today,
            zone=zone,
            orders=round(size.orders * load / size.copies),
        )
        of_copy = {f.code: _firm_of(f, copy, keep=f.code in known) for f in part.firms}
        firms |= {f.code: f for f in of_copy.values()}
        wishes += [
            replace(
                w,
                firm=of_copy[w.firm].code,
                route=w.route and _copied(w.route, copy),
                steps=tuple(_step_of(s, copy, size.copies, able, alone) for s in w.steps),
            )
            for w in part.wishes
        ]
        if copy == 0:
            running += list(part.running)
    wishes.sort(key=lambda w: (w.submitted_at, w.title, w.firm))
    return Demand(tuple(firms.values()), tuple(wishes), tuple(running))


def _step_of(
    step: WishedStep, copy: int, copies: int, able: Mapping[str, list[str]], alone: set[str]
) -> WishedStep:
    """Return the step on the tool that it names, or on those of its two copies."""
    if copies == 1:
        return step
    if step.resources:
        named = tuple(_copied(r, copy) if r in alone else r for r in step.resources)
        return replace(step, resources=named)
    return replace(step, resources=_let_in(able[step.capability], copy, copies, alone))


def _let_in(
    codes: Iterable[str], copy: int, copies: int, alone: set[str]
) -> tuple[str, ...]:
    return tuple(
        name
        for code in codes
        for name in (
            [_copied(code, copy), _copied(code, (copy + 1) % copies)]
            if code in alone
            else [code]
        )
    )


def _copied(code: str, copy: int) -> str:
    return f"{code}-{copy + 1:02d}" if copy else code


def _firm_of(firm: Firm, copy: int, *, keep: bool) -> Firm:
    if keep or not copy:
        return firm
    return replace(
        firm,
        code=_copied(firm.code, copy),
        name_zh=f"{firm.name_zh}{copy + 1}",
        name_en=f"{firm.name_en} {copy + 1}",
        registration_no=f"{firm.registration_no[:-6]}{copy:02d}{firm.registration_no[-4:]}",
    )


def _narrowed(content: Content, platforms: set[str]) -> Content:
    """Return the catalogue without the tools of other platforms and what needs them."""
    resources = [
        r
        for r in content["resources"]
        if r["platform"] in platforms or r["kind"] is ResourceKind.EVENT
    ]
    codes = {r["code"] for r in resources}
    return {
        **content,
        "resources": resources,
        "occurrences": [o for o in content["occurrences"] if o["resource"] in codes],
        "routes": [
            r
            for r in content["routes"]
            if all(codes.issuperset(s["candidates"]) for s in r["steps"])
        ],
    }


def _widened(content: Content, copies: int) -> Content:
    """Return the catalogue of a park that many times as large."""
    alone = {r["code"] for r in content["resources"] if r["kind"] in _ALONE}
    return {
        **content,
        "resources": [
            {**r, "code": _copied(r["code"], copy)}
            if r["code"] in alone
            else {**r, "capacity": r["capacity"] * copies}
            for r in content["resources"]
            for copy in range(copies if r["code"] in alone else 1)
        ],
        "occurrences": [
            {
                **o,
                "capacity": o["capacity"] * copies,
                "quotas": {name: most * copies for name, most in o["quotas"].items()},
            }
            for o in content["occurrences"]
        ],
        "routes": [
            {
                **route,
                "code": _copied(route["code"], copy),
                "steps": [
                    {
                        **step,
                        "candidates": [*_let_in(step["candidates"], copy, copies, alone)],
                    }
                    for step in route["steps"]
                ],
            }
            for route in content["routes"]
            for copy in range(copies)
        ],
    }
