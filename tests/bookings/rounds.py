"""Rounds of a race: users want the same time of the same resource, each in another way.

Every path by which a booking comes into a place, leaves it or grows meets every other one:
the API and the page, a series, parts of one booking, a choice by capability, a file, a move, a
longer stay by API and at a kiosk; and beside them whoever holds the place has his request
approved, cancels, moves away, accepts what he was offered or passes.
"""

import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import uuid4
from zoneinfo import ZoneInfo

from platform_booking.attendance.codes import code_of
from platform_booking.bookings.models import Booking, Waiting
from platform_booking.bookings.models import WaitingState as Waits
from platform_booking.bookings.states import BookingState
from platform_booking.catalog.models import Resource
from platform_booking.clock import utcnow
from tests.bookings.ground import Ground, User
from tests.factories import (
    make_booking,
    make_recipe,
    make_resource,
    writing,
)

ZONE = ZoneInfo("Asia/Shanghai")
LONG = timedelta(minutes=30)
STAGGER = 0.16  # seconds between the first and the last
KINDS = ("unary", "pooled", "batch")
HELD = (None, BookingState.REQUESTED, BookingState.CONFIRMED, BookingState.OFFERED)
COMING = ("api", "page", "series", "together", "capability", "import", "move")
STAYING = ("extend", "kiosk")
LEAVING = {
    "cancel": BookingState.REQUESTED,
    "approve": BookingState.REQUESTED,
    "move away": BookingState.CONFIRMED,
    "accept": BookingState.OFFERED,
    "pass": BookingState.OFFERED,
}
"""How whoever holds the place changes that, and in which state he holds it."""
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Request:
    """What one user sends."""

    deed: str
    method: str
    path: str
    body: str
    headers: dict[str, str]


@dataclass
class Told:
    """What was answered: how often each deed came to which status."""

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)

    @property
    def attempts(self) -> int:
        return self.statuses.total()

    def strange(self) -> list[tuple[str, int]]:
        """Return answers that are neither a success nor a refusal in order."""
        good = {200, 201, 302, 303, 409, 412, 422}
        return [key for key in self.statuses if key[1] not in good]


@dataclass
class Round:
    """One contested place, and what its rivals send."""

    ground: Ground
    kind: str
    held: BookingState | None
    dice: random.Random
    starts_at: datetime
    tool: Resource = field(init=False)
    beside: Resource = field(init=False)
    recipe: Any = None
    room: int = 1
    holder: Booking | None = None
    waiting: Waiting | None = None

    def prepare(self, users: int) -> list[Request]:
        """Make the resources and what stands on them; return one request a user."""
        with writing() as session:
            self._make(session)
            leaving = [deed() for deed in self._leaving()]
            self.dice.shuffle(leaving)
            kept = leaving[: max(1, users // 4)]
            coming = [*COMING, self.dice.choice(STAYING)]
            self.dice.shuffle(coming)
            coming = coming[: users - len(kept)]
            return [
                *(
                    self._coming(session, user, deed)
                    for deed, user in zip(coming, self.ground.users, strict=False)
                ),
                *kept,
            ]

    def only(self, deed: str) -> Request:
        """Make the resources and what stands on them; return the one request that comes."""
        with writing() as session:
            self._make(session)
            if deed in LEAVING:
                return next(
                    r for r in (made() for made in self._leaving()) if r.deed == deed
                )
            return self._coming(session, self.ground.users[0], deed)

    def _coming(self, session: Any, user: User, deed: str) -> Request:
        return getattr(self, f"_{deed}")(session, user, deed)

    def _make(self, session: Any) -> None:
        self.room = 1 if self.kind == "unary" else 2
        capability = f"RACE.{uuid4().hex[:8]}"
        given = {"platform_id": self.ground.platform.id, "capacity": self.room}
        self.tool = make_resource(
            session, kind=self.kind, capabilities=(capability,), **given
        )
        self.beside = make_resource(session, platform_id=self.ground.platform.id)
        if self.kind == "batch":
            self.recipe = make_recipe(
                session, self.tool, capacity=self.room, duration_min=30
            )
        if self.held is None:
            return
        owner = self.ground.users[-1]
        self.holder = self._stay(session, owner, state=self.held, quantity=self.room)
        if self.held is BookingState.OFFERED:
            now = utcnow()
            self.waiting = Waiting(
                resource_id=self.tool.id,
                platform_id=self.ground.platform.id,
                organisation_id=owner.firm.id,
                member_id=owner.member.id,
                from_at=self.starts_at,
                to_at=self.starts_at + LONG,
                minutes=30,
                quantity=self.room,
                recipe_id=self.recipe.id if self.recipe else None,
                flags=[],
                state=Waits.OFFERED,
                booking_id=self.holder.id,
                created_at=now,
                updated_at=now,
            )
            session.add(self.waiting)
            session.flush()

    def _stay(
        self, session: Any, user: User, *, at: datetime | None = None, **given: Any
    ) -> Booking:
        waits = given.get("state") in {BookingState.REQUESTED, BookingState.OFFERED}
        if self.recipe is not None:
            given["recipe_id"] = self.recipe.id
        return make_booking(
            session,
            resource=self.tool,
            organisation=user.firm,
            member_id=user.member.id,
            starts_at=at or self.starts_at,
            respond_by=self.starts_at if waits else None,
            **{"minutes": 30, **given},
        )

    def _leaving(self) -> Iterator[Callable[[], Request]]:
        owner, held = self.ground.users[-1], self.holder
        if held is None:
            return
        here = f"/api/v1/bookings/{held.public_id}"
        if self.waiting is not None:
            entry = f"/api/v1/waiting/{self.waiting.public_id}"
            yield lambda: _call(owner, "accept", "POST", f"{entry}/accept")
            yield lambda: _call(owner, "pass", "POST", f"{entry}/pass")
            return
        yield lambda: _call(owner, "cancel", "POST", f"{here}/cancel")
        if self.held is BookingState.REQUESTED:
            yield lambda: _call(self.ground.operator, "approve", "POST", f"{here}/approve")
        else:
            yield lambda: self._away(owner, held)

    def _away(self, owner: User, held: Booking) -> Request:
        return _call(
            owner,
            "move away",
            "PATCH",
            f"/api/v1/bookings/{held.public_id}",
            self._times(6 * LONG),
            version=1,
        )

    def _times(self, later: timedelta = timedelta(0)) -> dict[str, str]:
        return {
            "starts_at": (self.starts_at + later).isoformat(),
            "ends_at": (self.starts_at + later + LONG).isoformat(),
        }

    def _part(self, **more: Any) -> dict[str, Any]:
        recipe = {"recipe_id": str(self.recipe.public_id)} if self.recipe else {}
        return {"resource_id": str(self.tool.public_id), **recipe, **more}

    def _api(self, _session: Any, user: User, deed: str) -> Request:
        return _call(user, deed, "POST", "/api/v1/bookings", self._part() | self._times())

    def _series(self, _session: Any, user: User, deed: str) -> Request:
        body = self._part() | self._times() | {"rrule": "FREQ=DAILY;COUNT=2"}
        return _call(user, deed, "POST", "/api/v1/bookings/series", body)

    def _together(self, _session: Any, user: User, deed: str) -> Request:
        body = {"resource_id": str(self.beside.public_id), "with": [self._part()]}
        return _call(user, deed, "POST", "/api/v1/bookings", body | self._times())

    def _capability(self, _session: Any, user: User, deed: str) -> Request:
        body = self._part(capability=self.tool.capabilities[0].code) | self._times()
        del body["resource_id"]
        return _call(user, deed, "POST", "/api/v1/bookings", body)

    def _import(self, _session: Any, user: User, deed: str) -> Request:
        recipe = self.recipe.code if self.recipe else ""
        times = ",".join(self._times().values())
        table = f"resource,starts_at,ends_at,recipe\n{self.tool.code},{times},{recipe}\n"
        return Request(
            deed,
            "POST",
            "/api/v1/bookings/import",
            table,
            {"Authorization": f"Bearer {user.token}", "Content-Type": "text/csv"},
        )

    def _move(self, session: Any, user: User, deed: str) -> Request:
        stay = self._stay(session, user, at=self.starts_at + 12 * LONG)
        path = f"/api/v1/bookings/{stay.public_id}"
        return _call(user, deed, "PATCH", path, self._times(), version=1)

    def _extend(self, session: Any, user: User, deed: str) -> Request:
        path = f"/api/v1/bookings/{self._begun(session, user).public_id}/extend"
        return _call(user, deed, "POST", path, {"minutes": 30})

    def _kiosk(self, session: Any, user: User, deed: str) -> Request:
        stay = self._begun(session, user)
        form = {
            "act": "extend-30",
            "code": code_of(self.ground.secret, stay.public_id, stay.member_id),
            "csrf_token": user.csrf,
        }
        cookies = f"session={user.cookie}; kiosk={self.ground.kiosk}"
        return Request(
            deed,
            "POST",
            f"/kiosk/tools/{self.tool.public_id}",
            urlencode(form),
            {"Cookie": cookies, "Content-Type": FORM},
        )

    def _begun(self, session: Any, user: User) -> Booking:
        at = self.starts_at - 2 * LONG
        state = BookingState.IN_USE
        return self._stay(session, user, at=at, minutes=60, state=state)

    def _page(self, _session: Any, user: User, deed: str) -> Request:
        form = {
            name: datetime.fromisoformat(text).astimezone(ZONE).strftime("%Y-%m-%dT%H:%M")
            for name, text in self._times().items()
        }
        form |= {"quantity": "1", "token": str(uuid4()), "csrf_token": user.csrf}
        if self.recipe:
            form["recipe_id"] = str(self.recipe.public_id)
        return Request(
            deed,
            "POST",
            f"/bookings/new?resource={self.tool.public_id}",
            urlencode(form),
            {"Cookie": f"session={user.cookie}", "Content-Type": FORM},
        )


def _call(
    user: User,
    deed: str,
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
    *,
    version: int | None = None,
) -> Request:
    headers = {
        "Authorization": f"Bearer {user.token}",
        "Content-Type": "application/json",
    }
    if version is not None:
        headers["If-Match"] = f'"{version}"'
    return Request(deed, method, path, json.dumps(body or {}), headers)


def send(url: str, request: Request) -> int:
    """Send a request on a connection of its own; return the status."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    try:
        connection.request(request.method, request.path, request.body, request.headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def alone(url: str, ground: Ground) -> dict[tuple[str, str], int]:
    """Let every path be gone on a resource of each kind with no rival; return what is told.

    Without this a race would prove nothing of a path that never gets anywhere.
    """
    told, dice = {}, random.Random(0)
    for deed in (*COMING, *STAYING, *LEAVING):
        for kind in KINDS:
            one = Round(ground, kind, LEAVING.get(deed), dice, _soon())
            told[kind, deed] = send(url, one.only(deed))
    return told


def race(url: str, ground: Ground, *, rounds: int, users: int, seed: int) -> Iterator[Told]:
    """Run rounds one after another; yield what each came to."""
    dice = random.Random(seed)
    for n in range(rounds):
        one = Round(ground, KINDS[n % len(KINDS)], HELD[n % len(HELD)], dice, _soon())
        requests = one.prepare(users)
        dice.shuffle(requests)
        # Every second round at one moment, the others staggered.
        spread = STAGGER if n % 2 else 0.0
        waits = [dice.uniform(0, spread) for _ in requests]
        yield _at_once(url, requests, waits)


def _soon() -> datetime:
    hour = utcnow().replace(minute=0, second=0, microsecond=0)
    return hour + timedelta(minutes=90)


def _at_once(url: str, requests: list[Request], waits: list[float]) -> Told:
    ready, told = threading.Barrier(len(requests)), Told()
    answers: list[tuple[str, int]] = []

    def run(request: Request, wait: float) -> None:
        ready.wait()
        time.sleep(wait)
        answers.append((request.deed, send(url, request)))

    threads = [
        threading.Thread(target=run, args=(request, wait))
        for request, wait in zip(requests, waits, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told.statuses.update(answers)
    return told
