"""Who may use the platforms."""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from platform_booking.db import Model, PublicId, enum_column


class OrganisationState(StrEnum):
    """Where an organisation's registration stands."""

    APPLIED = "applied"
    APPROVED = "approved"
    REFUSED = "refused"
    SUSPENDED = "suspended"


class Role(StrEnum):
    """What a member may do. A member may hold several."""

    ENGINEER = "engineer"
    ORGANISATION_ADMIN = "organisation_admin"
    OPERATOR = "operator"  # of the platform named in MemberRole.platform_id
    PARK_ADMIN = "park_admin"


class Purpose(StrEnum):
    """What a project is for: a licence may be good for some of these only."""

    TEACHING = "teaching"
    ACADEMIC = "academic"
    COMMERCIAL = "commercial"


class Organisation(PublicId, Model):
    """A firm or institute that asks for time."""

    __tablename__ = "organisation"

    id: Mapped[int] = mapped_column(primary_key=True)
    name_zh: Mapped[str] = mapped_column(unique=True)
    name_en: Mapped[str] = mapped_column(default="")
    registration_no: Mapped[str] = mapped_column(unique=True)  # unified social credit code
    size: Mapped[str] = mapped_column(default="SME-small")
    priority_class: Mapped[str] = mapped_column(default="SME")
    state: Mapped[OrganisationState] = mapped_column(
        enum_column(OrganisationState), default=OrganisationState.APPLIED
    )
    contract_ref: Mapped[str] = mapped_column(default="")  # "" for none on file
    nda_ref: Mapped[str] = mapped_column(default="")
    share_weight: Mapped[int] = mapped_column(default=1)
    applied_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[int | None]  # a member; the migration ties it
    demo: Mapped[bool] = mapped_column(default=False)


class Member(PublicId, Model):
    """A person who signs in. Operators and park staff belong to no organisation."""

    __tablename__ = "member"

    id: Mapped[int] = mapped_column(primary_key=True)
    organisation_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("organisation.id"), index=True
    )
    email: Mapped[str] = mapped_column(unique=True)  # lower case
    name: Mapped[str]
    # argon2id; None until the first one is chosen. Web processes may write it, not read it.
    password_hash: Mapped[str | None] = mapped_column(deferred=True)
    joined: Mapped[bool] = mapped_column(
        sa.Computed("password_hash IS NOT NULL", persisted=True)
    )
    locale: Mapped[str] = mapped_column(default="zh_Hans_CN")
    active: Mapped[bool] = mapped_column(default=True)
    session_epoch: Mapped[int] = mapped_column(default=1)  # raised to end every session
    created_at: Mapped[datetime]


class MemberRole(Model):
    """A role that a member holds, of one platform where the role needs one."""

    __tablename__ = "member_role"
    __table_args__ = (
        sa.UniqueConstraint(
            "member_id", "role", "platform_id", postgresql_nulls_not_distinct=True
        ),
        sa.CheckConstraint(
            "(role = 'operator') = (platform_id IS NOT NULL)", name="operator_has_platform"
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(sa.ForeignKey("member.id"), index=True)
    role: Mapped[Role] = mapped_column(enum_column(Role))
    # Platforms belong to the catalogue, above this package: no foreign key from here.
    platform_id: Mapped[int | None]


class Project(PublicId, Model):
    """What an organisation's orders and bookings are for. Secret from everybody else."""

    __tablename__ = "project"
    __table_args__ = (sa.UniqueConstraint("organisation_id", "code"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    organisation_id: Mapped[int] = mapped_column(sa.ForeignKey("organisation.id"))
    code: Mapped[str]
    name: Mapped[str]
    purpose: Mapped[Purpose] = mapped_column(
        enum_column(Purpose), default=Purpose.COMMERCIAL, server_default="commercial"
    )
    active: Mapped[bool] = mapped_column(default=True)


class OneTimeToken(Model):
    """A secret good for one act: an invitation, a new password, a demo sign-in."""

    __tablename__ = "one_time_token"

    id: Mapped[int] = mapped_column(primary_key=True)
    purpose: Mapped[str]  # "invitation" | "new_password" | "demo_sign_in"
    token_hash: Mapped[str] = mapped_column(unique=True)  # SHA-256, hex
    member_id: Mapped[int | None] = mapped_column(sa.ForeignKey("member.id"))
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class SignInAttempt(Model):
    """A sign-in that has not succeeded, or an application; counted across all workers."""

    __tablename__ = "sign_in_attempt"
    __table_args__ = (sa.Index(None, "key", "at"),)

    id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    key: Mapped[str]  # SHA-256 of act, account and address
    at: Mapped[datetime]


class ApiToken(PublicId, Model):
    """A secret with which a program acts for a member."""

    __tablename__ = "api_token"

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(sa.ForeignKey("member.id"), index=True)
    name: Mapped[str]
    prefix: Mapped[str]  # shown in lists, so that a token can be told from another
    token_hash: Mapped[str] = mapped_column(unique=True)  # SHA-256, hex
    scopes: Mapped[list[str]]  # "read", "write"
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
