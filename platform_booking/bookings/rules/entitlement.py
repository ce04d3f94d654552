"""What an organisation and its member are entitled to: contract, qualification, purpose."""

from collections.abc import Callable, Iterator
from datetime import date, datetime

from flask_babel import gettext as _

from platform_booking.bookings.picked import Asker, Picked, QuotaUse
from platform_booking.bookings.rules.registry import Binds, Sense, rule
from platform_booking.bookings.rules.stretches import last_day, minutes, overlap, within
from platform_booking.catalog.models import ResourceKind
from platform_booking.errors import Violation

_ASKED: list[Callable[[Asker], Iterator[Violation]]] = []


def _of_asker(
    code: str, *, needs: str, soft: bool = False
) -> Callable[
    [Callable[[Asker], Iterator[Violation]]], Callable[[Asker], Iterator[Violation]]
]:
    """Enter a rule that looks at nothing but who asks: it holds for orders, too."""

    def enter(
        judge: Callable[[Asker], Iterator[Violation]],
    ) -> Callable[[Asker], Iterator[Violation]]:
        def judged(picked: Picked, now: datetime) -> Iterator[Violation]:
            return judge(picked.by)

        judged.__doc__ = judge.__doc__
        rule(code, needs=needs, soft=soft)(judged)
        _ASKED.append(judge)
        return judge

    return enter


def asker_rules(by: Asker) -> Iterator[Violation]:
    """Yield what keeps this organisation or member from booking at all."""
    for judge in _ASKED:
        yield from judge(by)


@_of_asker("unknown_organisation", needs="the organisation")
def unknown_organisation(by: Asker) -> Iterator[Violation]:
    """A booking is for an organisation that is registered and approved."""
    if not by.organisation_known:
        yield Violation(
            "unknown_organisation",
            _("name an organisation that is registered here and approved"),
            "organisation_id",
        )


@_of_asker("no_contract", needs="the organisation")
def no_contract(by: Asker) -> Iterator[Violation]:
    """The organisation has a contract or a non-disclosure agreement on file."""
    if by.organisation_known and not (by.contract_on_file or by.nda_on_file):
        yield Violation(
            "no_contract",
            _(
                "your organisation has neither a contract nor a non-disclosure agreement on"
                " file; ask the park to add one"
            ),
        )


@_of_asker("not_qualified", needs="the member's qualification", soft=True)
def not_qualified(by: Asker) -> Iterator[Violation]:
    """Who runs a resource himself holds its qualification."""
    if by.qualification_needed and not by.qualified:
        yield Violation(
            "not_qualified",
            _(
                "running this yourself needs the qualification “%(name)s”; take the"
                " training, or hand in an order for the staff to run",
                name=by.qualification_needed,
            ),
            "resource_id",
            by.qualification_needed,
        )


@_of_asker("unknown_project", needs="the project")
def unknown_project(by: Asker) -> Iterator[Violation]:
    """A project that is named is one of the organisation's, and in force."""
    if by.project_named and not by.project_known:
        yield Violation(
            "unknown_project",
            _("there is no such project of yours; choose one from the list"),
            "project_id",
        )


@rule(
    "qualification_expires",
    needs="the member's qualification",
    soft=True,
    sense=Sense.ORDERED,
)
def qualification_expires(picked: Picked, now: datetime) -> Iterator[Violation]:
    """The qualification holds until the local day on which the stay ends."""
    by = picked.by
    if not (by.qualification_needed and by.qualified and by.qualified_until):
        return
    if by.qualified_until < last_day(picked.slot.ends_at, picked.zone):
        yield Violation(
            "qualification_expires",
            _(
                "your qualification “%(name)s” ends on %(day)s, before this stay does;"
                " renew it first",
                name=by.qualification_needed,
                day=by.qualified_until.isoformat(),
            ),
            "ends_at",
            by.qualified_until.isoformat(),
        )


@rule(
    "level_hours",
    needs="the level of the member's qualification",
    soft=True,
    sense=Sense.NEAR,
    binds=Binds.RUNNER,
)
def level_hours(picked: Picked, now: datetime) -> Iterator[Violation]:
    """A qualification of a level is good at the hours of that level alone."""
    by = picked.by
    if not by.qualified or by.level_hours is None:
        return
    if not within(picked.slot.stretch, by.level_hours, picked.zone):
        yield Violation(
            "level_hours",
            _(
                "your qualification “%(name)s” is of the level “%(level)s”, which does not"
                " hold for all of that time; keep to its hours, or ask for a higher level",
                name=by.qualification_needed,
                level=by.level,
            ),
            "starts_at",
            by.level,
        )


@rule("no_nda", needs="the organisation", policy=("nda_needed",))
def no_nda(picked: Picked, now: datetime) -> Iterator[Violation]:
    """Where it is asked for, the organisation has signed a non-disclosure agreement."""
    by = picked.by
    if picked.on.nda_needed and by.organisation_known and not by.nda_on_file:
        yield Violation(
            "no_nda",
            _(
                "%(name)s is for organisations with a non-disclosure agreement on file; ask"
                " the park to add yours",
                name=picked.on.name,
            ),
        )


@rule("licence_use", needs="the project's purpose", policy=("licence_use",))
def licence_use(picked: Picked, now: datetime) -> Iterator[Violation]:
    """A licence serves the purposes that it was granted for; no project is commercial."""
    allowed = picked.on.licence_use
    if allowed is None or picked.by.purpose in allowed:
        return
    words = _purposes()
    yield Violation(
        "licence_use",
        _(
            "%(name)s is licensed for %(allowed)s only, and this is %(purpose)s; choose a"
            " project of such a purpose, or another resource",
            name=picked.on.name,
            allowed=", ".join(words.get(use, use) for use in sorted(allowed)),
            purpose=words.get(picked.by.purpose, picked.by.purpose),
        ),
        "project_id",
        sorted(allowed),
        picked.by.purpose,
    )


def _purposes() -> dict[str, str]:
    return {
        "teaching": str(_("teaching")),
        "academic": str(_("academic research")),
        "commercial": str(_("commercial work")),
    }


@rule("quota", needs="bookings of all members of the organisation", sense=Sense.NEAR)
def quota(picked: Picked, now: datetime) -> Iterator[Violation]:
    """Organisations and projects keep to their quotas, pooled over all of their members."""
    for use in picked.by.quotas:
        own = quota_minutes(picked, use)
        if own and use.held_min + own > use.limit_min:
            yield Violation(
                "quota",
                _over(use, own, use.span[0].astimezone(picked.zone).date()),
                "ends_at",
                use.limit_min,
                use.held_min + own,
            )


def quota_minutes(picked: Picked, use: QuotaUse) -> int:
    """Return what a stay takes of a quota in its period. A pool counts each unit."""
    units = picked.slot.quantity if picked.on.kind is ResourceKind.POOLED else 1
    return units * minutes(overlap(picked.slot.stretch, use.span))


def _over(use: QuotaUse, own: int, first_day: date) -> str:
    periods = {
        "day": _("a day"), "week": _("a week"), "month": _("a month"), "year": _("a year"),
    }  # fmt: skip
    values = {
        "limit": use.limit_min,
        "scope": use.scope or str(_("the whole park")),
        "period": periods.get(use.period, use.period),
        "held": use.held_min,
        "day": first_day.isoformat(),
        "own": own,
        "left": max(0, use.limit_min - use.held_min),
    }
    if use.of_project:
        return str(
            _(
                "this project has a quota of %(limit)s min %(period)s (%(scope)s);"
                " %(held)s are held from %(day)s on and this takes %(own)s. Ask for"
                " %(left)s at most, choose another time, or give other bookings back",
                **values,
            )
        )
    return str(
        _(
            "your organisation has a quota of %(limit)s min %(period)s (%(scope)s);"
            " %(held)s are held from %(day)s on and this takes %(own)s. Ask for %(left)s at"
            " most, choose another time, or give other bookings back",
            **values,
        )
    )
