"""A demand as a park sees it, made from a catalogue and a seed. Pure and repeatable.

Shapes follow public facts: submissions by hour of day and day of week as in a public log of
machine bookings (`demand` of the catalogue), route lots beside one-step orders, over-asking
by 1.3 to 1.6 on tools that people run themselves, deadlines from tight to loose, few large
firms that ask for much and many that ask for little. Dates are relative to today.

Used alike by the demo, the tests and the benchmarks: a solver must be tuned to the demand,
never the demand to a solver.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from platform_booking.catalog.hours import (
    Hours,
    is_holiday,
    longest_stretch,
    week_of,
)
from platform_booking.catalog.models import ResourceKind, StayRule
from platform_booking.catalog.occurrences import day_of

Content = Mapping[str, Any]

ORDERS_AT_FULL_LOAD = 1000
"""Orders of a fortnight at load 1.0: the busiest tools are asked for what they have."""

HORIZON = timedelta(days=14)
_ROUTE_SHARE = 0.35  # of the orders; the rest have one step
_LAST_START = 9 * 1440  # minutes: a route's last step must be able to start in the horizon
_STRESS_MIN = 60480  # 1,000 h
_SLACK_MIX = ((0.55, (1.2, 2.0)), (0.3, (2.0, 4.0)), (0.15, (4.0, 8.0)))  # share, slack
_PRIORITY_MIX = {"KEY": 0.12, "SME": 0.5, "LOCAL": 0.14, "ACAD": 0.16, "OUT": 0.08}
_HOT = {"HOT": 3.0, "EBL": 3.0, "PVD": 2.0, "ALN": 2.0}  # by policy preset
_SIZES = {"KEY": "SME-medium", "SME": "SME-small", "LOCAL": "large", "ACAD": "academic"}
_FIELDS = (
    "射频", "麦克风", "功率", "快充", "传感",
    "光电", "压力", "惯性", "驱动", "生物芯片",
)  # fmt: skip
_FIELDS_EN = (
    "RF", "microphones", "power", "chargers", "sensors", "photonics", "pressure",
    "inertial", "drivers", "biochips",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Firm:
    """An organisation that asks."""

    code: str
    name_zh: str
    name_en: str
    size: str
    priority_class: str
    registration_no: str


@dataclass(frozen=True, slots=True)
class WishedStep:
    """One operation of an order that follows no whole route."""

    capability: str
    name: str
    duration_min: int
    quantity: int | None
    resources: tuple[str, ...]  # codes; () for any that is able
    lag_min_min: int = 0  # from the end of the step before
    lag_max_min: int | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """An order: a whole route, or steps."""

    firm: str
    project: str
    title: str
    submitted_at: datetime
    earliest_at: datetime
    due_at: datetime
    deadline_at: datetime
    route: str | None
    steps: tuple[WishedStep, ...]
    wafer_mm: int | None
    lot_size: int
    materials_class: str
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Running:
    """A stay that began before today: it is booked and under way."""

    firm: str
    resource: str
    starts_at: datetime
    ends_at: datetime
    quantity: int
    recipe: str | None


@dataclass(frozen=True, slots=True)
class Demand:
    """Who asks for what. Wishes are in the order of their submission."""

    firms: tuple[Firm, ...]
    wishes: tuple[Wish, ...]
    running: tuple[Running, ...]


def demand(
    catalogue: Content,
    *,
    seed: int,
    today: datetime,
    zone: ZoneInfo,
    load: float = 1.0,
    orders: int | None = None,
) -> Demand:
    """Make a fortnight's demand.

    Parameters
    ----------
    catalogue
        As `catalog.loader.parsed` returns it.
    seed
        Everything else being equal, the same seed gives the same demand.
    today
        An aware instant; orders were submitted in the fortnight before its local midnight
        and want time from the day after it on.
    load
        Orders relative to `ORDERS_AT_FULL_LOAD`; above 1 not everybody can be served.
    orders
        Their number, in place of `load`.
    """
    maker = _Maker(catalogue, random.Random(seed), today=today, zone=zone)  # noqa: S311
    return maker.make(orders if orders is not None else round(load * ORDERS_AT_FULL_LOAD))


class _Maker:
    """The catalogue and the dice."""

    def __init__(
        self, catalogue: Content, dice: random.Random, *, today: datetime, zone: ZoneInfo
    ) -> None:
        self.catalogue = catalogue
        self.dice = dice
        self.zone = zone
        self.midnight = datetime.combine(today.astimezone(zone).date(), time(), zone)
        self.resources = {r["code"]: r for r in catalogue["resources"]}
        self.routes = [r for r in catalogue["routes"] if _fits_horizon(r)]
        # A lot that lasts long is asked for less often: full pilot lots beside short runs.
        self.route_weights = [1000 / (1000 + _work(r)) for r in self.routes]
        self.long_routes = [r for r in catalogue["routes"] if not _fits_horizon(r)]
        self.longest = _longest_stretches(catalogue)
        self.tools = [r for r in catalogue["resources"] if self._bookable(r)]
        self.tool_weights = self._popularity()

    def make(self, number: int) -> Demand:
        firms = self._firms(
            max(len(self.catalogue["organisations"]), round(number**0.5 * 1.9))
        )
        # Zipf: some firms ask for much, most for little.
        weights = [1 / (rank + 3) for rank in range(len(firms))]
        order = list(range(len(firms)))
        self.dice.shuffle(order)
        weights = [weights[i] for i in order]
        wishes = [self._shuttle(firms[0]), self._class(firms[1 % len(firms)])]
        while len(wishes) < number:
            firm = self.dice.choices(firms, weights)[0]
            if self.dice.random() < _ROUTE_SHARE:
                wishes.append(self._route_lot(firm))
            else:
                wishes.append(self._one_step(firm))
        wishes = sorted(wishes[:number], key=lambda w: (w.submitted_at, w.title))
        return Demand(tuple(firms), tuple(wishes), tuple(self._running(firms)))

    def _firms(self, number: int) -> list[Firm]:
        firms = [
            Firm(
                code=entry["code"],
                name_zh=entry["name"]["zh"],
                name_en=entry["name"]["en"],
                size=entry["size"],
                priority_class=entry["priority"],
                registration_no=_registration(n),
            )
            for n, entry in enumerate(self.catalogue["organisations"])
        ]
        for n in range(len(firms), number):
            field = self.dice.randrange(len(_FIELDS))
            priority = self.dice.choices([*_PRIORITY_MIX], [*_PRIORITY_MIX.values()])[0]
            firms.append(
                Firm(
                    code=f"ORG-{n + 1:03d}",
                    name_zh=f"示例企业{n + 1:03d}({_FIELDS[field]})",
                    name_en=f"Example firm {n + 1:03d}, {_FIELDS_EN[field]}",
                    size=_SIZES.get(priority, "SME-small"),
                    priority_class=priority,
                    registration_no=_registration(n),
                )
            )
        return firms[:number]

    def _popularity(self) -> list[float]:
        """Weigh the tools: a few are wanted by many (Zipf), stays of weeks are rare."""
        ranks = list(range(len(self.tools)))
        self.dice.shuffle(ranks)
        weights = []
        for tool, rank in zip(self.tools, ranks, strict=True):
            hot = _HOT.get(tool["policy"].get("preset", ""), 1.0)
            stay: int = tool["typical_minutes"]
            weights.append(hot / (rank + 2) ** 1.2 / max(1.0, stay / 960))
        return weights

    def _submitted(self) -> datetime:
        """Draw an instant of the last fortnight by weekday and hour."""
        shape = self.catalogue["demand"]
        days = [self.midnight - timedelta(days=n) for n in range(1, 15)]
        names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
        day = self.dice.choices(
            days, [shape["day_of_week"][names[d.weekday()]] for d in days]
        )
        hours = shape["hour_of_day"]
        hour = self.dice.choices(range(24), [hours[str(h)] for h in range(24)])[0]
        return day[0] + timedelta(hours=hour, minutes=self.dice.randrange(60))

    def _dates(self, work_min: int) -> tuple[datetime, datetime, datetime]:
        """Draw earliest, due and deadline for work that takes so long without waiting."""
        earliest = self.midnight + timedelta(
            days=1 + int(self.dice.triangular(0, 9, 1)),
            hours=self.dice.choice((0, 8, 9, 13)),
        )
        shares = [share for share, _ in _SLACK_MIX]
        low, high = self.dice.choices([slack for _, slack in _SLACK_MIX], shares)[0]
        slack = self.dice.uniform(low, high)
        span = max(2 * 1440.0, work_min * slack + 1440)
        deadline = earliest + timedelta(minutes=_to_quarter(span))
        due = earliest + timedelta(minutes=_to_quarter(span * self.dice.uniform(0.6, 1.0)))
        return earliest, due, deadline

    def _wish(
        self,
        firm: Firm,
        *,
        title: str,
        work_min: int,
        route: str | None = None,
        steps: tuple[WishedStep, ...] = (),
        wafer_mm: int | None = None,
        lot_size: int = 1,
        materials_class: str = "GEN",
        flags: Sequence[str] = (),
        deadline: datetime | None = None,
    ) -> Wish:
        earliest, due, latest = self._dates(work_min)
        if deadline is not None:
            earliest = min(earliest, deadline - timedelta(days=2))
            due = latest = deadline
        return Wish(
            firm=firm.code,
            project=f"P{self.dice.randrange(1, 4)}",
            title=title,
            submitted_at=self._submitted(),
            earliest_at=earliest,
            due_at=due,
            deadline_at=latest,
            route=route,
            steps=steps,
            wafer_mm=wafer_mm,
            lot_size=lot_size,
            materials_class=materials_class,
            flags=tuple(flags),
        )

    def _route_lot(self, firm: Firm) -> Wish:
        if self.dice.random() < 0.06 and self.long_routes:
            return self._beginning(firm, self.dice.choice(self.long_routes))
        route = self.dice.choices(self.routes, self.route_weights)[0]
        lot = route["lot_size"]
        if lot > 4:  # short lots are common in development
            lot = self.dice.choice((lot, lot, max(1, lot // 2)))
        return self._wish(
            firm,
            title=route["name"]["zh"],
            work_min=round(_work(route) * 1.3),
            route=route["code"],
            wafer_mm=route["wafer_mm"],
            lot_size=lot,
            materials_class=route["class_"],
            flags=route["flags"],
        )

    def _beginning(self, firm: Firm, route: Content) -> Wish:
        """Ask for the first steps of a route of months: those that begin in the horizon."""
        steps: list[Content] = []
        begun = 0
        for step in route["steps"]:
            if step["parallel_group"] or begun > _LAST_START:
                break
            if not self._served(step):
                break
            steps.append(step)
            begun += step["duration_min"] + step["lag_min_min"]
        if not steps:
            return self._one_step(firm)
        wished = tuple(
            WishedStep(
                capability=step["capability"],
                name=step["name"]["zh"],
                duration_min=step["duration_min"],
                quantity=step["quantity"],
                resources=tuple(self._able(step)),
                lag_min_min=steps[n - 1]["lag_min_min"] if n else 0,
                lag_max_min=steps[n - 1]["lag_max_min"] if n else None,
            )
            for n, step in enumerate(steps)
        )
        return self._wish(
            firm,
            title=route["name"]["zh"],
            work_min=round(1.6 * sum(s["duration_min"] for s in steps)),
            steps=wished,
            wafer_mm=route["wafer_mm"],
            lot_size=route["lot_size"],
            materials_class=route["class_"],
            flags=route["flags"],
        )

    def _one_step(self, firm: Firm) -> Wish:
        tool = self.dice.choices(self.tools, self.tool_weights)[0]
        capability = self.dice.choice(tool["capabilities"])
        wafer = self.dice.choice(tool["wafer_mm"]) if tool["wafer_mm"] else None
        flags: tuple[str, ...] = ()
        materials = tool["class_"]
        quantity: int | None = 1
        lot = 1
        if tool["kind"] is ResourceKind.BATCH:
            fitting = [
                r
                for r in tool["recipes"]
                if r["capability"] == capability and r["wafer_mm"] == wafer
            ]
            recipe = self.dice.choice(fitting)
            minutes, materials = recipe["duration_min"], recipe["class_"]
            lot = self.dice.randint(recipe["min_load"], recipe["capacity"])
            quantity = lot
        elif tool["kind"] is ResourceKind.POOLED:
            minutes = _to_quarter(self._minutes(tool))
            quantity = self.dice.randint(1, max(1, min(8, tool["capacity"] // 3)))
        else:
            minutes = _to_quarter(self._minutes(tool))
        named = self.dice.random() < 0.4  # some firms insist on the tool that they know
        return self._wish(
            firm,
            title=tool["name"]["zh"],
            work_min=minutes,
            steps=(
                WishedStep(
                    capability=capability,
                    name=tool["name"]["zh"],
                    duration_min=minutes,
                    quantity=quantity,
                    resources=(tool["code"],) if named else (),
                ),
            ),
            wafer_mm=wafer,
            lot_size=lot,
            materials_class=materials,
            flags=flags,
        )

    def _minutes(self, tool: Content) -> float:
        typical: int = tool["typical_minutes"]
        minutes = typical * self.dice.uniform(0.6, 1.5)
        if tool["self_run"]:
            minutes *= self.dice.uniform(1.3, 1.6)  # people ask for more than they need
            policy = tool["policy"]
            minutes = max(minutes, policy.get("min_minutes", 15))
            minutes = min(minutes, policy.get("max_minutes", minutes))
        if tool["stay"] is StayRule.INSIDE:
            minutes = min(minutes, self.longest[tool["calendar"]])
        return max(15.0, minutes)

    def _shuttle(self, firm: Firm) -> Wish:
        """Ask for area on the first shuttle that runs within the horizon."""
        entry = min(
            (o for o in self._ahead() if o["resource"].startswith("ICD-MPW")),
            key=lambda o: (self._days_ahead(o), o["code"]),
        )
        return self._on_occurrence(firm, entry, quantity=350, title="MPW")

    def _class(self, firm: Firm) -> Wish:
        """Ask for seats in the first class within the horizon."""
        entry = min(
            (o for o in self._ahead() if not o["resource"].startswith("ICD-MPW")),
            key=lambda o: (self._days_ahead(o), o["code"]),
        )
        return self._on_occurrence(firm, entry, quantity=2, title="培训")

    def _ahead(self) -> list[Content]:
        return [o for o in self.catalogue["occurrences"] if self._days_ahead(o) > 2]

    def _days_ahead(self, entry: Content) -> int:
        today = self.midnight.date()
        return (day_of(entry, today=today) - today).days

    def _on_occurrence(
        self, firm: Firm, entry: Content, *, quantity: int, title: str
    ) -> Wish:
        resource = self.resources[entry["resource"]]
        return self._wish(
            firm,
            title=f"{title} {entry['code']}",
            work_min=entry["minutes"],
            steps=(
                WishedStep(
                    capability=resource["capabilities"][0],
                    name=resource["name"]["zh"],
                    duration_min=entry["minutes"],
                    quantity=quantity,
                    resources=(resource["code"],),
                ),
            ),
            deadline=self.midnight + timedelta(days=self._days_ahead(entry) + 4),
        )

    def _running(self, firms: Sequence[Firm]) -> list[Running]:
        """Begin one stress of 1,000 hours in the days before today."""
        for route in self.catalogue["routes"]:
            for step in route["steps"]:
                if step["duration_min"] < _STRESS_MIN or not step["quantity"]:
                    continue
                for code in step["candidates"]:
                    if self.resources[code]["kind"] is ResourceKind.POOLED:
                        begins = self._began(timedelta(minutes=step["duration_min"]))
                        return [
                            Running(
                                firm=firms[2 % len(firms)].code,
                                resource=code,
                                starts_at=begins,
                                ends_at=begins + timedelta(minutes=step["duration_min"]),
                                quantity=step["quantity"],
                                recipe=None,
                            )
                        ]
        return []

    def _began(self, lasts: timedelta) -> datetime:
        """Return 10:00 of a day in the week before last that had staff, as its end has."""
        begins = self.midnight - timedelta(days=9) + timedelta(hours=10)
        for _ in range(7):
            if all(_staffed(moment.date()) for moment in (begins, begins + lasts)):
                break
            begins -= timedelta(days=1)
        return begins

    def _bookable(self, resource: Content) -> bool:
        if resource["kind"] is ResourceKind.EVENT:
            return False
        if resource["kind"] is ResourceKind.BATCH:
            pairs = {(r["capability"], r["wafer_mm"]) for r in resource["recipes"]}
            sizes = resource["wafer_mm"] or [None]
            return all((c, w) in pairs for c in resource["capabilities"] for w in sizes)
        return (
            resource["stay"] is not StayRule.INSIDE
            or self.longest[resource["calendar"]] >= 60
        )

    def _able(self, step: Content) -> list[str]:
        """Return the candidates whose hours can hold the step."""
        return [
            code
            for code in step["candidates"]
            if self.resources[code]["stay"] is not StayRule.INSIDE
            or self.longest[self.resources[code]["calendar"]] >= step["duration_min"]
        ]

    def _served(self, step: Content) -> bool:
        return bool(self._able(step)) and not any(
            self.resources[c]["kind"] is ResourceKind.EVENT for c in step["candidates"]
        )


def _work(route: Content) -> int:
    total: int = sum(s["duration_min"] + s["lag_min_min"] for s in route["steps"])
    return total


def _fits_horizon(route: Content) -> bool:
    steps = route["steps"]
    before_last = sum(s["duration_min"] + s["lag_min_min"] for s in steps[:-1])
    return before_last <= _LAST_START and not any(s["parallel_group"] for s in steps)


def _longest_stretches(catalogue: Content) -> dict[str, int]:
    return {
        c["code"]: longest_stretch(Hours(week=week_of(c["weekly"])))
        for c in catalogue["calendars"]
    }


def _registration(number: int) -> str:
    return f"91320594DEMO{number:06d}"


def _staffed(day: date) -> bool:
    return day.weekday() < 5 and not is_holiday(day)


def _to_quarter(minutes: float) -> int:
    return max(15, round(minutes / 15) * 15)
