"""Whether the service is alive, and whether it is ready to take bookings."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from platform_booking import guards
from platform_booking.db import db

bp = Blueprint("web", __name__)


@bp.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Alive: the process answers."""
    return jsonify(status="ok")


@bp.get("/readyz")
def readyz() -> ResponseReturnValue:
    """Ready: the database is there, and every guard is in force."""
    try:
        missing = list(guards.missing(db.session.connection()))
    except SQLAlchemyError:
        return jsonify(status="unavailable", missing=["the database does not answer"]), 503
    if missing:
        return jsonify(status="unavailable", missing=missing), 503
    return jsonify(status="ok", missing=[])
