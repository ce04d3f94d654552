"""A table as what a request carries, and as the answer to one."""

from flask import Response, request
from flask_babel import gettext as _
from webargs.flaskparser import abort

from platform_booking.clock import utcnow
from platform_booking.errors import RulesBroken, Violation
from platform_booking.exchange import tables

_FILE = {"type": "string", "format": "binary"}
BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {"type": "object", "properties": {"file": _FILE}}
        },
        **{kind: {"schema": _FILE} for kind in tables.MIMETYPES.values()},
    },
}
"""What the API's description says of a request that carries a table."""


def as_file(body: bytes, form: str) -> Response:
    """Return a table as a file to keep."""
    kind = tables.MIMETYPES[form]
    response = Response(
        body, content_type=f"{kind}; charset=utf-8" if form == tables.CSV else kind
    )
    name = f"bookings-{utcnow():%Y%m%d}.{form}"
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response


def sent() -> bytes:
    """Return the file that a request to the API carries.

    Raises
    ------
    RulesBroken
        If its form has no such part.
    """
    if request.mimetype in tables.MIMETYPES.values():
        return request.get_data()
    if request.mimetype == "multipart/form-data":
        part = request.files.get("file")
        if part is None:
            told = _("the part named file is missing")
            raise RulesBroken([Violation("required", told, "file")])
        return bytes(part.read())
    told = _(
        "this was sent as %(sent)s; send a file as multipart/form-data, or a table as"
        " %(kinds)s",
        sent=request.mimetype or _("no content type"),
        kinds=", ".join(tables.MIMETYPES.values()),
    )
    return abort(415, messages={"Content-Type": [told]})
