"""Dated runs under `/api/v1`, for those who operate their platform."""

from typing import Any
from uuid import UUID

from flask import current_app, url_for

from platform_booking.catalog.phases import phase_of
from platform_booking.catalog.services import insist_on_operating
from platform_booking.clock import utcnow
from platform_booking.db import db
from platform_booking.errors import RulesBroken
from platform_booking.events import classes, importing, queries, schemas, services
from platform_booking.events.asking import AskedChange, AskedRun
from platform_booking.events.queries import RunLine
from platform_booking.exchange import files
from platform_booking.exchange.reading import as_violations
from platform_booking.exchange.schemas import ImportArgs
from platform_booking.web.actor import current_actor
from platform_booking.web.blueprint import Blueprint
from platform_booking.web.etag import expected_version, takes_if_match
from platform_booking.web.idempotency import idempotent

bp = Blueprint("events_api", __name__, url_prefix="/api/v1", description="Dated runs.")


@bp.post("/resources/<uuid:resource_id>/occurrences")
@idempotent
@bp.arguments(schemas.NewRunSchema)
@bp.response(201, schemas.RunSchema)
def date_run(asked: AskedRun, resource_id: UUID) -> Any:
    """Date a run of an event of one's platform."""
    line = services.date_run(
        resource_id,
        asked,
        actor=current_actor(),
        now=utcnow(),
        zone=current_app.config["SETTINGS"].zone,
    )
    there = url_for("events_api.show", run_id=line.run.public_id)
    return _told(line), 201, _etag(line) | {"Location": there}


@bp.post("/resources/<uuid:resource_id>/occurrences/import")
@idempotent
@bp.arguments(ImportArgs, location="query")
@bp.doc(requestBody=files.BODY)
@bp.alt_response(200, schema=schemas.ImportedSchema, description="A dry run's findings")
@bp.response(201, schemas.ImportedSchema)
def take_in(args: dict[str, Any], resource_id: UUID) -> Any:
    """Date a run for every row of a file, or none.

    Its columns are the fields of `POST /api/v1/resources/{id}/occurrences`, with
    `quotas.CLASS` and `phases.NAME`. `dry_run=true` dates nothing and lists every fault.
    """
    outcome = importing.take_in(
        resource_id,
        files.sent(),
        actor=current_actor(),
        now=utcnow(),
        zone=current_app.config["SETTINGS"].zone,
        dry_run=args["dry_run"],
    )
    if args["dry_run"]:
        return outcome, 200
    if outcome.faults:
        raise RulesBroken(as_violations(outcome.faults))
    return outcome, 201


@bp.get("/occurrences/<uuid:run_id>")
@bp.response(200, schemas.RunSchema)
def show(run_id: UUID) -> Any:
    """Show a dated run of one's platform."""
    line = queries.run_line(db.session(), run_id)
    insist_on_operating(line.resource, current_actor())
    return _told(line), 200, _etag(line)


@bp.patch("/occurrences/<uuid:run_id>")
@takes_if_match
@bp.arguments(schemas.ChangeRunSchema)
@bp.response(200, schemas.RunSchema)
def change(asked: AskedChange, run_id: UUID) -> Any:
    """Change a dated run. One that is booked keeps its dates, and what is booked of it."""
    line = services.change(
        run_id,
        asked,
        expected_version=expected_version(),
        actor=current_actor(),
        now=utcnow(),
        zone=current_app.config["SETTINGS"].zone,
    )
    return _told(line), 200, _etag(line)


@bp.post("/occurrences/<uuid:run_id>/call-off")
@idempotent
@takes_if_match
@bp.arguments(schemas.CallOffSchema)
@bp.response(200, schemas.RunSchema)
def call_off(args: dict[str, Any], run_id: UUID) -> Any:
    """Call a dated run off. Its bookings are displaced, and their firms told why."""
    line = services.call_off(
        run_id,
        args["reason"],
        expected_version=expected_version(),
        actor=current_actor(),
        now=utcnow(),
    )
    return _told(queries.run_line(db.session(), run_id)), 200, _etag(line)


@bp.post("/occurrences/<uuid:run_id>/attendance")
@idempotent
@bp.arguments(schemas.ClassSeatsSchema)
@bp.response(200, schemas.MarkedSchema)
def mark(args: dict[str, Any], run_id: UUID) -> Any:
    """Mark who was at a class: they hold what it grants; the others are no-shows."""
    return classes.mark(
        run_id,
        args["attended"],
        actor=current_actor(),
        now=utcnow(),
        zone=current_app.config["SETTINGS"].zone,
    )


def _told(line: RunLine) -> dict[str, Any]:
    zone = current_app.config["SETTINGS"].zone
    return {"line": line, "phase": phase_of(line.run, now=utcnow(), zone=zone)}


def _etag(line: RunLine) -> dict[str, str]:
    return {"ETag": f'"{line.run.version}"'}
