"""Refusals in the API's own description: which there may be of a route, and their form.

They are answered in one place (`web.errors`), so they are described in one, too.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from apispec import APISpec, BasePlugin

_KIND = "application/problem+json"
_TEXT: dict[str, Any] = {"type": "string"}
_ID = {"type": "string", "format": "uuid"}
_INSTANT = {"type": "string", "format": "date-time"}


def _object(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties}


_CODED = _object(("id", "code"), id=_ID, code=_TEXT) | {"type": ["object", "null"]}
_ALTERNATIVE = _object(
    ("kind", "resource", "starts_at", "ends_at"),
    kind={
        "type": "string",
        "enum": ["earlier", "later", "other_tool", "shorter", "longer"],
    },
    resource=_object(("id", "code"), id=_ID, code=_TEXT),
    starts_at=_INSTANT,
    ends_at=_INSTANT,
    recipe=_CODED,
    occurrence=_CODED,
)
_VIOLATION = _object(
    ("rule", "message", "where"),
    rule=_TEXT | {"description": "Which rule, for programs."},
    message=_TEXT
    | {"description": "What is wrong, and what to do; in the asker's language."},
    where=_TEXT | {"description": "The field's path in what was sent; empty: the whole."},
    limit={"description": "The rule's value."},
    actual={"description": "What was asked, or stands against it."},
)
PROBLEM = _object(
    ("type", "title", "status", "code"),
    type=_TEXT | {"description": "`urn:platform-booking:` and the code."},
    title=_TEXT | {"description": "One sentence for a person, in the asker's language."},
    status={"type": "integer"},
    code=_TEXT | {"description": "Which refusal, for programs."},
    violations={"type": "array", "items": _VIOLATION},
    alternatives={
        "type": "array",
        "items": _ALTERNATIVE,
        "description": "What might do instead of a slot; the rules accept it now.",
    },
    existing=_ID | {"description": "What is there already."},
    link=_TEXT | {"description": "The address of what is there already."},
)
_RETRY = {"schema": {"type": "integer"}, "description": "Seconds until another try."}
_ETAG = {"schema": _TEXT, "description": "The version, for If-Match; where it has one."}
_LOCATION = {"schema": _TEXT, "description": "The address of what was made, if it has one."}
_SAID = {
    400: "The body cannot be read.",
    401: "Nobody is signed in, or the token is not valid.",
    403: "The role, or the token's scope, does not allow it.",
    404: "There is nothing here that the asker can see.",
    409: "Somebody was faster, or it has changed meanwhile.",
    412: "It has changed since the version that If-Match names.",
    413: "The body is too large.",
    415: "The body is sent as something else than the route takes.",
    422: "Fields or rules are broken; all of them are listed.",
    428: "If-Match is missing.",
    429: "Too many attempts; wait.",
    503: "The service is busy, or others hold what is needed; nothing was changed.",
}


class Refusals(BasePlugin):
    """Describes what every operation may answer but success."""

    def init_spec(self, spec: APISpec) -> None:
        """Add the one form of all refusals."""
        spec.components.schema("Problem", PROBLEM)

    def operation_helper(
        self, path: str | None = None, operations: Any = None, **_options: Any
    ) -> None:
        """Say of each operation which refusals it has, and which headers its answers."""
        for method, operation in (operations or {}).items():
            responses = operation.setdefault("responses", {})
            _with_headers(method, path or "", operation)
            limited = "429" in map(str, responses)  # as the route itself says
            for name in [n for n in responses if not str(n).startswith(("2", "3"))]:
                del responses[name]
            if _parameter(operation, "If-None-Match"):
                responses["304"] = {"description": "What you have is the newest."}
            for status in (*_applicable(method, path or "", operation), *[429] * limited):
                responses[str(status)] = _refusal(status)


def _applicable(method: str, path: str, operation: dict[str, Any]) -> Iterator[int]:
    has_body = "requestBody" in operation
    writes = method != "get"
    yield from (401, 403)
    if has_body:
        yield from (400, 413, 415)
    if "{" in path or has_body:
        yield 404
    if writes:
        yield 409
    if writes or operation.get("parameters"):
        yield 422
    match = _parameter(operation, "If-Match")
    if match is not None:
        yield 412
        if match["required"]:
            yield 428
    yield 503


def _parameter(operation: dict[str, Any], name: str) -> dict[str, Any] | None:
    return next(
        (
            p
            for p in operation.get("parameters", ())
            if isinstance(p, dict) and p.get("name") == name
        ),
        None,
    )


def _with_headers(method: str, path: str, operation: dict[str, Any]) -> None:
    for status, told in operation["responses"].items():
        if not isinstance(told, dict) or not str(status).startswith("2"):
            continue
        headers: dict[str, Any] = {}
        if str(status) == "201":
            headers = {"Location": _LOCATION, "ETag": _ETAG}
        elif _parameter(operation, "If-Match") or (method == "get" and path.endswith("}")):
            headers = {"ETag": _ETAG}
        if headers:
            told["headers"] = headers | told.get("headers", {})


def _refusal(status: int) -> dict[str, Any]:
    told: dict[str, Any] = {
        "description": f"{HTTPStatus(status).phrase}. {_SAID[status]}",
        "content": {_KIND: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if status in (429, 503):
        told["headers"] = {"Retry-After": _RETRY}
    if status == 401:
        told["headers"] = {"WWW-Authenticate": {"schema": _TEXT}}
    return told
