"""Who runs a night: taken by lease, told apart by fence, judged by the database's clock."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from platform_booking.errors import Fenced, NightRunning
from platform_booking.planning import queries, rules

_log = logging.getLogger(__name__)


FINISH = "finish"
"""The request to search no longer and to keep the best: answered by the night itself."""
_EXTEND = sa.text(
    "WITH kept AS (UPDATE night SET lease_until = now() + make_interval(secs => :lease)"
    " WHERE night = :night AND fence = :fence RETURNING 1)"
    " UPDATE plan SET progress = :progress WHERE id = :plan AND EXISTS (SELECT FROM kept)"
    " RETURNING EXISTS (SELECT FROM job_request WHERE job = :finish"
    " AND subject = jsonb_build_object('plan', plan.id) AND finished_at IS NULL)"
).bindparams(sa.bindparam("progress", type_=JSONB))
_BEAT_SECONDS = 2.0  # at most: people watch the progress, and may have had enough


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run one night, until somebody raises the fence."""

    night: date
    fence: int


def claim(session: Session, night: date, *, runner: str, lease_seconds: int) -> Claim:
    """Take a night, or take it over from a runner whose lease has run out.

    Raises
    ------
    NightRunning
        If another runner holds it.
    """
    fence = session.scalar(
        sa.text(
            "INSERT INTO night (night, fence, lease_until, runner)"
            " VALUES (:night, 1, now() + make_interval(secs => :lease), :runner)"
            " ON CONFLICT (night) DO UPDATE SET fence = night.fence + 1, runner = :runner,"
            " lease_until = now() + make_interval(secs => :lease)"
            " WHERE night.lease_until < now() RETURNING fence"
        ),
        {"night": night, "lease": lease_seconds, "runner": runner},
    )
    if fence is None:
        since = queries.running_since(session, night)
        raise NightRunning(rules.night_running(night, since=since, asked=None))
    return Claim(night, fence)


def hold(session: Session, mine: Claim) -> None:
    """Make sure that a night is still ours, and keep others out until the commit.

    Raises
    ------
    Fenced
        If another runner has taken it over.
    """
    held = session.scalar(
        sa.text("SELECT 1 FROM night WHERE night = :night AND fence = :fence FOR UPDATE"),
        {"night": mine.night, "fence": mine.fence},
    )
    if held is None:
        raise Fenced(f"another runner has taken {mine.night} over")


def release(session: Session, mine: Claim) -> None:
    """Give a night back, so that it can be run again at once."""
    session.execute(
        sa.text(
            "UPDATE night SET lease_until = now() - interval '1 second'"
            " WHERE night = :night AND fence = :fence"
        ),
        {"night": mine.night, "fence": mine.fence},
    )


def answer_finish(session: Session, plan_id: int, *, now: datetime) -> None:
    """Close the requests to finish a plan, once its search is over."""
    session.execute(
        sa.text(
            "UPDATE job_request SET finished_at = :now, outcome = 'finished' WHERE"
            " job = :finish AND subject = jsonb_build_object('plan', CAST(:plan AS int))"
            " AND finished_at IS NULL"
        ),
        {"plan": plan_id, "finish": FINISH, "now": now},
    )


@dataclass(frozen=True, slots=True)
class Signals:
    """What a heartbeat has heard."""

    lost: threading.Event  # the night was taken over: the search may stop
    enough: threading.Event  # somebody wants the best that there is


@contextmanager
def heartbeat(
    engine: sa.Engine,
    mine: Claim,
    *,
    plan_id: int,
    lease_seconds: int,
    progress: Callable[[], dict[str, Any]],
) -> Iterator[Signals]:
    """Extend the lease from a thread of its own while the solver searches.

    Each beat borrows a connection for an instant; none is held in between.
    """
    heard, done = Signals(threading.Event(), threading.Event()), threading.Event()

    def beat() -> None:
        while not done.wait(min(lease_seconds / 4, _BEAT_SECONDS)):
            try:
                with engine.begin() as connection:
                    now = {**facts, "progress": progress()}
                    kept = connection.execute(_EXTEND, now).one_or_none()
            except sa.exc.SQLAlchemyError:
                _log.warning("the heartbeat of %s missed a beat", mine.night)
                continue
            if kept is None:
                heard.lost.set()
                return
            if kept[0]:
                heard.enough.set()

    facts = {
        "night": mine.night, "fence": mine.fence, "lease": lease_seconds, "plan": plan_id,
        "finish": FINISH,
    }  # fmt: skip
    thread = threading.Thread(target=beat, name=f"heartbeat-{mine.night}", daemon=True)
    thread.start()
    try:
        yield heard
    finally:
        done.set()
        thread.join()
