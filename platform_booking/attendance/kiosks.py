"""Kiosks: touch screens beside the tools: made, revoked, and what they show and know.

A kiosk acts for its platform and never for a person. Who stands before it says which
booking is his by its code, and can do no more than begin, end and extend that one.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from platform_booking import audit
from platform_booking.accounts.entrance import count_attempt
from platform_booking.accounts.models import SignInAttempt
from platform_booking.attendance.codes import DIGITS, is_code_of
from platform_booking.bookings.models import Booking
from platform_booking.bookings.models import Kiosk as KioskRow
from platform_booking.bookings.states import BookingState
from platform_booking.catalog.models import Outage, Platform, Resource
from platform_booking.db import transaction
from platform_booking.errors import Forbidden, NotFound, RulesBroken, Violation
from platform_booking.web.actor import Actor, Kiosk, hashed

_PREFIX = "pbk_"
_SHOWN = 10  # characters of a secret by which kiosks are told apart
_AHEAD = timedelta(hours=24)
_OVERDUE = timedelta(hours=12)
_LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Made:
    """A kiosk and its secret, which nobody is told again."""

    kiosk: KioskRow
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KioskLine:
    """A kiosk with what it stands beside."""

    kiosk: KioskRow
    platform: Platform
    resource: Resource | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """What a kiosk shows of a tool: when it is taken, never by whom."""

    resource: Resource
    now: tuple[tuple[datetime, datetime, bool], ...]  # from, to, checked in
    following: tuple[tuple[datetime, datetime], ...]
    down_until: datetime | None


def make(
    name: str,
    *,
    platform_id: UUID,
    resource_id: UUID | None = None,
    actor: Actor,
    now: datetime,
) -> Made:
    """Make a kiosk for a platform, or for one of its tools.

    Raises
    ------
    NotFound
        If there is no such platform, or the resource is not one of its.
    Forbidden
        If the actor does not operate it.
    RulesBroken
    """
    name = name.strip()
    if not 0 < len(name) <= _LONGEST_NAME:
        told = _("name it by where it stands, in at most %(most)s characters",
                 most=_LONGEST_NAME)  # fmt: skip
        raise RulesBroken([Violation("name", told, "name")])
    with transaction() as session:
        platform = session.scalars(
            sa.select(Platform).filter_by(public_id=platform_id)
        ).one_or_none()
        if platform is None:
            raise NotFound
        _insist_on_operating(platform.id, actor)
        resource = None
        if resource_id is not None:
            resource = session.scalars(
                sa.select(Resource).filter_by(
                    public_id=resource_id, platform_id=platform.id
                )
            ).one_or_none()
            if resource is None:
                raise NotFound
        secret = _PREFIX + secrets.token_urlsafe(32)
        kiosk = KioskRow(
            platform_id=platform.id,
            resource_id=resource.id if resource else None,
            name=name,
            prefix=secret[:_SHOWN],
            token_hash=hashed(secret),
            created_by=actor.member_id,
            created_at=now,
        )
        session.add(kiosk)
        session.flush()  # kiosk.public_id
        _record(session, "kiosk.make", kiosk)
        return Made(kiosk, secret)


def revoke(kiosk_id: UUID, *, actor: Actor, now: datetime) -> None:
    """Let a kiosk's address open nothing any more. Revoking twice does nothing.

    Raises
    ------
    NotFound, Forbidden
    """
    with transaction() as session:
        kiosk = session.scalars(
            sa.select(KioskRow).filter_by(public_id=kiosk_id).with_for_update()
        ).one_or_none()
        if kiosk is None:
            raise NotFound
        _insist_on_operating(kiosk.platform_id, actor)
        if kiosk.revoked_at is None:
            kiosk.revoked_at = now
            _record(session, "kiosk.revoke", kiosk)


def kiosks(session: Session) -> list[KioskLine]:
    """Return the kiosks that the asker may see; those that are revoked come last."""
    rows = session.execute(
        sa.select(KioskRow, Platform, Resource)
        .join(Platform, Platform.id == KioskRow.platform_id)
        .outerjoin(Resource, Resource.id == KioskRow.resource_id)
        .order_by(KioskRow.revoked_at.is_not(None), Platform.position, KioskRow.id)
    )
    return [KioskLine(kiosk=k, platform=p, resource=r) for k, p, r in rows]


def tools(
    session: Session, kiosk: Kiosk, *, now: datetime, only: UUID | None = None
) -> list[Tool]:
    """Return what a kiosk shows of its tools.

    Raises
    ------
    NotFound
        If `only` names a tool that it does not stand beside.
    """
    found = session.scalars(_beside(kiosk, only).order_by(Resource.code)).all()
    if only is not None and not found:
        raise NotFound
    ids = [resource.id for resource in found]
    taken: dict[int, list[Booking]] = {}
    for booking in session.scalars(
        sa.select(Booking)
        .where(Booking.resource_id.in_(ids), Booking.active)
        .where(Booking.ends_at > now - _OVERDUE, Booking.starts_at < now + _AHEAD)
        .order_by(Booking.starts_at)
    ):
        taken.setdefault(booking.resource_id, []).append(booking)
    down = dict(
        session.execute(
            sa.select(Outage.resource_id, sa.func.max(Outage.ends_at))
            .where(Outage.resource_id.in_(ids))
            .where(Outage.starts_at <= now, Outage.ends_at > now)
            .group_by(Outage.resource_id)
        ).all()
    )
    return [
        _tool(resource, taken.get(resource.id, ()), now=now, down=down.get(resource.id))
        for resource in found
    ]


def booking_by_code(
    kiosk: Kiosk, resource_id: UUID, typed: str, *, secret_key: str, now: datetime
) -> UUID:
    """Return the booking on a tool whose code was typed.

    Attempts are counted across all kiosks and workers; a right one counts for nothing.

    Raises
    ------
    NotFound
        If the kiosk does not stand beside such a tool.
    RulesBroken
        If no booking that is on now, or within a day, has this code.
    TooMany
        After ten wrong codes for the tool within 15 minutes.
    """
    with transaction() as session:
        resource = session.scalars(_beside(kiosk, resource_id)).one_or_none()
        if resource is None:
            raise NotFound
    key = hashlib.sha256(f"kiosk-code|{resource_id}".encode()).hexdigest()
    count_attempt(key, now=now)
    with transaction() as session:
        candidates = session.execute(
            sa.select(Booking.public_id, Booking.member_id)
            .where(Booking.resource_id == resource.id)
            .where(Booking.state.in_([BookingState.CONFIRMED, BookingState.IN_USE]))
            .where(Booking.ends_at > now - _OVERDUE, Booking.starts_at < now + _AHEAD)
            .order_by(Booking.starts_at, Booking.id)
        ).all()
        typed = "".join(c for c in typed if c in "0123456789")[:DIGITS]
        right = [
            public_id
            for public_id, member_id in candidates
            if is_code_of(typed, secret_key, public_id, member_id)
        ]
        if not right:
            told = _(
                "no booking of this tool has this code now; it stands on your booking’s"
                " page"
            )
            raise RulesBroken([Violation("code", told, "code")])
        newest = (
            sa.select(sa.func.max(SignInAttempt.id))
            .where(SignInAttempt.key == key)
            .scalar_subquery()
        )
        session.execute(sa.delete(SignInAttempt).where(SignInAttempt.id == newest))
        return right[0]


def _beside(kiosk: Kiosk, only: UUID | None) -> sa.Select[Resource]:
    chosen = sa.select(Resource).where(
        Resource.platform_id == kiosk.platform_id, Resource.active
    )
    if kiosk.resource_id is not None:
        chosen = chosen.where(Resource.id == kiosk.resource_id)
    if only is not None:
        chosen = chosen.where(Resource.public_id == only)
    return chosen


def _tool(
    resource: Resource, taken: Sequence[Booking], *, now: datetime, down: datetime | None
) -> Tool:
    in_use = BookingState.IN_USE
    on_now = [
        (b.starts_at, b.ends_at, b.state is in_use)
        for b in taken
        if b.starts_at <= now < b.ends_at
    ]
    later = sorted({(b.starts_at, b.ends_at) for b in taken if b.starts_at > now})
    return Tool(
        resource=resource, now=tuple(on_now), following=tuple(later[:3]), down_until=down
    )


def _insist_on_operating(platform_row_id: int, actor: Actor) -> None:
    if not actor.is_park and platform_row_id not in actor.platform_ids:
        raise Forbidden


def _record(session: Session, act: str, kiosk: KioskRow) -> None:
    audit.record(
        session,
        act=act,
        subject=f"kiosk {kiosk.public_id}",
        platform_id=kiosk.platform_id,
        detail={"name": kiosk.name, "prefix": kiosk.prefix},
    )
