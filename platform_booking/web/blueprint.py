"""What every feature's API is made of."""

from collections.abc import Callable
from functools import wraps
from json import JSONDecodeError
from typing import Any, NoReturn

import flask_smorest
from flask import Request
from flask_babel import gettext as _
from marshmallow import RAISE
from webargs.flaskparser import FlaskParser, abort, is_json_request
from webargs.multidictproxy import MultiDictProxy
from werkzeug.datastructures import MultiDict

View = Callable[..., Any]
_HEADERS = "headers"
LANGUAGE = "lang"


class _Parser(FlaskParser):
    """Refuses what Python cannot read, and every name that a route does not know."""

    DEFAULT_UNKNOWN_BY_LOCATION = {  # noqa: RUF012 - webargs' own form
        **FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION,
        "query": RAISE,
    }

    def load_querystring(self, req: Request, schema: Any) -> Any:
        """Read the query but for the language, which every address takes."""
        named = [(k, v) for k, v in req.args.items(multi=True) if k != LANGUAGE]
        return MultiDictProxy(MultiDict(named), schema)

    def load_json(self, req: Request, schema: Any) -> Any:
        """Read the body; 415 for one that is not sent as JSON, 400 for one that is none."""
        if req.get_data(cache=True) and not is_json_request(req):
            sent = req.mimetype or _("no content type")
            told = _(
                "this was sent as %(sent)s; send Content-Type: application/json", sent=sent
            )
            abort(415, messages={"Content-Type": [told]})
        try:
            return super().load_json(req, schema)
        except RecursionError:
            _malformed(_("the body is nested too deeply; nothing here needs that"))
        except ValueError:
            _malformed(_("a number in the body is too long; write fewer digits"))

    def _handle_invalid_json_error(
        self, error: JSONDecodeError | UnicodeDecodeError, *_args: Any, **_options: Any
    ) -> NoReturn:
        if isinstance(error, UnicodeDecodeError) or error.__cause__ is not None:
            _malformed(_("the body is not UTF-8; encode it so"))
        where = {"line": error.lineno, "column": error.colno}
        _malformed(
            _(
                "not JSON at line %(line)s, column %(column)s; names and texts stand in"
                " double quotes, commas only between entries, every bracket is closed",
                **where,
            )
        )


def _malformed(message: str) -> NoReturn:
    abort(400, messages={"json": [message]})


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
