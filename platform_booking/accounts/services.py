"""Accounts: registering, deciding, appointing, one's own; each act a transaction."""

import secrets
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from platform_booking import audit
from platform_booking.accounts import passwords, queries, rules
from platform_booking.accounts.entrance import (
    INVITATION,
    INVITATION_LIFE,
    NEW_PASSWORD,
    count_application,
    one_time_secret,
)
from platform_booking.accounts.models import (
    ApiToken,
    Member,
    MemberRole,
    Organisation,
    OrganisationState,
    Role,
)
from platform_booking.db import transaction
from platform_booking.errors import (
    Forbidden,
    IllegalMove,
    NotFound,
    RulesBroken,
    Violation,
)
from platform_booking.web.actor import Actor, hashed

TOKEN_LIFE_DAYS = (1, 365)
FIRM = frozenset({Role.ENGINEER, Role.ORGANISATION_ADMIN})
STAFF = frozenset({Role.PARK_ADMIN, Role.OPERATOR})
_VERDICTS = {  # from: {verdict: to}
    OrganisationState.APPLIED: {
        "approve": OrganisationState.APPROVED,
        "refuse": OrganisationState.REFUSED,
    },
    OrganisationState.APPROVED: {"suspend": OrganisationState.SUSPENDED},
    OrganisationState.SUSPENDED: {"approve": OrganisationState.APPROVED},
    OrganisationState.REFUSED: {"approve": OrganisationState.APPROVED},
}


@dataclass(frozen=True, slots=True, kw_only=True)
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
class Appointment:
    """The roles that a member is to hold; an operator's platforms by their codes."""

    roles: frozenset[Role]
    platforms: frozenset[str] = frozenset()


def apply(application: Application, *, address: str, now: datetime) -> None:
    """Register an organisation with its first member; the park decides.

    Whether the address or the number is known already is not told: it would tell who the
    customers are.

    Raises
    ------
    RulesBroken
        If any field is wrong; all are listed.
    TooMany
        After ten applications from this address within 15 minutes.
    """
    given = {key: value.strip() for key, value in asdict(application).items()}
    found = list(rules.application_faults(given))
    found += passwords.violations(application.password, email=given["email"])
    if found:
        raise RulesBroken(found)
    count_application(address, now=now)
    given["hash"] = passwords.hashed(application.password)
    given["email"] = given["email"].lower()
    with transaction() as session:
        session.execute(
            sa.text(
                "SELECT apply_for_registration(:organisation, :name_zh, :name_en,"
                " :registration_no, :size, :contract_ref, :nda_ref, :member, :email,"
                " :person, :hash, :locale)"
            ),
            given | {"organisation": uuid4(), "member": uuid4()},
        )


def decide(
    organisation_id: UUID, verdict: str, *, contract_ref: str, nda_ref: str, actor: Actor,
    now: datetime,
) -> None:  # fmt: skip
    """Approve or refuse an application, suspend a customer, or let one in again.

    Approval needs a contract or an NDA on file. A suspended organisation's members are out
    at their next request.

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
        to = _VERDICTS[organisation.state].get(verdict)
        if to is None:
            raise IllegalMove
        refs = {"contract_ref": contract_ref.strip(), "nda_ref": nda_ref.strip()}
        found = [f for where, text in refs.items() for f in rules.text_faults(text, where)]
        contract = refs["contract_ref"] or organisation.contract_ref
        nda = refs["nda_ref"] or organisation.nda_ref
        if to is OrganisationState.APPROVED and not (contract or nda):
            found.append(
                Violation(
                    "contract_missing",
                    _("Enter the number of a contract or of an NDA before approving."),
                    "contract_ref",
                )
            )
        if found:
            raise RulesBroken(found)
        organisation.contract_ref, organisation.nda_ref = contract, nda
        organisation.state = to
        organisation.decided_at = now
        organisation.decided_by = actor.member_id
        audit.record(
            session,
            act=f"organisation.{verdict}",
            subject=f"organisation {organisation.public_id}",
            organisation_id=organisation.id,
        )


def invite(
    email: str, name: str, appointment: Appointment, *, actor: Actor, now: datetime
) -> str:
    """Add a colleague and return the secret of his invitation link, good for a day.

    An organisation's administrator invites into his firm; the park appoints operators and
    park administrators.

    Raises
    ------
    RulesBroken
    """
    email, name = email.strip().lower(), name.strip()
    with transaction() as session:
        found = list(rules.person_faults(name, email))
        held = _roles(session, appointment, actor=actor, found=found)
        if found:
            raise RulesBroken(found)
        if session.scalar(sa.select(Member.id).filter_by(email=email)) is not None:
            raise RulesBroken([_unusable_address()])
        member = Member(
            organisation_id=actor.organisation_id,
            email=email,
            name=name,
            locale=actor.locale,
            created_at=now,
        )
        session.add(member)
        try:
            session.flush()  # member.id, and the address' uniqueness across all firms
        except sa.exc.IntegrityError:
            raise RulesBroken([_unusable_address()]) from None
        session.add_all(
            MemberRole(member_id=member.id, role=role, platform_id=platform)
            for role, platform in held
        )
        _record(session, "member.invite", member, roles=_named(held))
        return one_time_secret(
            session,
            purpose=INVITATION,
            member_id=member.id,
            expires_at=now + INVITATION_LIFE,
        )


def renew_link(member_id: UUID, *, actor: Actor, now: datetime) -> str:
    """Return the secret of a new link for a colleague, good for a day, once.

    For one who has not joined it is an invitation again; for one who has, it sets a new
    password, and his sessions end when he uses it.

    Raises
    ------
    NotFound
    """
    with transaction() as session:
        member = _colleague(session, member_id, actor=actor)
        _record(session, "member.link", member)
        return one_time_secret(
            session,
            purpose=NEW_PASSWORD if member.joined else INVITATION,
            member_id=member.id,
            expires_at=now + INVITATION_LIFE,
        )


def set_active(member_id: UUID, *, active: bool, actor: Actor) -> None:
    """Let a colleague in or out; out ends his sessions at once.

    Raises
    ------
    NotFound, Forbidden
    """
    with transaction() as session:
        member = _colleague(session, member_id, actor=actor)
        if member.id == actor.member_id:
            raise Forbidden  # nobody locks himself out
        member.active = active
        member.session_epoch += 1
        _record(session, "member.activate" if active else "member.deactivate", member)


def appoint(member_id: UUID, appointment: Appointment, *, actor: Actor) -> None:
    """Give a colleague other roles, which hold from his next request on.

    Raises
    ------
    NotFound, Forbidden, RulesBroken
    """
    with transaction() as session:
        member = _colleague(session, member_id, actor=actor)
        if member.id == actor.member_id:
            raise Forbidden  # nobody takes his own role away, or gives himself one
        found: list[Violation] = []
        held = _roles(session, appointment, actor=actor, found=found)
        if found:
            raise RulesBroken(found)
        session.execute(sa.delete(MemberRole).where(MemberRole.member_id == member.id))
        session.add_all(
            MemberRole(member_id=member.id, role=role, platform_id=platform)
            for role, platform in held
        )
        _record(session, "member.appoint", member, roles=_named(held))


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
    found = list(rules.text_faults(name.strip(), "name"))
    if not name.strip():
        found.append(Violation("token", _("Say what the token is for."), "name"))
    if not least <= days <= most:
        found.append(
            Violation(
                "token",
                _("A token lives %(least)s to %(most)s days.", least=least, most=most),
                "days",
            )
        )
    if found:
        raise RulesBroken(found)
    secret = f"pb_{secrets.token_urlsafe(32)}"
    with transaction() as session:
        token = ApiToken(
            member_id=actor.member_id,
            name=name.strip(),
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
        audit.record(
            session,
            act="token.revoke",
            subject=f"token {token.prefix}",
            organisation_id=actor.organisation_id,
        )


def _colleague(session: Session, member_id: UUID, *, actor: Actor) -> Member:
    """Return whom the actor may manage: of his own firm; for the park, of the staff.

    Raises
    ------
    NotFound
    """
    member = session.scalars(
        sa.select(Member).filter_by(public_id=member_id).with_for_update()
    ).one_or_none()
    if member is None or member.organisation_id != actor.organisation_id:
        raise NotFound
    return member


def _roles(
    session: Session, appointment: Appointment, *, actor: Actor, found: list[Violation]
) -> list[tuple[Role, int | None]]:
    """Return the rows of an appointment; what is wrong with it is added to `found`."""
    allowed = STAFF if actor.organisation_id is None else FIRM
    known = {p.code: p.id for p in queries.platforms(session)}
    if not appointment.roles or not appointment.roles <= allowed:
        found.append(Violation("roles", _("Choose at least one role."), "roles"))
    operates = Role.OPERATOR in appointment.roles
    if operates and not (appointment.platforms and appointment.platforms <= known.keys()):
        found.append(
            Violation("platforms", _("Choose the platforms of the operator."), "platforms")
        )
    if found:
        return []
    held: list[tuple[Role, int | None]] = [
        (role, None) for role in sorted(appointment.roles - {Role.OPERATOR})
    ]
    if operates:
        held += [(Role.OPERATOR, known[code]) for code in sorted(appointment.platforms)]
    return held


def _named(held: list[tuple[Role, int | None]]) -> list[str]:
    return [role.value if p is None else f"{role.value} {p}" for role, p in held]


def _record(session: Session, act: str, member: Member, **detail: object) -> None:
    audit.record(
        session,
        act=act,
        subject=f"member {member.public_id}",
        organisation_id=member.organisation_id,
        detail=detail,
    )


def _unusable_address() -> Violation:
    return Violation("email", _("This address cannot be invited. Use another."), "email")
