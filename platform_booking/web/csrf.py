"""Forged requests: every unsafe call of a browser's session must carry its token.

Calls with a bearer token carry no ambient authority and need none.
"""

from flask import Flask
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.wrappers import Response

from platform_booking.web.actor import bearer
from platform_booking.web.errors import answer

_protect = CSRFProtect()


def init_app(app: Flask) -> None:
    """Check the token of unsafe calls."""
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False
    app.config["WTF_CSRF_TIME_LIMIT"] = None  # as long as the session
    app.config["WTF_CSRF_SSL_STRICT"] = False  # SameSite and the token do that work
    _protect.init_app(app)
    app.register_error_handler(CSRFError, _forged)

    @app.before_request
    def protect() -> None:
        if bearer() is None:
            _protect.protect()


def _forged(_fault: CSRFError) -> Response:
    return answer(403, "forged")
