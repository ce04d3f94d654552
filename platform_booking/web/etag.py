"""Versions on the wire: `ETag` out, `If-Match` in (RFC 9110)."""

from flask import Response, request

from platform_booking.errors import PreconditionFailed


def set_etag(response: Response, version: int) -> Response:
    """Mark an answer with the version of what it shows."""
    response.set_etag(str(version))
    return response


def expected_version() -> int | None:
    """Return the version that the caller believes in, or None if he names none.

    Raises
    ------
    PreconditionFailed
        If If-Match names no version of ours.
    """
    text = request.headers.get("If-Match", "").strip()
    if text in {"", "*"}:
        return None
    number = text.removeprefix("W/").strip('"')
    if not number.isdecimal():
        raise PreconditionFailed
    return int(number)
