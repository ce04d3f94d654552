"""`flask --app wsgi plan …`."""

from datetime import date, datetime

import click
import sqlalchemy as sa
from flask import current_app
from flask.cli import AppGroup

from platform_booking.clock import utcnow
from platform_booking.db import JOB, acting_as, transaction
from platform_booking.errors import BookingError
from platform_booking.planning import nightly, publication
from platform_booking.planning.drafting import Outcome
from platform_booking.planning.models import Plan, PlanProblem
from solver.options import Progress

group = AppGroup("plan", help="Nightly plans.")


def _night(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> date | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a date has no zone
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a date, such as 2027-03-08") from None


@group.command("run")
@click.option("--night", callback=_night, help="Date of the night; today by default.")
@click.option("--seconds", type=click.FloatRange(min=1), help="How long to search.")
@click.option("--waves", type=click.IntRange(min=0), help="Search so far, repeatably.")
@click.option("--seed", type=int, default=1, show_default=True)
def run(night: date | None, seconds: float | None, waves: int | None, seed: int) -> None:
    """Run the allocation of a night and keep its draft."""
    settings = current_app.config["SETTINGS"]
    night = night or utcnow().astimezone(settings.zone).date()
    with acting_as(JOB):
        try:
            outcome = nightly.run(
                night,
                now=utcnow(),
                settings=settings,
                seconds=seconds,
                waves=waves,
                seed=seed,
                on_progress=_show,
            )
        except BookingError as fault:
            raise click.ClickException(str(fault) or type(fault).__name__) from None
    for line in summary(outcome):
        click.echo(line)


@group.command("publish")
@click.option("--night", callback=_night, required=True)
def publish(night: date) -> None:
    """Publish what has been approved of a night's plan."""
    with acting_as(JOB):
        try:
            done = publication.publish(_plan(night).id, now=utcnow())
        except BookingError as fault:
            raise click.ClickException(str(fault) or type(fault).__name__) from None
    click.echo(
        f"{len(done.booked)} orders booked, {len(done.overtaken)} overtaken,"
        f" {done.withheld} parts wait for approval"
    )


@group.command("replay")
@click.option("--night", callback=_night, required=True)
def replay(night: date) -> None:
    """Solve a kept night again; fail unless the same value comes out."""
    with acting_as(JOB):
        plan = _plan(night)
        with transaction() as session:
            content = session.get_one(PlanProblem, plan.id)
        workers = current_app.config["SETTINGS"].night_workers
        same, again = nightly.replay(plan, content, workers=workers)
    click.echo(f"kept {plan.value}, again {again.value} in {again.waves} waves")
    if not same:
        raise click.ClickException("the value differs")


def summary(outcome: Outcome) -> list[str]:
    """Say what a night brought, a line each."""
    more = outcome.value / outcome.fcfs_value if outcome.fcfs_value else 1.0
    lines = [
        f"{outcome.placed} of {outcome.asked} orders placed"
        f" (first come, first served: {outcome.fcfs_placed})",
        f"value {outcome.value:,}, {more:.3f} times first come, first served",
    ]
    if outcome.bound is not None:
        gap = 1 - outcome.value / outcome.bound if outcome.bound else 0.0
        lines.append(
            f"proven: no plan is worth more than {outcome.bound:,} (gap {gap:.1%})"
        )
    if outcome.left_out:
        why = ", ".join(f"{n} {cause}" for cause, n in outcome.left_out)
        lines.append(f"left out: {why}")
    return lines


def _plan(night: date) -> Plan:
    with transaction() as session:
        plan = session.scalars(
            sa.select(Plan).filter_by(night=night).order_by(Plan.id.desc()).limit(1)
        ).one_or_none()
    if plan is None:
        raise click.ClickException(
            f"there is no plan of {night}; see: plan run --night {night}"
        )
    return plan


def _show(progress: Progress) -> None:
    click.echo(
        f"{progress.phase} wave {progress.wave}: value {progress.value:,}"
        f" after {progress.seconds:.1f} s",
        err=True,
    )
