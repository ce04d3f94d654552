"""Every table in one import, for the metadata and for migrations."""

from platform_booking import audit
from platform_booking.accounts import models as accounts
from platform_booking.bookings import models as bookings
from platform_booking.catalog import models as catalog
from platform_booking.notices import models as notices
from platform_booking.orders import models as orders
from platform_booking.planning import models as planning
from platform_booking.web import models as web

__all__ = [
    "accounts",
    "audit",
    "bookings",
    "catalog",
    "notices",
    "orders",
    "planning",
    "web",
]
