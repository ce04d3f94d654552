"""How each route is asked in the walk: one line a method of a route.

    "GET orders.show": asked("title step", order_id="@order_a"),

`shows` are the kinds of A's canaries that whoever may see the object must receive, `a|b` for
one of two (operators often see less); the rest are the values of the address, `query=`,
`form=`, `json=` or `headers=`. Ids of `tests/security/park.py` go in by name. `@order_a` is
A's own: the walk also asks with an id that does not exist, and whoever has no right to A's
object must get the very same answer. `$resource` is everybody's. `guarded=True`: without A's own ids, too, nobody but the rightful
changes a row by it. `by=` names the rightful where the policy's relation is too wide; `also=` the kinds that every
operator may meet here: he may book for any firm, and must find its name.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Recipe:
    """One method of one route."""

    shows: frozenset[str]
    path: dict[str, str]
    query: dict[str, str] = field(default_factory=dict)
    form: dict[str, Any] | None = None
    json: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    guarded: bool = False
    by: frozenset[str] = frozenset()
    also: frozenset[str] = frozenset()

    @property
    def private(self) -> bool:
        """Whether an id of A's is part of what is asked."""
        return any("'@" in repr(part) for part in (self.path, self.form, self.json))


def asked(
    shows: str = "",
    *,
    query: dict[str, str] | None = None,
    form: dict[str, Any] | None = None,
    json: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
    guarded: bool = False,
    by: str = "",
    also: str = "",
    **path: str,
) -> Recipe:
    """Return a recipe."""
    return Recipe(
        shows=frozenset(shows.split()),
        path=path,
        query=query or {},
        form=form,
        json=json,
        headers=headers or {},
        guarded=guarded,
        by=frozenset(by.split()),
        also=frozenset(also.split()),
    )


_NIGHT = "2000-01-01"  # long over: asked for, refused, nothing runs
_WEEK = {"from": "$from", "to": "$to"}
_ORDER = {
    "title": "x",
    "earliest_at": "2000-01-03T01:00:00Z",
    "deadline_at": "2000-01-09T01:00:00Z",
    "project_id": "@project_a",
    "steps": [{"capability": "ETCH.DRIE"}],
}
_OUTAGE = {
    "starts_at": "2000-01-03T01:00:00Z",  # long over: read, and refused by its rules
    "ends_at": "2000-01-03T02:00:00Z",
    "kind": "scheduled_down",
    "reason": "x",
}

_OLD_TIMES = {"starts_at": "2000-01-03T01:00:00Z", "ends_at": "2000-01-03T02:00:00Z"}

RECIPES: dict[str, Recipe] = {
    # The frame.
    "GET static": asked(filename="site.css"),
    "GET bootstrap.static": asked(filename="css/bootstrap.min.css"),
    "GET web.healthz": asked(),
    "GET web.readyz": asked(),
    "GET home.index": asked(),
    "GET api-docs.openapi_json": asked(),
    "GET swagger_ui.show": asked(),
    # Accounts.
    "GET accounts.sign_in": asked(),
    "POST accounts.sign_in": asked(form={"email": "x@x.example", "password": "x"}),
    "POST accounts.sign_out": asked(),
    "GET accounts.demo_sign_in": asked(secret="x"),
    "GET accounts.accept": asked(secret="$invitation"),
    "POST accounts.accept": asked(form={"password": "short"}, secret="$invitation"),
    "GET accounts.register": asked(),
    "POST accounts.register": asked(form={"name_zh": "x"}),
    "GET accounts.organisations": asked("firm contract"),
    "POST accounts.decide": asked(
        form={"verdict": "approve"}, organisation_id="@applicant"
    ),
    "GET accounts.members": asked("person email"),
    "POST accounts.members": asked("person email", form={"email": "x"}),
    "GET accounts.staff": asked(),
    "POST accounts.staff": asked(form={"email": "x"}),
    "POST accounts.set_active": asked(form={"active": "yes"}, member_id="@colleague_a"),
    "POST accounts.renew_link": asked(member_id="@colleague_a"),
    "POST accounts.appoint": asked(form={"roles": "engineer"}, member_id="@colleague_a"),
    "GET accounts.projects": asked("project"),
    "POST accounts.projects": asked("project", form={"code": ""}),
    "GET accounts_api.index": asked("project"),
    "POST accounts_api.add": asked(json={"code": "", "name": ""}),
    "PUT accounts_api.set_active": asked(
        json={"active": True}, guarded=True, project_id="@project_a"
    ),
    "PUT accounts_api.set_purpose": asked(
        json={"purpose": "teaching"}, guarded=True, project_id="@project_a"
    ),
    "POST accounts.set_project_active": asked(
        form={"active": "yes"}, project_id="@project_a"
    ),
    "POST accounts.set_project_purpose": asked(
        form={"purpose": "academic"}, project_id="@project_a"
    ),
    "GET accounts.account": asked("token"),
    "POST accounts.account": asked(form={"act": "revoke", "token": "@token_a"}),
    # Orders.
    "GET orders.index": asked("title"),
    "GET orders.show": asked("title note step flag", order_id="@order_a"),
    "GET orders.new": asked("project"),
    "POST orders.new": asked("project", form={"title": "x"}),
    "GET orders.amend": asked("title note step project", order_id="@order_a"),
    "POST orders.amend": asked(form={"title": "x"}, order_id="@order_a"),
    "POST orders.withdraw": asked(order_id="@order_a"),
    "POST orders_api.submit": asked(json=_ORDER),
    "POST orders_api.check": asked(json=_ORDER),
    "GET orders_api.index": asked("title"),
    "GET orders_api.show": asked("title note step flag", order_id="@order_a"),
    "PUT orders_api.amend": asked(
        json=_ORDER, headers={"If-Match": '"1"'}, order_id="@left_a"
    ),
    "POST orders_api.withdraw": asked(order_id="@left_a"),
    # The catalogue: everybody's, with others' bookings as busy only.
    "GET catalog.platforms": asked(),
    "GET catalog.platform": asked(code="$platform_1_code"),
    "GET catalog.resource": asked(code="$resource_code"),
    "GET limits.edit": asked(code="$resource_code"),
    "POST limits.edit": asked(
        form={"grid_minutes": "7"}, guarded=True, code="$resource_code"
    ),
    "GET limits_api.show": asked(resource_id="$resource"),
    "PUT limits_api.change": asked(
        json={"grid_minutes": 7},
        headers={"If-Match": "*"},
        guarded=True,
        resource_id="$resource",
    ),
    "GET limits_api.presets": asked(),
    "POST catalog.declare": asked(form=_OUTAGE, guarded=True, code="$resource_code"),
    "POST catalog.end_outage": asked(guarded=True, outage_id="$outage"),
    "GET catalog_api.platforms": asked(),
    "GET catalog_api.capabilities": asked(),
    "GET catalog_api.resources": asked(query={"platform": "$platform_1_code"}),
    "GET catalog_api.resource": asked(resource_id="$resource"),
    "GET catalog_api.recipes": asked(query={"resource": "$resource_code"}),
    "GET catalog_api.occurrences": asked(),
    "GET catalog_api.routes": asked(),
    "GET catalog_api.route": asked(route_id="$route"),
    "GET catalog_api.outages": asked(query={"resource": "$resource_code"}),
    "POST catalog_api.declare": asked(json=_OUTAGE, guarded=True, resource_id="$resource"),
    "DELETE catalog_api.end": asked(guarded=True, outage_id="$outage"),
    # The board.
    "GET board.index": asked("title|firm", query=_WEEK | {"as": "table"}),
    "GET board.feed": asked("title|firm", query=_WEEK),
    # Plans.
    "GET plans.index": asked(),
    "POST plans.run": asked(form={"night": _NIGHT}),
    "GET plans.review": asked("firm title step", plan_id="$plan"),
    "GET plans.progress": asked(plan_id="$plan"),
    "GET plans.events": asked(plan_id="$plan"),
    "POST plans.finish": asked(plan_id="$plan"),
    "POST plans_api.finish": asked(plan_id="$plan"),
    "POST plans.decide": asked(
        form={"platform": "$platform_1_row", "verdict": "approve"}, guarded=True,
        plan_id="$plan",
    ),
    "POST plans.publish": asked(plan_id="$plan"),
    "POST plans.force": asked(plan_id="$plan", order_id="@left_a"),
    "GET plans.forcing": asked(
        "firm title left_out", plan_id="$plan", order_id="@left_a"
    ),
    "GET plans.forcing_progress": asked(plan_id="$plan", order_id="@left_a"),
    "POST plans_api.run": asked(json={"night": _NIGHT}),
    "GET plans_api.index": asked(),
    "GET plans_api.show": asked(plan_id="$plan"),
    "GET plans_api.placements": asked("firm title step", plan_id="$plan"),
    "GET plans_api.left_out": asked("firm title left_out", plan_id="$plan"),
    "GET plans_api.late": asked("firm title", plan_id="$plan"),
    "POST plans_api.force": asked(plan_id="$plan", order_id="@left_a"),
    "GET plans_api.forcing": asked("title", plan_id="$plan", order_id="@left_a"),
    "GET reasons_api.of_order": asked("left_out", order_id="@left_a"),
    "POST plans_api.approve": asked(
        json={"platforms": ["$platform_1_code"]}, guarded=True, plan_id="$plan"
    ),
    "POST plans_api.reject": asked(
        json={"platforms": ["$platform_1_code"]}, guarded=True, plan_id="$plan"
    ),
    "POST plans_api.publish": asked(plan_id="$plan"),
    "GET plans_api.request_state": asked(request_id="$request_a"),
    # What becomes of bookings.
    "GET attendance.requests": asked("firm person"),
    "POST attendance.answer": asked(form={"booking": "@request_booking_a"}, guarded=True),
    "POST attendance.attend": asked(form={"act": "confirm"}, booking_id="@booking_a"),
    "GET attendance_api.requests": asked("firm person"),
    "POST attendance_api.approve_all": asked(
        json={"ids": ["@request_booking_a"]}, guarded=True
    ),
    "POST attendance_api.approve": asked(guarded=True, booking_id="@request_booking_a"),
    "POST attendance_api.decline": asked(
        json={"reason": "x"}, guarded=True, booking_id="@request_booking_a"
    ),
    "POST attendance_api.confirm": asked(booking_id="@booking_a"),
    "GET attendance_api.show": asked(booking_id="@booking_a"),
    "POST attendance_api.check_in": asked(booking_id="@booking_a"),
    "POST attendance_api.check_out": asked(booking_id="@booking_a"),
    "POST attendance_api.release": asked(
        json={"until": "2000-01-03T01:00:00Z"}, booking_id="@booking_a"
    ),
    "POST attendance_api.extend": asked(json={"minutes": 5}, booking_id="@booking_a"),
    "POST attendance_api.hand_over": asked(
        json={"member_id": "$staff"}, booking_id="@request_booking_a"
    ),
    "GET attendance.kiosk_list": asked(),
    "POST attendance.kiosk_list": asked(form={"name": ""}),
    "POST attendance.revoke_kiosk": asked(kiosk_id="@kiosk_1"),
    "GET attendance_api.kiosk_list": asked(),
    "POST attendance_api.make_kiosk": asked(
        json={"name": "", "platform_id": "$platform_1"}
    ),
    "POST attendance_api.revoke_kiosk": asked(kiosk_id="@kiosk_1"),
    "GET usage.index": asked("firm person", query={"from": "$day", "to": "$day"}),
    "GET usage.sheet": asked("firm person", query={"from": "$day", "to": "$day"}),
    "GET attendance_api.usage": asked(
        "firm person", query={"from": "$day", "to": "$day"}
    ),
    "GET kiosk.enter": asked(secret="x"),
    "GET kiosk.index": asked(),
    "GET kiosk.tool": asked(resource_id="@resource"),
    "POST kiosk.tool": asked(form={"act": "check_in", "code": "0"}, resource_id="@resource"),
    "GET attendance.fault": asked(resource_id="$resource"),
    "POST attendance.fault": asked(form={"reason": ""}, resource_id="$resource"),
    "POST attendance_api.report_fault": asked(
        json={"reason": ""}, resource_id="$resource"
    ),
    # Bookings.
    "GET bookings.index": asked("firm", query={"day": "$day"}),
    "GET bookings.show": asked("firm person", booking_id="@booking_a"),
    "GET bookings.new": asked(query={"resource": "$resource"}, also="firm"),
    "POST bookings.new": asked(form={"resource": "$resource", "day": "$day"}, also="firm"),
    "POST bookings.cancel": asked(form={"version": "1"}, booking_id="@booking_a"),
    "GET booking_changes.move": asked(booking_id="@booking_a"),
    "POST booking_changes.move": asked(form={"version": "1"}, booking_id="@booking_a"),
    "POST booking_changes.cancel_series": asked(
        form={"scope": "all"}, booking_id="@booking_a"
    ),
    "POST bookings_api.book": asked(
        json={"resource_id": "$resource", "starts_at": "2000-01-03T01:00:00Z",
              "ends_at": "2000-01-03T02:00:00Z", "project_id": "@project_a"},
    ),
    "POST bookings_api.book_series": asked(
        json={"resource_id": "$resource", "starts_at": "2000-01-03T01:00:00Z",
              "ends_at": "2000-01-03T02:00:00Z", "project_id": "@project_a",
              "rrule": "FREQ=DAILY;COUNT=2"},
    ),
    "POST bookings_api.cancel_series": asked(json={}, series_id="@series_a"),
    "GET bookings_api.index": asked("firm"),
    "GET bookings_api.show": asked("firm", booking_id="@booking_a"),
    "PATCH bookings_api.move": asked(json={"quantity": 1}, booking_id="@booking_a"),
    "POST bookings_api.cancel": asked(booking_id="@booking_a"),
    "GET bookings_api.busy": asked(resource_id="$resource"),
    # Capacity that a company opens to others.
    "GET owning.index": asked(),
    "POST owning.take_back": asked(form={"resource_id": "@opened_a"}, guarded=True),
    "POST owning.give_back": asked(guarded=True, outage_id="@taken_a"),
    "GET owning_api.index": asked(),
    "POST owning_api.take_back": asked(
        json={"starts_at": "2000-01-03T01:00:00Z", "ends_at": "2000-01-03T02:00:00Z"},
        guarded=True, resource_id="@opened_a",
    ),
    "DELETE owning_api.give_back": asked(guarded=True, outage_id="@taken_a"),
    # Dated runs.
    "GET events.index": asked(code="$event_code"),
    "POST events.date_run": asked(form={"code": ""}, guarded=True, code="$event_code"),
    "GET events.show": asked(run_id="$run"),
    "POST events.change": asked(form={"capacity": ""}, guarded=True, run_id="$run"),
    "POST events.call_off": asked(form={"reason": ""}, guarded=True, run_id="$run"),
    "POST events.mark": asked(guarded=True, run_id="$run"),
    "POST events.take_in": asked(form={"act": "check"}, guarded=True, code="$event_code"),
    "POST events_api.take_in": asked(
        query={"dry_run": "true"}, guarded=True, resource_id="$event"
    ),
    "POST events_api.mark": asked(json={"attended": {}}, guarded=True, run_id="$run"),
    "GET events_api.show": asked(run_id="$run"),
    "POST events_api.date_run": asked(
        json=_OLD_TIMES | {"code": "OLD", "capacity": 1}, guarded=True,
        resource_id="$event",
    ),
    "PATCH events_api.change": asked(
        json={"capacity": 0}, guarded=True, run_id="$run"
    ),
    "POST events_api.call_off": asked(json={"reason": " "}, guarded=True, run_id="$run"),
    # Quotas.
    "GET qualifying.index": asked("firm person", also="firm"),
    "POST qualifying.grant": asked(form={"member_id": ""}, also="firm"),
    "POST qualifying.revoke": asked(member_id="@engineer_a", code="QA"),
    "GET qualifying_api.index": asked("firm person"),
    "POST qualifying_api.grant": asked(
        json={"member_id": "@engineer_a", "qualification": "QA"}
    ),
    "DELETE qualifying_api.revoke": asked(member_id="@engineer_a", code="QA"),
    "GET quotas.index": asked("firm", also="firm"),
    "POST quotas.set_quota": asked("firm", form={"hours": ""}, also="firm"),
    "POST quotas.end": asked(guarded=True, quota_id="@quota_a"),
    "GET quotas_api.index": asked("firm"),
    "POST quotas_api.set_quota": asked(json={"period": "week", "minutes": -1}),
    "DELETE quotas_api.end": asked(guarded=True, quota_id="@quota_a"),
    # Waiting.
    "GET waitlist.index": asked("firm|person"),
    "POST waitlist.join": asked(query={"resource": "$resource"}, form={"quantity": "1"}),
    "POST waitlist.answer": asked(form={"act": "pass"}, waiting_id="@waiting_a"),
    "POST waitlist_api.join": asked(
        json={"resource_id": "$resource", "from": "2000-01-03T01:00:00Z",
              "to": "2000-01-03T02:00:00Z", "project_id": "@project_a"},
    ),
    "GET waitlist_api.index": asked("firm person"),
    "GET waitlist_api.show": asked("firm person", waiting_id="@waiting_a"),
    "POST waitlist_api.withdraw": asked(waiting_id="@waiting_a"),
    "POST waitlist_api.accept": asked(waiting_id="@waiting_a"),
    "POST waitlist_api.let_go": asked(waiting_id="@waiting_a"),
    # Free time.
    "GET finding.index": asked(query={"resource": "$resource_code"}),
    "GET finding_api.availability": asked(query={"resource": "$resource_code"}),
    # Calendars.
    "GET feeds.index": asked(),
    "POST feeds.make": asked(form={"whose": "firm"}),
    "POST feeds.revoke": asked(feed_id="@feed_a"),
    "GET feeds_api.index": asked(),
    "POST feeds_api.make": asked(json={"whole_firm": "x"}),
    "DELETE feeds_api.revoke": asked(feed_id="@feed_a"),
    "GET feeds.calendar": asked(secret="x"),
    "GET feeds_api.entry": asked("firm|project", booking_id="@booking_a"),
    # Tables of bookings.
    "GET exchange.download": asked("firm person", query={"day": "$day", "format": "csv"}),
    "GET exchange.upload": asked(),
    "POST exchange.upload": asked(form={"act": "check"}),
    "GET exchange_api.download": asked("firm person", query={"format": "csv"}),
    "POST exchange_api.upload": asked(query={"dry_run": "true"}),
}  # fmt: skip
