"""`flask --app wsgi plan …`."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date, datetime
from pathlib import Path

import click
import sqlalchemy as sa
from flask import current_app
from flask_babel import force_locale

from platform_booking.clock import utcnow
from platform_booking.commands import Commands, as_job, counted
from platform_booking.db import transaction
from platform_booking.errors import BookingError, RulesBroken
from platform_booking.planning import nightly, publication, rules
from platform_booking.planning.drafting import Outcome
from platform_booking.planning.models import Plan, PlanProblem
from platform_booking.planning.states import PlanState
from solver.errors import BadFile
from solver.formats.json_format import write_problem
from solver.options import Progress

group = Commands("plan", help="Nightly plans.")

_POINT = 0.01  # of a night's unit of value. Source: DECISIONS 15
_TENTHS = 10  # of a second: the unit of the bar
_SECONDS_BETWEEN_LINES = 5.0
_SEARCH = ("greedy", "improve")
_AFTERWARDS = {
    "bound": "Proving how much better any plan could be ...",
    "explain": "Finding out why the others were left out, and what would bring them in ...",
}
_WHY = {
    "full": "found no room beside what is placed or booked",
    "too_light": "found too little company for a furnace run",
    "one_of": "were wanted only if another one was not placed",
    "no_start": "fitted nowhere within their windows, opening hours and deadline",
    "route_too_long": "did not fit before their deadline as a whole route",
    "no_alternative": "had a step that no resource in service can do",
    "contradictory": "contradicted themselves and must be amended",
    "overtaken": "had changes by their people while the plan was made",
}


def _night(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> date | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a date has no zone
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a date, such as 2027-03-08") from None


@contextmanager
def _as_job() -> Iterator[None]:
    """Act as pb_job; what the service refuses becomes one sentence."""
    try:
        with force_locale("en"), as_job():
            yield
    except BookingError as fault:
        raise click.ClickException(str(fault) or type(fault).__name__) from None


@group.command("run")
@click.option("--night", callback=_night, help="Date of the night; today by default.")
@click.option("--seconds", type=click.FloatRange(min=1), help="How long to search.")
@click.option("--waves", type=click.IntRange(min=0), help="Search so far, repeatably.")
@click.option("--seed", type=int, default=1, show_default=True)
def run(night: date | None, seconds: float | None, waves: int | None, seed: int) -> None:
    """Run the allocation of a night and keep its draft."""
    settings, now = current_app.config["SETTINGS"], utcnow()
    night = night or now.astimezone(settings.zone).date()
    seconds = seconds or float(settings.night_seconds)
    with _as_job():
        if broken := list(rules.broken_by_night(night, now=now, zone=settings.zone)):
            raise RulesBroken(broken)
        with shown(seconds=seconds, waves=waves) as on_progress:
            outcome = nightly.run(
                night,
                now=now,
                settings=settings,
                seconds=seconds,
                waves=waves,
                seed=seed,
                on_progress=on_progress,
            )
    for line in summary(outcome):
        click.echo(line)


@group.command("publish")
@click.option("--night", callback=_night, required=True)
def publish(night: date) -> None:
    """Publish what has been approved of a night's plan."""
    with _as_job():
        plan = _newest(night, Plan.state.not_in([PlanState.RUNNING, PlanState.FAILED]))
        done = publication.publish(plan.id, now=utcnow())
    click.echo(
        f"{counted(len(done.booked), 'order')} booked, {len(done.overtaken)} overtaken,"
        f" {counted(done.withheld, 'part')} without every approval"
    )


@group.command("replay")
@click.option("--night", callback=_night, required=True)
def replay(night: date) -> None:
    """Solve a kept night again; fail unless the same value comes out."""
    workers = current_app.config["SETTINGS"].night_workers
    with _as_job():
        plan, content = _kept(night)
    same, again = nightly.replay(plan, content, workers=workers)
    click.echo(f"kept {plan.value}, again {again.value} in {counted(again.waves, 'wave')}")
    if not same:
        raise click.ClickException("the value differs")


@group.command("problem")
@click.option("--night", callback=_night, required=True)
@click.option(
    "-o", "--output", "to", required=True, type=click.Path(dir_okay=False, path_type=Path)
)
def problem(night: date, to: Path) -> None:
    """Write the problem of a kept night into a file that `python -m solver` reads."""
    with _as_job():
        content = _kept(night)[1]
    try:
        write_problem(nightly.problem_of(content), to)
    except BadFile as fault:
        raise click.ClickException(str(fault)) from None
    click.echo(f"{to}: the night {night}, for: python -m solver solve {to} -o plan.json")


@group.command("scarce")
@click.option("--night", callback=_night, required=True)
@click.option("--most", default=20, show_default=True, help="Lines to show.")
def scarce(night: date, most: int) -> None:
    """Show the days on which a resource was scarcest, and what one hour more was worth."""
    with _as_job():
        plan, kept = _kept(night)
    hour = 60 / plan.slot_minutes * _POINT
    zone = current_app.config["SETTINGS"].zone
    for code, start, _end, price in sorted(kept.prices, key=lambda p: -p[3])[:most]:
        day = datetime.fromisoformat(start).astimezone(zone).date()
        click.echo(f"{code:<14} {day}  one hour more: {price * hour:,.1f} points")


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
        lines.append(f"left out: {sum(int(n) for _, n in outcome.left_out)}")
        lines += [f"  {n} {_WHY.get(cause, cause)}" for cause, n in outcome.left_out]
    return lines


@contextmanager
def shown(*, seconds: float, waves: int | None = None) -> Iterator[nightly.Reporter]:
    """Show on standard error how a night goes: a bar in a terminal, else plain lines."""
    if sys.stderr.isatty():
        with _bar(seconds, waves) as bar:
            yield bar
    else:
        yield _lines()


@contextmanager
def _bar(seconds: float, waves: int | None) -> Iterator[nightly.Reporter]:
    length = waves or round(seconds * _TENTHS)
    with ExitStack() as stack:
        bar = stack.enter_context(
            click.progressbar(
                range(length),
                label="Searching",
                show_eta=waves is None,
                item_show_func=lambda value: f"value {value:,}" if value else "",
                file=sys.stderr,
            )
        )

        def report(progress: Progress) -> None:
            if progress.phase in _SEARCH:
                at = progress.wave if waves else round(progress.seconds * _TENTHS)
                bar.update(min(at, length) - bar.pos, progress.value)
            elif progress.bound is None:
                if bar.pos < length:
                    bar.update(length - bar.pos, progress.value)
                stack.close()  # the bar is full and stays
                click.echo(_AFTERWARDS[progress.phase], err=True)

        yield report


def _lines() -> nightly.Reporter:
    spoken_at = 0.0

    def report(progress: Progress) -> None:
        nonlocal spoken_at
        if progress.phase in _SEARCH:
            if progress.seconds - spoken_at >= _SECONDS_BETWEEN_LINES:
                spoken_at = progress.seconds
                click.echo(
                    f"{progress.seconds:.0f} s: value {progress.value:,}"
                    f" after {counted(progress.wave, 'wave')}",
                    err=True,
                )
        elif progress.bound is None:
            click.echo(_AFTERWARDS[progress.phase], err=True)

    return report


def _kept(night: date) -> tuple[Plan, PlanProblem]:
    plan = _newest(night, sa.exists().where(PlanProblem.plan_id == Plan.id))
    with transaction() as session:
        return plan, session.get_one(PlanProblem, plan.id)


def _newest(night: date, which: sa.ColumnElement[bool]) -> Plan:
    with transaction() as session:
        plan = session.scalars(
            sa.select(Plan)
            .where(Plan.night == night, which)
            .order_by(Plan.id.desc())
            .limit(1)
        ).one_or_none()
    if plan is None:
        raise click.ClickException(
            f"there is no plan of {night}; see: plan run --night {night}"
        )
    return plan
