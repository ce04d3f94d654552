"""The scheduler, a process of its own.

What runs when:

========================  ==============================  ==================================
night                     daily at PB_NIGHT_AT, park time  allocate everything anew
catch up                  at start, every 15 seconds      the night that is due and was not
                                                          run, up to six hours late
requests                  at start, every second          what people asked for: a night, a
                                                          publication
questions                 at start, every second          what forcing an order in would
                                                          displace
close undecided plans     every minute                    silent platforms lapse; what is
                                                          approved by then is published
sweep bookings            at start, every minute          requests and confirmations that
                                                          lapse, no-shows, what is over
mail                      every 5 seconds                 notices by mail, where a server
                                                          is set
waiting list              at start, every 5 seconds       offers that lapse, windows that
                                                          are over, offers of what is free
settle runs               at start, every minute          runs with too little in them when
                                                          their registration closes
displaced orders          every 5 seconds                 what else is booked of an order
                                                          that an outage has displaced
expire orders             at start, every hour            orders past their deadline
forget                    every hour                      spent links, attempts to sign in,
                                                          answers kept for retries
========================  ==============================  ==================================

Several schedulers may run: a session advisory lock elects one, and the next takes over
within seconds. A row per job and date makes dated jobs run once, whoever is asked; a night
that its runner left unfinished begins again when its lease is over.
"""

import logging
import os
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa
import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask
from sqlalchemy.dialects import postgresql

from platform_booking import audit
from platform_booking.accounts import administration
from platform_booking.attendance.sweeping import sweep
from platform_booking.clock import utcnow
from platform_booking.config import Settings
from platform_booking.db import JOB, acting_as, db, transaction
from platform_booking.errors import BookingError, NightRunning, NightStopped
from platform_booking.events.filling import settle
from platform_booking.feeds import mails
from platform_booking.notices.outbox import tell
from platform_booking.orders.displacing import free_the_rest
from platform_booking.orders.models import Order, Step
from platform_booking.orders.states import OrderState, StepState
from platform_booking.planning import apart, forcing, nightly, publication, services
from platform_booking.planning.models import JobRequest, JobRun, Plan
from platform_booking.planning.states import PlanState
from platform_booking.waitlist.offering import Watch, tend
from platform_booking.web.idempotency import forget_answers

LEADER_LOCK = 0x706C_6174  # any number that nobody else locks in this database
_CHECK_SECONDS = 0.5
_MISFIRE_SECONDS = 6 * 3600
_GRACE_SECONDS = 10
NIGHT = "night"
UNEXPECTED = "error"  # the code of what nobody has foreseen

_log = structlog.get_logger()


def _go_on() -> bool:
    return False


def run_night(
    night: date, *, settings: Settings, should_stop: Callable[[], bool] = _go_on
) -> bool:
    """Run the dated night once; tell whether this call did.

    What a runner left unfinished when it died is begun again, as soon as its lease is over.
    """
    if not _unfinished(NIGHT, night):
        return False
    try:
        outcome = nightly.run(
            night,
            now=utcnow(),
            settings=settings,
            should_stop=should_stop,
            solve=apart.solve,
            scheduled_at=last_due(utcnow(), settings),
        )
    except (NightRunning, NightStopped):
        return False
    except BookingError as fault:
        _done(NIGHT, night, fault.code)
        _log.error("night_failed", night=str(night), fault=str(fault))
        return True
    except Exception:
        _done(NIGHT, night, UNEXPECTED)
        raise
    _done(NIGHT, night, f"{outcome.placed} of {outcome.asked} placed")
    _log.info("night", night=str(night), placed=outcome.placed, asked=outcome.asked)
    return True


def catch_up(*, settings: Settings, should_stop: Callable[[], bool] = _go_on) -> bool:
    """Run the night that is due and was not run: nobody was there, or the runner died.

    A night that somebody has run by hand since it was due needs no other.
    """
    due = last_due(utcnow(), settings)
    if due + timedelta(seconds=_MISFIRE_SECONDS) < utcnow():
        return False
    night = due.astimezone(settings.zone).date()
    with transaction() as session:
        by_hand = session.scalar(
            sa.select(Plan.id)
            .where(Plan.night == night, Plan.started_at >= due)
            .where(Plan.state.not_in([PlanState.RUNNING, PlanState.FAILED]))
            .limit(1)
        )
    if by_hand is not None:
        return False
    return run_night(night, settings=settings, should_stop=should_stop)


def last_due(now: datetime, settings: Settings) -> datetime:
    """Return when the newest night that should have begun was to begin."""
    hour, minute = map(int, settings.night_at.split(":"))
    local = now.astimezone(settings.zone)
    due = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if due > local:
        due = (due - timedelta(days=1)).replace(hour=hour, minute=minute)
    return due.astimezone(UTC)


def serve_requests(*, settings: Settings, should_stop: Callable[[], bool] = _go_on) -> int:
    """Do what people asked for since; return how many requests were served.

    A night that another runner is at stays asked for, and is served when he is done.
    """
    jobs = (services.NIGHT, services.PUBLISH)
    return _serve_all(jobs, settings=settings, should_stop=should_stop)


def answer_questions(
    *, settings: Settings, should_stop: Callable[[], bool] = _go_on
) -> int:
    """Answer what forcing orders in would displace; return how many questions there were.

    Beside the other requests, so that nobody waits for a night that is under way.
    """
    return _serve_all((services.FORCE,), settings=settings, should_stop=should_stop)


def _serve_all(
    jobs: Sequence[str], *, settings: Settings, should_stop: Callable[[], bool]
) -> int:
    served = 0
    later: list[int] = []
    while not should_stop() and (request := _take(jobs, but=later)) is not None:
        try:
            outcome = _serve(request, settings=settings, should_stop=should_stop)
        except (NightRunning, NightStopped):
            _give_back(request.id)
            later.append(request.id)
            continue
        except BookingError as fault:
            _log.error("request_failed", job=request.job, fault=str(fault))
            _fail(request, fault.code)
        except Exception:
            _fail(request, UNEXPECTED)
            raise
        else:
            _finish(request.id, outcome)
            _log.info("request_served", job=request.job, outcome=outcome)
        served += 1
    return served


def adopt_requests() -> None:
    """Take over what a leader that is gone has begun and not finished."""
    with transaction() as session:
        session.execute(
            sa.update(JobRequest)
            .where(JobRequest.finished_at.is_(None), JobRequest.taken_at.is_not(None))
            .values(taken_at=None)
        )


def close_undecided() -> None:
    """Let silent platforms lapse, and publish what is approved by then."""
    for plan_id in services.close_undecided(now=utcnow()):
        try:
            publication.publish(plan_id, now=utcnow())
        except BookingError as fault:  # the next minute tries again; the others go on
            _log.error("publication_failed", plan=plan_id, fault=fault.code)


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
            tell(
                session,
                kind="order.expired",
                payload={"order": str(order.public_id)},
                now=utcnow(),
                organisation_id=order.organisation_id,
            )
        return len(orders)


def free_displaced() -> int:
    """Let orders that an outage has displaced wait as a whole."""
    with transaction() as session:
        return free_the_rest(session, utcnow())


def forget() -> None:
    """Delete what is kept for a time only and is past it."""
    with transaction() as session:
        administration.forget_spent(session, now=utcnow())
        forget_answers(session, now=utcnow())


def run_forever(app: Flask, stop: threading.Event) -> bool:
    """Lead, or stand by until the leader is gone; return when `stop` is set.

    The lock lives on a connection of its own. If that connection dies, so does the claim to
    lead: the jobs stop and the election begins again. Returns whether every job has ended;
    if not, the process must be ended over it, and its night is taken over by its lease.
    """
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    work = _Work(app, stop)
    while not stop.is_set():
        try:
            with _lock_connection(app) as connection:
                _stand_by(connection, stop)
                if not stop.is_set():
                    _lead(work, connection)
        except sa.exc.SQLAlchemyError as fault:
            _log.warning("scheduler_lost_database", fault=type(fault).__name__)
            stop.wait(_CHECK_SECONDS * 4)
    return work.ended(within=_GRACE_SECONDS)


def _stand_by(connection: sa.Connection, stop: threading.Event) -> None:
    while not stop.is_set():
        if connection.scalar(sa.select(sa.func.pg_try_advisory_lock(LEADER_LOCK))):
            return
        stop.wait(_CHECK_SECONDS)


def _lead(work: "_Work", connection: sa.Connection) -> None:
    work.do("adopt_requests", adopt_requests)
    over = threading.Event()
    scheduler = scheduler_of(work, over.is_set)
    scheduler.start()
    _log.info("scheduler_leads", pid=os.getpid())
    try:
        while not work.stop.is_set():
            connection.scalar(sa.select(1))  # raises when the lock's session is gone
            work.stop.wait(_CHECK_SECONDS)
    finally:
        over.set()
        scheduler.shutdown(wait=False)


class _Work:
    """What the jobs of this process are at."""

    def __init__(self, app: Flask, stop: threading.Event) -> None:
        self.app = app
        self.stop = stop
        self._running = 0
        self._changed = threading.Condition()

    def do(self, name: str, deed: Callable[[], Any]) -> None:
        """Do one job as pb_job; what goes wrong is logged, and the next time will come."""
        with self._changed:
            self._running += 1
        try:
            with self.app.app_context(), acting_as(JOB):
                deed()
        except Exception as fault:
            _log.error("job_failed", job=name, fault=type(fault).__name__)
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def ended(self, *, within: float) -> bool:
        """Wait until no job runs; tell whether that came to be in so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._running, timeout=within)


def scheduler_of(work: _Work, is_over: Callable[[], bool]) -> BackgroundScheduler:
    """Return the scheduler with every job of the table above, not started."""
    settings: Settings = work.app.config["SETTINGS"]
    hour, minute = map(int, settings.night_at.split(":"))

    def should_stop() -> bool:
        return work.stop.is_set() or is_over()

    def tonight() -> None:
        night = utcnow().astimezone(settings.zone).date()
        run_night(night, settings=settings, should_stop=should_stop)

    scheduler = BackgroundScheduler(
        timezone=settings.timezone,
        job_defaults={
            "coalesce": True,
            "max_instances": 1,
            "misfire_grace_time": _MISFIRE_SECONDS,
        },
    )
    at_once = {"next_run_time": utcnow()}
    jobs: tuple[tuple[str, Callable[[], Any], dict[str, Any]], ...] = (
        ("night", tonight, {"trigger": "cron", "hour": hour, "minute": minute}),
        (
            "catch up",
            partial(catch_up, settings=settings, should_stop=should_stop),
            {"trigger": "interval", "seconds": 15} | at_once,
        ),
        (
            "requests",
            partial(serve_requests, settings=settings, should_stop=should_stop),
            {"trigger": "interval", "seconds": 1} | at_once,
        ),
        (
            "questions",
            partial(answer_questions, settings=settings, should_stop=should_stop),
            {"trigger": "interval", "seconds": 1} | at_once,
        ),
        ("close undecided plans", close_undecided, {"trigger": "interval", "minutes": 1}),
        (
            "sweep bookings",
            sweep,
            {"trigger": "interval", "minutes": 1} | at_once,
        ),
        (
            "mail",
            partial(mails.deliver, settings=settings),
            {"trigger": "interval", "seconds": 5},
        ),
        (
            "waiting list",
            partial(tend, Watch(), zone=settings.zone),
            {"trigger": "interval", "seconds": 5} | at_once,
        ),
        ("settle runs", settle, {"trigger": "interval", "minutes": 1} | at_once),
        ("displaced orders", free_displaced, {"trigger": "interval", "seconds": 5}),
        ("expire orders", expire_orders, {"trigger": "interval", "hours": 1} | at_once),
        ("forget", forget, {"trigger": "interval", "hours": 1}),
    )
    for name, deed, trigger in jobs:
        scheduler.add_job(work.do, id=name, args=(name, deed), **trigger)
    return scheduler


def _lock_connection(app: Flask) -> sa.Connection:
    with app.app_context():
        engine = sa.create_engine(
            db.engines["job"].url, poolclass=sa.pool.NullPool, isolation_level="AUTOCOMMIT"
        )
    return engine.connect()


def _unfinished(job: str, on_date: date) -> bool:
    """Write that a job runs on a date; False if it has run."""
    with transaction() as session:
        session.execute(
            postgresql.insert(JobRun)
            .values(job=job, on_date=on_date, started_at=utcnow(), outcome="")
            .on_conflict_do_nothing()
        )
        done = session.scalar(
            sa.select(JobRun.finished_at).filter_by(job=job, on_date=on_date)
        )
    return done is None


def _done(job: str, on_date: date, outcome: str) -> None:
    with transaction() as session:
        session.execute(
            sa.update(JobRun)
            .filter_by(job=job, on_date=on_date)
            .values(finished_at=utcnow(), outcome=outcome)
        )


def _take(jobs: Sequence[str], *, but: Sequence[int]) -> JobRequest | None:
    with transaction() as session:
        request = session.scalars(
            sa.select(JobRequest)
            .where(JobRequest.taken_at.is_(None), JobRequest.finished_at.is_(None))
            .where(JobRequest.job.in_(jobs), JobRequest.id.not_in(but))
            .order_by(JobRequest.requested_at, JobRequest.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        ).one_or_none()
        if request is not None:
            request.taken_at = utcnow()
        return request


def _give_back(request_id: int) -> None:
    with transaction() as session:
        session.execute(
            sa.update(JobRequest).filter_by(id=request_id).values(taken_at=None)
        )


def _serve(
    request: JobRequest, *, settings: Settings, should_stop: Callable[[], bool]
) -> str:
    if request.job == services.NIGHT:
        night = date.fromisoformat(request.subject["night"])
        outcome = nightly.run(
            night,
            now=utcnow(),
            settings=settings,
            should_stop=should_stop,
            solve=apart.solve,
        )
        return f"{outcome.placed} of {outcome.asked} placed"
    if request.job == services.FORCE:
        plan, order = request.subject["plan"], request.subject["order"]
        return forcing.answer(plan, order, now=utcnow())
    done = publication.publish(int(request.subject["plan"]), now=utcnow())
    return f"{len(done.booked)} booked, {len(done.overtaken)} overtaken"


def _finish(request_id: int, outcome: str, *, failed: bool = False) -> None:
    with transaction() as session:
        session.execute(
            sa.update(JobRequest)
            .where(JobRequest.id == request_id, JobRequest.finished_at.is_(None))
            .values(finished_at=utcnow(), outcome=outcome, failed=failed)
        )


def _fail(request: JobRequest, code: str) -> None:
    """Say that nothing came of a request, to the one who asked too."""
    _finish(request.id, code, failed=True)
    with transaction() as session:
        tell(
            session,
            kind="request.failed",
            payload={"job": request.job, "subject": request.subject, "code": code},
            now=utcnow(),
            member_id=request.member_id,
        )
