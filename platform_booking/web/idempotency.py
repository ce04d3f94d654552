"""`Idempotency-Key`: a retry gets the first answer and does nothing twice.

The key is kept in the deed's own transaction: after a crash either both are there or
neither is. Keys belong to a member and a route.
"""

import hashlib
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, cast

import sqlalchemy as sa
from flask import Response, jsonify, make_response, request
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.datastructures import FileStorage

from platform_booking.clock import utcnow
from platform_booking.db import enclosing
from platform_booking.errors import RulesBroken, Violation
from platform_booking.web.actor import current_actor
from platform_booking.web.blueprint import LANGUAGE, takes_header
from platform_booking.web.models import IdempotencyKey

HEADER = "Idempotency-Key"
_LONGEST = 255
KEPT = timedelta(days=3)  # promised are 24 hours

_FORMS = frozenset({"multipart/form-data", "application/x-www-form-urlencoded"})
_CSRF_TOKEN = "csrf_token"  # noqa: S105 - a name

_KEYS = cast("sa.Table", IdempotencyKey.__table__)  # rows: nobody holds one as an object
_CLAIM = sa.dialects.postgresql.insert(_KEYS).on_conflict_do_nothing().returning(_KEYS.c.id)
_KEEP = (
    sa.update(_KEYS)
    .where(_KEYS.c.id == sa.bindparam("fresh"))
    .values(status=sa.bindparam("told"), answer=sa.bindparam("kept"))
)
View = Callable[..., Any]
_told = takes_header(
    HEADER,
    "A key of your own, 1 to 255 printable characters: a retry with the same one gets the"
    " first answer and does nothing twice, for 24 hours at least.",
)


def idempotent(view: View) -> View:
    """Answer a repeated key with the first answer. Outermost below the route."""

    @_told
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


def handed_in_once(
    token: str, deed: Callable[[], str], *, by_data: bool = False
) -> tuple[str, bool]:
    """Do what a form asks for once; return the address that it led to, and whether anew.

    `token` was made with the form. A second click, or the form handed in again by the
    browser's way back, leads to where the first one did; `by_data`, only with the same
    data: with others it is another deed. A deed that raises leaves nothing.
    """
    if by_data:
        token = f"{token} {_fingerprint()}"
    with enclosing() as session:
        route = f"{request.method} {request.path}"
        fresh = _claimed(session, token, route=route, body="")
        if fresh is None:
            return str(_kept(session, token, route=route).answer["location"]), False
        location = deed()
        kept = {"location": location}
        session.execute(_KEEP, {"fresh": fresh, "told": 303, "kept": kept})
    return location, True


def _fingerprint() -> str:
    """Return a digest of what is asked: the query but for the language, and the body.

    Of a form its fields and files count: what stands between them differs at each try.
    """
    asked: list[object] = []
    asked += sorted((k, v) for k, v in request.args.items(multi=True) if k != LANGUAGE)
    if request.mimetype in _FORMS:
        asked += sorted(
            (k, v) for k, v in request.form.items(multi=True) if k != _CSRF_TOKEN
        )
        asked += sorted((k, _digest_of(v)) for k, v in request.files.items(multi=True))
    else:
        asked.append(hashlib.sha256(request.get_data()).hexdigest())
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


def _digest_of(file: FileStorage) -> str:
    file.stream.seek(0)
    digest = hashlib.sha256(file.stream.read()).hexdigest()
    file.stream.seek(0)
    return digest


def _claimed(session: Session, key: str, *, route: str, body: str) -> int | None:
    """Write that a key is used now; None if it has been already.

    A rival with the same key waits here until we commit, and then finds our row.
    """
    claim = {
        "member_id": current_actor().member_id,
        "route": route,
        "key": key,
        "body_hash": body,
        "status": 0,
        "answer": {},
        "created_at": utcnow(),
    }
    return session.execute(_CLAIM, claim).scalar()


def _kept(session: Session, key: str, *, route: str) -> IdempotencyKey:
    return session.scalars(
        sa.select(IdempotencyKey).filter_by(
            member_id=current_actor().member_id, route=route, key=key
        )
    ).one()


def _once(view: View, key: str, args: Any, kwargs: Any) -> Response:
    route = f"{request.method} {request.path}"
    body = _fingerprint()
    with enclosing() as session:
        fresh = _claimed(session, key, route=route, body=body)
        if fresh is None:
            row = _kept(session, key, route=route)
            if row.body_hash != body:
                raise _refused(
                    "idempotency_key_reused",
                    _("This key was used for another body. Choose a new one."),
                )
            return _replay(row)
        response = make_response(view(*args, **kwargs))
        answer = {
            "body": json.loads(response.get_data(as_text=True) or "null"),
            "headers": {
                name: response.headers[name]
                for name in ("ETag", "Location")
                if name in response.headers
            },
        }
        session.execute(
            _KEEP, {"fresh": fresh, "told": response.status_code, "kept": answer}
        )
    return response


def _replay(row: IdempotencyKey) -> Response:
    response = jsonify(row.answer["body"])
    response.status_code = row.status
    response.headers.update(row.answer["headers"])
    return response


def _refused(rule: str, message: str) -> RulesBroken:
    return RulesBroken([Violation(rule, message, HEADER)])


def forget_answers(session: Session, *, now: datetime) -> None:
    """Delete answers kept longer than a retry may come."""
    session.execute(sa.delete(IdempotencyKey).where(IdempotencyKey.created_at < now - KEPT))
