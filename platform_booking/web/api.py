"""The API's frame: OpenAPI 3.1 under /api/v1, its documentation served from here."""

from typing import Any

from flask import Flask
from flask_smorest import Api
from flask_swagger_ui import get_swaggerui_blueprint

from platform_booking.web.refusals_described import Refusals

PREFIX = "/api/v1"
_DOCS = "/api/docs"


class _Api(Api):  # type: ignore[misc]
    """Errors are answered by `web.errors`, like everything else's."""

    DEFAULT_ERROR_RESPONSE_NAME = None

    def _register_error_handlers(self) -> None:
        """Leave the handlers to `web.errors`."""


api = _Api()


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
    api.init_app(app, spec_kwargs={"extra_plugins": [Refusals()]})
    for blueprint in blueprints:
        api.register_blueprint(blueprint)
    app.register_blueprint(
        get_swaggerui_blueprint(_DOCS, f"{PREFIX}/openapi.json"), url_prefix=_DOCS
    )
