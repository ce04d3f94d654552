"""The start page: what to do next, by role; and the menu: what the member may open."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa
from flask import Blueprint, Flask, current_app, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from platform_booking.accounts.models import (
    MemberRole,
    Organisation,
    OrganisationState,
    Role,
)
from platform_booking.bookings.models import Booking, Source, Waiting
from platform_booking.bookings.states import BookingState, WaitingState
from platform_booking.catalog.models import Platform, Resource
from platform_booking.clock import utcnow
from platform_booking.db import db
from platform_booking.orders.models import Order, Step
from platform_booking.orders.states import OrderState, StepState
from platform_booking.planning.models import Approval, LeftOut, Plan
from platform_booking.planning.states import OPEN, ApprovalState
from platform_booking.web.actor import Actor, optional_actor
from platform_booking.web.i18n import in_chinese, local_time, named

bp = Blueprint("home", __name__)

_RECENT = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Hint:
    """What a member might do next: why, and where."""

    sentence: str
    label: str
    url: str
    urgent: bool = False


@bp.get("/")
def index() -> ResponseReturnValue:
    """Tell a member what to do next; greet a visitor."""
    actor = optional_actor()
    if actor is None:
        return render_template("home.html")
    hints = list(_hints(db.session(), actor, now=utcnow()))
    hints.sort(key=lambda hint: not hint.urgent)
    return render_template("start.html", hints=hints)


def _hints(session: Session, actor: Actor, *, now: datetime) -> Iterator[Hint]:
    if actor.is_park:
        yield from _for_the_park(session)
    if actor.is_park or actor.is_operator:
        yield from _for_operators(session, actor, now=now)
    if actor.organisation_id is not None:
        yield from _for_a_firm(session, actor, actor.organisation_id, now=now)


def _for_a_firm(
    session: Session, actor: Actor, organisation_id: int, *, now: datetime
) -> Iterator[Hint]:
    own = (Order.organisation_id == organisation_id, Order.state == OrderState.SUBMITTED)
    waits = sa.exists().where(Step.order_id == Order.id, Step.state == StepState.WAITING)
    newest = sa.select(sa.func.max(Plan.id)).scalar_subquery()
    left = _count(
        session,
        sa.select(Order.id)
        .join(LeftOut, LeftOut.order_id == Order.id)
        .where(*own, waits, LeftOut.plan_id == newest),
    )
    waiting = _count(session, sa.select(Order.id).where(*own, waits))
    orders = url_for("orders.index")
    if left:
        yield Hint(
            _("Orders that last night found no place for: %(n)s. Each says why, and what"
              " would bring it in if that was found.", n=left),
            _("See the reasons"), orders, urgent=True,
        )  # fmt: skip
    if waiting > left:
        yield Hint(
            _("Orders that wait for the next night: %(n)s. You need do nothing.",
              n=waiting - left),
            _("Your orders"), orders,
        )  # fmt: skip
    if actor.is_engineer:
        yield Hint(
            _("Need time on a tool, a line or a licence? Say what, how long and until when;"
              " the earliest date is shown at once."),
            _("New order"), url_for("orders.new"),
        )  # fmt: skip
    following = session.execute(
        sa.select(Booking.starts_at, Resource)
        .join(Resource, Resource.id == Booking.resource_id)
        .where(Booking.organisation_id == organisation_id)
        .where(Booking.state.in_([BookingState.REQUESTED, BookingState.CONFIRMED]))
        .where(Booking.starts_at > now)
        .order_by(Booking.starts_at)
        .limit(1)
    ).one_or_none()
    if following is not None:
        starts_at, resource = following
        yield Hint(
            _("Your next booking: %(resource)s from %(time)s.",
              resource=named(resource), time=local_time(starts_at)),
            _("Your bookings"), url_for("bookings.index"),
        )  # fmt: skip
    offer = session.execute(
        sa.select(Booking.respond_by, Resource)
        .join(Waiting, Waiting.booking_id == Booking.id)
        .join(Resource, Resource.id == Booking.resource_id)
        .where(Waiting.state == WaitingState.OFFERED)
        .where(Waiting.member_id == actor.member_id)
        .order_by(Booking.respond_by)
        .limit(1)
    ).one_or_none()
    if offer is not None:
        respond_by, resource = offer
        yield Hint(
            _("What you wait for is free: %(resource)s. Answer by %(time)s.",
              resource=named(resource), time=local_time(respond_by)),
            _("Waiting list"), url_for("waitlist.index"), urgent=True,
        )  # fmt: skip
    yield from _of_what_is_lost(session, actor, now=now)
    if actor.is_organisation_admin:
        yield Hint(
            _("You bring your colleagues in and say what they may do."),
            _("Members"), url_for("accounts.members"),
        )  # fmt: skip


def _of_what_is_lost(session: Session, actor: Actor, *, now: datetime) -> Iterator[Hint]:
    """Tell a member which of his bookings are gone, though he did not cancel them."""
    displaced = _count(
        session,
        sa.select(Waiting.id).where(
            Waiting.member_id == actor.member_id,
            Waiting.first_right,
            Waiting.state == WaitingState.WAITING,
        ),
    )
    if displaced:
        yield Hint(
            _("Bookings of yours that an outage has displaced, and that wait for another"
              " time: %(n)s. You are asked first.", n=displaced),
            _("Waiting list"), url_for("waitlist.index"), urgent=True,
        )  # fmt: skip
    accepted = sa.exists().where(
        Waiting.booking_id == Booking.id, Waiting.state == WaitingState.ACCEPTED
    )
    recent = sa.select(Booking.id).where(
        Booking.member_id == actor.member_id,
        Booking.updated_at > now - _RECENT,
        sa.or_(Booking.source != Source.WAITLIST, accepted),  # no offer that he let go
    )
    states = (BookingState.DECLINED, BookingState.LAPSED)
    gone = _count(session, recent.where(Booking.state.in_(states)))
    if gone:
        yield Hint(
            _("Bookings of yours that were declined or have lapsed in the last week:"
              " %(n)s.", n=gone),
            _("Your bookings"), url_for("bookings.index"), urgent=True,
        )  # fmt: skip
    missed = _count(session, recent.where(Booking.state == BookingState.NO_SHOW))
    if missed:
        yield Hint(
            _("Bookings of yours that were given away in the last week because nobody"
              " came: %(n)s.", n=missed),
            _("Usage"), url_for("usage.index"), urgent=True,
        )  # fmt: skip


def _for_operators(session: Session, actor: Actor, *, now: datetime) -> Iterator[Hint]:
    pending = (
        sa.select(Plan)
        .join(Approval, Approval.plan_id == Plan.id)
        .where(Plan.state.in_(OPEN), Approval.state == ApprovalState.PENDING)
        .order_by(Plan.id.desc())
        .limit(1)
    )
    today = sa.select(Booking.id).where(
        Booking.active, Booking.starts_at < now + timedelta(days=1), Booking.ends_at > now
    )
    if not actor.is_park:
        pending = pending.where(Approval.platform_id.in_(actor.platform_ids))
        today = today.where(Booking.platform_id.in_(actor.platform_ids))
    plan = session.scalars(pending).first()
    if plan is not None:
        yield Hint(
            _("The plan of %(night)s waits for approval until %(time)s.",
              night=plan.night, time=local_time(plan.approve_until)),
            _("Review the plan"), url_for("plans.review", plan_id=plan.public_id),
            urgent=True,
        )  # fmt: skip
    else:
        yield Hint(
            _("No plan waits for approval. The next night runs at %(time)s.",
              time=current_app.config["SETTINGS"].night_at),
            _("Plans"), url_for("plans.index"),
        )  # fmt: skip
    asked = sa.select(Booking.id).where(Booking.state == BookingState.REQUESTED)
    if not actor.is_park:
        asked = asked.where(Booking.platform_id.in_(actor.platform_ids))
    requests = _count(session, asked)
    if requests:
        yield Hint(
            _("Requests that wait for your answer: %(n)s.", n=requests),
            _("Requests"), url_for("attendance.requests"), urgent=True,
        )  # fmt: skip
    yield Hint(
        _("Bookings within the next 24 hours: %(n)s.", n=_count(session, today)),
        _("Bookings"), url_for("bookings.index"),
    )  # fmt: skip
    yield Hint(
        _("Is a tool down? Declare the outage, and nothing is planned into it."),
        _("Platforms"), url_for("catalog.platforms"),
    )  # fmt: skip


def _for_the_park(session: Session) -> Iterator[Hint]:
    applied = _count(
        session,
        sa.select(Organisation.id).filter_by(state=OrganisationState.APPLIED),
    )
    if applied:
        yield Hint(
            _("Organisations that have applied and wait for your decision: %(n)s.",
              n=applied),
            _("Decide"), url_for("accounts.organisations"), urgent=True,
        )  # fmt: skip
    operated = sa.exists().where(
        MemberRole.role == Role.OPERATOR, MemberRole.platform_id == Platform.id
    )
    orphans = session.scalars(
        sa.select(Platform).where(~operated).order_by(Platform.position, Platform.id)
    ).all()
    if orphans:
        yield Hint(
            _("Platforms without an operator: %(names)s. Nobody there approves plans.",
              names=", ".join(named(p) for p in orphans)),
            _("Appoint operators"), url_for("accounts.staff"), urgent=True,
        )  # fmt: skip
    if not _count(session, sa.select(Platform.id)):
        yield Hint(
            _("There is no platform yet. Whoever runs the service loads a catalogue file on"
              " the command line."),
            _("Platforms"), url_for("catalog.platforms"), urgent=True,
        )  # fmt: skip


def _count(session: Session, chosen: sa.Select[Any]) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(chosen.subquery())) or 0


def menu() -> list[dict[str, object]]:
    """Return the entries that the present member may open; rarer ones are under "More"."""
    entries = (
        ("orders.index", _("Orders")),
        ("orders.new", _("New order")),
        ("plans.index", _("Plans")),
        ("board.index", _("Board")),
        ("catalog.platforms", _("Platforms")),
        ("finding.index", _("Find free time")),
        ("bookings.index", _("Bookings")),
        ("waitlist.index", _("Waiting list")),
        ("attendance.requests", _("Requests")),
    )
    rarer = (
        ("qualifying.index", _("Qualifications")),
        ("quotas.index", _("Quotas")),
        ("feeds.index", _("Calendars")),
        ("attendance.kiosk_list", _("Kiosks")),
        ("usage.index", _("Usage")),
        ("owning.index", _("Opened capacity")),
        ("accounts.projects", _("Projects")),
        ("accounts.members", _("Members")),
        ("accounts.organisations", _("Organisations")),
        ("accounts.staff", _("Staff")),
    )
    actor, policy = optional_actor(), current_app.extensions["policy"]
    return [
        {
            "url": url_for(e),
            "label": label,
            "active": request.endpoint == e,
            "rarer": (e, label) in rarer,
        }
        for e, label in (*entries, *rarer)
        if e in policy and actor is not None and policy[e].roles & actor.roles
    ]


def language_link() -> str:
    """Return this page's address in the other language."""
    args = request.args.to_dict(flat=False) | {"lang": ["en" if in_chinese() else "zh"]}
    path = request.path if request.method == "GET" else url_for("home.index")
    return f"{path}?{urlencode(args, doseq=True)}"


def init_app(app: Flask) -> None:
    """Give every page its menu."""
    settings = app.config["SETTINGS"]
    app.context_processor(
        lambda: {
            "menu": menu(),
            "language_link": language_link,
            "demo": settings.demo,
            "park_zone": settings.timezone,
        }
    )
    app.register_blueprint(bp)
