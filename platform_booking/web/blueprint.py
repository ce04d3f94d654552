"""What every feature's API is made of."""

from typing import Any

import flask_smorest
from flask import Request, abort
from webargs.flaskparser import FlaskParser


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
