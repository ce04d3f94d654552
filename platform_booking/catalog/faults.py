"""Whether the parts of a catalogue fit each other. Pure; every fault with its path.

A part that has a fault of its own shape is left out here; what refers to it is not blamed.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from platform_booking.catalog.filefields import minute_of_day
from platform_booking.catalog.fileformat import PHASES
from platform_booking.catalog.known import (
    NONE,
    Content,
    Damage,
    Known,
    joined,
    repeated_values,
)
from platform_booking.catalog.models import ResourceKind, StayRule
from platform_booking.catalog.route_faults import route_faults


def faults(content: Content, damage: Damage = NONE) -> Iterator[str]:
    """Yield a sentence for each fault of a catalogue whose shape is right."""
    known = Known(content, damage)
    yield from _repeated(content, known)
    for number, calendar in known.numbered("calendars"):
        yield from _calendar(calendar, f"calendars[{number}]")
    yield from _travel(known)
    for number, qualification in known.numbered("qualifications"):
        for level, told in qualification["levels"].items():
            at = f"qualifications[{number}].levels.{level}.hours"
            yield from _week(told["hours"], at)
    for number, platform in known.numbered("platforms"):
        yield from known.fault("sites", platform["site"], f"platforms[{number}].site")
    for number, resource in known.numbered("resources"):
        yield from _resource(resource, f"resources[{number}]", known)
    for number, occurrence in known.numbered("occurrences"):
        yield from _occurrence(occurrence, f"occurrences[{number}]", known)
    for number, route in known.numbered("routes"):
        yield from route_faults(route, f"routes[{number}]", known)
    for number, organisation in known.numbered("organisations"):
        yield from known.fault(
            "priority_classes",
            organisation["priority"],
            f"organisations[{number}].priority",
        )


def _repeated(content: Content, known: Known) -> Iterator[str]:
    for part, entries in content.items():
        if isinstance(entries, list) and entries and "code" in entries[0]:
            yield from _repeated_codes(known.numbered(part), part)
    for part in ("classes", "flags"):
        yield from _repeated_codes(
            enumerate(content["materials"][part]), f"materials.{part}"
        )
    ranks: dict[int, int] = {}
    for number, entry in enumerate(content["materials"]["classes"]):
        if entry["rank"] in ranks:
            yield (
                f"materials.classes[{number}].rank: {entry['rank']} is already the rank of"
                f" classes[{ranks[entry['rank']]}]"
            )
        ranks.setdefault(entry["rank"], number)


def _repeated_codes(entries: Iterator[tuple[int, Any]], path: str) -> Iterator[str]:
    seen: dict[str, int] = {}
    for number, entry in entries:
        code = entry["code"]
        if code in seen:
            yield f"{path}[{number}].code: {code!r} is already that of {path}[{seen[code]}]"
        seen.setdefault(code, number)


def _travel(known: Known) -> Iterator[str]:
    pairs: dict[tuple[str, str], int] = {}
    for number, entry in known.numbered("travel"):
        for end, key in (("from", "from_"), ("to", "to")):
            yield from known.fault("sites", entry[key], f"travel[{number}].{end}")
        pair = (entry["from_"], entry["to"])
        if pair[0] == pair[1]:
            yield f"travel[{number}].to: the same as from; a lot that stays needs no time"
        elif pair in pairs:
            yield (
                f"travel[{number}]: {pair[0]} to {pair[1]} is already"
                f" travel[{pairs[pair]}]; leave one of them out"
            )
        pairs.setdefault(pair, number)


def _calendar(calendar: Content, path: str) -> Iterator[str]:
    for part in ("weekly", "offhours", "attended"):
        yield from _week(calendar[part], f"{path}.{part}")
    for day, hours in calendar["attended"].items():
        weekly = joined(calendar["weekly"].get(day, ()))
        for begins, ends in joined(hours):
            if not any(opens <= begins and ends <= closes for opens, closes in weekly):
                yield f"{path}.attended.{day}: not within the weekly hours of that day"
                break
    dates: set[Any] = set()
    for n, exception in enumerate(calendar["exceptions"]):
        at = f"{path}.exceptions[{n}]"
        if exception["date"] in dates:
            yield f"{at}.date: {exception['date']} is given twice; write its hours as one"
        dates.add(exception["date"])
        yield from _overlapping(exception["hours"], f"{at}.hours")


def _week(week: Content, path: str) -> Iterator[str]:
    for day, hours in week.items():
        yield from _overlapping(hours, f"{path}.{day}")


def _overlapping(hours: Sequence[Sequence[str]], path: str) -> Iterator[str]:
    spans = sorted((minute_of_day(a) or 0, minute_of_day(b) or 0) for a, b in hours)
    for (_, end), (start, _) in pairwise(spans):
        if start < end:
            yield f"{path}: the hours overlap; write them as one"


def _resource(resource: Content, path: str, known: Known) -> Iterator[str]:
    yield from known.fault("platforms", resource["platform"], f"{path}.platform")
    yield from known.fault("calendars", resource["calendar"], f"{path}.calendar")
    yield from known.fault("classes", resource["class_"], f"{path}.class")
    for n, flag in enumerate(resource["flags_allowed"] or ()):
        yield from known.fault("flags", flag, f"{path}.flags_allowed[{n}]")
    for n, capability in enumerate(resource["capabilities"]):
        yield from known.fault("capabilities", capability, f"{path}.capabilities[{n}]")
    for part in ("capabilities", "wafer_mm"):
        yield from repeated_values(resource[part], f"{path}.{part}")
    if resource["qualification"] is not None:
        yield from known.fault(
            "qualifications", resource["qualification"], f"{path}.qualification"
        )
    grants = resource["policy"].get("grants")
    if grants is not None:
        yield from known.fault("qualifications", grants, f"{path}.policy.grants")
        if resource["kind"] is not ResourceKind.EVENT:
            yield f"{path}.policy.grants: only an event grants one"
    if resource["kind"] is ResourceKind.UNARY and resource["capacity"] != 1:
        yield f"{path}.capacity: a unary resource takes one job at a time, so 1"
    yield from _hours_fit(resource, path, known)
    yield from _policy(resource["policy"], f"{path}.policy", known)
    if "sets_flag" in resource["notes"]:
        yield from known.fault(
            "flags", resource["notes"]["sets_flag"], f"{path}.notes.sets_flag"
        )
    yield from _recipes(resource, path, known)
    pairs: set[tuple[str, str]] = set()
    for n, entry in enumerate(resource["changeovers"]):
        pair = (entry["before"], entry["after"])
        if pair in pairs:
            yield f"{path}.changeovers[{n}]: {pair[0]} to {pair[1]} is given twice"
        pairs.add(pair)


def _hours_fit(resource: Content, path: str, known: Known) -> Iterator[str]:
    longest = known.longest.get(resource["calendar"])
    if longest is None or resource["kind"] is ResourceKind.EVENT:
        return
    if longest == 0:
        yield (
            f"{path}.calendar: {resource['calendar']} never opens, and only event resources"
            " do without hours"
        )
    elif resource["stay"] is StayRule.INSIDE and resource["typical_minutes"] > longest:
        yield (
            f"{path}.typical_minutes: {resource['typical_minutes']} exceeds the longest"
            f" open stretch of {resource['calendar']}, {longest};"
            " is stay “ends” or “working”?"
        )
    for n, recipe in enumerate(resource["recipes"]):
        if resource["stay"] is StayRule.INSIDE and recipe["duration_min"] > longest > 0:
            yield (
                f"{path}.recipes[{n}].duration_min: {recipe['duration_min']} exceeds the"
                f" longest open stretch of {resource['calendar']}, {longest}"
            )


def _policy(policy: Content, path: str, known: Known) -> Iterator[str]:
    least, most = policy.get("min_minutes"), policy.get("max_minutes")
    if least is not None and most is not None and least > most:
        yield f"{path}.min_minutes: {least} exceeds max_minutes {most}"
    yield from _week(policy.get("lifted", {}), f"{path}.lifted")
    step = policy.get("grid_minutes", 5)
    if step % 5 or 60 % step:
        yield (
            f"{path}.grid_minutes: {step} is not a step of the five-minute slots that makes"
            " up an hour; use 5, 10, 15, 20, 30 or 60"
        )
    for n, code in enumerate(policy.get("requires", ())):
        yield from known.fault("capabilities", code, f"{path}.requires[{n}]")
    for n, window in enumerate(policy.get("class_windows", ())):
        at = f"{path}.class_windows[{n}]"
        for part in ("classes", "flags"):
            for m, code in enumerate(window.get(part, ())):
                yield from known.fault(part, code, f"{at}.{part}[{m}]")
        if not (window.get("classes") or window.get("flags")):
            yield f"{at}: name the classes or flags that it is for"
        yield from _week(window["hours"], f"{at}.hours")


def _recipes(resource: Content, path: str, known: Known) -> Iterator[str]:
    if resource["kind"] is ResourceKind.BATCH and not resource["recipes"]:
        yield f"{path}.recipes: a batch resource needs a recipe; loads share runs by it"
    if resource["kind"] is not ResourceKind.BATCH and resource["recipes"]:
        yield (
            f"{path}.recipes: only batch resources have recipes; this one is"
            f" {resource['kind']}"
        )
    yield from _repeated_codes(enumerate(resource["recipes"]), f"{path}.recipes")
    for n, recipe in enumerate(resource["recipes"]):
        yield from _recipe(recipe, resource, f"{path}.recipes[{n}]", known)


def _recipe(recipe: Content, resource: Content, path: str, known: Known) -> Iterator[str]:
    yield from known.fault("classes", recipe["class_"], f"{path}.class")
    if recipe["capability"] not in resource["capabilities"]:
        yield f"{path}.capability: {resource['code']} cannot do {recipe['capability']!r}"
    if recipe["min_load"] > recipe["capacity"]:
        yield f"{path}.min_load: {recipe['min_load']} exceeds capacity {recipe['capacity']}"
    if recipe["capacity"] > resource["capacity"]:
        yield (
            f"{path}.capacity: {recipe['capacity']} exceeds the resource's capacity"
            f" {resource['capacity']}, which is that of its largest run"
        )
    if recipe["wafer_mm"] is not None and recipe["wafer_mm"] not in resource["wafer_mm"]:
        yield f"{path}.wafer_mm: {resource['code']} does not take {recipe['wafer_mm']} mm"


def _occurrence(entry: Content, path: str, known: Known) -> Iterator[str]:
    yield from known.fault("resources", entry["resource"], f"{path}.resource")
    resource = known.resources.get(entry["resource"])
    if resource is not None and resource["kind"] is not ResourceKind.EVENT:
        yield f"{path}.resource: {entry['resource']} is {resource['kind']}, not event"
    if (entry["day"] is None) == (entry["date"] is None):
        yield f"{path}.day: give either day or date, when the run begins"
    for name in ("closes", *PHASES):
        place = entry if name == "closes" else entry["phases"]
        at = path if name == "closes" else f"{path}.phases"
        if place[f"{name}_day"] is not None and place[f"{name}_date"] is not None:
            yield f"{at}.{name}_day: give either {name}_day or {name}_date, not both"
    if entry["min_fill"] is not None and entry["min_fill"] > entry["capacity"]:
        yield f"{path}.min_fill: more than the capacity; such a run never takes place"
    for code in entry["quotas"]:
        yield from known.fault("priority_classes", code, f"{path}.quotas.{code}")
    for closes, begins in (("closes_day", "day"), ("closes_date", "date")):
        if None not in (entry[closes], entry[begins]) and entry[closes] > entry[begins]:
            yield f"{path}.{closes}: registration closes after the run begins"
