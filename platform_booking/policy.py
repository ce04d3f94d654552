"""Who may call what: the one table. A route that is missing here does not start.

`tests/security` walks it as every role over every route.
"""

from platform_booking.web.actor import ENGINEER, OPERATOR, ORGANISATION_ADMIN, PARK_ADMIN
from platform_booking.web.permission import Permission, Relation, allow, kiosks, visitors

EVERYBODY = (ENGINEER, ORGANISATION_ADMIN, OPERATOR, PARK_ADMIN)
FIRM = (ENGINEER, ORGANISATION_ADMIN)
STAFF = (OPERATOR, PARK_ADMIN)
_UPLOAD = 11 << 20  # a file of 10 MiB, and the form around it

POLICY: dict[str, Permission] = {
    # The frame.
    "static": visitors("static"),
    "bootstrap.static": visitors("static"),
    "web.healthz": visitors("health"),
    "web.readyz": visitors("health"),
    "home.index": visitors("home"),
    "api-docs.openapi_json": allow(
        *EVERYBODY, action="api.describe", relation=Relation.NONE
    ),
    "swagger_ui.show": allow(*EVERYBODY, action="api.describe", relation=Relation.NONE),
    # Accounts.
    "accounts.sign_in": visitors("sign_in"),
    "accounts.sign_out": visitors("sign_out"),
    "accounts.demo_sign_in": visitors("sign_in"),
    "accounts.accept": visitors("invitation"),
    "accounts.register": visitors("register"),
    "accounts.organisations": allow(
        PARK_ADMIN, action="organisation.read", relation=Relation.PARK
    ),
    "accounts.decide": allow(
        PARK_ADMIN, action="organisation.decide", relation=Relation.PARK, writes=True
    ),
    "accounts.members": allow(
        ORGANISATION_ADMIN, action="member.manage", relation=Relation.OWN, writes=True
    ),
    "accounts.staff": allow(
        PARK_ADMIN, action="staff.manage", relation=Relation.PARK, writes=True
    ),
    **{
        endpoint: allow(
            ORGANISATION_ADMIN,
            PARK_ADMIN,
            action="member.manage",
            relation=Relation.OWN,
            writes=True,
        )
        for endpoint in ("accounts.set_active", "accounts.renew_link", "accounts.appoint")
    },
    "accounts.projects": allow(
        *FIRM, action="project.manage", relation=Relation.OWN, writes=True
    ),
    "accounts.set_project_active": allow(
        *FIRM, action="project.manage", relation=Relation.OWN, writes=True
    ),
    "accounts.set_project_purpose": allow(
        ORGANISATION_ADMIN, action="project.purpose", relation=Relation.OWN, writes=True
    ),
    **{
        f"accounts_api.{deed}": allow(
            *FIRM, action="project.manage", relation=Relation.OWN, writes=deed != "index"
        )
        for deed in ("index", "add", "set_active")
    },
    "accounts_api.set_purpose": allow(
        ORGANISATION_ADMIN, action="project.purpose", relation=Relation.OWN, writes=True
    ),
    "accounts.account": allow(
        *EVERYBODY, action="account.manage", relation=Relation.SELF, writes=True
    ),
    # Orders.
    "orders.index": allow(
        *EVERYBODY, action="order.read", relation=Relation.OWN_OR_OPERATED
    ),
    "orders.show": allow(
        *EVERYBODY, action="order.read", relation=Relation.OWN_OR_OPERATED
    ),
    "orders.new": allow(
        ENGINEER, action="order.submit", relation=Relation.OWN, writes=True
    ),
    "orders.amend": allow(*FIRM, action="order.amend", relation=Relation.OWN, writes=True),
    "orders.withdraw": allow(
        *FIRM, action="order.withdraw", relation=Relation.OWN, writes=True
    ),
    "orders_api.submit": allow(
        ENGINEER, action="order.submit", relation=Relation.OWN, writes=True
    ),
    "orders_api.check": allow(ENGINEER, action="order.submit", relation=Relation.OWN),
    "orders_api.index": allow(
        *EVERYBODY, action="order.read", relation=Relation.OWN_OR_OPERATED
    ),
    "orders_api.show": allow(
        *EVERYBODY, action="order.read", relation=Relation.OWN_OR_OPERATED
    ),
    "orders_api.amend": allow(
        *FIRM, action="order.amend", relation=Relation.OWN, writes=True
    ),
    "orders_api.withdraw": allow(
        *FIRM, action="order.withdraw", relation=Relation.OWN, writes=True
    ),
    # The board: everybody's bookings, others' as busy only.
    "board.index": allow(*EVERYBODY, action="board.read", relation=Relation.MASKED),
    "board.feed": allow(*EVERYBODY, action="board.read", relation=Relation.MASKED),
    # The catalogue.
    "catalog.platforms": allow(*EVERYBODY, action="catalog.read", relation=Relation.MASKED),
    "catalog.platform": allow(*EVERYBODY, action="catalog.read", relation=Relation.MASKED),
    "catalog.resource": allow(*EVERYBODY, action="catalog.read", relation=Relation.MASKED),
    "catalog.declare": allow(
        *STAFF, action="outage.declare", relation=Relation.OPERATED, writes=True
    ),
    "catalog.end_outage": allow(
        *STAFF, action="outage.end", relation=Relation.OPERATED, writes=True
    ),
    "catalog_api.platforms": allow(
        *EVERYBODY, action="catalog.read", relation=Relation.NONE
    ),
    "catalog_api.capabilities": allow(
        *EVERYBODY, action="catalog.read", relation=Relation.NONE
    ),
    "catalog_api.resources": allow(
        *EVERYBODY, action="catalog.read", relation=Relation.NONE
    ),
    "catalog_api.resource": allow(
        *EVERYBODY, action="catalog.read", relation=Relation.MASKED
    ),
    "catalog_api.recipes": allow(*EVERYBODY, action="catalog.read", relation=Relation.NONE),
    "catalog_api.occurrences": allow(
        *EVERYBODY, action="catalog.read", relation=Relation.MASKED
    ),
    "catalog_api.routes": allow(*EVERYBODY, action="catalog.read", relation=Relation.NONE),
    "catalog_api.route": allow(*EVERYBODY, action="catalog.read", relation=Relation.NONE),
    "catalog_api.outages": allow(*EVERYBODY, action="catalog.read", relation=Relation.NONE),
    "catalog_api.declare": allow(
        *STAFF, action="outage.declare", relation=Relation.OPERATED, writes=True
    ),
    "catalog_api.end": allow(
        *STAFF, action="outage.end", relation=Relation.OPERATED, writes=True
    ),
    # Limits of bookings.
    "limits.edit": allow(
        *STAFF, action="limits.set", relation=Relation.OPERATED, writes=True
    ),
    "limits_api.show": allow(*EVERYBODY, action="catalog.read", relation=Relation.NONE),
    "limits_api.presets": allow(*EVERYBODY, action="catalog.read", relation=Relation.NONE),
    "limits_api.change": allow(
        *STAFF, action="limits.set", relation=Relation.OPERATED, writes=True
    ),
    # Plans.
    "plans.index": allow(*STAFF, action="plan.read", relation=Relation.OPERATED),
    "plans.run": allow(*STAFF, action="plan.run", relation=Relation.NONE, writes=True),
    "plans.review": allow(*STAFF, action="plan.read", relation=Relation.OPERATED),
    "plans.progress": allow(*STAFF, action="plan.read", relation=Relation.NONE),
    "plans.decide": allow(
        *STAFF, action="plan.decide", relation=Relation.OPERATED, writes=True
    ),
    "plans.publish": allow(
        *STAFF, action="plan.publish", relation=Relation.OPERATED, writes=True
    ),
    "plans.force": allow(
        *STAFF, action="plan.force", relation=Relation.OPERATED, writes=True
    ),
    "plans.finish": allow(*STAFF, action="plan.run", relation=Relation.NONE, writes=True),
    "plans.events": allow(*STAFF, action="plan.read", relation=Relation.NONE),
    "plans.forcing": allow(*STAFF, action="plan.force", relation=Relation.OPERATED),
    "plans.forcing_progress": allow(
        *STAFF, action="plan.force", relation=Relation.OPERATED
    ),
    "plans_api.run": allow(*STAFF, action="plan.run", relation=Relation.NONE, writes=True),
    "plans_api.finish": allow(
        *STAFF, action="plan.run", relation=Relation.NONE, writes=True
    ),
    "plans_api.request_state": allow(*STAFF, action="plan.read", relation=Relation.NONE),
    "plans_api.index": allow(*STAFF, action="plan.read", relation=Relation.NONE),
    "plans_api.show": allow(*STAFF, action="plan.read", relation=Relation.NONE),
    "plans_api.placements": allow(*STAFF, action="plan.read", relation=Relation.OPERATED),
    "plans_api.left_out": allow(*STAFF, action="plan.read", relation=Relation.OPERATED),
    "plans_api.late": allow(*STAFF, action="plan.read", relation=Relation.OPERATED),
    "plans_api.force": allow(
        *STAFF, action="plan.force", relation=Relation.OPERATED, writes=True
    ),
    "plans_api.forcing": allow(*STAFF, action="plan.force", relation=Relation.OPERATED),
    "reasons_api.of_order": allow(
        *EVERYBODY, action="order.read", relation=Relation.OWN_OR_OPERATED
    ),
    "plans_api.approve": allow(
        *STAFF, action="plan.decide", relation=Relation.OPERATED, writes=True
    ),
    "plans_api.reject": allow(
        *STAFF, action="plan.decide", relation=Relation.OPERATED, writes=True
    ),
    "plans_api.publish": allow(
        *STAFF, action="plan.publish", relation=Relation.OPERATED, writes=True
    ),
    # What becomes of bookings.
    "attendance.requests": allow(
        *STAFF, action="booking.answer", relation=Relation.OPERATED
    ),
    "attendance.answer": allow(
        *STAFF, action="booking.answer", relation=Relation.OPERATED, writes=True
    ),
    "attendance.attend": allow(
        *EVERYBODY, action="booking.attend", relation=Relation.OWN_OR_OPERATED, writes=True
    ),
    "attendance_api.requests": allow(
        *STAFF, action="booking.answer", relation=Relation.OPERATED
    ),
    **{
        f"attendance_api.{deed}": allow(
            *STAFF, action="booking.answer", relation=Relation.OPERATED, writes=True
        )
        for deed in ("approve_all", "approve", "decline")
    },
    **{
        f"attendance_api.{deed}": allow(
            *EVERYBODY,
            action="booking.attend",
            relation=Relation.OWN_OR_OPERATED,
            writes=True,
        )
        for deed in (
            "confirm",
            "check_in",
            "check_out",
            "release",
            "extend",
        )
    },
    "attendance_api.hand_over": allow(
        *FIRM, action="booking.hand_over", relation=Relation.OWN, writes=True
    ),
    "attendance_api.show": allow(
        *EVERYBODY, action="booking.read", relation=Relation.OWN_OR_OPERATED
    ),
    "attendance.kiosk_list": allow(
        *STAFF, action="kiosk.manage", relation=Relation.OPERATED, writes=True
    ),
    "attendance.revoke_kiosk": allow(
        *STAFF, action="kiosk.manage", relation=Relation.OPERATED, writes=True
    ),
    "attendance_api.kiosk_list": allow(
        *STAFF, action="kiosk.read", relation=Relation.OPERATED
    ),
    "attendance_api.make_kiosk": allow(
        *STAFF, action="kiosk.manage", relation=Relation.OPERATED, writes=True
    ),
    "attendance_api.revoke_kiosk": allow(
        *STAFF, action="kiosk.manage", relation=Relation.OPERATED, writes=True
    ),
    "usage.index": allow(
        *EVERYBODY, action="usage.read", relation=Relation.OWN_OR_OPERATED
    ),
    "usage.sheet": allow(
        *EVERYBODY, action="usage.read", relation=Relation.OWN_OR_OPERATED
    ),
    "attendance_api.usage": allow(
        *EVERYBODY, action="usage.read", relation=Relation.OWN_OR_OPERATED
    ),
    # Kiosks: devices, no members. They reach these routes and no other.
    "kiosk.enter": visitors("kiosk.enter"),
    "kiosk.index": kiosks("kiosk.read"),
    "kiosk.tool": kiosks("kiosk.attend"),
    "attendance.fault": allow(
        *EVERYBODY, action="resource.fault", relation=Relation.NONE, writes=True
    ),
    "attendance_api.report_fault": allow(
        *EVERYBODY, action="resource.fault", relation=Relation.NONE, writes=True
    ),
    # Bookings.
    "bookings.index": allow(
        *EVERYBODY, action="booking.read", relation=Relation.OWN_OR_OPERATED
    ),
    "bookings.show": allow(
        *EVERYBODY, action="booking.read", relation=Relation.OWN_OR_OPERATED
    ),
    "bookings.new": allow(
        *EVERYBODY, action="booking.make", relation=Relation.OWN_OR_OPERATED, writes=True
    ),
    "bookings.cancel": allow(
        *EVERYBODY, action="booking.change", relation=Relation.OWN_OR_OPERATED, writes=True
    ),
    "booking_changes.move": allow(
        *EVERYBODY, action="booking.change", relation=Relation.OWN_OR_OPERATED, writes=True
    ),
    "booking_changes.cancel_series": allow(
        *EVERYBODY, action="booking.change", relation=Relation.OWN_OR_OPERATED, writes=True
    ),
    "bookings_api.book": allow(
        *EVERYBODY, action="booking.make", relation=Relation.OWN_OR_OPERATED, writes=True
    ),
    "bookings_api.book_series": allow(
        *EVERYBODY, action="booking.make", relation=Relation.OWN_OR_OPERATED, writes=True
    ),
    "bookings_api.cancel_series": allow(
        *EVERYBODY, action="booking.change", relation=Relation.OWN_OR_OPERATED, writes=True
    ),
    "bookings_api.index": allow(
        *EVERYBODY, action="booking.read", relation=Relation.OWN_OR_OPERATED
    ),
    "bookings_api.show": allow(
        *EVERYBODY, action="booking.read", relation=Relation.OWN_OR_OPERATED
    ),
    "bookings_api.move": allow(
        *EVERYBODY, action="booking.change", relation=Relation.OWN_OR_OPERATED, writes=True
    ),
    "bookings_api.cancel": allow(
        *EVERYBODY, action="booking.change", relation=Relation.OWN_OR_OPERATED, writes=True
    ),
    "bookings_api.busy": allow(
        *EVERYBODY, action="resource.busy", relation=Relation.MASKED
    ),
    # Capacity that a company opens to others.
    "owning.index": allow(
        ORGANISATION_ADMIN, action="capacity.read", relation=Relation.OWN
    ),
    "owning_api.index": allow(
        ORGANISATION_ADMIN, action="capacity.read", relation=Relation.OWN
    ),
    **{
        endpoint: allow(
            ORGANISATION_ADMIN,
            action="capacity.take_back",
            relation=Relation.OWN,
            writes=True,
        )
        for endpoint in (
            "owning.take_back",
            "owning.give_back",
            "owning_api.take_back",
            "owning_api.give_back",
        )
    },
    # Dated runs.
    **{
        endpoint: allow(*STAFF, action="run.read", relation=Relation.OPERATED)
        for endpoint in ("events.index", "events.show", "events_api.show")
    },
    **{
        endpoint: allow(
            *STAFF, action="run.change", relation=Relation.OPERATED, writes=True
        )
        for endpoint in (
            "events.date_run",
            "events.change",
            "events.call_off",
            "events.mark",
            "events_api.mark",
            "events_api.date_run",
            "events_api.change",
            "events_api.call_off",
            "events.take_in",
            "events_api.take_in",
        )
    },
    # Qualifications.
    **{
        endpoint: allow(
            *STAFF,
            action="qualification.read" if deed == "index" else "qualification.grant",
            relation=Relation.OPERATED,
            writes=deed != "index",
        )
        for deed in ("index", "grant", "revoke")
        for endpoint in (f"qualifying.{deed}", f"qualifying_api.{deed}")
    },
    # Quotas.
    "quotas.index": allow(
        *EVERYBODY, action="quota.read", relation=Relation.OWN_OR_OPERATED
    ),
    "quotas.set_quota": allow(
        *STAFF, action="quota.set", relation=Relation.OPERATED, writes=True
    ),
    "quotas.end": allow(
        *STAFF, action="quota.set", relation=Relation.OPERATED, writes=True
    ),
    "quotas_api.index": allow(
        *EVERYBODY, action="quota.read", relation=Relation.OWN_OR_OPERATED
    ),
    "quotas_api.set_quota": allow(
        *STAFF, action="quota.set", relation=Relation.OPERATED, writes=True
    ),
    "quotas_api.end": allow(
        *STAFF, action="quota.set", relation=Relation.OPERATED, writes=True
    ),
    # Waiting.
    "waitlist.index": allow(
        *EVERYBODY, action="waiting.read", relation=Relation.OWN_OR_OPERATED
    ),
    **{
        f"waitlist.{deed}": allow(
            *FIRM, action="waiting.change", relation=Relation.OWN, writes=True
        )
        for deed in ("join", "answer")
    },
    **{
        f"waitlist_api.{deed}": allow(
            *EVERYBODY, action="waiting.read", relation=Relation.OWN_OR_OPERATED
        )
        for deed in ("index", "show")
    },
    **{
        f"waitlist_api.{deed}": allow(
            *FIRM, action="waiting.change", relation=Relation.OWN, writes=True
        )
        for deed in ("join", "withdraw", "accept", "let_go")
    },
    # Free time.
    "finding.index": allow(*EVERYBODY, action="resource.busy", relation=Relation.MASKED),
    "finding_api.availability": allow(
        *EVERYBODY, action="resource.busy", relation=Relation.MASKED
    ),
    # Calendars.
    "feeds.index": allow(*EVERYBODY, action="calendar.manage", relation=Relation.SELF),
    "feeds.make": allow(
        *EVERYBODY, action="calendar.manage", relation=Relation.SELF, writes=True
    ),
    "feeds.revoke": allow(
        *EVERYBODY, action="calendar.manage", relation=Relation.SELF, writes=True
    ),
    **{
        f"feeds_api.{deed}": allow(
            *EVERYBODY,
            action="calendar.manage",
            relation=Relation.SELF,
            writes=deed != "index",
            programs=True,
        )
        for deed in ("index", "make", "revoke")
    },
    "feeds.calendar": visitors("calendar.read"),  # the secret says who reads
    "feeds_api.entry": allow(
        *EVERYBODY, action="booking.read", relation=Relation.OWN_OR_OPERATED
    ),
    # Tables of bookings.
    **{
        endpoint: allow(
            *EVERYBODY, action="booking.read", relation=Relation.OWN_OR_OPERATED
        )
        for endpoint in ("exchange.download", "exchange_api.download")
    },
    **{
        endpoint: allow(
            *EVERYBODY,
            action="booking.make",
            relation=Relation.OWN_OR_OPERATED,
            writes=True,
            most_bytes=_UPLOAD,
        )
        for endpoint in ("exchange.upload", "exchange_api.upload")
    },
}
