"""A browser without a window: every request in a context of its own, as in production."""

import contextvars
import secrets
from typing import Any

from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer
from werkzeug.test import TestResponse

from platform_booking.accounts.models import Member


class Visitor(FlaskClient):
    """A test client that carries nothing over from one request to the next but cookies."""

    def open(self, *args: Any, **options: Any) -> TestResponse:
        """Send a request outside of the test's own application context."""
        options.setdefault("buffered", True)  # files that are sent are closed, too
        return contextvars.Context().run(super().open, *args, **options)

    def enter(self, member: Member) -> "Visitor":
        """Begin a session, as signing in does."""
        with self.session_transaction() as session:
            session.clear()
            session["member"], session["epoch"] = member.id, member.session_epoch
        return self

    def submit(self, path: str, data: Any = None, **options: Any) -> TestResponse:
        """Send a form as a page of the service would: with its token."""
        fields = dict(data or {}) | {"csrf_token": self.csrf_token()}
        return self.post(path, data=fields, **options)

    def csrf_token(self) -> str:
        """Return the token that a page of this session would carry."""
        with self.session_transaction() as session:
            raw = session.setdefault("csrf_token", secrets.token_hex(20))
        salted = URLSafeTimedSerializer(
            str(self.application.secret_key), salt="wtf-csrf-token"
        )
        return str(salted.dumps(raw))


def bearer(secret: str) -> dict[str, str]:
    """Return the headers of a program."""
    return {"Authorization": f"Bearer {secret}"}
