"""Notices by mail: to whom, in which language, with what, and never lost."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial

import icalendar
import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking.accounts.models import Member, OrganisationState
from platform_booking.clock import utcnow
from platform_booking.config import Settings, read
from platform_booking.db import JOB, acting_as
from platform_booking.embedded import Urls
from platform_booking.errors import Misconfigured
from platform_booking.feeds import mails
from platform_booking.jobs import _Work, scheduler_of
from platform_booking.notices import delivery
from platform_booking.notices.models import Notice
from platform_booking.notices.outbox import tell
from tests.factories import (
    make_member,
    make_operator,
    make_organisation,
    make_project,
    writing,
)
from tests.feeds.reading import Feeds, events, small_park
from tests.notices.post import Post, post_office
from tests.service import ROOT, environment


@pytest.fixture
def post() -> Iterator[Post]:
    with post_office() as running:
        yield running


@pytest.fixture
def settings(app: Flask, post: Post) -> Settings:
    chosen: Settings = replace(
        app.config["SETTINGS"],
        mail_server="127.0.0.1",
        mail_port=post.port,
        mail_sender="booking@park.example",
        mail_tls="no",
    )
    return chosen


def deliver(settings: Settings, *, after: timedelta = timedelta(0)) -> int:
    compose = partial(mails.compose, settings=settings)
    with acting_as(JOB):
        return delivery.deliver(compose, settings=settings, now=utcnow() + after)


def said_to(member: Member, **payload: object) -> None:
    with writing() as session:
        tell(
            session, kind="order.left_out", payload=payload, now=utcnow(),
            member_id=member.id,
        )  # fmt: skip


def one_notice() -> Notice:
    with writing() as session:
        return session.scalars(sa.select(Notice)).one()


def calendar_of(message) -> icalendar.Calendar:
    (part,) = (p for p in message.walk() if p.get_content_type() == "text/calendar")
    whole = icalendar.Calendar.from_ical(part.get_payload(decode=True))
    assert isinstance(whole, icalendar.Calendar)
    assert part.get_param("method") == str(whole["METHOD"])
    return whole


def test_a_booking_is_told_with_the_entry_that_the_feed_shows(
    app: Flask, client, settings: Settings, post: Post
) -> None:
    feeds = Feeds(client)
    park = feeds.park
    feeds.client.enter(park.mine)
    answer = feeds.client.submit(
        f"/bookings/new?resource={park.tool.public_id}",
        {
            "starts_at": park.soon.isoformat(),
            "ends_at": (park.soon + timedelta(hours=1)).isoformat(),
        },
    )
    assert answer.status_code == 302, answer.text
    assert deliver(settings) == 2  # both engineers of the firm, and nobody else
    assert {whom for whom, _ in post.mails} == {park.mine.email, park.colleague.email}
    (message,) = post.to(park.mine.email)
    whole = calendar_of(message)
    (event,) = whole.walk("VEVENT")
    (fed,) = events(feeds.fetch(feeds.make()))
    assert whole["METHOD"] == "REQUEST"
    assert event["ORGANIZER"] == "mailto:booking@park.example"
    assert event["ATTENDEE"] == f"mailto:{park.mine.email}"
    assert (event["UID"], event["SEQUENCE"]) == (fed["UID"], fed["SEQUENCE"])
    assert event.start == park.soon
    address = answer.headers["Location"]
    feeds.client.submit(f"{address}/cancel", {"version": "1"})
    assert deliver(settings) == 2
    gone = calendar_of(post.to(park.mine.email)[-1])
    (event,) = gone.walk("VEVENT")
    assert (gone["METHOD"], event["STATUS"]) == ("CANCEL", "CANCELLED")
    assert event["UID"] == fed["UID"]
    assert event["SEQUENCE"] > fed["SEQUENCE"]


def test_everybody_is_written_to_in_his_language(
    app: Flask, settings: Settings, post: Post
) -> None:
    park = small_park()
    with writing() as session:
        session.execute(sa.update(Member).filter_by(id=park.mine.id).values(locale="en"))
        tell(
            session, kind="order.left_out", payload={}, now=utcnow(),
            organisation_id=park.firm.id,
        )  # fmt: skip
    deliver(settings)
    (english,), (chinese,) = post.to(park.mine.email), post.to(park.colleague.email)
    assert english["Subject"] == "Your order found no place last night"
    assert chinese["Subject"] == "您的申请单昨夜未能排入"
    assert "详情见" in chinese.get_content()
    assert english["Message-ID"] != chinese["Message-ID"]


def test_nobody_who_is_out_is_written_to(
    app: Flask, settings: Settings, post: Post
) -> None:
    with writing() as session:
        out = make_member(session, active=False)
        firm = make_organisation(session, state=OrganisationState.SUSPENDED)
        suspended = make_member(session, organisation=firm)
    for member in (out, suspended):
        said_to(member)
    assert deliver(settings) == 0
    assert post.mails == []
    with writing() as session:
        assert session.scalars(sa.select(Notice.sent_at)).all().count(None) == 0


def test_a_bad_address_keeps_no_mail_from_the_others(
    app: Flask, settings: Settings, post: Post
) -> None:
    park = small_park()
    post.bad[park.mine.email] = "550 no such mailbox"
    said_to(park.mine)
    said_to(park.colleague)
    said_to(park.other)
    assert deliver(settings) == 2
    assert len(post.mails) == 2
    assert deliver(settings, after=timedelta(days=1)) == 0, "what is refused is over"


def test_what_is_refused_for_now_is_tried_again_later_and_later(
    app: Flask, settings: Settings, post: Post
) -> None:
    park = small_park()
    post.bad[park.mine.email] = "451 come back later"
    with writing() as session:
        tell(
            session, kind="order.placed", payload={}, now=utcnow(),
            organisation_id=park.firm.id,
        )  # fmt: skip
    assert deliver(settings) == 1
    assert deliver(settings) == 0, "not before its time"
    assert deliver(settings, after=timedelta(minutes=3)) == 0
    assert one_notice().tries == 2
    post.bad.clear()
    assert deliver(settings, after=timedelta(minutes=4)) == 0, "it rests for longer now"
    assert deliver(settings, after=timedelta(minutes=8)) == 1
    assert len(post.to(park.colleague.email)) == 1, "who has it gets it no second time"
    assert one_notice().sent_at is not None
    waits = [delivery.wait(n) for n in range(1, 12)]
    assert waits == sorted(waits)
    assert waits[-1] == delivery.LONGEST_WAIT


def test_a_mail_server_that_is_away_loses_nothing(app: Flask, settings: Settings) -> None:
    park = small_park()
    said_to(park.mine)
    with post_office() as gone:
        away = replace(settings, mail_port=gone.port)
    assert deliver(away) == 0
    with post_office() as back:
        there = replace(settings, mail_port=back.port)
        assert deliver(there, after=timedelta(minutes=3)) == 1
        assert len(back.mails) == 1


def test_a_process_that_dies_after_sending_sends_the_same_mail_again(
    app: Flask, database: Urls, settings: Settings, post: Post
) -> None:
    park = small_park()
    said_to(park.mine)
    mailer = subprocess.Popen(
        [sys.executable, "-m", "tests.notices.mailing_once"],
        cwd=ROOT,
        env=environment(
            database,
            JOB_DATABASE_URL=database.job,
            PB_MAIL_SERVER="127.0.0.1",
            PB_MAIL_PORT=str(post.port),
            PB_MAIL_SENDER="booking@park.example",
            PB_MAIL_TLS="no",
        ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert mailer.stdout is not None
    assert mailer.stdout.readline() == b"ready\n"
    post.kill = mailer.pid
    mailer.communicate(b"go\n", timeout=60)
    assert mailer.returncode == -9
    post.kill = None
    assert one_notice().sent_at is None
    assert deliver(settings, after=timedelta(minutes=3)) == 1
    first, second = post.to(park.mine.email)
    assert first["Message-ID"] == second["Message-ID"]
    assert deliver(settings, after=timedelta(hours=1)) == 0


def test_old_news_is_not_mailed_when_a_server_is_set_at_last(
    app: Flask, settings: Settings, post: Post
) -> None:
    park = small_park()
    said_to(park.mine)
    with writing() as session:
        session.execute(sa.update(Notice).values(created_at=utcnow() - timedelta(days=4)))
    assert deliver(settings) == 0


def test_nothing_is_mailed_and_nothing_is_lost_without_a_server(app: Flask) -> None:
    park = small_park()
    said_to(park.mine)
    assert deliver(app.config["SETTINGS"]) == 0
    assert one_notice().tries == 0


def test_a_line_of_a_subject_cannot_become_a_header(
    app: Flask, settings: Settings, post: Post
) -> None:
    park = small_park()
    with writing() as session:
        tell(
            session, kind="something.new", now=utcnow(), member_id=park.mine.id,
            payload={"title": "x\r\nBcc: spy@firm.example"},
        )  # fmt: skip
    assert deliver(settings) == 1
    (message,) = post.to(park.mine.email)
    assert message["Bcc"] is None


def test_no_mail_shows_a_booking_of_another_firm(
    app: Flask, client, settings: Settings, post: Post
) -> None:
    """The job sees every row; a notice that names a foreign booking stays without it."""
    feeds = Feeds(client)
    foreign = feeds.book_other()
    with writing() as session:
        tell(
            session, kind="booking.moved", now=utcnow(), member_id=feeds.park.mine.id,
            payload={"booking": str(foreign.public_id)},
        )  # fmt: skip
    assert deliver(settings) == 1
    ((_, message),) = post.mails
    assert not any(p.get_content_type() == "text/calendar" for p in message.walk())
    assert str(foreign.public_id) not in message.as_string()


def test_what_staff_booked_for_a_firm_does_not_tell_them_what_it_is_for(
    app: Flask, client, settings: Settings, post: Post
) -> None:
    feeds = Feeds(client)
    with writing() as session:
        project = make_project(session, feeds.park.firm, code="SECRET-1")
        operator = make_operator(session, session.merge(feeds.park.tool).platform)
    booking = feeds.book(member_id=operator.id, project_id=project.id)
    with writing() as session:
        tell(
            session, kind="booking.to_confirm", now=utcnow(), member_id=operator.id,
            organisation_id=feeds.park.firm.id,
            payload={"booking": str(booking.public_id), "resource": "R"},
        )  # fmt: skip
    assert deliver(settings) == 1
    ((_, message),) = post.mails
    assert "R" in message["Subject"]
    assert not any(p.get_content_type() == "text/calendar" for p in message.walk())


def test_the_scheduler_mails_every_few_seconds(make_app) -> None:

    scheduler = scheduler_of(_Work(make_app(), threading.Event()), lambda: False)
    (job,) = (job for job in scheduler.get_jobs() if job.id == "mail")
    assert job.trigger.interval <= timedelta(seconds=10)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"PB_MAIL_SERVER": "mail.park.example"}, "PB_MAIL_SENDER"),
        ({"PB_MAIL_TLS": "maybe"}, "PB_MAIL_TLS"),
        (
            {
                "PB_MAIL_SERVER": "mail.park.example", "PB_MAIL_SENDER": "a@park.example",
                "PB_MAIL_TLS": "no", "PB_MAIL_USER": "x",
            },
            "in clear",
        ),
        ({"PB_MAIL_PORT": "0"}, "PB_MAIL_PORT"),
    ],
)  # fmt: skip
def test_wrong_settings_of_mails_stop_the_start(wrong: dict[str, str], told: str) -> None:
    right = {"DATABASE_URL": "postgresql://x", "SECRET_KEY": "x" * 32}
    with pytest.raises(Misconfigured, match=told):
        read(right | wrong)
