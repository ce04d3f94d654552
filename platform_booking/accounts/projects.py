"""An organisation's projects: what its orders and bookings are for."""

from collections.abc import Iterator
from uuid import UUID

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from platform_booking import audit
from platform_booking.accounts.models import Project, Purpose
from platform_booking.accounts.rules import text_faults
from platform_booking.db import transaction
from platform_booking.errors import Forbidden, NotFound, RulesBroken, Violation
from platform_booking.web.actor import Actor

_CODE_CHARACTERS = 40


def own_projects(session: Session) -> list[Project]:
    """Return the projects that the asker may see, by code."""
    return list(session.scalars(sa.select(Project).order_by(Project.code)))


def add(code: str, name: str, *, actor: Actor) -> Project:
    """Begin a project of one's own organisation.

    Raises
    ------
    RulesBroken
        If the code or the name is missing, too long or taken; all faults are listed.
    Forbidden
        If the actor belongs to no organisation.
    """
    if actor.organisation_id is None:
        raise Forbidden
    code, name = code.strip(), name.strip()
    found = list(_faults(code, name))
    if found:
        raise RulesBroken(found)
    with transaction() as session:
        project = Project(organisation_id=actor.organisation_id, code=code, name=name)
        session.add(project)
        try:
            session.flush()  # the code's uniqueness within the firm
        except IntegrityError:
            raise RulesBroken(
                [
                    Violation(
                        "code_taken",
                        _("A project with this code exists already. Choose another."),
                        "code",
                    )
                ]
            ) from None
        _record(session, "project.add", project)
        return project


def set_active(project_id: UUID, *, active: bool, actor: Actor) -> Project:
    """Close a project to new orders, or open it again; what it has stays.

    Raises
    ------
    NotFound
        If the organisation has no such project.
    """
    with transaction() as session:
        project = _own(session, project_id, actor)
        project.active = active
        _record(session, "project.open" if active else "project.close", project)
        return project


def set_purpose(project_id: UUID, purpose: str, *, actor: Actor) -> Project:
    """Say what a project is for; licences may be good for some purposes only.

    It binds what is booked from now on; what is booked stays.

    Raises
    ------
    RulesBroken
        If there is no such purpose.
    NotFound
        If the organisation has no such project.
    """
    if purpose not in {p.value for p in Purpose}:
        raise RulesBroken(
            [
                Violation(
                    "purpose",
                    _("choose teaching, academic research or commercial work"),
                    "purpose",
                )
            ]
        )
    with transaction() as session:
        project = _own(session, project_id, actor)
        before, project.purpose = project.purpose, Purpose(purpose)
        _record(session, "project.purpose", project, was=before.value, purpose=purpose)
        return project


def _own(session: Session, project_id: UUID, actor: Actor) -> Project:
    project = session.scalars(
        sa.select(Project)
        .filter_by(public_id=project_id, organisation_id=actor.organisation_id)
        .with_for_update()
    ).one_or_none()
    if project is None:
        raise NotFound
    return project


def _faults(code: str, name: str) -> Iterator[Violation]:
    if not code:
        yield Violation("code", _("Enter a code, such as RF-12."), "code")
    if not name:
        yield Violation("name", _("Enter the project's name."), "name")
    if len(code) > _CODE_CHARACTERS:
        yield Violation(
            "too_long",
            _("At most %(most)s characters are allowed.", most=_CODE_CHARACTERS),
            "code",
        )
    else:
        yield from text_faults(code, "code")
    yield from text_faults(name, "name")


def _record(session: Session, act: str, project: Project, **detail: str) -> None:
    audit.record(
        session,
        act=act,
        subject=f"project {project.public_id}",
        organisation_id=project.organisation_id,
        detail=detail,
    )
