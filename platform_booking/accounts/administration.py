"""What the command line does for accounts, as pb_job."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking import audit
from platform_booking.accounts import passwords, rules
from platform_booking.accounts.entrance import (
    BOOTSTRAP_LIFE,
    DEMO,
    DEMO_LIFE,
    INVITATION,
    NEW_PASSWORD,
    THROTTLE,
    one_time_secret,
)
from platform_booking.accounts.models import (
    Member,
    MemberRole,
    OneTimeToken,
    Role,
    SignInAttempt,
)
from platform_booking.errors import IllegalMove, NotFound, RulesBroken


def bootstrap(session: Session, *, email: str, name: str, now: datetime) -> str:
    """Make the first park administrator, who has no password yet.

    Returns the secret of the link with which he chooses one, good for an hour. While the
    link is unused the command may be given again.

    Raises
    ------
    RulesBroken
        If name or address are no such thing.
    IllegalMove
        If a park administrator who can sign in exists already, or if the address belongs to
        somebody else: no account is ever taken over.
    """
    found = list(rules.person_faults(name.strip(), email.strip().lower()))
    if found:
        raise RulesBroken(found)
    settled = sa.select(MemberRole.id).join(Member, Member.id == MemberRole.member_id)
    if session.scalar(
        settled.where(MemberRole.role == Role.PARK_ADMIN, Member.joined).limit(1)
    ):
        raise IllegalMove("a park administrator exists already; let him invite others")
    member = session.scalars(
        sa.select(Member).filter_by(email=email.strip().lower())
    ).one_or_none()
    if member is None:
        member = make_member(
            session,
            email=email,
            name=name,
            roles=[(Role.PARK_ADMIN, None)],
            organisation_id=None,
            now=now,
        )
    elif not session.scalar(
        sa.select(MemberRole.id).filter_by(member_id=member.id, role=Role.PARK_ADMIN)
    ):
        raise IllegalMove("this address belongs to another account; choose another")
    session.execute(sa.delete(OneTimeToken).filter_by(member_id=member.id))
    return one_time_secret(
        session, purpose=INVITATION, member_id=member.id, expires_at=now + BOOTSTRAP_LIFE
    )


def password_link(session: Session, *, email: str, now: datetime) -> str:
    """Return the path with which a member chooses a new password: once, for an hour.

    For whoever runs the service, when nobody is left who could give the link by page.

    Raises
    ------
    NotFound
    """
    member = session.scalars(
        sa.select(Member).filter_by(email=email.strip().lower()).with_for_update()
    ).one_or_none()
    if member is None:
        raise NotFound
    audit.record(
        session,
        act="member.link",
        subject=f"member {member.public_id}",
        organisation_id=member.organisation_id,
    )
    secret = one_time_secret(
        session,
        purpose=NEW_PASSWORD if member.joined else INVITATION,
        member_id=member.id,
        expires_at=now + BOOTSTRAP_LIFE,
    )
    return f"/invitation/{secret}"


def make_member(
    session: Session,
    *,
    email: str,
    name: str,
    roles: list[tuple[Role, int | None]],
    organisation_id: int | None,
    now: datetime,
    password: str | None = None,
) -> Member:
    """Add a member with roles; an operator's role names a platform by id."""
    member = Member(
        email=email.strip().lower(),
        name=name.strip(),
        organisation_id=organisation_id,
        password_hash=passwords.hashed(password) if password else None,
        created_at=now,
    )
    session.add(member)
    session.flush()  # member.id
    session.add_all(
        MemberRole(member_id=member.id, role=role, platform_id=platform)
        for role, platform in roles
    )
    audit.record(session, act="member.make", subject=f"member {member.public_id}")
    return member


def demo_link(session: Session, member_id: int, *, now: datetime) -> str:
    """Return the path of a sign-in link of the demo: once, for 15 minutes."""
    secret = one_time_secret(
        session, purpose=DEMO, member_id=member_id, expires_at=now + DEMO_LIFE
    )
    return f"/demo/{secret}"


def forget_spent(session: Session, *, now: datetime) -> None:
    """Delete one-time secrets and counted attempts that play no part any more."""
    session.execute(
        sa.delete(OneTimeToken).where(OneTimeToken.expires_at < now - timedelta(days=1))
    )
    session.execute(sa.delete(SignInAttempt).where(SignInAttempt.at < now - THROTTLE))
