"""What the command line does for accounts, as pb_job."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking import audit
from platform_booking.accounts import passwords
from platform_booking.accounts.models import Member, MemberRole, OneTimeToken, Role
from platform_booking.accounts.services import BOOTSTRAP_LIFE, LINK_LIFE, one_time_secret
from platform_booking.errors import IllegalMove


def bootstrap(session: Session, *, email: str, name: str, now: datetime) -> str:
    """Make the first park administrator, who has no password yet.

    Returns the secret of the link with which he chooses one, good for an hour. While the
    link is unused the command may be given again.

    Raises
    ------
    IllegalMove
        If a park administrator who can sign in exists already.
    """
    settled = sa.select(MemberRole.id).join(Member, Member.id == MemberRole.member_id)
    if session.scalar(
        settled.where(
            MemberRole.role == Role.PARK_ADMIN, Member.password_hash.is_not(None)
        ).limit(1)
    ):
        raise IllegalMove("a park administrator exists already; let him invite others")
    member = session.scalars(sa.select(Member).filter_by(email=email.lower())).one_or_none()
    if member is None:
        member = make_member(
            session,
            email=email,
            name=name,
            roles=[(Role.PARK_ADMIN, None)],
            organisation_id=None,
            now=now,
        )
    session.execute(sa.delete(OneTimeToken).filter_by(member_id=member.id))
    return one_time_secret(
        session, purpose="invitation", member_id=member.id, expires_at=now + BOOTSTRAP_LIFE
    )


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
        email=email.lower(),
        name=name,
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
        session, purpose="demo_sign_in", member_id=member_id, expires_at=now + LINK_LIFE
    )
    return f"/demo/{secret}"


def forget_spent(session: Session, *, now: datetime) -> None:
    """Delete one-time secrets that nobody can use any more."""
    session.execute(
        sa.delete(OneTimeToken).where(OneTimeToken.expires_at < now - timedelta(days=1))
    )
