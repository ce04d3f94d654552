"""What every feature's API is made of."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import flask_smorest
from flask import Request, abort
from webargs.flaskparser import FlaskParser

View = Callable[..., Any]
_HEADERS = "headers"


class _Parser(FlaskParser):
    """Refuses every body that Python cannot read, not only those that are no JSON."""

    def load_json(self, req: Request, schema: Any) -> Any:
        """Read the body; 400 for one too deep, or with numbers too long."""
        try:
            return super().load_json(req, schema)
        except (RecursionError, ValueError):
            abort(400)


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]
    """A group of routes of the API; its bodies are read by the parser above."""

    ARGUMENTS_PARSER = _Parser()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._prepare_doc_cbks.append(_with_headers)


def takes_header(
    name: str, description: str, *, required: bool = False
) -> Callable[[View], View]:
    """Tell the API's description of a header that a route looks at."""
    parameter = {
        "in": "header",
        "name": name,
        "description": description,
        "required": required,
        "schema": {"type": "string"},
    }

    def marked(view: View) -> View:
        @wraps(view)
        def same(*args: Any, **kwargs: Any) -> Any:
            return view(*args, **kwargs)

        told = getattr(view, "_apidoc", {})
        both = [*told.get(_HEADERS, ()), parameter]
        same._apidoc = told | {_HEADERS: both}  # type: ignore[attr-defined] # noqa: SLF001
        return same

    return marked


def _with_headers(
    doc: dict[str, Any], told: dict[str, Any], **_options: Any
) -> dict[str, Any]:
    if _HEADERS in told:
        doc["parameters"] = [*doc.get("parameters", ()), *told[_HEADERS]]
    return doc
