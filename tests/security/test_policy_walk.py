"""Every route, every method, as everybody: who may sees his own, and nobody else sees it.

The table of recipes says how each route is asked. The walk goes through the application's
own map of routes, so that a new route without a recipe fails here, and one without an entry
in the policy does not even start.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from flask import Flask
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from platform_booking import guards
from platform_booking.embedded import Urls
from platform_booking.policy import POLICY
from platform_booking.web.permission import Permission, Relation
from tests.security.park import EVERYBODY, KIOSKS, OF_A, Park, built, canaries_in, may_know
from tests.security.recipes import RECIPES, Recipe

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ROLES = {
    "engineer_a": {"engineer"},
    "admin_a": {"organisation_admin"},
    "read_token_a": {"engineer"},
    "write_token_a": {"engineer"},
    "engineer_b": {"engineer"},
    "operator_1": {"operator"},
    "operator_2": {"operator"},
    "park": {"park_admin"},
}
RIGHTFUL = {
    Relation.NONE: EVERYBODY,
    Relation.SELF: ("engineer_a", "read_token_a", "write_token_a"),
    Relation.OWN: OF_A,
    Relation.OPERATED: ("operator_1", "park"),
    Relation.OWN_OR_OPERATED: (*OF_A, "operator_1", "park"),
    Relation.MASKED: (*OF_A, "operator_1", "park"),
    Relation.PARK: ("park",),
    Relation.DEVICE: ("kiosk_1",),
}
ASSETS = ("static", "bootstrap.static")
COUNTED = {"sign_in_attempt"}  # grows with every address that is none
LAST = ("accounts.sign_out",)  # ends the sessions of whoever asks
_ABSENT = str(uuid4())
_VARYING = re.compile(r'(content|value)="[\w.-]{60,}"')  # form tokens


@dataclass(frozen=True, slots=True)
class Cell:
    """One method of one route, asked by one principal."""

    method: str
    endpoint: str
    principal: str

    @property
    def recipe(self) -> Recipe:
        return RECIPES[f"{self.method} {self.endpoint}"]

    @property
    def permission(self) -> Permission:
        return POLICY[self.endpoint]

    @property
    def refused(self) -> int:
        """The status with which the policy turns the principal away; 0 if it does not."""
        if self.principal == "expired_token_a":
            return 0 if self.endpoint in ASSETS else 401
        if self.permission.roles is None:
            return 0
        if self.principal in KIOSKS:
            return 0 if "kiosk" in self.permission.roles else 401
        if self.principal not in ROLES:
            return 401
        if not self.permission.roles & ROLES[self.principal]:
            return 403
        if "token" not in self.principal:
            return 0
        api = self.endpoint.partition(".")[0].endswith(("_api", "-docs", "swagger_ui"))
        writes = self.permission.writes and self.principal == "read_token_a"
        if not api or writes or not self.permission.programs:
            return 403
        return 0

    @property
    def rightful(self) -> bool:
        """Whether the object asked for is one that the principal may see or change."""
        if self.refused:
            return False
        if self.recipe.by:
            return self.principal in self.recipe.by
        return self.principal in RIGHTFUL[self.permission.relation]

    def __str__(self) -> str:
        return f"{self.method} {self.endpoint} as {self.principal}"


@dataclass(slots=True)
class Walk:
    """The cells, what was wrong in them, and how many canaries were met."""

    app: Flask
    park: Park
    cells: list[Cell]
    faults: list[str] = field(default_factory=list)
    met: Counter[str] = field(default_factory=Counter)

    def ask(self, cell: Cell, *, absent: bool = False) -> TestResponse:
        recipe = cell.recipe
        ids = dict(self.park.ids)
        if absent:
            ids |= {name: _absent(value) for name, value in ids.items()}
        fill = _Filler(ids, public=self.park.ids)
        with self.app.test_request_context():
            path = self.app.url_map.bind("localhost").build(
                cell.endpoint, fill(recipe.path), append_unknown=False
            )
        answer = self.park.visitors[cell.principal].open(
            path,
            method=cell.method,
            query_string=fill(recipe.query),
            data=fill(recipe.form) if recipe.form is not None else None,
            json=fill(recipe.json) if recipe.json is not None else None,
            headers=self.park.headers[cell.principal] | recipe.headers,
        )
        self.expect(cell, answer.status_code < 500, f"answered {answer.status_code}")
        return answer

    def expect(self, cell: Cell, right: bool, wrong: str) -> None:
        if not right:
            self.faults.append(f"{cell}: {wrong}")

    def look(self, cell: Cell, answer: TestResponse) -> set[str]:
        """Look for canaries; return the kinds of A's that the principal received."""
        text = re.sub(r"\r\n[ \t]", "", answer.text)  # a calendar's lines are folded
        found = canaries_in(text + str(answer.headers))
        also = cell.recipe.also if cell.principal.startswith("operator") else ()
        strange = {
            (firm, kind)
            for firm, kind in found
            if not may_know(cell.principal, firm, kind) and kind not in also
        }
        self.met["by others"] += len(strange)
        self.met["by the rightful"] += len(found - strange)
        self.expect(cell, not strange, f"received {sorted(strange)}")
        return {kind for firm, kind in found if firm == "A"}


def _absent(value: str) -> str:
    try:
        UUID(value)
    except ValueError:
        return "2147483647" if value.isdecimal() else f"no{len(value)}"
    return _ABSENT


class _Filler:
    """Puts ids in place of `@name` and `$name`; the latter are never made absent."""

    def __init__(self, ids: dict[str, str], *, public: dict[str, str]) -> None:
        self._ids, self._public = ids, public

    def __call__(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self(inner) for inner in value]
        if isinstance(value, str) and value[:1] == "@":
            return self._ids[value[1:]]
        if isinstance(value, str) and value[:1] == "$":
            return self._public[value[1:]]
        return value


def routes(app: Flask) -> Iterator[tuple[str, str]]:
    """Yield every method of every route."""
    seen = set()
    for rule in app.url_map.iter_rules():
        for method in METHODS:
            if method in (rule.methods or ()) and (method, rule.endpoint) not in seen:
                seen.add((method, rule.endpoint))
                yield method, rule.endpoint


def test_every_method_of_every_route_has_a_recipe_and_the_reverse(app: Flask) -> None:
    declared = {f"{method} {endpoint}" for method, endpoint in routes(app)}
    assert declared - RECIPES.keys() == set(), "add a line to tests/security/recipes.py"
    assert RECIPES.keys() - declared == set(), "these routes are gone"


def test_who_may_receives_his_own_and_nobody_else_anything(app: Flask, capsys: Any) -> None:
    """B19: no view, feed or export of any route shows what is private to another."""
    walk = Walk(
        app,
        built(app),
        [
            Cell(method, endpoint, principal)
            for method, endpoint in routes(app)
            for principal in EVERYBODY
        ],
    )
    reads = [c for c in walk.cells if c.method == "GET" and c.permission.roles is not None]
    writes = [c for c in walk.cells if c.method != "GET"]
    before = walk.park.digest()
    with capture_logs() as logged:
        _go(walk, reads, writes, before)
    with capsys.disabled():
        print(
            f"\n{len(set(routes(app)))} methods of {len(POLICY)} routes,"
            f" {len(walk.cells)} cells, canaries received by the rightful"
            f" {walk.met['by the rightful']}, by others {walk.met['by others']}"
        )
    assert "\n".join(walk.faults) == ""
    assert walk.met["by the rightful"] > 100
    assert canaries_in(str(logged)) == set()


def _go(walk: Walk, reads: list[Cell], writes: list[Cell], before: dict[str, str]) -> None:
    visitors = [c for c in walk.cells if c.method == "GET" and c.permission.roles is None]
    for cell in visitors:
        walk.look(cell, walk.ask(cell))
    for cell in reads:
        _read(walk, cell)
    harmless = [c for c in writes if _harmless(c)]
    for cell in harmless:
        _turned_away(walk, cell)
    after = walk.park.digest()
    changed = [t for t in after if after[t] != before[t] and t not in COUNTED]
    assert changed == [], "reading, or a refused writing, changed these tables"

    last = [c for c in writes if not _harmless(c)]
    for cell in sorted(last, key=lambda c: c.endpoint in LAST):
        answer = walk.ask(cell)
        walk.look(cell, answer)
        if cell.permission.roles is not None and cell.rightful:
            turned = answer.status_code in {401, 404} or answer.status_code == 403
            walk.expect(cell, not turned, f"turned away: {answer.status_code}")


def _read(walk: Walk, cell: Cell) -> None:
    if cell.refused or (not cell.rightful and cell.recipe.private):
        _turned_away(walk, cell)
        return
    answer = walk.ask(cell)
    kinds = walk.look(cell, answer)
    fine = answer.status_code < 400 or (answer.status_code == 403 and not cell.rightful)
    walk.expect(cell, fine, f"answered {answer.status_code}")
    if cell.rightful:
        lacking = [s for s in cell.recipe.shows if not kinds.intersection(s.split("|"))]
        walk.expect(cell, not lacking, f"did not receive {sorted(lacking)}")


def _harmless(cell: Cell) -> bool:
    """Tell whether the cell's writing must leave every row as it is."""
    if cell.refused:
        return True
    foreign = cell.permission.roles is not None and not cell.rightful
    return foreign and (cell.recipe.private or cell.recipe.guarded)


def _turned_away(walk: Walk, cell: Cell) -> None:
    """Expect the policy's refusal, or the very answer that an absent object gets."""
    with walk.park.visitors[cell.principal].session_transaction() as session:
        session.pop("_flashes", None)  # what the page before had to say
    answer = walk.ask(cell)
    walk.look(cell, answer)
    status = answer.status_code
    if cell.refused == 401 and not cell.endpoint.partition(".")[0].endswith("_api"):
        led = status == 302 and answer.headers["Location"].startswith("/sign-in")
        walk.expect(cell, led or status == 401, f"not asked to sign in: {status}")
    elif cell.refused:
        walk.expect(cell, status == cell.refused, f"{status}, not {cell.refused}")
    elif cell.recipe.private:
        none = walk.ask(cell, absent=True)
        walk.expect(cell, status == none.status_code, f"{status}/{none.status_code}")
        told = set(_plain(walk, answer)) ^ set(_plain(walk, none))
        walk.expect(cell, not told, f"tells a foreign object from an absent one: {told}")


def _plain(walk: Walk, answer: TestResponse) -> list[str]:
    """Return an answer without the ids that were asked for and without form tokens."""
    text = _VARYING.sub("", answer.text)
    for value in sorted({*walk.park.ids.values(), _ABSENT, "no43"}, key=len, reverse=True):
        if len(value) > 30 or value == "no43":
            text = text.replace(value, "ID")
    headers = {k: v for k, v in answer.headers if k not in {"Set-Cookie", "Content-Length"}}
    return [str(headers), *text.splitlines()]


def test_an_operator_sees_the_part_of_a_crossing_order_that_runs_on_his_platform(
    app: Flask,
) -> None:
    park = built(app)
    parts = {"operator_1": {"step"}, "operator_2": {"step_there"}}
    for principal, part in parts.items():
        for path in (
            f"/orders/{park.ids['order_c']}",
            f"/api/v1/orders/{park.ids['order_c']}",
        ):
            met = canaries_in(park.visitors[principal].get(path).text)
            kinds = {kind for firm, kind in met if firm == "C"}
            assert kinds & {"step", "step_there"} == part, path
            assert {"title"} <= kinds, path
            assert all(may_know(principal, *found) or found[1] == "step" for found in met)


def test_the_walk_would_find_what_leaks(app: Flask, database: Urls) -> None:
    """With row-level security down, the very same questions bring others' canaries."""
    engine = sa.create_engine(database.owner, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        for table in guards.WALLED:
            connection.execute(sa.text(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"))
    principals = ("engineer_b", "operator_2")
    cells = [Cell("GET", e, p) for m, e in routes(app) if m == "GET" for p in principals]
    walk = Walk(app, built(app), cells)
    for cell in cells:
        if not cell.refused:
            _read(walk, cell)
    assert walk.met["by others"] > 20
    blamed = {fault.split(" as ")[0] for fault in walk.faults}
    assert {"GET orders.show", "GET bookings_api.index", "GET plans.review"} <= blamed


def test_other_methods_are_refused_for_everybody(app: Flask) -> None:
    park = built(app)
    faults = []
    for rule in app.url_map.iter_rules():
        recipe = next(r for key, r in RECIPES.items() if key.split(" ")[1] == rule.endpoint)
        fill = _Filler(park.ids, public=park.ids)
        path = app.url_map.bind("localhost").build(rule.endpoint, fill(recipe.path))
        served = app.url_map.bind("localhost").allowed_methods(path)
        for method in {*METHODS, "TRACE"}.difference(served):
            for principal in ("anonymous", "park"):
                answer = park.visitors[principal].open(
                    path, method=method, headers=park.headers[principal]
                )
                if answer.status_code != 405 or not answer.headers.get("Allow"):
                    faults.append(f"{method} {path} as {principal}: {answer.status_code}")
    assert "\n".join(faults) == ""
