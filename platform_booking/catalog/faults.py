"""Whether the parts of a catalogue fit each other. Pure; every fault with its path."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import pairwise
from typing import Any

from platform_booking.catalog.fileformat import minute_of_day
from platform_booking.catalog.models import ResourceKind

Content = Mapping[str, Any]


def faults(content: Content) -> Iterator[str]:
    """Yield a sentence for each fault of a catalogue whose shape is right."""
    yield from _repeated(content)
    known = _Known(content)
    for number, entry in enumerate(content["travel"]):
        for end in ("from_", "to"):
            yield from known.fault(
                "sites", entry[end], f"travel[{number}].{end.strip('_')}"
            )
    for number, calendar in enumerate(content["calendars"]):
        for part in ("weekly", "offhours", "attended"):
            for day, hours in calendar[part].items():
                yield from _overlapping(hours, f"calendars[{number}].{part}.{day}")
        for n, exception in enumerate(calendar["exceptions"]):
            yield from _overlapping(
                exception["hours"], f"calendars[{number}].exceptions[{n}].hours"
            )
    for number, platform in enumerate(content["platforms"]):
        yield from known.fault("sites", platform["site"], f"platforms[{number}].site")
    for number, resource in enumerate(content["resources"]):
        yield from _resource(resource, f"resources[{number}]", known)
    for number, occurrence in enumerate(content["occurrences"]):
        yield from _occurrence(occurrence, f"occurrences[{number}]", known)
    for number, route in enumerate(content["routes"]):
        yield from _route(route, f"routes[{number}]", known)
    for number, organisation in enumerate(content["organisations"]):
        yield from known.fault(
            "priority_classes",
            organisation["priority"],
            f"organisations[{number}].priority",
        )


class _Known:
    """The codes of a file, to say whether one is known and what was perhaps meant."""

    def __init__(self, content: Content) -> None:
        self.content = content
        self.codes = {
            part: {entry["code"] for entry in content[part]}
            for part in (
                "sites",
                "calendars",
                "capabilities",
                "qualifications",
                "priority_classes",
                "platforms",
                "resources",
            )
        }
        self.codes["classes"] = {c["code"] for c in content["materials"]["classes"]}
        self.codes["flags"] = {f["code"] for f in content["materials"]["flags"]}
        self.resources = {r["code"]: r for r in content["resources"]}

    def fault(self, part: str, code: str, path: str) -> Iterator[str]:
        if code in self.codes[part]:
            return
        near = get_close_matches(code, self.codes[part], n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(near)}?" if near else f"; see {part}"
        yield f"{path}: {code!r} is not among the file's {part}{hint}"


def _repeated(content: Content) -> Iterator[str]:
    for part, entries in content.items():
        if not isinstance(entries, list) or not entries or not isinstance(entries[0], dict):
            continue
        yield from _repeated_codes(entries, part)
    yield from _repeated_codes(content["materials"]["classes"], "materials.classes")
    yield from _repeated_codes(content["materials"]["flags"], "materials.flags")
    ranks: dict[int, int] = {}
    for number, entry in enumerate(content["materials"]["classes"]):
        if entry["rank"] in ranks:
            yield (
                f"materials.classes[{number}].rank: {entry['rank']} is already the rank of"
                f" classes[{ranks[entry['rank']]}]"
            )
        ranks.setdefault(entry["rank"], number)


def _repeated_codes(entries: Sequence[Mapping[str, Any]], path: str) -> Iterator[str]:
    seen: dict[str, int] = {}
    for number, entry in enumerate(entries):
        code = entry.get("code")
        if code is None:
            continue
        if code in seen:
            yield f"{path}[{number}].code: {code!r} is already that of {path}[{seen[code]}]"
        seen.setdefault(code, number)


def _overlapping(hours: Sequence[Sequence[str]], path: str) -> Iterator[str]:
    spans = sorted((minute_of_day(a) or 0, minute_of_day(b) or 0) for a, b in hours)
    for (_, end), (start, _) in pairwise(spans):
        if start < end:
            yield f"{path}: the hours overlap; write them as one"


def _resource(resource: Mapping[str, Any], path: str, known: _Known) -> Iterator[str]:
    yield from known.fault("platforms", resource["platform"], f"{path}.platform")
    yield from known.fault("calendars", resource["calendar"], f"{path}.calendar")
    yield from known.fault("classes", resource["class_"], f"{path}.class")
    for n, flag in enumerate(resource["flags_allowed"] or ()):
        yield from known.fault("flags", flag, f"{path}.flags_allowed[{n}]")
    for n, capability in enumerate(resource["capabilities"]):
        yield from known.fault("capabilities", capability, f"{path}.capabilities[{n}]")
    if resource["qualification"] is not None:
        yield from known.fault(
            "qualifications", resource["qualification"], f"{path}.qualification"
        )
    if resource["kind"] is ResourceKind.UNARY and resource["capacity"] != 1:
        yield f"{path}.capacity: a unary resource takes one job at a time, so 1"
    if resource["kind"] is ResourceKind.BATCH and not resource["recipes"]:
        yield f"{path}.recipes: a batch resource needs a recipe; loads share runs by it"
    if resource["kind"] is not ResourceKind.BATCH and resource["recipes"]:
        yield f"{path}.recipes: only batch resources have recipes; this one is " + str(
            resource["kind"]
        )
    yield from _repeated_codes(resource["recipes"], f"{path}.recipes")
    for n, recipe in enumerate(resource["recipes"]):
        yield from _recipe(recipe, resource, f"{path}.recipes[{n}]", known)
    families: set[tuple[str, str]] = set()
    for n, entry in enumerate(resource["changeovers"]):
        pair = (entry["before"], entry["after"])
        if pair in families:
            yield f"{path}.changeovers[{n}]: {pair[0]} to {pair[1]} is given twice"
        families.add(pair)


def _recipe(
    recipe: Mapping[str, Any], resource: Mapping[str, Any], path: str, known: _Known
) -> Iterator[str]:
    yield from known.fault("classes", recipe["class_"], f"{path}.class")
    if recipe["capability"] not in resource["capabilities"]:
        yield f"{path}.capability: {resource['code']} cannot do {recipe['capability']!r}"
    if recipe["min_load"] > recipe["capacity"]:
        yield f"{path}.min_load: {recipe['min_load']} exceeds capacity {recipe['capacity']}"
    if recipe["wafer_mm"] is not None and recipe["wafer_mm"] not in resource["wafer_mm"]:
        yield f"{path}.wafer_mm: {resource['code']} does not take {recipe['wafer_mm']} mm"


def _occurrence(entry: Mapping[str, Any], path: str, known: _Known) -> Iterator[str]:
    yield from known.fault("resources", entry["resource"], f"{path}.resource")
    resource = known.resources.get(entry["resource"])
    if resource is not None and resource["kind"] is not ResourceKind.EVENT:
        yield f"{path}.resource: {entry['resource']} is {resource['kind']}, not event"
    if minute_of_day(entry["time"]) is None:
        yield f"{path}.time: {entry['time']!r} is not a time of day, such as 09:00"
    if entry["closes_day"] is not None and entry["closes_day"] > entry["day"]:
        yield f"{path}.closes_day: registration closes after the run begins"


def _route(route: Mapping[str, Any], path: str, known: _Known) -> Iterator[str]:
    yield from known.fault("classes", route["class_"], f"{path}.class")
    for n, code in enumerate(route["platforms"]):
        yield from known.fault("platforms", code, f"{path}.platforms[{n}]")
    for n, flag in enumerate(route["flags"]):
        yield from known.fault("flags", flag, f"{path}.flags[{n}]")
    for n, step in enumerate(route["steps"]):
        at = f"{path}.steps[{n}]"
        yield from known.fault("capabilities", step["capability"], f"{at}.capability")
        yield from known.fault("classes", step["class_after"], f"{at}.class_after")
        if step["sets_flag"] is not None:
            yield from known.fault("flags", step["sets_flag"], f"{at}.sets_flag")
        if step["lag_max_min"] is not None and step["lag_max_min"] < step["lag_min_min"]:
            yield f"{at}.lag_max_min: {step['lag_max_min']} is below lag_min_min"
        for m, use in enumerate(step["co_uses"]):
            yield from known.fault(
                "capabilities", use["capability"], f"{at}.co_uses[{m}].capability"
            )
        yield from _candidates(step, at, known)


def _candidates(step: Mapping[str, Any], path: str, known: _Known) -> Iterator[str]:
    for m, code in enumerate(step["candidates"]):
        yield from known.fault("resources", code, f"{path}.candidates[{m}]")
        resource = known.resources.get(code)
        if resource is not None and step["capability"] not in resource["capabilities"]:
            yield f"{path}.candidates[{m}]: {code} cannot do {step['capability']!r}"
    if not step["candidates"] and not any(
        step["capability"] in r["capabilities"] for r in known.content["resources"]
    ):
        yield f"{path}.capability: no resource of the file can do {step['capability']!r}"
