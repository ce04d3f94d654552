"""The doors: password, one-time links, and what slows down whoever guesses."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from platform_booking import audit
from platform_booking.accounts import passwords
from platform_booking.accounts.models import Member, OneTimeToken, SignInAttempt
from platform_booking.db import Identity, acting_as, transaction
from platform_booking.errors import NotFound, RulesBroken, TooMany, Violation
from platform_booking.web.actor import Actor, hashed

THROTTLE = timedelta(minutes=15)
ATTEMPTS = 10  # within THROTTLE: sign-ins per account and address, and the like
BOOTSTRAP_LIFE = timedelta(minutes=60)
INVITATION_LIFE = timedelta(days=1)
DEMO_LIFE = timedelta(minutes=15)
INVITATION, NEW_PASSWORD, DEMO = "invitation", "new_password", "demo_sign_in"


@dataclass(frozen=True, slots=True)
class Entrance:
    """A member who may enter, and the epoch of his sessions."""

    member_id: int
    epoch: int


def sign_in(email: str, password: str, *, address: str, now: datetime) -> Entrance | None:
    """Return the member whose e-mail and password these are, or None.

    No connection is held while the password is hashed, and an account that is not there
    takes as long as one that is.

    Raises
    ------
    TooMany
        After ten failures for this account from this address within 15 minutes.
    """
    email = email.strip().lower()
    key = _key("sign-in", email, address)
    count_attempt(key, now=now)
    with transaction() as session:
        row = session.execute(
            sa.text("SELECT * FROM sign_in_candidate(:email)"),
            {"email": email.replace("\x00", " ")},
        ).one_or_none()
    if not passwords.matches(password, row.password_hash if row else None) or row is None:
        return None
    with transaction() as session:
        _forgive(session, key)
    return Entrance(member_id=row.member_id, epoch=row.session_epoch)


def count_attempt(key: str, *, now: datetime) -> None:
    """Count one attempt; whoever succeeds is forgiven afterwards.

    Counted before it is made, one at a time for a key, in the database: however many
    workers are asked at once, no more than ten get through.

    Raises
    ------
    TooMany
        Names the seconds until the oldest of the ten is out of the window.
    """
    with transaction() as session:
        session.execute(
            sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key}
        )
        counted = session.execute(
            sa.select(sa.func.count(), sa.func.min(SignInAttempt.at)).where(
                SignInAttempt.key == key, SignInAttempt.at > now - THROTTLE
            )
        ).one()
        if counted[0] >= ATTEMPTS:
            raise TooMany(int((counted[1] + THROTTLE - now).total_seconds()) + 1)
        session.execute(sa.insert(SignInAttempt).values(key=key, at=now).inline())


def change_password(old: str, new: str, *, actor: Actor, now: datetime) -> Entrance:
    """Change one's own password; every other session ends.

    Raises
    ------
    RulesBroken
    TooMany
        After ten wrong guesses of the present password: the session may be stolen.
    """
    key = _key("password", str(actor.member_id), "")
    count_attempt(key, now=now)
    with transaction() as session:
        member = session.scalars(sa.select(Member).filter_by(id=actor.member_id)).one()
        found = list(passwords.violations(new, email=member.email))
        kept = session.scalar(
            sa.text("SELECT password_hash FROM sign_in_candidate(:email)"),
            {"email": member.email},
        )
        if member.joined and not passwords.matches(old, kept):
            found.append(
                Violation(
                    "password_wrong", _("The present password is wrong."), "old_password"
                )
            )
        if found:
            raise RulesBroken(found)
        member.password_hash = passwords.hashed(new)
        member.session_epoch += 1
        _forgive(session, key)
        audit.record(
            session,
            act="member.password",
            subject=f"member {member.public_id}",
            organisation_id=member.organisation_id,
        )
        return Entrance(member_id=member.id, epoch=member.session_epoch)


def count_application(address: str, *, now: datetime) -> None:
    """Count one registration from an address, as sign-ins are counted.

    Raises
    ------
    TooMany
    """
    count_attempt(_key("register", "", address), now=now)


def count_wrong_calendar(address: str, *, now: datetime) -> None:
    """Count a calendar's address that is none, as sign-ins are counted.

    Raises
    ------
    TooMany
    """
    count_attempt(_key("calendar", "", address), now=now)


def end_sessions(*, actor: Actor) -> None:
    """Sign out: every session of the member ends, a stolen one too."""
    with transaction() as session:
        session.execute(
            sa.update(Member)
            .where(Member.id == actor.member_id)
            .values(session_epoch=Member.session_epoch + 1)
        )


def choose_password(secret: str, password: str, *, now: datetime) -> Entrance:
    """Choose a password with a link's secret, which is spent by it.

    An invitation sets a first password and never replaces one; only a link that was made
    for an account to get a new password does.

    Raises
    ------
    NotFound
        If the link is unknown, spent or too old.
    RulesBroken
        If the password is no good; the link stays.
    """
    found = list(passwords.violations(password, email=""))
    if found:
        raise RulesBroken(found)
    try:
        member_id, first = redeem(secret, purpose=INVITATION), True
    except NotFound:
        member_id, first = redeem(secret, purpose=NEW_PASSWORD), False
    new_hash = passwords.hashed(password)
    with acting_as(Identity(member_id=member_id)), transaction() as session:
        member = session.scalars(
            sa.select(Member).filter_by(id=member_id).with_for_update()
        ).one_or_none()
        if member is None or (first and member.joined):
            raise NotFound
        member.password_hash = new_hash
        member.session_epoch += 1
        audit.record(
            session,
            act="member.join" if first else "member.password",
            subject=f"member {member.public_id}",
            organisation_id=member.organisation_id,
        )
        return Entrance(member_id=member.id, epoch=member.session_epoch)


def one_time_secret(
    session: Session, *, purpose: str, member_id: int, expires_at: datetime
) -> str:
    """Make a secret good for one act; takes part in the caller's transaction."""
    secret = secrets.token_urlsafe(32)
    session.execute(
        sa.insert(OneTimeToken)
        .values(
            purpose=purpose,
            token_hash=hashed(secret),
            member_id=member_id,
            expires_at=expires_at,
        )
        .inline()
    )
    return secret


def redeem(secret: str, *, purpose: str) -> int:
    """Spend a one-time secret; return the member that it was made for.

    Raises
    ------
    NotFound
        If it is unknown, spent or too old.
    """
    with transaction() as session:
        row = session.execute(
            sa.text("SELECT * FROM redeem_token(:purpose, :hash)"),
            {"purpose": purpose, "hash": hashed(secret)},
        ).one_or_none()
        if row is None or row.member_id is None:
            raise NotFound
        member_id: int = row.member_id
        return member_id


def _forgive(session: Session, key: str) -> None:
    session.execute(sa.delete(SignInAttempt).where(SignInAttempt.key == key))


def _key(act: str, account: str, address: str) -> str:
    text = "|".join((act, account, address))
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()
