"""The demo's data, made once: `python -m platform_booking.demo.filling`.

A catalogue, a week's work that is published already, and a fortnight of new demand with one
allocation of it, kept as a draft to review. A process of its own, since the solver engine
is large and is not needed again.

The last row written says that the data are whole; without it the next start begins anew.
"""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import click
import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking.app import create_app
from platform_booking.catalog import loader
from platform_booking.catalog.demand import Demand, demand
from platform_booking.catalog.models import Platform, Resource
from platform_booking.clock import utcnow
from platform_booking.commands import counted
from platform_booking.config import Settings
from platform_booking.db import JOB, acting_as, transaction
from platform_booking.demo import people
from platform_booking.demo.house import DEMO_JOB
from platform_booking.orders.seeding import Seeded, seed
from platform_booking.planning import cli as plans
from platform_booking.planning import nightly, publication, services
from platform_booking.planning.models import JobRun

ORDERS = 1000
SECONDS = 40.0
_OPENED = "ENT-SMT-01"  # the tool that the demo's firm opens
_EARLIER = timedelta(days=7)  # how long ago the published week was planned
_EARLIER_ORDERS, _EARLIER_SECONDS = 0.3, 0.25  # shares of the orders and of the search


@click.command()
@click.option("--orders", type=click.IntRange(min=10), default=ORDERS)
@click.option("--seconds", type=click.FloatRange(min=0.5), default=SECONDS)
def main(orders: int, seconds: float) -> None:
    """Fill an empty, migrated database."""
    app = create_app()
    settings: Settings = app.config["SETTINGS"]
    now = utcnow()
    then = now - _EARLIER
    content = loader.parsed(loader.demo_text())
    few = max(10, round(orders * _EARLIER_ORDERS))
    earlier = demand(content, seed=1, today=then, zone=settings.zone, orders=few)
    anew = demand(content, seed=2, today=now, zone=settings.zone, orders=orders)
    with app.app_context(), acting_as(JOB):
        with transaction() as session:
            loaded = loader.load(session, content, now=now, zone=settings.zone)
            seeded = seed(session, _without_dated_runs(earlier, content), now=then)
            firm = seeded.organisations[_busiest(earlier, anew)]
            people.make(session, organisation_id=firm, now=then)
            _open_capacity(session, organisation_id=firm)
        click.echo(
            f"Demo catalogue: {counted(loaded.resources, 'resource')},"
            f" {counted(loaded.routes, 'route')},"
            f" {counted(loaded.occurrences, 'dated run')}."
        )
        click.echo(f"Last week's demand: {_counted(seeded)}.")
        _publish_earlier(
            then, seconds=max(1.0, seconds * _EARLIER_SECONDS), settings=settings
        )
        with transaction() as session:
            # The stay under way came with the earlier demand.
            seeded = seed(session, replace(anew, running=()), now=now)
        click.echo(f"A fortnight's new demand: {_counted(seeded)}.")
        _allocate(now, seconds=seconds, settings=settings)


def _open_capacity(session: Session, *, organisation_id: int) -> None:
    """Let the firm be the owner of one of the tools that firms open to others."""
    session.execute(
        sa.update(Resource).filter_by(code=_OPENED).values(owner_id=organisation_id)
    )


def _publish_earlier(then: datetime, *, seconds: float, settings: Settings) -> None:
    """Plan and publish what was asked for a week ago: the bookings of these days."""
    click.echo(f"Planning last week's demand for {seconds:.0f} s ...")
    outcome = nightly.run(
        then.astimezone(settings.zone).date(),
        now=then,
        settings=settings,
        seconds=seconds,
    )
    with transaction() as session:
        operator = people.operator(session)
        platforms = session.scalars(sa.select(Platform.id)).all()
    services.decide(
        outcome.public_id, tuple(platforms), approve=True, note="", actor=operator, now=then
    )
    done = publication.publish(outcome.plan_id, now=then)
    click.echo(f"Published and booked: {counted(len(done.booked), 'order')}.")


def _allocate(now: datetime, *, seconds: float, settings: Settings) -> None:
    """Run the allocation of tonight; keep its draft, and with it that all is done."""
    night = now.astimezone(settings.zone).date()
    click.echo(f"Allocating all of it for {seconds:.0f} s ...")
    with plans.shown(seconds=seconds) as on_progress:
        outcome = nightly.run(
            night, now=now, settings=settings, seconds=seconds, on_progress=on_progress
        )
    click.echo("Tonight's plan is a draft for the operators to review:")
    for line in plans.summary(outcome):
        click.echo(f"  {line}")
    with transaction() as session:
        session.add_all(
            JobRun(
                job=job,
                on_date=night,
                started_at=now,
                finished_at=utcnow(),
                outcome=f"{outcome.placed} of {outcome.asked} placed",
            )
            # The scheduler need not run this night once more.
            for job in (DEMO_JOB, "night")
        )


def _without_dated_runs(asked: Demand, content: loader.Content) -> Demand:
    """Leave out orders for shuttles and classes, whose dates count from today."""
    dated = {entry["resource"] for entry in content["occurrences"]}
    return replace(
        asked,
        wishes=tuple(
            w
            for w in asked.wishes
            if dated.isdisjoint(r for s in w.steps for r in s.resources)
        ),
    )


def _busiest(earlier: Demand, anew: Demand) -> str:
    """Return the code of the firm that asks most, of those that asked before."""
    known = {firm.code for firm in earlier.firms}
    wishes = (*earlier.wishes, *anew.wishes)
    return Counter(w.firm for w in wishes if w.firm in known).most_common(1)[0][0]


def _counted(seeded: Seeded) -> str:
    return (
        f"{counted(seeded.orders, 'order')} of"
        f" {counted(len(seeded.organisations), 'firm')}, {counted(seeded.steps, 'step')}"
    )


if __name__ == "__main__":
    main()
