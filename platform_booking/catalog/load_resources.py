"""The resources of a catalogue, with what they can do, as rows."""

import sqlalchemy as sa

from platform_booking.accounts.models import Organisation
from platform_booking.catalog import models
from platform_booking.catalog.loading import Load, assign, differs, named, put
from platform_booking.catalog.reading import Content, violation


def resources(run: Load) -> int:
    """Write the resources; return how many went out of service."""
    platform, calendar = run.ids(models.Platform), run.ids(models.Calendar)
    qualification = run.ids(models.Qualification)
    known = run.rows(models.Resource)
    registered = sa.select(Organisation.registration_no, Organisation.id)
    owners = {row.registration_no: row.id for row in run.session.execute(registered)}
    booked = _booked(run)
    mentioned = set()
    for path, entry in run.numbered("resources"):
        mentioned.add(entry["code"])
        if entry["owner"] is not None and entry["owner"] not in owners:
            run.refused.append(
                violation(
                    f"{path}.owner: no organisation is registered here under"
                    f" {entry['owner']!r}; let it register first, or leave the owner out"
                )
            )
        values = named(entry) | {
            "platform_id": platform[entry["platform"]],
            "kind": entry["kind"],
            "capacity": entry["capacity"],
            "calendar_id": calendar[entry["calendar"]],
            "stay_rule": entry["stay"],
            "class_rank": run.rank[entry["class_"]],
            "qualification_id": qualification.get(entry["qualification"]),
            "owner_id": owners.get(entry["owner"]),
            "active": True,
            "demo": run.content["demo"],
            **{
                k: entry[k]
                for k in (
                    "unit", "wafer_mm", "flags_allowed", "imposes_class", "self_run",
                    "typical_minutes", "setup_minutes", "policy", "rate", "notes",
                )
            },
        }  # fmt: skip
        row = known.get(entry["code"])
        if row is None:
            put(run.session, known, models.Resource, values)
            continue
        if row.id in booked and row.platform_id != values["platform_id"]:
            run.refused.append(
                violation(
                    f"{path}.platform: {row.code} has bookings, which stay with their"
                    " platform; cancel or move them first"
                )
            )
            continue
        assign(row, {k: v for k, v in values.items() if k not in {"kind", "capacity"}})
        _resize(run, row, entry, path)
    retired = [row for code, row in known.items() if code not in mentioned and row.active]
    for row in retired:
        row.active = False
    return len(retired)


def _resize(run: Load, row: models.Resource, entry: Content, path: str) -> None:
    """Change kind or capacity, unless bookings stand in the way."""
    if row.kind is not entry["kind"]:
        line = (
            f"{path}.kind: {row.code} has bookings as {row.kind}; cancel or move them"
            f" before it becomes {entry['kind']}"
        )
    elif row.capacity != entry["capacity"]:
        line = (
            f"{path}.capacity: more than {entry['capacity']} of {row.code} are booked at"
            " once; cancel or move bookings first"
        )
    else:
        return
    with run.guarded(line):
        assign(row, {"kind": entry["kind"], "capacity": entry["capacity"]})


def _booked(run: Load) -> set[int]:
    """Return the ids of the resources with bookings that are not over."""
    return set(
        run.session.scalars(
            sa.text(
                "SELECT DISTINCT resource_id FROM"
                " busy((SELECT array_agg(id) FROM resource), now(), 'infinity')"
            )
        )
    )


def capabilities(run: Load) -> None:
    """Write what each resource can do."""
    resource, capability = run.ids(models.Resource), run.ids(models.Capability)
    wanted = {
        (resource[entry["code"]], capability[code])
        for entry in run.content["resources"]
        for code in entry["capabilities"]
    }
    for row in run.session.scalars(sa.select(models.ResourceCapability)):
        if (row.resource_id, row.capability_id) in wanted:
            wanted.discard((row.resource_id, row.capability_id))
        else:
            run.session.delete(row)
    run.session.add_all(
        models.ResourceCapability(resource_id=resource_id, capability_id=capability_id)
        for resource_id, capability_id in sorted(wanted)
    )


def changeovers(run: Load) -> None:
    """Write the minutes between set-up families."""
    resource = run.ids(models.Resource)
    wanted = {
        (resource[entry["code"]], change["before"], change["after"]): change["minutes"]
        for entry in run.content["resources"]
        for change in entry["changeovers"]
    }
    for row in run.session.scalars(sa.select(models.ChangeoverTime)):
        minutes = wanted.pop((row.resource_id, row.before, row.after), None)
        if minutes is None:
            run.session.delete(row)
        else:
            assign(row, {"minutes": minutes})
    run.session.add_all(
        models.ChangeoverTime(resource_id=r, before=before, after=after, minutes=minutes)
        for (r, before, after), minutes in wanted.items()
    )


def recipes(run: Load) -> None:
    """Write the recipes; no new run is begun with one that is gone."""
    resource, capability = run.ids(models.Resource), run.ids(models.Capability)
    known = {
        (row.resource_id, row.code): row
        for row in run.session.scalars(sa.select(models.Recipe))
    }
    for path, entry in run.numbered("resources"):
        for n, recipe in enumerate(entry["recipes"]):
            key = (resource[entry["code"]], recipe["code"])
            values = {
                "capability_id": capability[recipe["capability"]],
                "class_rank": run.rank[recipe["class_"]],
                "active": True,
                **{
                    k: recipe[k]
                    for k in ("wafer_mm", "duration_min", "capacity", "min_load", "family")
                },
            }
            row = known.pop(key, None)
            if row is None:
                run.session.add(
                    models.Recipe(resource_id=key[0], code=recipe["code"], **values)
                )
            elif differs(row, values):
                with run.guarded(
                    f"{path}.recipes[{n}].capacity: a run of {recipe['code']} is booked"
                    f" with more than {recipe['capacity']}; cancel or move loads first"
                ):
                    assign(row, values)
    for row in known.values():
        assign(row, {"active": False})
