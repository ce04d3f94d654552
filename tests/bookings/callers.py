"""Who calls in tests of bookings: by token as a program does, by session as a browser."""

import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from platform_booking.accounts.models import ApiToken, Member
from platform_booking.clock import utcnow
from platform_booking.web.actor import hashed


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
        headers = {"Authorization": f"Bearer {self.token}", **more.pop("headers", {})}
        headers.setdefault("Accept-Language", "en")
        return self.client.open(f"/api/v1{path}", method=method, headers=headers, **more)


@dataclass
class Browser:
    """Sends forms as a signed-in member would."""

    client: FlaskClient

    def enter(self, member: Member) -> "Browser":
        with self.client.session_transaction() as kept:
            kept["member"], kept["epoch"] = member.id, member.session_epoch
        return self

    def get(self, path: str, **query: Any):
        return self.client.get(path, query_string={"lang": "en", **query})

    def post(self, path: str, form: dict[str, Any], *, from_page: str | None = None):
        shown = self.get(from_page or path)
        return self.client.post(path, data={"csrf_token": csrf_of(shown.text), **form})


def csrf_of(html: str) -> str:
    """Return the forgery token of a page."""
    found = re.search(r'name="csrf-token" content="([^"]+)"', html)
    assert found, html[:500]
    return found.group(1)
