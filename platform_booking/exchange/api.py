"""`/api/v1/bookings/export` and `/api/v1/bookings/import`."""

from typing import Any

from flask import Response, current_app

from platform_booking.clock import utcnow
from platform_booking.errors import RulesBroken
from platform_booking.exchange import files, reading, schemas, services, tables
from platform_booking.web.actor import current_actor
from platform_booking.web.blueprint import Blueprint
from platform_booking.web.idempotency import idempotent

bp = Blueprint(
    "exchange_api",
    __name__,
    url_prefix="/api/v1",
    description="Bookings as CSV and XLSX, out and in.",
)


@bp.get("/bookings/export")
@bp.arguments(schemas.ExportArgs, location="query")
@bp.alt_response(
    200,
    schema={"type": "string", "format": "binary"},
    content_type=tables.MIMETYPES[tables.XLSX],
)
@bp.response(200, {"type": "string"}, content_type=tables.MIMETYPES[tables.CSV])
def download(args: dict[str, Any]) -> Response:
    """Give the bookings that one may see as a file, with the list's filters."""
    body = services.taken_out(
        args["wanted"], zone=current_app.config["SETTINGS"].zone, form=args["form"]
    )
    return files.as_file(body, args["form"])


@bp.post("/bookings/import")
@idempotent
@bp.arguments(schemas.ImportArgs, location="query")
@bp.doc(requestBody=files.BODY)
@bp.alt_response(200, schema=schemas.ImportSchema, description="A dry run's findings")
@bp.response(201, schemas.ImportSchema)
def upload(args: dict[str, Any]) -> Any:
    """Book every row of a file, or none.

    `dry_run=true` books nothing and lists every fault, by row and column. A file has at
    most 150 rows; more are refused as `too_many`, in a dry run, too.
    """
    outcome = services.take_in(
        files.sent(),
        actor=current_actor(),
        now=utcnow(),
        zone=current_app.config["SETTINGS"].zone,
        dry_run=args["dry_run"],
    )
    if args["dry_run"]:
        return outcome, 200
    if outcome.faults:
        raise RulesBroken(reading.as_violations(outcome.faults))
    return outcome, 201
