"""House rules of the night. Pure: plain values in, every broken rule out."""

from collections.abc import Iterator, Sequence, Set
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from flask_babel import gettext as _

from platform_booking.errors import Violation
from platform_booking.planning.states import OPEN, PlanState
from platform_booking.web.i18n import local_time


def broken_by_night(night: date, *, now: datetime, zone: ZoneInfo) -> Iterator[Violation]:
    """Yield what speaks against allocating a night now.

    A night plans with what is known now: it is run on its date, or on the evening before.
    """
    today = now.astimezone(zone).date()
    if night < today:
        yield Violation(
            "night_is_past",
            _(
                "The night of %(night)s is over. Choose %(today)s or the day after.",
                night=night,
                today=today,
            ),
            "night",
        )
    elif night > today + timedelta(days=1):
        yield Violation(
            "night_is_far",
            _(
                "The night of %(night)s is too far off. Choose %(today)s or the day after.",
                night=night,
                today=today,
            ),
            "night",
        )


def broken_by_plans(night: date, states: Set[PlanState]) -> Iterator[Violation]:
    """Yield what speaks against a new plan of a night that has had some."""
    if states & {PlanState.PUBLISHING, PlanState.PUBLISHED}:
        yield Violation(
            "night_is_published",
            _(
                "The plan of %(night)s is being published or has been. New orders are"
                " placed by the next night.",
                night=night,
            ),
            "night",
        )


def broken_by_decision(state: PlanState, *, pending: int) -> Iterator[Violation]:
    """Yield what speaks against approving or rejecting a plan."""
    if state not in OPEN:
        yield _closed()
    elif not pending:
        yield Violation(
            "decided",
            _("These platforms have decided already, or the plan changes nothing there."),
            "platforms",
        )


def night_running(night: date, *, since: datetime | None, asked: datetime | None) -> str:
    """Say since when a night is at work, or has been asked for, and what to do."""
    if since is not None:
        said = _(
            "The allocation of %(night)s runs since %(time)s.",
            night=night,
            time=local_time(since),
        )
    elif asked is not None:
        said = _(
            "The allocation of %(night)s was asked for at %(time)s and is to begin.",
            night=night,
            time=local_time(asked),
        )
    else:
        said = _("The allocation of %(night)s is being begun.", night=night)
    wait = _("Wait until it is done; /plans shows how far it is.")
    return f"{said} {wait}"


def being_published() -> str:
    """Return what speaks against deciding while a publication is under way."""
    return str(
        _(
            "The plan is being published, as it was approved when that was asked for. What"
            " it does not take stays open: decide and publish again when it is done."
        )
    )


def platforms_unnamed(pending: Sequence[str]) -> Violation:
    """Return what speaks against deciding for others without saying for whom."""
    return Violation(
        "platforms_unnamed",
        _(
            "You operate none of the platforms yourself: name those that you decide for in"
            " platforms. Pending are %(codes)s.",
            codes=", ".join(pending),
        ),
        "platforms",
    )


def platforms_of_others(codes: Sequence[str]) -> Violation:
    """Return what speaks against deciding for platforms of others beside one's own."""
    return Violation(
        "not_operated",
        _(
            "You do not operate %(codes)s; leave that out. Nothing has been decided.",
            codes=", ".join(codes),
        ),
        "platforms",
    )


def broken_by_publication(state: PlanState, *, ready: int) -> Iterator[Violation]:
    """Yield what speaks against publishing what is approved of a plan."""
    if state not in OPEN:
        yield _closed()
    elif not ready:
        yield Violation(
            "nothing_approved",
            _(
                "Nothing is left to publish that all of its platforms have approved."
                " Approve first."
            ),
        )


def broken_by_finish(state: PlanState) -> Iterator[Violation]:
    """Yield what speaks against ending a search."""
    if state is not PlanState.RUNNING:
        yield Violation("not_running", _("Its search is over already."), "plan")


def broken_by_forcing(state: PlanState, *, forcible: bool) -> Iterator[Violation]:
    """Yield what speaks against asking what forcing an order in would displace."""
    if state not in OPEN:
        yield _closed()
    elif not forcible:
        yield Violation(
            "not_forcible",
            _(
                "No other order stands in its way: what its reason says must be mended"
                " first."
            ),
            "order",
        )


def publication_asked() -> Violation:
    """Return what speaks against asking twice."""
    return Violation(
        "publication_asked",
        _("Its publication has been asked for and is under way."),
    )


def _closed() -> Violation:
    return Violation(
        "plan_is_closed",
        _("The plan is no longer open: it is published, replaced or closed."),
    )
