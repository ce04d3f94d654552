"""Operators grant members qualifications that their tools need, and take them away."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from platform_booking import audit
from platform_booking.accounts.models import Member, Organisation
from platform_booking.catalog.models import MemberQualification, Qualification, Resource
from platform_booking.db import transaction
from platform_booking.errors import IllegalMove, NotFound, RulesBroken, Violation
from platform_booking.notices.outbox import tell
from platform_booking.web.actor import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGrant:
    """A qualification that a member is to hold, by the ids known outside."""

    member_id: UUID | None = None
    email: str | None = None  # of one who need not have been here before
    qualification: str  # its code
    level: str | None = None  # None: at all hours
    expires_on: date | None = None  # the last day; None: for good


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A qualification that a member holds."""

    member: Member
    organisation: Organisation | None
    qualification: Qualification
    level: str | None
    expires_on: date | None


def taught(session: Session, actor: Actor) -> Sequence[Qualification]:
    """Return what somebody may grant: what resources of his platforms need or grant."""
    chosen = sa.select(Qualification).order_by(Qualification.code)
    if not actor.is_park:
        chosen = chosen.where(
            sa.exists().where(
                Resource.platform_id.in_(actor.platform_ids),
                sa.or_(
                    Resource.qualification_id == Qualification.id,
                    Resource.policy["grants"].astext == Qualification.code,
                ),
            )
        )
    return session.scalars(chosen).all()


def members(session: Session) -> list[tuple[Member, Organisation]]:
    """Return the firms' active members whom the asker may see, by firm and name.

    An operator sees those who have ordered or booked on his platforms.
    """
    rows = session.execute(
        sa.select(Member, Organisation)
        .join(Organisation, Organisation.id == Member.organisation_id)
        .where(Member.active)
        .order_by(Organisation.name_en, Member.name, Member.id)
    )
    return [(member, firm) for member, firm in rows]


def held(
    session: Session, actor: Actor, *, limit: int, offset: int
) -> tuple[list[Held], int]:
    """Return a page of what members hold of what one may grant, and how much there is."""
    own = [q.id for q in taught(session, actor)]
    chosen = (
        sa.select(MemberQualification, Member, Organisation, Qualification)
        .join(Member, Member.id == MemberQualification.member_id)
        .join(Qualification, Qualification.id == MemberQualification.qualification_id)
        .outerjoin(Organisation, Organisation.id == Member.organisation_id)
        .where(Qualification.id.in_(own))
    )
    rows = session.execute(
        chosen.order_by(Qualification.code, Organisation.name_en, Member.name, Member.id)
        .limit(limit)
        .offset(offset)
    )
    total = session.scalar(chosen.with_only_columns(sa.func.count())) or 0
    return [
        Held(
            member=member,
            organisation=firm,
            qualification=qualification,
            level=row.level,
            expires_on=row.expires_on,
        )
        for row, member, firm, qualification in rows
    ], total


def grant(new: NewGrant, *, actor: Actor, now: datetime, today: date) -> Held:
    """Let a member hold a qualification: what he holds of it is replaced.

    Raises
    ------
    RulesBroken
        If it names somebody whom the actor does not see, what his platforms do not teach,
        a level that there is not, or a day that is over; all of them are listed.
    """
    with transaction() as session:
        whom = _whom(session, new)
        of_ours = {q.code: q for q in taught(session, actor)}
        qualification = of_ours.get(new.qualification)
        broken = list(_violations(new, whom, qualification, today=today))
        if broken or whom is None or qualification is None:
            raise RulesBroken(broken)
        member_id, organisation_id = whom
        values = {"level": new.level, "expires_on": new.expires_on}
        session.execute(
            postgresql.insert(MemberQualification)
            .values(
                member_id=member_id,
                qualification_id=qualification.id,
                organisation_id=organisation_id,
                **values,
            )
            .on_conflict_do_update(
                index_elements=["member_id", "qualification_id"], set_=values
            )
        )
        member = session.get_one(Member, member_id)  # seen from now on, if not before
        _note(
            session,
            "qualification.grant",
            "qualification.granted",
            member,
            qualification,
            now=now,
            level=new.level,
            until=new.expires_on.isoformat() if new.expires_on else None,
        )
        firm = (
            session.get(Organisation, member.organisation_id)
            if member.organisation_id
            else None
        )
    return Held(
        member=member,
        organisation=firm,
        qualification=qualification,
        level=new.level,
        expires_on=new.expires_on,
    )


def revoke(member_id: UUID, code: str, *, actor: Actor, now: datetime) -> None:
    """Take a qualification away. What he has booked stays; he books no more.

    Raises
    ------
    NotFound
        If the actor sees no such member, or his platforms teach no such thing.
    IllegalMove
        If the member does not hold it.
    """
    with transaction() as session:
        of_ours = {q.code: q for q in taught(session, actor)}
        member = session.scalars(
            sa.select(Member).where(Member.public_id == member_id)
        ).one_or_none()
        qualification = of_ours.get(code)
        if member is None or qualification is None:
            raise NotFound
        row = session.get(MemberQualification, (member.id, qualification.id))
        if row is None:
            raise IllegalMove(_("the member does not hold it; nothing is left to do"))
        session.delete(row)
        _note(
            session,
            "qualification.revoke",
            "qualification.revoked",
            member,
            qualification,
            now=now,
        )


def _whom(session: Session, new: NewGrant) -> tuple[int, int | None] | None:
    """Return the row ids of a member and his firm; None if there is none to be seen."""
    if new.email:
        found = session.execute(
            sa.text("SELECT member_id, organisation_id FROM member_at(:address)"),
            {"address": new.email.strip().lower()},
        ).one_or_none()
    else:
        found = session.execute(
            sa.select(Member.id, Member.organisation_id).where(
                Member.public_id == new.member_id, Member.active
            )
        ).one_or_none()
    return None if found is None else (found[0], found[1])


def _violations(
    new: NewGrant,
    whom: tuple[int, int | None] | None,
    qualification: Qualification | None,
    *,
    today: date,
) -> Iterator[Violation]:
    if whom is None:
        yield Violation(
            "unknown_member",
            _(
                "name a member who has ordered or booked on a platform of yours, or the"
                " e-mail address with which one is registered"
            ),
            "email" if new.email else "member_id",
        )
    if qualification is None:
        yield Violation(
            "unknown_qualification",
            _("choose a qualification that a resource of your platforms needs or grants"),
            "qualification",
        )
    elif new.level is not None and new.level not in qualification.levels:
        known = ", ".join(sorted(qualification.levels))
        yield Violation(
            "unknown_level",
            _("it has the levels %(levels)s; choose one, or none", levels=known)
            if known
            else _("it has no levels; name none"),
            "level",
        )
    if new.expires_on is not None and new.expires_on < today:
        yield Violation(
            "over",
            _("that day is over; choose today or later, or take the qualification away"),
            "expires_on",
        )


def _note(
    session: Session,
    act: str,
    kind: str,
    member: Member,
    qualification: Qualification,
    *,
    now: datetime,
    **more: str | None,
) -> None:
    told = {"qualification": qualification.code, "what": qualification.code, **more}
    audit.record(
        session,
        act=act,
        subject=f"member {member.public_id}",
        organisation_id=member.organisation_id,
        detail=told,
    )
    tell(
        session,
        kind=kind,
        payload=told | {"title": qualification.code},
        now=now,
        organisation_id=member.organisation_id,
        member_id=member.id,
    )
