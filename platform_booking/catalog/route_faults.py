"""Whether a lot can run through a route of the catalogue. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from platform_booking.catalog.known import Content, Known, repeated_values
from platform_booking.catalog.models import ResourceKind, StayRule


@dataclass(frozen=True, slots=True)
class _Lot:
    """What arrives at a step."""

    wafer_mm: int | None
    rank: int
    flags: frozenset[str]


def route_faults(route: Content, path: str, known: Known) -> Iterator[str]:
    """Yield a sentence for each fault of a route."""
    yield from known.fault("classes", route["class_"], f"{path}.class")
    for n, code in enumerate(route["platforms"]):
        yield from known.fault("platforms", code, f"{path}.platforms[{n}]")
    for n, flag in enumerate(route["flags"]):
        yield from known.fault("flags", flag, f"{path}.flags[{n}]")
    for n, (before, after) in enumerate(pairwise(s["seq"] for s in route["steps"])):
        if after <= before:
            yield (
                f"{path}.steps[{n + 1}].seq: {after} does not follow {before}; steps are"
                " written in their order"
            )
    flags = frozenset(route["flags"])
    enters = route["class_"]
    for n, step in enumerate(route["steps"]):
        at = f"{path}.steps[{n}]"
        yield from _step(step, at, known)
        if enters in known.rank:
            lot = _Lot(route["wafer_mm"], known.rank[enters], flags)
            yield from _stranded(step, lot, at, known)
        enters = step["class_after"]
        flags |= {step["sets_flag"]} - {None}


def _step(step: Content, path: str, known: Known) -> Iterator[str]:
    yield from known.fault("capabilities", step["capability"], f"{path}.capability")
    yield from known.fault("classes", step["class_after"], f"{path}.class_after")
    if step["sets_flag"] is not None:
        yield from known.fault("flags", step["sets_flag"], f"{path}.sets_flag")
    if step["lag_max_min"] is not None and step["lag_max_min"] < step["lag_min_min"]:
        yield (
            f"{path}.lag_max_min: {step['lag_max_min']} is below lag_min_min"
            f" {step['lag_min_min']}"
        )
    for m, use in enumerate(step["co_uses"]):
        at = f"{path}.co_uses[{m}].capability"
        yield from known.fault("capabilities", use["capability"], at)
        yield from _nobody(use["capability"], at, known)
    yield from repeated_values(step["candidates"], f"{path}.candidates")
    for m, code in enumerate(step["candidates"]):
        yield from known.fault("resources", code, f"{path}.candidates[{m}]")
        resource = known.resources.get(code)
        if step["capability"] not in known.codes["capabilities"]:
            continue  # told already; nothing can do what is unknown
        if resource is not None and step["capability"] not in resource["capabilities"]:
            yield f"{path}.candidates[{m}]: {code} cannot do {step['capability']!r}"
    if not step["candidates"]:
        yield from _nobody(step["capability"], f"{path}.capability", known)


def _nobody(capability: str, path: str, known: Known) -> Iterator[str]:
    """Yield a fault if no resource can do it, as far as all could be read."""
    if "resources" in known.damage.lost or known.damage.codes.get("resources"):
        return
    if capability in known.codes["capabilities"] and not any(
        capability in r["capabilities"] for r in known.content["resources"]
    ):
        yield f"{path}: no resource of the file can do {capability!r}"


def _stranded(step: Content, lot: _Lot, path: str, known: Known) -> Iterator[str]:
    """Yield a fault if none of the candidates could ever take the lot."""
    barred = []
    for code in step["candidates"]:
        resource = known.resources.get(code)
        if resource is None or step["capability"] not in resource["capabilities"]:
            return  # a fault of its own, told already
        reason = _bar(step, lot, resource, known)
        if reason is None:
            return
        barred.append(f"{code} {reason}")
    if barred:
        yield f"{path}.candidates: none can take the lot: {'; '.join(barred)}"


def _bar(step: Content, lot: _Lot, resource: Content, known: Known) -> str | None:
    rank = known.rank.get(resource["class_"])
    if rank is not None and lot.rank > rank:
        return f"takes no class beyond {resource['class_']}"
    allowed = resource["flags_allowed"]
    if allowed is not None and not lot.flags <= set(allowed):
        return f"must not see {', '.join(sorted(lot.flags - set(allowed)))}"
    sizes = resource["wafer_mm"]
    if lot.wafer_mm is not None and sizes and lot.wafer_mm not in sizes:
        return f"takes no wafers of {lot.wafer_mm} mm"
    longest = known.longest.get(resource["calendar"])
    if (
        resource["stay"] is StayRule.INSIDE
        and resource["kind"] is not ResourceKind.EVENT
        and longest is not None
        and step["duration_min"] > longest
    ):
        return f"is never open for {step['duration_min']} min"
    if resource["kind"] is ResourceKind.BATCH and not any(
        _runs(recipe, step, lot, known) for recipe in resource["recipes"]
    ):
        return "has no recipe for it"
    return None


def _runs(recipe: Content, step: Content, lot: _Lot, known: Known) -> bool:
    sizes = (recipe["wafer_mm"], lot.wafer_mm)
    takes_size = None in sizes or sizes[0] == sizes[1]
    takes_class = known.rank.get(recipe["class_"], lot.rank) >= lot.rank
    long_enough = recipe["duration_min"] >= step["duration_min"]
    able = recipe["capability"] == step["capability"]
    return bool(able and takes_size and takes_class and long_enough)
