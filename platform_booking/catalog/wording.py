"""Facts of the catalogue as words, in the reader's language."""

from collections.abc import Iterator, Mapping
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from platform_booking.catalog.filefields import DAYS
from platform_booking.catalog.models import OutageKind, Resource, ResourceKind, StayRule
from platform_booking.catalog.phases import Phase
from platform_booking.web.i18n import duration, in_chinese

AREA = "0.01 mm2"
"""The unit of shuttle area; people read mm²."""

KINDS = {
    ResourceKind.UNARY: _l("one job at a time"),
    ResourceKind.POOLED: _l("several units at once"),
    ResourceKind.BATCH: _l("shared runs"),
    ResourceKind.EVENT: _l("dated runs"),
}
STAYS = {
    StayRule.INSIDE: _l("The whole stay lies within the opening hours."),
    StayRule.ENDS: _l(
        "Start and end are attended; the middle may run through closed hours."
    ),
    StayRule.WORKING: _l(
        "Work rests while it is closed, and the resource stays held until the work is done."
    ),
}
OUTAGES = {
    OutageKind.SCHEDULED: _l("scheduled"),
    OutageKind.UNSCHEDULED: _l("unscheduled"),
}
OUTAGE_CHOICES = [(kind.value, label) for kind, label in OUTAGES.items()]
WEEKDAYS = dict(
    zip(
        DAYS,
        (
            _l("Monday"), _l("Tuesday"), _l("Wednesday"), _l("Thursday"), _l("Friday"),
            _l("Saturday"), _l("Sunday"),
        ),
        strict=True,
    )
)  # fmt: skip
PHASES = {
    "upload_opens": _l("upload opens"),
    "upload_closes": _l("upload closes"),
    "frozen": _l("merged and frozen"),
    "wafer_start": _l("wafer start"),
    "out": _l("dies out"),
}
STANDING = {
    Phase.OPEN: _l("open for registration"),
    Phase.CLOSED: _l("registration closed"),
    Phase.UPLOAD: _l("upload of designs"),
    Phase.MERGING: _l("being merged"),
    Phase.FROZEN: _l("frozen, in making"),
    Phase.OUT: _l("out"),
    Phase.CALLED_OFF: _l("called off"),
}
"""Where a dated run stands."""
_UNITS = {
    "wafer": _l("wafers"), "board": _l("boards"), "tray": _l("trays"), "seat": _l("seats"),
    "licence": _l("licences"), "token": _l("tokens"), "station": _l("stations"),
    "core": _l("cores"), "node": _l("nodes"), "engineer": _l("engineers"),
    "chamber": _l("chambers"), "bench": _l("benches"), "lot": _l("lots"),
    "sample": _l("samples"), "module": _l("modules"), "strip": _l("strips"),
    "DBC": _l("DBC substrates"), "magazine": _l("magazines"), "enclave": _l("enclaves"),
    "board domain": _l("board domains"), "instrument": _l("instruments"),
    "system": _l("systems"), "cell": _l("cells"), "boule": _l("boules"),
    "cassette": _l("cassettes"), "device": _l("devices"), "device lot": _l("device lots"),
    "fixture": _l("fixtures"), "pair": _l("pairs"), "room": _l("rooms"),
}  # fmt: skip


def amount(quantity: int, unit: str) -> str:
    """Return a quantity with its unit: `90 mm²`, `25 wafers`."""
    if unit == AREA:
        return f"{quantity / 100:,g} mm²"
    if not unit:
        return f"{quantity:,}"
    if quantity == 1 and not in_chinese():
        return f"1 {unit}"  # its code is the English singular
    return f"{quantity:,} {_UNITS.get(unit, unit)}"


def capacity(resource: Resource) -> str:
    """Return how much fits at once."""
    if resource.kind is ResourceKind.UNARY:
        return str(KINDS[ResourceKind.UNARY])
    held = amount(resource.capacity, resource.unit)
    if resource.kind is ResourceKind.BATCH:
        return str(_("runs of up to %(amount)s", amount=held))
    if resource.kind is ResourceKind.EVENT:
        return str(_("%(amount)s a run", amount=held))
    return str(_("%(amount)s at once", amount=held))


_CAPS = frozenset({
    "min_minutes", "max_minutes", "per_day", "gap_minutes", "future_minutes",
    "horizon_days", "notice_days",
})  # fmt: skip
"""Limits of slots that a person picks. No rule of orders asks for them."""


def limits(resource: Resource) -> Iterator[str]:
    """Yield the limits of bookings that a person makes, a sentence each."""
    policy = resource.policy
    if resource.kind is ResourceKind.EVENT:
        yield from _area_limits(policy)
        return
    if policy.get("walk_up"):
        yield _("Used without booking; a booking only makes sure of a place.")
    yield from _length_limits(policy)
    if "per_day" in policy:
        yield ngettext(
            "At most %(num)d booking a day for one person.",
            "At most %(num)d bookings a day for one person.",
            policy["per_day"],
        )
    if "gap_minutes" in policy:
        yield _(
            "At least %(time)s between two bookings of one person.",
            time=duration(policy["gap_minutes"]),
        )
    if "future_minutes" in policy:
        yield _(
            "At most %(time)s booked ahead by one person in all.",
            time=duration(policy["future_minutes"]),
        )
    yield from _date_limits(policy)
    if policy.get("lifted"):
        yield _("The limits on length, number and gap do not hold at off-peak hours.")
    if _CAPS & policy.keys():
        yield _(
            "The limits on length, number and time ahead hold for slots that a person"
            " picks; orders are not bound by them."
        )


def _area_limits(policy: Mapping[str, Any]) -> Iterator[str]:
    if "min_area_001mm2" in policy:
        yield _("At least %(area)s.", area=amount(policy["min_area_001mm2"], AREA))
    if "area_step_001mm2" in policy:
        yield _("In steps of %(area)s.", area=amount(policy["area_step_001mm2"], AREA))


def _length_limits(policy: Mapping[str, Any]) -> Iterator[str]:
    least, most = policy.get("min_minutes"), policy.get("max_minutes")
    if least and most:
        yield _(
            "From %(least)s to %(most)s at a time.",
            least=duration(least),
            most=duration(most),
        )
    elif least:
        yield _("At least %(time)s at a time.", time=duration(least))
    elif most:
        yield _("At most %(time)s at a time.", time=duration(most))


def _date_limits(policy: Mapping[str, Any]) -> Iterator[str]:
    if "horizon_days" in policy:
        yield ngettext(
            "At most %(num)d day ahead.",
            "At most %(num)d days ahead.",
            policy["horizon_days"],
        )
    if policy.get("notice_days"):
        yield ngettext(
            "At least %(num)d day before the start.",
            "At least %(num)d days before the start.",
            policy["notice_days"],
        )
    if "cutoff_hours" in policy:
        yield _(
            "Loads of a shared run are announced %(hours)d h before its start.",
            hours=policy["cutoff_hours"],
        )
    if "no_show_minutes" in policy:
        yield _(
            "A booking that is not used lapses %(minutes)d min after its start.",
            minutes=policy["no_show_minutes"],
        )
    if "late_cancel_hours" in policy:
        yield _(
            "A cancellation less than %(hours)d h before the start is a late one.",
            hours=policy["late_cancel_hours"],
        )


def notes(resource: Resource) -> Iterator[str]:
    """Yield what a user should know beside the rules, a sentence each."""
    facts = resource.notes
    said = _spoken(facts)
    if said:
        yield said
    if "hazard" in facts:
        yield _("Hazard: %(what)s.", what=_spoken(facts["hazard"]))
    if facts.get("owner_first"):
        yield _("The owner comes first and may take the time back.")
    if "spare_hours_week" in facts:
        yield _("The owner opens %(hours)d h a week.", hours=facts["spare_hours_week"])
    if "spare_lots_month" in facts:
        yield _("The owner opens %(lots)d lots a month.", lots=facts["spare_lots_month"])
    if "samples_per_unit" in facts:
        yield _("One unit holds %(number)d samples.", number=facts["samples_per_unit"])
    if "readpoints_h" in facts:
        hours = ", ".join(f"{h:,}" for h in facts["readpoints_h"])
        yield _("Samples are read after %(hours)s h.", hours=hours)
    if "sets_flag" in facts:
        yield _("Wafers leave with the flag %(flag)s.", flag=facts["sets_flag"])
    for cost in facts.get("token_costs", ()):
        yield _(
            "%(use)s: %(tokens)d tokens.", use=_spoken(cost["name"]), tokens=cost["tokens"]
        )


def prices(resource: Resource) -> list[tuple[str, str]]:
    """Return who pays how much, from and to; [] where no price is known."""
    rate = resource.rate
    if not rate:
        return []
    unit = _spoken(rate["unit"])
    tiers = {
        "academic": _("universities and institutes"),
        "sme": _("small and medium firms"),
        "industrial": _("large firms"),
    }
    return [
        (label, f"{rate[tier][0]:,g}–{rate[tier][1]:,g} {unit}")
        for tier, label in tiers.items()
        if tier in rate
    ]


def _spoken(names: Mapping[str, Any]) -> str:
    first, second = ("zh", "en") if in_chinese() else ("en", "zh")
    return str(names.get(first) or names.get(second) or "")
