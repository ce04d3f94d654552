"""Schedulers as processes: one leads, another follows when it is killed."""

import signal
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking.clock import utcnow
from platform_booking.embedded import Urls
from platform_booking.planning.models import JobRequest, JobRun, Plan
from platform_booking.planning.states import Failure, PlanState
from tests.factories import add_step, make_order, make_resource, writing
from tests.planning.nights import HOUR, ZONE
from tests.planning.schedulers import Scheduler, wait_until
from tests.processes import offspring, still_there


def tonight() -> str:
    return utcnow().astimezone(ZONE).date().isoformat()


def ask_for_tonight() -> None:
    with writing() as session:
        session.add(
            JobRequest(job="night", subject={"night": tonight()}, requested_at=utcnow())
        )


def served() -> list[JobRequest]:
    with writing() as session:
        return list(
            session.scalars(
                sa.select(JobRequest).where(JobRequest.finished_at.is_not(None))
            )
        )


def plans() -> list[Plan]:
    with writing() as session:
        return list(session.scalars(sa.select(Plan).order_by(Plan.id)))


def searching() -> bool:
    return any(plan.progress.get("phase") == "improve" for plan in plans())


def make_demand(*, orders: int) -> None:
    """Make more than fits, so that there is something to search for."""
    with writing() as session:
        tools = [make_resource(session) for _ in range(3)]
        for n in range(orders):
            order = make_order(
                session,
                resource=tools[n % 3],
                duration_min=60 * (1 + n % 7),
                earliest_at=utcnow() + 48 * HOUR,
                deadline_at=utcnow() + 72 * HOUR,
            )
            add_step(session, order, resource=tools[(n + 1) % 3], duration_min=90)


@pytest.fixture
def pair(app: Flask, database: Urls) -> Iterator[tuple[Scheduler, Scheduler]]:
    """Two schedulers; the first one leads."""
    quick = {"PB_NIGHT_SECONDS": "10", "PB_LEASE_SECONDS": "3"}
    with Scheduler(database, **quick) as first:
        wait_until(first.leads)
        with Scheduler(database, **quick) as second:
            yield first, second


def test_when_the_leader_is_killed_amid_a_night_another_takes_over(
    pair: tuple[Scheduler, Scheduler],
) -> None:
    """One leads; what it has begun is begun again, and kept once."""
    first, second = pair
    make_demand(orders=90)
    ask_for_tonight()
    wait_until(searching)
    assert not second.leads()
    assert first.process is not None
    searchers = offspring(first.process.pid)
    assert len(searchers) >= 2  # the search and its worker
    first.kill()
    wait_until(lambda: not still_there(searchers))
    wait_until(second.leads)
    wait_until(served)
    broken, kept = plans()
    assert (broken.state, broken.error) == (PlanState.FAILED, Failure.SILENT)
    assert kept.state is PlanState.DRAFT
    assert kept.placed > 0
    (request,) = served()
    assert not request.failed


def test_a_scheduler_that_is_asked_to_end_ends_though_it_searches(
    app: Flask, database: Urls
) -> None:
    make_demand(orders=90)
    with Scheduler(database, PB_NIGHT_SECONDS="300", PB_LEASE_SECONDS="3") as only:
        ask_for_tonight()
        wait_until(searching)
        assert only.process is not None
        only.process.send_signal(signal.SIGTERM)
        assert only.process.wait(20) == 0
    (plan,) = plans()
    assert (plan.state, plan.error) == (PlanState.FAILED, Failure.STOPPED)
    assert served() == []  # it waits for the next leader


def test_the_night_that_is_due_is_caught_up_on_at_start(app: Flask, database: Urls) -> None:
    make_demand(orders=3)
    due = (utcnow() - HOUR).astimezone(ZONE)
    at = due.strftime("%H:%M")
    with Scheduler(database, PB_NIGHT_AT=at, PB_NIGHT_SECONDS="1") as only:
        wait_until(lambda: any(p.state is PlanState.DRAFT for p in plans()))
        wait_until(only.leads)
    with writing() as session:
        run = session.get_one(JobRun, ("night", due.date()))
    assert run.outcome == "3 of 3 placed"


def test_a_leader_that_loses_its_lock_is_followed_and_leads_again_later(
    pair: tuple[Scheduler, Scheduler],
) -> None:
    first, second = pair
    wait_until(lambda: waiting() >= 1)
    with writing() as session:
        session.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_locks"
                " WHERE locktype = 'advisory' AND granted AND database ="
                " (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        )
    make_demand(orders=3)
    ask_for_tonight()
    wait_until(served)
    leaders = [s for s in (first, second) for e in s.entries() if leads(e)]
    assert len(leaders) == 2


def leads(entry: dict[str, object]) -> bool:
    return entry.get("event") == "scheduler_leads"


def waiting() -> int:
    """Return how many schedulers are connected beside the leader."""
    with writing() as session:
        return (
            session.scalar(
                sa.text(
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE datname = current_database()"
                    " AND query LIKE '%pg_try_advisory_lock%'"
                    " AND pid <> pg_backend_pid()"
                )
            )
            or 0
        )
