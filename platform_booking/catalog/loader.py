"""Load a catalogue file: whole or not at all, again and again.

Entries are known by their codes. A second load changes what differs; a resource that the
file no longer names becomes inactive, for bookings may still point at it.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from marshmallow import ValidationError
from sqlalchemy.orm import Session

from platform_booking import audit
from platform_booking.catalog import models
from platform_booking.catalog.faults import faults
from platform_booking.catalog.fileformat import CatalogueSchema, minute_of_day
from platform_booking.errors import RulesBroken, Violation

Content = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load brought."""

    resources: int
    routes: int
    occurrences: int
    retired: int  # resources that the file no longer names


def demo_text() -> str:
    """Return the demo catalogue that comes with the service."""
    return (
        files("platform_booking.catalog").joinpath("demo/catalogue.json").read_text("utf-8")
    )


def parsed(text: str) -> Content:
    """Read a catalogue file.

    Raises
    ------
    RulesBroken
        With every fault of the file, each with its path.
    """
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as fault:
        where = f"line {fault.lineno}, column {fault.colno}"
        raise RulesBroken([_fault(f"{where}: not JSON: {fault.msg}")]) from None
    if not isinstance(raw, dict):
        raise RulesBroken([_fault("the file is not one JSON object")])
    try:
        content: Content = CatalogueSchema().load(raw)
    except ValidationError as fault:
        raise RulesBroken([_fault(line) for line in _paths(fault.messages)]) from None
    found = list(faults(content))
    if found:
        raise RulesBroken([_fault(line) for line in found])
    content["content_hash"] = hashlib.sha256(text.encode()).hexdigest()
    return content


def load(session: Session, content: Content, *, now: datetime, zone: ZoneInfo) -> Loaded:
    """Write a parsed catalogue. Takes part in the caller's transaction.

    Occurrences are given in days from the day of loading in `zone`; one that is known
    already keeps its dates, for people have booked it.
    """
    _simple(session, content)
    session.flush()  # ids of sites, calendars, capabilities
    platforms = _platforms(session, content)
    session.flush()  # ids of platforms
    retired = _resources(session, content, platforms)
    session.flush()  # ids of resources
    occurrences = _occurrences(session, content, now=now, zone=zone)
    _routes(session, content)
    session.add(
        models.CatalogueLoad(
            loaded_at=now,
            title=content["title"],
            version=content["version"],
            demo=content["demo"],
            content_hash=content["content_hash"],
            extras={
                key: content[key]
                for key in ("priority_classes", "organisations", "demand", "glossary")
            },
        )
    )
    audit.record(session, act="catalogue.load", subject=f"catalogue {content['title']}")
    return Loaded(
        resources=len(content["resources"]),
        routes=len(content["routes"]),
        occurrences=occurrences,
        retired=retired,
    )


def _fault(line: str) -> Violation:
    path, _, _message = line.partition(": ")
    return Violation(rule="catalogue", message=line, where=path)


def _paths(messages: Any, path: str = "") -> Iterable[str]:
    """Flatten marshmallow's nested messages to `resources[3].calendar: …` lines."""
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            if key == "_schema":
                yield from _paths(inner, path)
            elif isinstance(key, int):
                yield from _paths(inner, f"{path}[{key}]")
            else:
                yield from _paths(inner, f"{path}.{key}" if path else str(key))
    else:
        for message in messages if isinstance(messages, list) else [messages]:
            yield f"{path or 'file'}: {message}"


def _by_code(session: Session, model: type[Any]) -> dict[str, Any]:
    return {row.code: row for row in session.scalars(sa.select(model))}


def _put(session: Session, known: dict[str, Any], model: type[Any], values: Content) -> Any:
    row = known.get(values["code"])
    if row is None:
        row = known[values["code"]] = model(**values)
        session.add(row)
    else:
        for key, value in values.items():
            if getattr(row, key) != value:
                setattr(row, key, value)
    return row


def _named(entry: Content) -> Content:
    return {
        "code": entry["code"],
        "name_zh": entry["name"]["zh"],
        "name_en": entry["name"]["en"],
    }


def _simple(session: Session, content: Content) -> None:
    for part, model in (
        ("sites", models.Site),
        ("capabilities", models.Capability),
        ("qualifications", models.Qualification),
    ):
        known = _by_code(session, model)
        for entry in content[part]:
            _put(session, known, model, _named(entry))
    known = _by_code(session, models.MaterialFlag)
    for entry in content["materials"]["flags"]:
        _put(session, known, models.MaterialFlag, _named(entry))
    known = _by_code(session, models.MaterialsClass)
    for entry in content["materials"]["classes"]:
        _put(session, known, models.MaterialsClass, _named(entry) | {"rank": entry["rank"]})
    session.flush()  # ids of sites
    site = {row.code: row.id for row in session.scalars(sa.select(models.Site))}
    session.execute(sa.delete(models.Travel))
    session.add_all(
        models.Travel(
            from_site_id=site[e["from_"]], to_site_id=site[e["to"]], minutes=e["minutes"]
        )
        for e in content["travel"]
    )
    known = _by_code(session, models.Calendar)
    for entry in content["calendars"]:
        row = _put(
            session,
            known,
            models.Calendar,
            _named(entry)
            | {k: entry[k] for k in ("weekly", "offhours", "attended", "keeps_holidays")},
        )
        session.flush()  # old exceptions go before new ones of the same date come
        row.exceptions.clear()
        session.flush()  # as above
        row.exceptions.extend(
            models.CalendarException(on_date=e["date"], hours=e["hours"], note=e["note"])
            for e in entry["exceptions"]
        )


def _platforms(session: Session, content: Content) -> dict[str, Any]:
    site = {row.code: row.id for row in session.scalars(sa.select(models.Site))}
    known = _by_code(session, models.Platform)
    for position, entry in enumerate(content["platforms"]):
        _put(
            session,
            known,
            models.Platform,
            _named(entry)
            | {
                "site_id": site[entry["site"]],
                "position": position,
                **{k: entry[k] for k in ("freeze_hours", "horizon_days", "approval_hours")},
            },
        )
    return known


def _resources(session: Session, content: Content, platforms: Mapping[str, Any]) -> int:
    ids = {
        model: {code: row.id for code, row in _by_code(session, model).items()}
        for model in (models.Calendar, models.Capability, models.Qualification)
    }
    rank = {c["code"]: c["rank"] for c in content["materials"]["classes"]}
    known = _by_code(session, models.Resource)
    named = set()
    for entry in content["resources"]:
        named.add(entry["code"])
        _put(
            session,
            known,
            models.Resource,
            _named(entry)
            | {
                "platform_id": platforms[entry["platform"]].id,
                "kind": entry["kind"],
                "capacity": entry["capacity"],
                "calendar_id": ids[models.Calendar][entry["calendar"]],
                "stay_rule": entry["stay"],
                "class_rank": rank[entry["class_"]],
                "qualification_id": ids[models.Qualification].get(entry["qualification"]),
                "active": True,
                "demo": content["demo"],
                **{
                    k: entry[k]
                    for k in (
                        "unit", "wafer_mm", "flags_allowed", "imposes_class", "self_run",
                        "typical_minutes", "setup_minutes", "policy", "rate", "notes",
                    )
                },
            },
        )  # fmt: skip
    retired = [row for code, row in known.items() if code not in named and row.active]
    for row in retired:
        row.active = False
    session.flush()  # ids of resources
    _parts(session, content["resources"], known, ids[models.Capability], rank)
    return len(retired)


def _parts(
    session: Session,
    entries: Sequence[Content],
    resources: Mapping[str, Any],
    capability: Mapping[str, int],
    rank: Mapping[str, int],
) -> None:
    """Write capabilities, changeovers and recipes of the resources."""
    session.execute(sa.delete(models.ResourceCapability))
    session.execute(sa.delete(models.ChangeoverTime))
    recipes = {
        (row.resource_id, row.code): row
        for row in session.scalars(sa.select(models.Recipe))
    }
    for entry in entries:
        resource_id = resources[entry["code"]].id
        session.add_all(
            models.ResourceCapability(
                resource_id=resource_id, capability_id=capability[code]
            )
            for code in dict.fromkeys(entry["capabilities"])
        )
        session.add_all(
            models.ChangeoverTime(resource_id=resource_id, **change)
            for change in entry["changeovers"]
        )
        for recipe in entry["recipes"]:
            values = {
                "capability_id": capability[recipe["capability"]],
                "class_rank": rank[recipe["class_"]],
                **{
                    k: recipe[k]
                    for k in ("wafer_mm", "duration_min", "capacity", "min_load", "family")
                },
            }
            row = recipes.get((resource_id, recipe["code"]))
            if row is None:
                session.add(
                    models.Recipe(resource_id=resource_id, code=recipe["code"], **values)
                )
                continue
            for key, value in values.items():
                if getattr(row, key) != value:
                    setattr(row, key, value)


def _occurrences(
    session: Session, content: Content, *, now: datetime, zone: ZoneInfo
) -> int:
    resource = {row.code: row.id for row in session.scalars(sa.select(models.Resource))}
    known = _by_code(session, models.Occurrence)
    today = now.astimezone(zone).date()
    added = 0
    for entry in content["occurrences"]:
        if entry["code"] in known:
            continue
        minute = minute_of_day(entry["time"]) or 0
        begins = datetime.combine(
            today + timedelta(days=entry["day"]), time(minute // 60, minute % 60), zone
        )
        closes = entry["closes_day"]
        session.add(
            models.Occurrence(
                resource_id=resource[entry["resource"]],
                code=entry["code"],
                starts_at=begins,
                ends_at=begins + timedelta(minutes=entry["minutes"]),
                capacity=entry["capacity"],
                closes_at=None
                if closes is None
                else datetime.combine(today + timedelta(days=closes), time(), zone),
                phases=entry["phases"],
            )
        )
        added += 1
    return added


def _routes(session: Session, content: Content) -> None:
    capability = {row.code: row.id for row in session.scalars(sa.select(models.Capability))}
    rank = {c["code"]: c["rank"] for c in content["materials"]["classes"]}
    known = _by_code(session, models.RouteTemplate)
    for entry in content["routes"]:
        row = _put(
            session,
            known,
            models.RouteTemplate,
            _named(entry)
            | {
                "platform_codes": entry["platforms"],
                "class_rank": rank[entry["class_"]],
                **{k: entry[k] for k in ("wafer_mm", "lot_size", "flags")},
            },
        )
        row.steps = [
            models.RouteStep(
                capability_id=capability[step["capability"]],
                name_zh=step["name"]["zh"],
                name_en=step["name"]["en"],
                class_after=rank[step["class_after"]],
                co_uses=[[use["capability"], use["quantity"]] for use in step["co_uses"]],
                candidate_codes=step["candidates"],
                **{
                    k: step[k]
                    for k in (
                        "seq", "duration_min", "quantity", "lag_min_min", "lag_max_min",
                        "parallel_group", "sets_flag", "family",
                    )
                },
            )
            for step in entry["steps"]
        ]  # fmt: skip
