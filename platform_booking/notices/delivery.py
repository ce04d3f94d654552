"""Mails go out after the commit: at least once, and one bad address stops nobody.

A notice is claimed by writing when it may be tried again; while a mail is on its way no
transaction is open. A process that dies after the mail server has accepted, and before it
could be written down, makes the same mail go out once more, under the same Message-ID.
"""

import smtplib
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from platform_booking.config import Settings
from platform_booking.db import transaction
from platform_booking.notices.models import Notice

KEPT = timedelta(days=3)  # older news is no news
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=2), timedelta(hours=4)
AT_ONCE = 20
_PATIENCE = 15  # seconds that the mail server may take for one answer
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Mail:
    """One notice for one member, ready to go."""

    notice_id: int
    member_id: int
    message: EmailMessage


Compose = Callable[[Session, Notice], Sequence[Mail]]
"""Words a notice for everybody whom it is for. Takes part in the claim's transaction."""


def deliver(compose: Compose, *, settings: Settings, now: datetime) -> int:
    """Mail what is due; return how many mails the server has accepted.

    Does nothing where no mail server is set.
    """
    if settings.mail_server is None:
        return 0
    due = _claim(compose, now=now)
    if not due:
        return 0
    sent = 0
    try:
        with _connected(settings) as server:
            for notice_id, mails in due.items():
                sent += _send(server, notice_id, mails, now=now)
    except (OSError, smtplib.SMTPException) as fault:  # they stay due, and wait
        _log.warning("mail_server_failed", fault=type(fault).__name__)
    return sent


def wait(tries: int) -> timedelta:
    """Return how long a notice rests after so many tries: twice as long each time."""
    doubled = FIRST_WAIT * int(2 ** min(max(tries - 1, 0), 10))
    return min(doubled, LONGEST_WAIT)


def _claim(compose: Compose, *, now: datetime) -> dict[int, list[Mail]]:
    with transaction() as session:
        notices = session.scalars(
            sa.select(Notice)
            .where(Notice.sent_at.is_(None), Notice.created_at > now - KEPT)
            .where(sa.or_(Notice.next_try_at.is_(None), Notice.next_try_at <= now))
            .order_by(Notice.created_at, Notice.id)
            .limit(AT_ONCE)
            .with_for_update(skip_locked=True)
        ).all()
        due: dict[int, list[Mail]] = {}
        for notice in notices:
            notice.tries += 1
            notice.next_try_at = now + wait(notice.tries)
            due[notice.id] = [
                mail
                for mail in compose(session, notice)
                if mail.member_id not in notice.mailed
            ]
        return due


@contextmanager
def _connected(settings: Settings) -> Iterator[smtplib.SMTP]:
    assert settings.mail_server is not None
    where = (settings.mail_server, settings.mail_port)
    trust = ssl.create_default_context()
    if settings.mail_tls == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(*where, timeout=_PATIENCE, context=trust)
    else:
        server = smtplib.SMTP(*where, timeout=_PATIENCE)
    with server:
        if settings.mail_tls == "starttls":
            server.starttls(context=trust)
        if settings.mail_user:
            server.login(settings.mail_user, settings.mail_password or "")
        yield server


def _send(
    server: smtplib.SMTP, notice_id: int, mails: Sequence[Mail], *, now: datetime
) -> int:
    """Send one notice to everybody; the server's refusal of one reaches no other."""
    accepted, given_up, later = 0, 0, 0
    for mail in mails:
        try:
            server.send_message(mail.message)
        except smtplib.SMTPServerDisconnected:
            raise
        except smtplib.SMTPException as fault:
            final = _is_final(fault)
            _log.warning("mail_refused", notice=notice_id, final=final)
            given_up, later = given_up + final, later + (not final)
            if not final:
                continue
        else:
            accepted += 1
        _note(notice_id, mail.member_id)
    if not later:
        with transaction() as session:
            session.execute(
                sa.update(Notice).where(Notice.id == notice_id).values(sent_at=now)
            )
    return accepted


def _is_final(fault: smtplib.SMTPException) -> bool:
    """Tell whether a refusal is for good: 5xx of the address or the mail itself."""
    if isinstance(fault, smtplib.SMTPRecipientsRefused):
        return all(code >= 500 for code, _said in fault.recipients.values())
    if isinstance(fault, smtplib.SMTPResponseException):
        return fault.smtp_code >= 500 and not isinstance(fault, smtplib.SMTPSenderRefused)
    return isinstance(fault, smtplib.SMTPNotSupportedError)


def _note(notice_id: int, member_id: int) -> None:
    """Write down who has it, before the next mail goes: little is sent twice."""
    with transaction() as session:
        session.execute(
            sa.update(Notice)
            .where(Notice.id == notice_id)
            .values(mailed=sa.func.array_append(Notice.mailed, member_id))
        )
