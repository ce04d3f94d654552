"""Whether the limits of a resource fit each other and the catalogue. Pure; all faults."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from flask_babel import gettext as _

from platform_booking.catalog.models import ResourceKind
from platform_booking.errors import Violation

Policy = Mapping[str, Any]

GRIDS = (5, 10, 15, 20, 30, 60)
"""Minutes: steps of the five-minute slots that make up an hour."""

OF_RUNS = frozenset({"grants", "grants_months", "min_area_001mm2", "area_step_001mm2"})
"""What only dated runs have."""


@dataclass(frozen=True, slots=True)
class Codes:
    """What limits may name."""

    capabilities: frozenset[str]
    classes: frozenset[str]
    flags: frozenset[str]
    qualifications: frozenset[str]


def violations(policy: Policy, kind: ResourceKind, codes: Codes) -> Iterator[Violation]:
    """Yield what is wrong with limits whose shape is right."""
    least, most = policy.get("min_minutes"), policy.get("max_minutes")
    if least is not None and most is not None and least > most:
        yield Violation(
            "min_minutes",
            _("the shortest booking is longer than the longest, %(most)s min", most=most),
            "min_minutes",
            most,
            least,
        )
    if policy.get("grid_minutes", 5) not in GRIDS:
        yield Violation(
            "grid_minutes",
            _("choose 5, 10, 15, 20, 30 or 60 min: steps that make up an hour"),
            "grid_minutes",
            None,
            policy["grid_minutes"],
        )
    if policy.keys() == {"preset"}:
        yield Violation(
            "name_alone",
            _("a name alone limits nothing; give the limits with it, or leave it out"),
            "preset",
        )
    yield from _week(policy.get("lifted", {}), "lifted")
    yield from _known(policy.get("requires", ()), codes.capabilities, "requires")
    for n, window in enumerate(policy.get("class_windows", ())):
        yield from _window(window, f"class_windows[{n}]", codes)
    if "grants" in policy:
        yield from _known([policy["grants"]], codes.qualifications, "grants")
    if kind is not ResourceKind.EVENT:
        for name in sorted(OF_RUNS & policy.keys()):
            yield Violation("not_an_event", _("only dated runs have this limit"), name)


def _window(window: Policy, where: str, codes: Codes) -> Iterator[Violation]:
    classes, flags = window.get("classes", ()), window.get("flags", ())
    yield from _known(classes, codes.classes, f"{where}.classes")
    yield from _known(flags, codes.flags, f"{where}.flags")
    if not classes and not flags:
        yield Violation(
            "for_nothing", _("name the classes or flags that these hours are for"), where
        )
    yield from _week(window["hours"], f"{where}.hours")


def _known(named: Sequence[str], known: frozenset[str], where: str) -> Iterator[Violation]:
    for code in named:
        if code not in known:
            yield Violation(
                "unknown_code", _("the catalogue has no “%(code)s”", code=code), where
            )


def _week(week: Mapping[str, Sequence[Sequence[str]]], where: str) -> Iterator[Violation]:
    for day, hours in week.items():
        spans = sorted((begins, ends) for begins, ends in hours)
        if any(start < end for (_a, end), (start, _b) in pairwise(spans)):
            yield Violation(
                "overlapping_hours",
                _("the hours overlap; write them as one"),
                f"{where}.{day}",
            )
