"""The scheduler, a process of its own.

What runs when:

========================  ==============================  ==================================
night                     daily at PB_NIGHT_AT, park time  allocate everything anew
requests                  every second                    what people asked for: a night, a
                                                          publication
close undecided plans     every minute                    silent platforms lapse; what is
                                                          approved by then is published
expire orders             hourly                          orders past their deadline
========================  ==============================  ==================================

Several schedulers may run: a session advisory lock elects one, and the next takes over
within seconds. A row per job and date makes dated jobs run once, whoever is asked. After
downtime the night is caught up on at start.
"""

import os
import threading
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask

from platform_booking import audit
from platform_booking.clock import utcnow
from platform_booking.config import Settings
from platform_booking.db import JOB, acting_as, db, transaction
from platform_booking.errors import BookingError
from platform_booking.orders.models import Order, Step
from platform_booking.orders.states import OrderState, StepState
from platform_booking.planning import nightly, publication, services
from platform_booking.planning.models import JobRequest, JobRun

LEADER_LOCK = 0x706C_6174  # any number that nobody else locks in this database
_CHECK_SECONDS = 0.5
_MISFIRE_SECONDS = 6 * 3600

_log = structlog.get_logger()


def run_night(night: date, *, settings: Settings) -> bool:
    """Run the dated night once; tell whether this call did."""
    if not _first_today("night", night):
        return False
    try:
        outcome = nightly.run(night, now=utcnow(), settings=settings)
    except BookingError as fault:
        _done("night", night, f"{type(fault).__name__}: {fault}")
        _log.error("night_failed", night=str(night), fault=str(fault))
        return True
    _done("night", night, f"{outcome.placed} of {outcome.asked} placed")
    _log.info("night", night=str(night), placed=outcome.placed, asked=outcome.asked)
    return True


def serve_requests(*, settings: Settings) -> int:
    """Do what people asked for since; return how many requests were served."""
    served = 0
    while (request := _take()) is not None:
        try:
            outcome = _serve(request, settings=settings)
        except BookingError as fault:
            outcome = f"{type(fault).__name__}: {fault}"[:500]
            _log.error("request_failed", job=request.job, fault=outcome)
        except Exception as fault:
            _finish(request.id, f"failed: {type(fault).__name__}")
            raise
        _finish(request.id, outcome)
        served += 1
    return served


def close_undecided() -> None:
    """Let silent platforms lapse, and publish what is approved by then."""
    for plan_id in services.close_undecided(now=utcnow()):
        publication.publish(plan_id, now=utcnow())


def expire_orders() -> int:
    """Mark orders past their deadline that were never placed."""
    with transaction() as session:
        waiting = (
            sa.select(Order)
            .where(Order.state == OrderState.SUBMITTED, Order.deadline_at < utcnow())
            .where(
                ~sa.exists().where(
                    Step.order_id == Order.id, Step.state != StepState.WAITING
                )
            )
            .with_for_update(skip_locked=True)
        )
        orders = session.scalars(waiting).all()
        for order in orders:
            order.state = OrderState.EXPIRED
            order.updated_at = utcnow()
            audit.record(
                session,
                act="order.expire",
                subject=f"order {order.public_id}",
                organisation_id=order.organisation_id,
            )
        return len(orders)


def run_forever(app: Flask, stop: threading.Event) -> None:
    """Lead, or stand by until the leader is gone; return when `stop` is set.

    The lock lives on a connection of its own. If that connection dies, so does the claim to
    lead: the jobs stop and the election begins again.
    """
    while not stop.is_set():
        try:
            with _lock_connection(app) as connection:
                _stand_by(connection, stop)
                if not stop.is_set():
                    _lead(app, connection, stop)
        except sa.exc.SQLAlchemyError as fault:
            _log.warning("scheduler_lost_database", fault=type(fault).__name__)
            stop.wait(_CHECK_SECONDS * 4)


def _stand_by(connection: sa.Connection, stop: threading.Event) -> None:
    while not stop.is_set():
        if connection.scalar(sa.select(sa.func.pg_try_advisory_lock(LEADER_LOCK))):
            return
        stop.wait(_CHECK_SECONDS)


def _lead(app: Flask, connection: sa.Connection, stop: threading.Event) -> None:
    settings: Settings = app.config["SETTINGS"]
    scheduler = _scheduler(app, settings)
    scheduler.start()
    _log.info("scheduler_leads", pid=os.getpid())
    try:
        while not stop.is_set():
            connection.scalar(sa.select(1))  # raises when the lock's session is gone
            stop.wait(_CHECK_SECONDS)
    finally:
        scheduler.shutdown(wait=False)


def _scheduler(app: Flask, settings: Settings) -> BackgroundScheduler:
    hour, _, minute = settings.night_at.partition(":")
    scheduler = BackgroundScheduler(
        timezone=settings.timezone,
        job_defaults={
            "coalesce": True,
            "max_instances": 1,
            "misfire_grace_time": _MISFIRE_SECONDS,
        },
    )

    def tonight() -> None:
        run_night(utcnow().astimezone(settings.zone).date(), settings=settings)

    def catch_up() -> None:
        """Run a night that should have begun while no scheduler was there."""
        local = utcnow().astimezone(settings.zone)
        due = local.replace(hour=int(hour), minute=int(minute), second=0, microsecond=0)
        if due <= local < due + timedelta(seconds=_MISFIRE_SECONDS):
            run_night(local.date(), settings=settings)

    jobs: tuple[tuple[str, Callable[[], Any], dict[str, Any]], ...] = (
        ("night", tonight, {"trigger": "cron", "hour": int(hour), "minute": int(minute)}),
        ("catch_up", catch_up, {"trigger": "date"}),
        (
            "requests",
            lambda: serve_requests(settings=settings),
            {"trigger": "interval", "seconds": 1},
        ),
        ("close_undecided", close_undecided, {"trigger": "interval", "minutes": 1}),
        ("expire_orders", expire_orders, {"trigger": "interval", "hours": 1}),
    )
    for name, work, trigger in jobs:
        scheduler.add_job(_in_app, id=name, args=(app, name, work), **trigger)
    return scheduler


def _in_app(app: Flask, name: str, work: Callable[[], Any]) -> None:
    with app.app_context(), acting_as(JOB):
        try:
            work()
        except Exception as fault:
            _log.error("job_failed", job=name, fault=type(fault).__name__)


def _lock_connection(app: Flask) -> sa.Connection:
    with app.app_context():
        engine = sa.create_engine(
            db.engines["job"].url, poolclass=sa.pool.NullPool, isolation_level="AUTOCOMMIT"
        )
    return engine.connect()


def _first_today(job: str, on_date: date) -> bool:
    """Write that a job runs on a date; False if it has run, or runs, already."""
    with transaction() as session:
        written = session.execute(
            sa.dialects.postgresql.insert(JobRun)
            .values(job=job, on_date=on_date, started_at=utcnow(), outcome="")
            .on_conflict_do_nothing()
            .returning(JobRun.job)
        ).scalar()
    return written is not None


def _done(job: str, on_date: date, outcome: str) -> None:
    with transaction() as session:
        session.execute(
            sa.update(JobRun)
            .filter_by(job=job, on_date=on_date)
            .values(finished_at=utcnow(), outcome=outcome[:500])
        )


def _take() -> JobRequest | None:
    with transaction() as session:
        request = session.scalars(
            sa.select(JobRequest)
            .where(JobRequest.taken_at.is_(None))
            .order_by(JobRequest.requested_at, JobRequest.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        ).one_or_none()
        if request is not None:
            request.taken_at = utcnow()
        return request


def _serve(request: JobRequest, *, settings: Settings) -> str:
    if request.job == services.NIGHT:
        night = date.fromisoformat(request.subject["night"])
        outcome = nightly.run(night, now=utcnow(), settings=settings)
        return f"{outcome.placed} of {outcome.asked} placed"
    if request.job == services.PUBLISH:
        done = publication.publish(int(request.subject["plan"]), now=utcnow())
        return f"{len(done.booked)} booked, {len(done.overtaken)} overtaken"
    return f"unknown job {request.job!r}"


def _finish(request_id: int, outcome: str) -> None:
    with transaction() as session:
        session.execute(
            sa.update(JobRequest)
            .filter_by(id=request_id)
            .values(finished_at=utcnow(), outcome=outcome)
        )
