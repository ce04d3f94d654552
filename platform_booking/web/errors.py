"""What a caller is told when something goes wrong: problem+json, or a page.

One table maps the families of `platform_booking.errors` to HTTP. What the database says
never leaves: its details show other tenants' rows.
"""

import traceback
from collections.abc import Callable
from typing import Any

import structlog
from flask import (
    Flask,
    Response,
    current_app,
    jsonify,
    redirect,
    render_template,
    request,
    url_for,
)
from flask_babel import gettext as _
from sqlalchemy.exc import DataError, DBAPIError, OperationalError
from werkzeug.exceptions import HTTPException, SecurityError
from werkzeug.wrappers import Response as AnyResponse

from platform_booking import errors
from platform_booking.web.field_faults import in_words

STATUS: dict[type[errors.BookingError], int] = {
    errors.NotFound: 404,
    errors.Forbidden: 403,
    errors.Refused: 422,
    errors.Busy: 503,  # before its family
    errors.Conflict: 409,
    errors.Unauthenticated: 401,
    errors.TooMany: 429,
    errors.PreconditionFailed: 412,
    errors.PreconditionRequired: 428,
}
_CODES = {
    400: "malformed",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
}
_BUSY = {"40001", "40P01", "55P03", "57014"}
_MORE = "refusals_tell_more"
_log = structlog.get_logger()


def init_app(app: Flask) -> None:
    """Answer every error in one way."""
    app.extensions[_MORE] = []
    app.register_error_handler(errors.BookingError, _ours)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(DBAPIError, _database)
    app.register_error_handler(Exception, _unknown)


def tell_more(app: Flask, more: Callable[[errors.BookingError], dict[str, Any]]) -> None:
    """Let a feature add to what a refusal carries, such as a way out.

    It is called when everything that was begun is rolled back.
    """
    app.extensions[_MORE].append(more)


def title(code: str, status: int) -> str:
    """Return one sentence for a person."""
    known = {
        "not_found": _("There is nothing here that you can see."),
        "forbidden": _("Your role does not allow this."),
        "scope_missing": _("This token may only read. Make one that may also write."),
        "unauthenticated": _("Please sign in."),
        "rules_broken": _("Some rules are broken."),
        "illegal_move": _("This cannot be done in its present state."),
        "capacity_taken": _("Somebody was faster: there is no room left in that time."),
        "busy": _(
            "Somebody else is booking the same just now, and it takes longer than usual."
            " Nothing was changed; try again in a moment."
        ),
        "already_there": _("Just the same is there already."),
        "stale_version": _("It has changed since you read it. Load it again."),
        "if_match_required": _("Say which version you have read."),
        "night_running": _("The allocation of that night is already running."),
        "fenced": _("Another runner has taken this work over."),
        "too_many": _("Too many attempts. Wait a little."),
        "unavailable": _("The service is busy. Try again in a moment."),
        "malformed": _("The body is not JSON."),
        "unsupported_media_type": _("The body must be sent as JSON."),
        "too_large": _(
            "This is too large; %(n)s MiB is the most.",
            n=(request.max_content_length or 0) >> 20,
        ),
        "method_not_allowed": _("This address does not take such a request."),
        "forged": _("The page was open for too long. Load it again and repeat."),
        "invalid": _("Some fields are wrong."),
    }
    if code in known:
        return str(known[code])
    if status >= 500:
        return str(_("Something went wrong on our side. It has been recorded."))
    return str(_("This was refused."))


def answer(
    status: int, code: str, *, details: dict[str, Any] | None = None, retry_after: int = 0
) -> Response:
    """Return a problem document (RFC 9457) for programs, a page for people."""
    if _asks_a_program():
        body = {"type": f"urn:platform-booking:{code}", "title": title(code, status)}
        response = jsonify(body | {"status": status, "code": code} | (details or {}))
        response.content_type = "application/problem+json"
    else:
        response = Response(
            render_template(
                "errors/error.html",
                status=status,
                title=title(code, status),
                details=details,
            )
        )
    response.status_code = status
    if retry_after:
        response.headers["Retry-After"] = str(retry_after)
    return response


def _asks_a_program() -> bool:
    """Tell whether a program asks: of the API, or a page's script that wants JSON."""
    wanted = request.accept_mimetypes.best_match(("text/html", "application/json"))
    return request.path.startswith("/api/") or wanted == "application/json"


def _ours(fault: errors.BookingError) -> AnyResponse:
    status = next(s for family, s in STATUS.items() if isinstance(fault, family))
    if status == 401 and not _asks_a_program():
        back = request.full_path.rstrip("?") if request.method == "GET" else None
        return redirect(url_for("accounts.sign_in", next=back))
    retry = fault.retry_after if isinstance(fault, errors.TooMany | errors.Busy) else 0
    details = fault.details()
    for more in current_app.extensions[_MORE]:
        details |= more(fault)
    response = answer(status, fault.code, details=details, retry_after=retry)
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _http(fault: HTTPException) -> AnyResponse:
    if isinstance(fault, SecurityError):  # no address can be built for a foreign host
        return Response(str(_("This host name is not served here.")), 400)
    if fault.response is not None or (fault.code or 500) < 400:
        return fault.get_response()
    status = fault.code or 500
    messages = (
        getattr(fault, "data", {}).get("messages") if hasattr(fault, "data") else None
    )
    if messages:
        violations = [
            {"rule": "invalid", "message": message, "where": path}
            for path, message in flattened(messages)
        ]
        code = _CODES.get(status, "invalid")
        return answer(status, code, details={"violations": violations})
    response = answer(status, _CODES.get(status, "refused" if status < 500 else "error"))
    if status == 405 and fault.get_headers():
        response.headers["Allow"] = dict(fault.get_headers()).get("Allow", "")
    return response


def flattened(messages: Any, path: str = "", *, whole: str = "") -> list[tuple[str, str]]:
    """Flatten marshmallow's nested messages to (`steps[2].duration_min`, sentence).

    What concerns the whole of a body is told of "body".
    """
    if not isinstance(messages, dict):
        found = messages if isinstance(messages, list) else [messages]
        return [(path, in_words(m)) for m in found]
    flat: list[tuple[str, str]] = []
    for key, inner in messages.items():
        if key in {"json", "query", "form"} and not path:
            flat += flattened(inner, whole="body" if key == "json" else "")
        elif key == "_schema":
            flat += flattened(inner, path or whole)
        elif isinstance(key, int):
            flat += flattened(inner, f"{path}[{key}]")
        else:
            flat += flattened(inner, f"{path}.{key}" if path else str(key))
    return flat


def _database(fault: DBAPIError) -> AnyResponse:
    state = getattr(fault.orig, "sqlstate", None) or ""
    if (
        isinstance(fault, OperationalError)
        or state in _BUSY
        or fault.connection_invalidated
    ):
        _log.warning("database_busy", sqlstate=state)
        return answer(503, "unavailable", retry_after=2)
    if isinstance(fault, DataError):  # what was sent fits into no column: NUL, 10^100 …
        _log.warning("unstorable", sqlstate=state, route=_route())
        return answer(422, "invalid")
    return _unknown(fault)


def _unknown(fault: Exception) -> AnyResponse:
    # Class and place alone: the database's messages show other tenants' rows.
    frames = traceback.extract_tb(fault.__traceback__)
    where = [f"{f.filename.rpartition('/')[2]}:{f.lineno} {f.name}" for f in frames[-6:]]
    _log.error("unexpected", error=type(fault).__name__, route=_route(), where=where)
    return answer(500, "error")


def _route() -> str:
    """Return the route, never the path: an address may be a secret."""
    return str(request.url_rule or "")
