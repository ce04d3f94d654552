"""The API's frame: OpenAPI 3.1 under /api/v1, its documentation served from here."""

import json
from typing import Any

from flask import Flask, abort, request
from flask_smorest import Api
from flask_swagger_ui import get_swaggerui_blueprint

PREFIX = "/api/v1"
_DOCS = "/api/docs"


class _Api(Api):  # type: ignore[misc]
    """Errors are answered by `web.errors`, like everything else's."""

    def _register_error_handlers(self) -> None:
        """Leave the handlers to `web.errors`."""


api = _Api()


def _insist_on_json() -> None:
    """Refuse what calls itself JSON and is none, or none that can be read.

    A number of thousands of digits and a list nested thousands deep are faults of the
    sender, which the parser of the arguments would take for its own.
    """
    if not (request.path.startswith(PREFIX) and request.is_json):
        return
    try:
        json.loads(request.get_data() or b"null")
    except (ValueError, RecursionError):
        abort(400)


def init_app(app: Flask, blueprints: tuple[Any, ...]) -> None:
    """Serve the API of every feature."""
    app.config.update(
        API_TITLE="Platform booking",
        API_VERSION="v1",
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX=PREFIX,
        OPENAPI_JSON_PATH="openapi.json",
        API_SPEC_OPTIONS={
            "components": {
                "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}
            },
            "security": [{"bearer": []}],
        },
    )
    api.init_app(app)
    for blueprint in blueprints:
        api.register_blueprint(blueprint)
    app.before_request(_insist_on_json)
    app.register_blueprint(
        get_swaggerui_blueprint(_DOCS, f"{PREFIX}/openapi.json"), url_prefix=_DOCS
    )
