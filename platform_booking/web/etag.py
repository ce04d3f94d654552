"""Versions on the wire: `ETag` out, `If-Match` in (RFC 9110)."""

from flask import Response, request
from flask_babel import gettext as _

from platform_booking.errors import PreconditionFailed, PreconditionRequired
from platform_booking.web.blueprint import takes_header

HEADER = "If-Match"

takes_if_match = takes_header(
    HEADER,
    "The ETag of what you have read; 412 if it has changed since. `*` takes any version.",
)
"""Marks a route that looks at `expected_version`."""

needs_if_match = takes_header(
    HEADER,
    "The ETag of what you have read; 412 if it has changed since, 428 without this header."
    " `*` takes any version.",
    required=True,
)
"""Marks a route that looks at `required_version`."""


def set_etag(response: Response, version: int) -> Response:
    """Mark an answer with the version of what it shows."""
    response.set_etag(str(version))
    return response


def expected_version() -> int | None:
    """Return the version that the caller believes in, or None if any will do.

    Raises
    ------
    PreconditionFailed
        If If-Match names no version of ours.
    """
    text = request.headers.get(HEADER, "").strip()
    if text in {"", "*"}:
        return None
    number = text.removeprefix("W/").strip('"')
    if not number.isdecimal():
        raise PreconditionFailed
    return int(number)


def required_version() -> int | None:
    """Return the version that the caller believes in, or None if he says `*`: any.

    Raises
    ------
    PreconditionRequired
        If there is no If-Match.
    PreconditionFailed
        If it names no version of ours.
    """
    if not request.headers.get(HEADER, "").strip():
        raise PreconditionRequired(
            HEADER, _("send If-Match with the ETag of what you have read, or * for any")
        )
    return expected_version()
