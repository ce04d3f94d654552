"""A table as the answer to a request."""

from flask import Response

from platform_booking.clock import utcnow
from platform_booking.exchange import tables


def as_file(body: bytes, form: str) -> Response:
    """Return a table as a file to keep."""
    kind = tables.MIMETYPES[form]
    response = Response(
        body, content_type=f"{kind}; charset=utf-8" if form == tables.CSV else kind
    )
    name = f"bookings-{utcnow():%Y%m%d}.{form}"
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response
