"""Answers are kept for retries, and no longer than that."""

from datetime import timedelta

import sqlalchemy as sa
from flask import Flask

from platform_booking import jobs
from platform_booking.clock import utcnow
from platform_booking.db import JOB, acting_as
from platform_booking.web.idempotency import KEPT
from platform_booking.web.models import IdempotencyKey
from tests.factories import make_member, writing


def test_answers_are_kept_for_a_day_at_least_and_then_forgotten(app: Flask) -> None:
    ages = {"a day": timedelta(hours=24), "too old": KEPT + timedelta(seconds=1)}
    assert ages["a day"] < KEPT
    with writing() as session:
        member = make_member(session)
        session.add_all(
            IdempotencyKey(
                member_id=member.id, route="POST /x", key=key, body_hash="", status=200,
                answer={}, created_at=utcnow() - age,
            )
            for key, age in ages.items()
        )  # fmt: skip
    with acting_as(JOB):
        jobs.forget()
    with writing() as session:
        assert session.scalars(sa.select(IdempotencyKey.key)).all() == ["a day"]
