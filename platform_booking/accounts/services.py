"""Accounts: signing in, registering, deciding, inviting; each act a transaction."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from platform_booking import audit
from platform_booking.accounts import passwords
from platform_booking.accounts.models import (
    ApiToken,
    Member,
    MemberRole,
    OneTimeToken,
    Organisation,
    OrganisationState,
    Project,
    Role,
    SignInAttempt,
)
from platform_booking.db import Identity, acting_as, transaction
from platform_booking.errors import (
    Forbidden,
    IllegalMove,
    NotFound,
    RulesBroken,
    TooMany,
    Violation,
)
from platform_booking.web.actor import Actor, hashed

THROTTLE = timedelta(minutes=15)
ATTEMPTS = 10  # failed ones per account and address within THROTTLE
BOOTSTRAP_LIFE = timedelta(minutes=60)
LINK_LIFE = timedelta(minutes=15)
TOKEN_LIFE_DAYS = (1, 365)
_EMAIL = re.compile(r"^[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+$")


@dataclass(frozen=True, slots=True)
class Application:
    """What an organisation tells when it registers."""

    name_zh: str
    name_en: str
    registration_no: str
    size: str
    contract_ref: str
    nda_ref: str
    person: str
    email: str
    password: str
    locale: str


@dataclass(frozen=True, slots=True)
class Entrance:
    """A member whose sign-in succeeded."""

    member_id: int
    epoch: int


def sign_in(email: str, password: str, *, address: str, now: datetime) -> Entrance | None:
    """Return the member whose e-mail and password these are, or None.

    Raises
    ------
    TooMany
        After ten failures for this account from this address within 15 minutes.
    """
    email = email.strip().lower()
    key = hashlib.sha256(f"{email}|{address}".encode()).hexdigest()
    with transaction() as session:
        failures = session.scalar(
            sa.select(sa.func.count())
            .select_from(SignInAttempt)
            .where(SignInAttempt.key == key, SignInAttempt.at > now - THROTTLE)
        )
        if (failures or 0) >= ATTEMPTS:
            raise TooMany(int(THROTTLE.total_seconds()))
        row = session.execute(
            sa.text("SELECT * FROM sign_in_candidate(:email)"), {"email": email}
        ).one_or_none()
        if not passwords.matches(password, row.password_hash if row else None):
            session.execute(sa.insert(SignInAttempt).values(key=key, at=now).inline())
            return None
        session.execute(sa.delete(SignInAttempt).where(SignInAttempt.key == key))
        assert row is not None  # an account that is not there never matches
        return Entrance(member_id=row.member_id, epoch=row.session_epoch)


def apply(application: Application) -> None:
    """Register an organisation with its first member; the park decides.

    Whether the address or the number is known already is not told: it would tell who the
    customers are.

    Raises
    ------
    RulesBroken
        If any field is wrong; all are listed.
    """
    found = list(_application_faults(application))
    if found:
        raise RulesBroken(found)
    with transaction() as session:
        session.execute(
            sa.text(
                "SELECT apply_for_registration(:organisation, :zh, :en, :registration,"
                " :size, :contract, :nda, :member, :email, :person, :hash, :locale)"
            ),
            {
                "organisation": uuid4(),
                "zh": application.name_zh,
                "en": application.name_en,
                "registration": application.registration_no,
                "size": application.size,
                "contract": application.contract_ref,
                "nda": application.nda_ref,
                "member": uuid4(),
                "email": application.email.strip().lower(),
                "person": application.person,
                "hash": passwords.hashed(application.password),
                "locale": application.locale,
            },
        )


def decide(
    organisation_id: UUID, *, approve: bool, contract_ref: str, nda_ref: str, actor: Actor,
    now: datetime,
) -> None:  # fmt: skip
    """Approve or refuse an application. Approval needs a contract or an NDA on file.

    Raises
    ------
    NotFound, IllegalMove, RulesBroken
    """
    with transaction() as session:
        organisation = session.scalars(
            sa.select(Organisation).filter_by(public_id=organisation_id).with_for_update()
        ).one_or_none()
        if organisation is None:
            raise NotFound
        if organisation.state is not OrganisationState.APPLIED:
            raise IllegalMove
        organisation.contract_ref = contract_ref.strip() or organisation.contract_ref
        organisation.nda_ref = nda_ref.strip() or organisation.nda_ref
        if approve and not (organisation.contract_ref or organisation.nda_ref):
            raise RulesBroken(
                [
                    Violation(
                        "contract_missing",
                        _("Enter the number of a contract or of an NDA before approving."),
                        "contract_ref",
                    )
                ]
            )
        organisation.state = (
            OrganisationState.APPROVED if approve else OrganisationState.REFUSED
        )
        organisation.decided_at = now
        organisation.decided_by = actor.member_id
        audit.record(
            session,
            act="organisation.approve" if approve else "organisation.refuse",
            subject=f"organisation {organisation.public_id}",
            organisation_id=organisation.id,
        )


def invite(
    email: str, name: str, roles: frozenset[Role], *, actor: Actor, now: datetime
) -> str:
    """Add a colleague and return the secret of his invitation link, good for a day.

    Raises
    ------
    RulesBroken
    """
    email = email.strip().lower()
    found = list(_person_faults(name, email))
    if not roles or not roles <= {Role.ENGINEER, Role.ORGANISATION_ADMIN}:
        found.append(
            Violation("roles", _("Choose at least one role of your firm."), "roles")
        )
    if found or actor.organisation_id is None:
        raise RulesBroken(found)
    with transaction() as session:
        if session.scalar(sa.select(Member.id).filter_by(email=email)) is not None:
            raise RulesBroken([_unusable_address()])
        member = Member(
            organisation_id=actor.organisation_id,
            email=email,
            name=name.strip(),
            locale=actor.locale,
            created_at=now,
        )
        session.add(member)
        try:
            session.flush()  # member.id, and the address' uniqueness across all firms
        except sa.exc.IntegrityError:
            raise RulesBroken([_unusable_address()]) from None
        session.add_all(
            MemberRole(member_id=member.id, role=role) for role in sorted(roles)
        )
        audit.record(
            session,
            act="member.invite",
            subject=f"member {member.public_id}",
            organisation_id=actor.organisation_id,
        )
        return one_time_secret(
            session,
            purpose="invitation",
            member_id=member.id,
            expires_at=now + timedelta(days=1),
        )


def set_active(member_id: UUID, *, active: bool, actor: Actor) -> None:
    """Let a colleague in or out; out ends his sessions at once.

    Raises
    ------
    NotFound, Forbidden
    """
    with transaction() as session:
        member = session.scalars(
            sa.select(Member).filter_by(public_id=member_id).with_for_update()
        ).one_or_none()
        if member is None or not (
            actor.is_park or member.organisation_id == actor.organisation_id
        ):
            raise NotFound
        if member.id == actor.member_id:
            raise Forbidden  # nobody locks himself out
        member.active = active
        member.session_epoch += 1
        audit.record(
            session,
            act="member.activate" if active else "member.deactivate",
            subject=f"member {member.public_id}",
            organisation_id=member.organisation_id,
        )


def change_password(old: str, new: str, *, actor: Actor) -> Entrance:
    """Change one's own password; every other session ends.

    Raises
    ------
    RulesBroken
    """
    with transaction() as session:
        member = session.scalars(sa.select(Member).filter_by(id=actor.member_id)).one()
        found = list(passwords.violations(new, email=member.email))
        if member.password_hash is not None and not passwords.matches(
            old, member.password_hash
        ):
            found.append(
                Violation(
                    "password_wrong", _("The present password is wrong."), "old_password"
                )
            )
        if found:
            raise RulesBroken(found)
        member.password_hash = passwords.hashed(new)
        member.session_epoch += 1
        audit.record(
            session,
            act="member.password",
            subject=f"member {member.public_id}",
            organisation_id=member.organisation_id,
        )
        return Entrance(member_id=member.id, epoch=member.session_epoch)


def accept_invitation(secret: str, password: str, *, now: datetime) -> Entrance:
    """Choose the first password with an invitation's secret, which is spent by it.

    Raises
    ------
    NotFound
        If the invitation is unknown, spent or too old.
    RulesBroken
        If the password is no good; the invitation stays.
    """
    found = list(passwords.violations(password, email=""))
    if found:
        raise RulesBroken(found)
    member_id = redeem(secret, purpose="invitation")
    if member_id is None:
        raise NotFound
    with acting_as(Identity(member_id=member_id)), transaction() as session:
        member = session.scalars(sa.select(Member).filter_by(id=member_id)).one_or_none()
        if member is None:
            raise NotFound
        member.password_hash = passwords.hashed(password)
        member.session_epoch += 1
        audit.record(session, act="member.join", subject=f"member {member.public_id}")
        return Entrance(member_id=member.id, epoch=member.session_epoch)


def choose_language(locale: str, *, actor: Actor) -> None:
    """Keep a member's language."""
    with transaction() as session:
        session.execute(
            sa.update(Member).filter_by(id=actor.member_id).values(locale=locale)
        )


def make_token(
    name: str, *, write: bool, days: int, actor: Actor, now: datetime
) -> tuple[str, UUID]:
    """Make an API token for oneself; return the secret, shown this once, and its id.

    Raises
    ------
    RulesBroken
    """
    least, most = TOKEN_LIFE_DAYS
    if not name.strip() or not least <= days <= most:
        raise RulesBroken(
            [
                Violation(
                    "token",
                    _("A token needs a name and a life of 1 to 365 days."),
                    "name" if not name.strip() else "days",
                )
            ]
        )
    secret = f"pb_{secrets.token_urlsafe(32)}"
    with transaction() as session:
        token = ApiToken(
            member_id=actor.member_id,
            name=name.strip()[:80],
            prefix=secret[:9],
            token_hash=hashed(secret),
            scopes=["read", "write"] if write else ["read"],
            expires_at=now + timedelta(days=days),
            created_at=now,
        )
        session.add(token)
        audit.record(
            session,
            act="token.make",
            subject=f"token {token.prefix}",
            organisation_id=actor.organisation_id,
        )
    return secret, token.public_id


def revoke_token(token_id: UUID, *, actor: Actor, now: datetime) -> None:
    """Revoke one of one's own tokens.

    Raises
    ------
    NotFound
    """
    with transaction() as session:
        token = session.scalars(
            sa.select(ApiToken).filter_by(public_id=token_id, member_id=actor.member_id)
        ).one_or_none()
        if token is None:
            raise NotFound
        token.revoked_at = token.revoked_at or now


def one_time_secret(
    session: Session, *, purpose: str, member_id: int | None, expires_at: datetime
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


def redeem(secret: str, *, purpose: str) -> int | None:
    """Spend a one-time secret.

    Returns
    -------
    int | None
        The member that it was made for.

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
        if row is None:
            raise NotFound
        member_id: int | None = row.member_id
        return member_id


def _application_faults(application: Application) -> list[Violation]:
    found = list(_person_faults(application.person, application.email))
    if not application.name_zh.strip():
        found.append(Violation("name", _("Enter the organisation's name."), "name_zh"))
    if not re.fullmatch(r"[0-9A-Z]{18}", application.registration_no.strip()):
        found.append(
            Violation(
                "registration_no",
                _("The unified social credit code has 18 digits and capital letters."),
                "registration_no",
            )
        )
    if not (application.contract_ref.strip() or application.nda_ref.strip()):
        found.append(
            Violation(
                "contract_missing",
                _("Name the contract or the NDA that you have signed with the park."),
                "contract_ref",
            )
        )
    found += passwords.violations(application.password, email=application.email)
    return found


def _person_faults(name: str, email: str) -> list[Violation]:
    found = []
    if not name.strip():
        found.append(Violation("person", _("Enter the person's name."), "person"))
    if not _EMAIL.match(email.strip()):
        found.append(
            Violation("email", _("Not an e-mail address, such as li@example.cn."), "email")
        )
    return found


def _unusable_address() -> Violation:
    return Violation("email", _("This address cannot be invited. Use another."), "email")


def own_projects(session: Session) -> list[Project]:
    """Return the projects that the asker may see, by code."""
    return list(session.scalars(sa.select(Project).order_by(Project.code)))
