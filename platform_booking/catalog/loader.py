"""Write a catalogue to the database: whole or not at all, again and again.

Entries are known by their codes. A second load changes what differs. What the file no
longer names goes out of service and is never deleted, for bookings and orders point at it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking import audit
from platform_booking.catalog import load_resources, models
from platform_booking.catalog.loading import Load, assign, differs, named, put
from platform_booking.catalog.occurrences import dated
from platform_booking.catalog.reading import Content, demo_text, parsed, violation
from platform_booking.errors import RulesBroken

__all__ = ["Content", "Loaded", "demo_text", "load", "parsed"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load brought."""

    resources: int
    routes: int
    occurrences: int  # new ones
    retired: int  # resources that the file no longer names


def load(session: Session, content: Content, *, now: datetime, zone: ZoneInfo) -> Loaded:
    """Write a parsed catalogue. Takes part in the caller's transaction.

    Bookings wait meanwhile, some seconds at most. Runs that are given in days count from
    the day of the first load in `zone`; one that is known already keeps its dates, for
    people have booked it.

    Raises
    ------
    RulesBroken
        If bookings stand in the way of a change; all such changes are named. The
        transaction must be rolled back.
    """
    session.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('catalogue load'))"))
    session.execute(sa.text("SELECT FROM resource ORDER BY id FOR NO KEY UPDATE"))
    run = Load(session, content, now, zone)
    _simple(run)
    _classes(run)
    if run.refused:
        raise RulesBroken(run.refused)  # the ranks are needed by all that follows
    session.flush()  # ids of sites
    _travel(run)
    _calendars(run)
    _platforms(run)
    session.flush()  # ids of calendars, capabilities, platforms
    retired = load_resources.resources(run)
    session.flush()  # ids of resources
    load_resources.capabilities(run)
    load_resources.changeovers(run)
    load_resources.recipes(run)
    occurrences = _occurrences(run)
    _routes(run)
    if run.refused:
        raise RulesBroken(run.refused)
    _remember(run)
    return Loaded(
        resources=len(content["resources"]),
        routes=len(content["routes"]),
        occurrences=occurrences,
        retired=retired,
    )


def _remember(run: Load) -> None:
    run.session.add(
        models.CatalogueLoad(
            loaded_at=run.now,
            title=run.content["title"],
            version=run.content["version"],
            demo=run.content["demo"],
            content_hash=run.content["content_hash"],
            extras={
                key: run.content[key]
                for key in ("priority_classes", "organisations", "demand", "glossary")
            },
        )
    )
    audit.record(
        run.session, act="catalogue.load", subject=f"catalogue {run.content['title']}"
    )


def _simple(run: Load) -> None:
    for entries, model in (
        (run.content["sites"], models.Site),
        (run.content["capabilities"], models.Capability),
        (run.content["materials"]["flags"], models.MaterialFlag),
    ):
        known = run.rows(model)
        for entry in entries:
            put(run.session, known, model, named(entry))
    qualifications = run.rows(models.Qualification)
    for entry in run.content["qualifications"]:
        values = named(entry) | {"levels": entry["levels"]}
        put(run.session, qualifications, models.Qualification, values)


def _classes(run: Load) -> None:
    """Write the contamination classes. Orders carry ranks, so a class keeps its own."""
    known = run.rows(models.MaterialsClass)
    by_rank = {row.rank: row for row in known.values()}
    for number, entry in enumerate(run.content["materials"]["classes"]):
        row = known.get(entry["code"])
        if row is not None and row.rank != entry["rank"]:
            run.refused.append(
                violation(
                    f"materials.classes[{number}].rank: {entry['code']} was loaded with"
                    f" rank {row.rank}, which orders carry; give the new rank a new class"
                )
            )
            continue
        row = row or by_rank.get(entry["rank"])
        if row is None:
            run.session.add(models.MaterialsClass(**named(entry), rank=entry["rank"]))
        else:
            assign(row, named(entry))


def _travel(run: Load) -> None:
    site = run.ids(models.Site)
    wanted = {
        (site[e["from_"]], site[e["to"]]): e["minutes"] for e in run.content["travel"]
    }
    for row in run.session.scalars(sa.select(models.Travel)):
        minutes = wanted.pop((row.from_site_id, row.to_site_id), None)
        if minutes is None:
            run.session.delete(row)
        else:
            assign(row, {"minutes": minutes})
    run.session.add_all(
        models.Travel(from_site_id=start, to_site_id=end, minutes=minutes)
        for (start, end), minutes in wanted.items()
    )


def _calendars(run: Load) -> None:
    known = run.rows(models.Calendar)
    hours = ("weekly", "offhours", "attended", "keeps_holidays")
    for entry in run.content["calendars"]:
        values = {key: entry[key] for key in hours}
        row = known.get(entry["code"])
        dates = {e["date"]: (e["hours"], e["note"]) for e in entry["exceptions"]}
        before = (
            {} if row is None else {e.on_date: (e.hours, e.note) for e in row.exceptions}
        )
        if row is not None and (differs(row, values) or dates != before):
            run.session.execute(  # the guard's row first, as for bookings
                sa.update(models.Resource)
                .where(models.Resource.calendar_id == row.id)
                .values(guard_seq=models.Resource.guard_seq + 1)
                .execution_options(synchronize_session=False)
            )
        row = put(run.session, known, models.Calendar, named(entry) | values)
        if dates == before:
            continue
        row.exceptions.clear()
        run.session.flush()  # old exceptions go before new ones of the same date come
        row.exceptions.extend(
            models.CalendarException(on_date=on_date, hours=stretches, note=note)
            for on_date, (stretches, note) in dates.items()
        )


def _platforms(run: Load) -> None:
    site = run.ids(models.Site)
    known = run.rows(models.Platform)
    for position, entry in enumerate(run.content["platforms"]):
        put(
            run.session,
            known,
            models.Platform,
            named(entry)
            | {
                "site_id": site[entry["site"]],
                "position": position,
                **{k: entry[k] for k in ("freeze_hours", "horizon_days", "approval_hours")},
            },
        )


def _occurrences(run: Load) -> int:
    """Write the dated runs; return how many are new. One that is gone takes nobody more."""
    resource = run.ids(models.Resource)
    known = run.rows(models.Occurrence)
    added = 0
    for path, entry in run.numbered("occurrences"):
        row = known.pop(entry["code"], None)
        values = dated(
            entry,
            first=None if row is None else row.starts_at,
            now=run.now,
            zone=run.zone,
        ) | {"resource_id": resource[entry["resource"]], "capacity": entry["capacity"]}
        if row is None:
            run.session.add(models.Occurrence(code=entry["code"], **values))
            added += 1
        elif differs(row, values):
            with run.guarded(
                f"{path}: {entry['code']} is booked, so its times stay and its capacity"
                " does not fall below what is taken; cancel bookings first"
            ):
                assign(row, values)
    for row in known.values():
        if not row.by_staff and (row.closes_at is None or row.closes_at > run.now):
            row.closes_at = run.now
    return added


def _routes(run: Load) -> None:
    capability = run.ids(models.Capability)
    known = run.rows(models.RouteTemplate)
    mentioned = set()
    for entry in run.content["routes"]:
        mentioned.add(entry["code"])
        row = put(
            run.session,
            known,
            models.RouteTemplate,
            named(entry)
            | {
                "platform_codes": entry["platforms"],
                "class_rank": run.rank[entry["class_"]],
                "active": True,
                **{k: entry[k] for k in ("wafer_mm", "lot_size", "flags")},
            },
        )
        wanted = [_step(step, capability, run.rank) for step in entry["steps"]]
        if _same(row.steps, wanted):
            continue
        row.steps = [models.RouteStep(**values) for values in wanted]
    for code, row in known.items():
        if code not in mentioned:
            assign(row, {"active": False})


def _same(rows: Sequence[Any], wanted: Sequence[Content]) -> bool:
    return len(rows) == len(wanted) and not any(
        differs(row, values) for row, values in zip(rows, wanted, strict=True)
    )


def _step(step: Content, capability: dict[str, int], rank: dict[str, int]) -> Content:
    return {
        "capability_id": capability[step["capability"]],
        "name_zh": step["name"]["zh"],
        "name_en": step["name"]["en"],
        "class_after": rank[step["class_after"]],
        "co_uses": [[use["capability"], use["quantity"]] for use in step["co_uses"]],
        "candidate_codes": step["candidates"],
        **{
            k: step[k]
            for k in (
                "seq", "duration_min", "quantity", "lag_min_min", "lag_max_min",
                "parallel_group", "sets_flag", "family",
            )
        },
    }  # fmt: skip
