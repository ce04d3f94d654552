"""Who races for a place: eight users of as many firms, an operator and a kiosk."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from flask import Flask
from itsdangerous import URLSafeTimedSerializer

from platform_booking.accounts.models import Member, Organisation
from platform_booking.bookings.models import Kiosk
from platform_booking.catalog.models import Platform
from platform_booking.clock import utcnow
from platform_booking.web.actor import hashed
from tests.bookings.callers import make_token
from tests.factories import (
    make_member,
    make_operator,
    make_organisation,
    make_platform,
    writing,
)


@dataclass(frozen=True)
class User:
    member: Member
    firm: Organisation
    token: str
    cookie: str
    csrf: str


@dataclass
class Ground:
    """Who races, and where; `make` needs the application of the database."""

    platform: Platform
    users: list[User]
    operator: User
    kiosk: str
    secret: str

    @classmethod
    def make(cls, app: Flask, users: int = 8) -> "Ground":
        secret = f"pbk_{uuid4().hex}"
        with writing() as session:
            platform = make_platform(session)
            firms = [make_organisation(session) for _ in range(users + 1)]
            made = [
                _user(app, session, make_member(session, organisation=firm), firm)
                for firm in firms
            ]
            staff = make_operator(session, platform)
            session.add(
                Kiosk(
                    platform_id=platform.id,
                    name="Bay",
                    prefix=secret[:8],
                    token_hash=hashed(secret),
                    created_by=staff.id,
                    created_at=utcnow(),
                )
            )
            return cls(
                platform=platform,
                users=made,
                operator=_user(app, session, staff, firms[0]),
                kiosk=secret,
                secret=str(app.secret_key),
            )


def _user(app: Flask, session: Any, member: Member, firm: Organisation) -> User:
    raw = uuid4().hex
    signer = app.session_interface.get_signing_serializer(app)
    assert signer is not None
    cookie = signer.dumps(
        {"member": member.id, "epoch": member.session_epoch, "csrf_token": raw}
    )
    salted = URLSafeTimedSerializer(str(app.secret_key), salt="wtf-csrf-token")
    return User(
        member=member,
        firm=firm,
        token=make_token(session, member),
        cookie=str(cookie),
        csrf=str(salted.dumps(raw)),
    )
