"""Who calls in tests of bookings: by token as a program does, by session as a browser."""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from platform_booking.accounts.models import ApiToken, Member
from platform_booking.clock import utcnow
from platform_booking.web.actor import hashed
from tests.visitor import Visitor


def make_token(session: Session, member: Member, scopes=("read", "write")) -> str:
    """Make an API token of a member; return the secret."""
    secret = f"pb_{secrets.token_urlsafe(32)}"
    now = utcnow()
    session.add(
        ApiToken(
            member_id=member.id,
            name="test",
            prefix=secret[:8],
            token_hash=hashed(secret),
            scopes=list(scopes),
            expires_at=now + timedelta(days=1),
            created_at=now,
        )
    )
    return secret


@dataclass
class Program:
    """Calls the API with a token."""

    client: FlaskClient
    token: str

    def __call__(self, method: str, path: str, **more: Any):
        headers = {
            "Authorization": f"Bearer {self.token}",
            **(more.pop("headers", None) or {}),
        }
        return self.client.open(f"/api/v1{path}", method=method, headers=headers, **more)


@dataclass
class Browser:
    """Reads pages in English and sends forms, as a signed-in member would."""

    client: Visitor

    def enter(self, member: Member) -> "Browser":
        self.client.enter(member)
        return self

    def get(self, path: str, **query: Any):
        path, _mark, given = path.partition("?")
        query = {"lang": "en", **dict(parse_qsl(given)), **query}
        return self.client.get(path, query_string=query)

    def post(self, path: str, form: dict[str, Any]):
        self.client.set_cookie("lang", "en")
        return self.client.submit(path, form)


def cookie_of(app: Flask, member: Member) -> str:
    """Return the session cookie of a member who has signed in."""
    signer = app.session_interface.get_signing_serializer(app)
    assert signer is not None
    return str(signer.dumps({"member": member.id, "epoch": member.session_epoch}))
