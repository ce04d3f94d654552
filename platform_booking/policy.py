"""Who may call what: the one table. A route that is missing here does not start.

`tests/security` walks it as every role over every route.
"""

from platform_booking.web.actor import ENGINEER, OPERATOR, ORGANISATION_ADMIN, PARK_ADMIN
from platform_booking.web.permission import Permission, Relation, allow, visitors

EVERYBODY = (ENGINEER, ORGANISATION_ADMIN, OPERATOR, PARK_ADMIN)
FIRM = (ENGINEER, ORGANISATION_ADMIN)
STAFF = (OPERATOR, PARK_ADMIN)

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
    "accounts.set_active": allow(
        ORGANISATION_ADMIN, action="member.manage", relation=Relation.OWN, writes=True
    ),
    "accounts.account": allow(
        *EVERYBODY, action="account.manage", relation=Relation.SELF, writes=True
    ),
}
