"""`Idempotency-Key`: a retry gets the first answer and does nothing twice.

The key is kept in the deed's own transaction: after a crash either both are there or
neither is. Keys belong to a member and a route.
"""

import hashlib
import json
from collections.abc import Callable
from functools import wraps
from typing import Any

import sqlalchemy as sa
from flask import Response, jsonify, make_response, request
from flask_babel import gettext as _

from platform_booking.clock import utcnow
from platform_booking.db import enclosing
from platform_booking.errors import RulesBroken, Violation
from platform_booking.web.actor import current_actor
from platform_booking.web.models import IdempotencyKey

HEADER = "Idempotency-Key"
_LONGEST = 255
View = Callable[..., Any]


def idempotent(view: View) -> View:
    """Answer a repeated key with the first answer. Outermost below the route."""

    @wraps(view)
    def once(*args: Any, **kwargs: Any) -> Any:
        key = request.headers.get(HEADER)
        if key is None:
            return view(*args, **kwargs)
        if not 0 < len(key) <= _LONGEST or not key.isprintable():
            raise _refused(
                "idempotency_key", _("1 to 255 printable characters are allowed.")
            )
        return _once(view, key, args, kwargs)

    return once


def _once(view: View, key: str, args: Any, kwargs: Any) -> Response:
    member_id = current_actor().member_id
    route = f"{request.method} {request.path}"
    body = hashlib.sha256(request.get_data()).hexdigest()
    with enclosing() as session:
        # A rival with the same key waits here until we commit, and then finds our row.
        fresh = session.execute(
            sa.dialects.postgresql.insert(IdempotencyKey)
            .values(
                member_id=member_id,
                route=route,
                key=key,
                body_hash=body,
                status=0,
                answer={},
                created_at=utcnow(),
            )
            .on_conflict_do_nothing()
            .returning(IdempotencyKey.id)
        ).scalar()
        if fresh is None:
            row = session.scalars(
                sa.select(IdempotencyKey).filter_by(
                    member_id=member_id, route=route, key=key
                )
            ).one()
            if row.body_hash != body:
                raise _refused(
                    "idempotency_key_reused",
                    _("This key was used for another body. Choose a new one."),
                )
            return _replay(row)
        response = make_response(view(*args, **kwargs))
        session.execute(
            sa.update(IdempotencyKey)
            .where(IdempotencyKey.id == fresh)
            .values(
                status=response.status_code,
                answer={
                    "body": json.loads(response.get_data(as_text=True) or "null"),
                    "headers": {
                        name: response.headers[name]
                        for name in ("ETag", "Location")
                        if name in response.headers
                    },
                },
            )
        )
    return response


def _replay(row: IdempotencyKey) -> Response:
    response = jsonify(row.answer["body"])
    response.status_code = row.status
    response.headers.update(row.answer["headers"])
    return response


def _refused(rule: str, message: str) -> RulesBroken:
    return RulesBroken([Violation(rule, message, HEADER)])
