"""Who asks. Read anew for each request, so that a change of role holds at once."""

import hashlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import Flask, g, request, session
from werkzeug.exceptions import SecurityError

from platform_booking.db import NOBODY, Identity, assume, db
from platform_booking.errors import Unauthenticated

ENGINEER, ORGANISATION_ADMIN = "engineer", "organisation_admin"
OPERATOR, PARK_ADMIN = "operator", "park_admin"
KIOSK = "kiosk"  # a device, no member; also the blueprint of the only routes it reaches

_STANDING = sa.text("SELECT * FROM member_standing(:who)")
_BY_TOKEN = sa.text(
    "SELECT member.*, token.scopes"
    " FROM token_standing(:hash) AS token, member_standing(token.member_id) AS member"
)


@dataclass(frozen=True, slots=True)
class Actor:
    """A signed-in member, or a program that acts for one."""

    member_id: int
    public_id: UUID
    name: str
    locale: str
    organisation_id: int | None
    organisation_name: str | None
    roles: frozenset[str]
    platform_ids: tuple[int, ...] = ()  # platforms that the member operates
    scopes: frozenset[str] | None = None  # of an API token; None for a session

    @property
    def is_engineer(self) -> bool:
        """Whether the member may ask for time."""
        return ENGINEER in self.roles

    @property
    def is_organisation_admin(self) -> bool:
        """Whether the member runs his organisation's account."""
        return ORGANISATION_ADMIN in self.roles

    @property
    def is_operator(self) -> bool:
        """Whether the member operates a platform."""
        return bool(self.platform_ids)

    @property
    def is_park(self) -> bool:
        """Whether the member administers the park."""
        return PARK_ADMIN in self.roles

    @property
    def identity(self) -> Identity:
        """For whom the database answers when this actor asks."""
        return Identity(
            member_id=self.member_id,
            organisation_id=self.organisation_id,
            platform_ids=self.platform_ids,
            park=self.is_park,
        )


@dataclass(frozen=True, slots=True)
class Kiosk:
    """A touch screen beside the tools. It acts for a platform, never for a person."""

    kiosk_id: int
    public_id: UUID
    name: str
    platform_id: int
    resource_id: int | None  # None: all of the platform's

    @property
    def identity(self) -> Identity:
        """For whom the database answers when this device asks."""
        return Identity(platform_ids=(self.platform_id,))


def optional_kiosk() -> Kiosk | None:
    """Return the device that asks, or None where a person or nobody does."""
    kiosk: Kiosk | None = g.get("kiosk")
    return kiosk


def current_kiosk() -> Kiosk:
    """Return the device that asks.

    Raises
    ------
    Unauthenticated
        If it is none, or its address has been revoked.
    """
    kiosk = optional_kiosk()
    if kiosk is None:
        raise Unauthenticated
    return kiosk


def current_actor() -> Actor:
    """Return who asks.

    Raises
    ------
    Unauthenticated
        If nobody is signed in.
    """
    actor = optional_actor()
    if actor is None:
        raise Unauthenticated
    return actor


def optional_actor() -> Actor | None:
    """Return who asks, or None for a visitor."""
    actor: Actor | None = g.get("actor")
    return actor


def is_asset(endpoint: str | None) -> bool:
    """Tell whether an endpoint serves files that are the same for everybody."""
    return endpoint in {"static", "bootstrap.static"}


def hashed(secret: str) -> str:
    """Return how a random secret is stored: SHA-256, hex. Too long to be guessed back."""
    return hashlib.sha256(secret.encode()).hexdigest()


def standing(member_id: int, *, scopes: frozenset[str] | None = None) -> Actor | None:
    """Return a member as he stands now; None if he may not enter. Needs no identity."""
    row = db.session.execute(_STANDING, {"who": member_id}).one_or_none()
    return None if row is None else _standing_as(row, scopes=scopes)


def _standing_as(row: sa.Row[Any], *, scopes: frozenset[str] | None) -> Actor:
    g.session_epoch = row.session_epoch
    return Actor(
        member_id=row.member_id,
        public_id=row.public_id,
        name=row.name,
        locale=row.locale,
        organisation_id=row.organisation_id,
        organisation_name=row.organisation_name,
        roles=frozenset(row.roles),
        platform_ids=tuple(sorted(row.platform_ids)),
        scopes=scopes,
    )


def init_app(app: Flask) -> None:
    """Find out who asks before each request."""
    app.before_request(_enter)
    app.context_processor(lambda: {"actor": optional_actor()})


def session_epoch() -> int:
    """Return the epoch of the member that `standing` read last in this request."""
    epoch: int = g.session_epoch
    return epoch


def sign_in(actor_id: int, epoch: int) -> None:
    """Begin a session for a member; what the visitor's session held is gone."""
    session.clear()
    session.permanent = True
    session["member"] = actor_id
    session["epoch"] = epoch


def _enter() -> None:
    assume(NOBODY)  # worker threads are used again: never answer for the last visitor
    g.actor = g.kiosk = None
    if isinstance(request.routing_exception, SecurityError):
        raise request.routing_exception  # a forged Host: nothing else is looked at
    if is_asset(request.endpoint):
        return
    if request.endpoint is not None and request.endpoint.startswith(f"{KIOSK}."):
        kiosk = kiosk_standing(request.cookies.get(KIOSK, ""))
        if kiosk is not None:  # here the device counts, whoever else is signed in on it
            assume(kiosk.identity)
            g.kiosk = kiosk
            return
    token = bearer()
    actor = _by_session() if token is None else _by_token(token)
    if actor is not None:
        assume(actor.identity)
        g.actor = actor


def bearer() -> str | None:
    """Return the API token that the request carries; None when it carries none.

    A request with a token has no session: what a browser adds by itself counts for nothing.
    """
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    return secret.strip() if kind.lower() == "bearer" else None


def kiosk_standing(secret: str) -> Kiosk | None:
    """Return the kiosk whose secret this is; None if there is none, or no longer."""
    if not secret:
        return None
    row = db.session.execute(
        sa.text("SELECT * FROM kiosk_standing(:hash)"), {"hash": hashed(secret)}
    ).one_or_none()
    return None if row is None else Kiosk(*row)


def _by_token(token: str) -> Actor:
    row = db.session.execute(_BY_TOKEN, {"hash": hashed(token)}).one_or_none()
    if row is None:
        raise Unauthenticated
    return _standing_as(row, scopes=frozenset(row.scopes))


def _by_session() -> Actor | None:
    member = session.get("member")
    if not isinstance(member, int):
        return None
    actor = standing(member)
    if actor is None or g.session_epoch != session.get("epoch"):
        session.clear()
        return None
    return actor
