"""`/api/v1/bookings/export` and `/api/v1/bookings/import`."""

from typing import Any

from flask import Response, current_app, request
from flask_babel import gettext as _
from webargs.flaskparser import abort

from platform_booking.clock import utcnow
from platform_booking.errors import RulesBroken, Violation
from platform_booking.exchange import files, schemas, services, tables
from platform_booking.web.actor import current_actor
from platform_booking.web.blueprint import Blueprint
from platform_booking.web.idempotency import idempotent

bp = Blueprint(
    "exchange_api",
    __name__,
    url_prefix="/api/v1",
    description="Bookings as CSV and XLSX, out and in.",
)

_FILE = {"type": "string", "format": "binary"}
_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {"type": "object", "properties": {"file": _FILE}}
        },
        **{kind: {"schema": _FILE} for kind in tables.MIMETYPES.values()},
    },
}


@bp.get("/bookings/export")
@bp.arguments(schemas.ExportArgs, location="query")
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
@bp.doc(requestBody=_BODY)
@bp.alt_response(200, schema=schemas.ImportSchema, description="A dry run's findings")
@bp.response(201, schemas.ImportSchema)
def upload(args: dict[str, Any]) -> Any:
    """Book every row of a file, or none.

    `dry_run=true` books nothing and lists every fault, by row and column. A file has at
    most 150 rows; more are refused as `too_many`, in a dry run, too.
    """
    outcome = services.take_in(
        _sent(),
        actor=current_actor(),
        now=utcnow(),
        zone=current_app.config["SETTINGS"].zone,
        dry_run=args["dry_run"],
    )
    if args["dry_run"]:
        return outcome, 200
    if outcome.faults:
        raise RulesBroken(services.as_violations(outcome))
    return outcome, 201


def _sent() -> bytes:
    if request.mimetype in tables.MIMETYPES.values():
        return request.get_data()
    if request.mimetype == "multipart/form-data":
        sent = request.files.get("file")
        if sent is None:
            told = _("the part named file is missing")
            raise RulesBroken([Violation("required", told, "file")])
        return bytes(sent.read())
    told = _(
        "this was sent as %(sent)s; send a file as multipart/form-data, or a table as"
        " %(kinds)s",
        sent=request.mimetype or _("no content type"),
        kinds=", ".join(tables.MIMETYPES.values()),
    )
    return abort(415, messages={"Content-Type": [told]})
