"""Whether the service is alive, and whether it is ready to take bookings."""

import time

from flask import Blueprint, current_app, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from platform_booking import guards
from platform_booking.db import db

bp = Blueprint("web", __name__)
_TRIED = "readiness_tried_at"
_TRY_AGAIN = 5.0  # seconds; anybody may ask, and a trial writes


@bp.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Alive: the process answers."""
    return jsonify(status="ok")


@bp.get("/readyz")
def readyz() -> ResponseReturnValue:
    """Ready: the database is there, every guard is in force and does its work."""
    try:
        found = _faults()
    except SQLAlchemyError:
        found = ["the database does not answer"]
    if found:
        return jsonify(status="unavailable", missing=found), 503
    return jsonify(status="ok", missing=[])


def _faults() -> list[str]:
    kept = current_app.extensions
    with db.engine.connect() as connection:  # nothing is committed: all of it is dropped
        found = list(guards.missing(connection))
        if not found and time.monotonic() - kept.get(_TRIED, -_TRY_AGAIN) >= _TRY_AGAIN:
            found = list(guards.failing(connection))
            if not found:
                kept[_TRIED] = time.monotonic()
    return found
