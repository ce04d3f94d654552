"""Notices as mails, in each reader's language; bookings with their calendar entry.

The entry shows the booking as it stands when the mail goes, under the UID and the sequence
that feeds give it, so that calendar programs take both for one thing.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import partial
from urllib.parse import urlsplit
from uuid import UUID

import sqlalchemy as sa
from flask_babel import force_locale
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from platform_booking.accounts.models import (
    Member,
    MemberRole,
    Organisation,
    OrganisationState,
    Role,
)
from platform_booking.bookings.models import Booking
from platform_booking.bookings.queries import BookingLine, lines_where
from platform_booking.clock import utcnow
from platform_booking.config import Settings
from platform_booking.feeds import ics, wording
from platform_booking.notices import delivery
from platform_booking.notices.delivery import Mail
from platform_booking.notices.models import Notice
from platform_booking.web.i18n import local_time, named


def deliver(*, settings: Settings) -> int:
    """Mail what is due; the job of the scheduler."""
    return delivery.deliver(
        partial(compose, settings=settings), settings=settings, now=utcnow()
    )


def compose(session: Session, notice: Notice, *, settings: Settings) -> list[Mail]:
    """Word a notice for the member, or the firm's engineers, whom it is for."""
    line = _booking(session, notice)
    mails = []
    for member in _readers(session, notice):
        # The job sees every row; row-level security would keep them from this reader.
        own = line if line and line.organisation.id == member.organisation_id else None
        with force_locale(member.locale):
            message = _message(notice, member, own, settings=settings)
        mails.append(Mail(notice.id, member.id, message))
    return mails


def _readers(session: Session, notice: Notice) -> Sequence[Member]:
    chosen = (
        sa.select(Member)
        .outerjoin(Organisation, Organisation.id == Member.organisation_id)
        .where(Member.active)
        .where(
            sa.or_(
                Organisation.id.is_(None), Organisation.state == OrganisationState.APPROVED
            )
        )
        .order_by(Member.id)
    )
    if notice.member_id is not None:
        return session.scalars(chosen.where(Member.id == notice.member_id)).all()
    if notice.organisation_id is None:
        return ()
    engineers = sa.exists().where(
        MemberRole.member_id == Member.id, MemberRole.role == Role.ENGINEER
    )
    return session.scalars(
        chosen.where(Member.organisation_id == notice.organisation_id, engineers)
    ).all()


def _booking(session: Session, notice: Notice) -> BookingLine | None:
    """Return the booking that a notice tells of."""
    named_id = notice.payload.get("booking")
    if named_id is None:
        return None
    try:
        public_id = UUID(str(named_id))
    except ValueError:
        return None
    found = lines_where(
        session, Booking.public_id == public_id, order=(Booking.id.asc(),), limit=1
    )
    return found[0] if found else None


def _message(
    notice: Notice, member: Member, line: BookingLine | None, *, settings: Settings
) -> EmailMessage:
    base = settings.base_url.rstrip("/")
    subject = _subject(notice, line)
    text = [subject, "", *_facts(notice, line, base), "", _("Platform booking")]
    message = EmailMessage(policy=SMTP)
    message["Subject"] = " ".join(subject.split())
    message["From"] = settings.mail_sender
    message["To"] = member.email
    message["Date"] = format_datetime(notice.created_at)
    host = urlsplit(settings.base_url).hostname or "platform-booking"
    message["Message-ID"] = f"<{notice.public_id}.{member.public_id}@{host}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n".join(text))
    if line is not None and settings.mail_sender is not None:
        entry = wording.entry_of(line, base_url=base, own_firm=member.organisation_id)
        gone = entry.status is ics.Status.CANCELLED
        invitation = ics.Invitation(
            method=ics.Method.CANCEL if gone else ics.Method.REQUEST,
            organizer=settings.mail_sender,
            attendee=member.email,
        )
        message.add_attachment(
            ics.calendar([entry], zone=settings.zone, invitation=invitation),
            maintype="text",
            subtype="calendar",
            filename="booking.ics",
            params={"charset": "utf-8", "method": invitation.method.value},
        )
    return message


def _subject(notice: Notice, line: BookingLine | None) -> str:
    """Return what has happened, in one sentence."""
    what = str(notice.payload.get("resource") or notice.payload.get("title") or "")
    if line is not None:
        what = named(line.resource)
    night = str(notice.payload.get("night", ""))
    told: dict[str, Callable[[], str]] = {
        "booking.made": lambda: _("Booked: %(what)s", what=what),
        "booking.moved": lambda: _("Moved: %(what)s", what=what),
        "waiting.offered": lambda: _("Offered to you, answer in time: %(what)s", what=what),
        "waiting.offer_lapsed": lambda: _("An offer has lapsed: %(what)s", what=what),
        "waiting.taken_back": lambda: _("An offer is taken back: %(what)s", what=what),
        "waiting.given_up": lambda: _("You wait no longer: %(what)s", what=what),
        "waiting.carried_over": lambda: _(
            "The run was full, you wait for the next one: %(what)s", what=what
        ),
        "waiting.over": lambda: _("Nothing became free in time: %(what)s", what=what),
        "order.displaced": lambda: _("An outage has displaced your order"),
        "booking.cancelled": lambda: _("Cancelled: %(what)s", what=what),
        "booking.approved": lambda: _("Approved: %(what)s", what=what),
        "booking.declined": lambda: _("Declined: %(what)s", what=what),
        "booking.handed_over": lambda: _("Handed over: %(what)s", what=what),
        "booking.lapsed": lambda: _lapsed(notice.payload.get("why"), what),
        "booking.to_confirm": lambda: _("Please say that you come: %(what)s", what=what),
        "booking.no_show": lambda: _("Missed: %(what)s", what=what),
        "run.called_off": lambda: _("Called off: %(what)s", what=what),
        "run.goes": lambda: _("It takes place: %(what)s", what=what),
        "qualification.granted": lambda: _(
            "You have a new qualification: %(what)s", what=what
        ),
        "qualification.revoked": lambda: _(
            "A qualification has been taken away: %(what)s", what=what
        ),
        "booking.displaced": lambda: _("Displaced by an outage: %(what)s", what=what),
        "booking.given_back": lambda: _("Your time is yours again: %(what)s", what=what),
        "order.placed": lambda: _("Your order has been placed"),
        "order.moved": lambda: _("Your order has been moved"),
        "order.left_out": lambda: _("Your order found no place last night"),
        "order.overtaken": lambda: _("Your order has lost its place"),
        "order.not_approved": lambda: _("Your order’s place was not approved"),
        "order.expired": lambda: _("Your order is past its deadline"),
        "order.submitted": lambda: _("Your order has been handed in"),
        "order.amended": lambda: _("Your order has been changed"),
        "order.withdrawn": lambda: _("Your order has been withdrawn"),
        "plan.waiting": lambda: _("A plan waits for your approval: %(what)s", what=night),
        "plan.failed": lambda: _(
            "The night has no plan, what was in force stays: %(what)s", what=night
        ),
        "request.failed": lambda: _("What you asked for could not be done"),
    }
    if notice.kind in told:
        return str(told[notice.kind]())
    if line is not None:
        return str(_("News of your booking: %(what)s", what=what))
    if what:
        return str(_("News: %(what)s", what=what))
    return str(_("There is news for you"))


def _lapsed(why: object, what: str) -> str:
    if why == "underfilled":
        return str(_("The shared run was too light, and is off: %(what)s", what=what))
    if why == "unanswered":
        return str(_("Nobody answered your request in time: %(what)s", what=what))
    if why == "unconfirmed":
        return str(_("You did not say in time that you come: %(what)s", what=what))
    return str(_("Lapsed: %(what)s", what=what))


def _facts(notice: Notice, line: BookingLine | None, base: str) -> list[str]:
    if line is None:
        address = f"{base}/"
        if "order" in notice.payload:
            address = f"{base}/orders/{notice.payload['order']}"
        elif "plan" in notice.payload:
            address = f"{base}/plans/{notice.payload['plan']}"
        elif "waiting" in notice.payload:
            address = f"{base}/waiting"
        return [_("More on this page:"), address]
    booking = line.booking
    gone = wording.status_of(booking.state) is ics.Status.CANCELLED
    return [
        f"{named(line.resource)} ({line.resource.code}) · {named(line.platform)}",
        f"{_when(booking.starts_at)} – {_when(booking.ends_at)}",
        *([_("It no longer takes place.")] if gone else []),
        "",
        _("More on this page:"),
        f"{base}/bookings/{booking.public_id}",
    ]


def _when(moment: datetime) -> str:
    return local_time(moment)
