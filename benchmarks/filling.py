"""A table full of bookings: every tool is taken every other hour, further and further back.

However many there are, the days to come look the same. Rows are written by the superuser
with the guard off, which would ask for each of them whether there is room; the table is
left guarded and analysed, as a running service has it.
"""

from datetime import datetime, timedelta

import psycopg

from benchmarks.tools import Tools
from platform_booking.embedded import Urls

AHEAD = timedelta(days=3)
"""How far into the future tools are taken."""

TAKEN, EVERY = timedelta(hours=1), timedelta(hours=2)
_OTHERS = 1000  # members beside those who book

_MEMBERS = """
INSERT INTO member (public_id, organisation_id, email, name, locale, active, session_epoch,
                    created_at)
SELECT gen_random_uuid(), (SELECT min(id) FROM organisation) + n %% %(firms)s,
       'other' || n || '@example.com', 'Other ' || n, 'en', true, 1, now()
  FROM generate_series(1, %(others)s) AS n
"""
_PROJECTS = """
INSERT INTO project (public_id, organisation_id, code, name, active)
SELECT gen_random_uuid(), id, 'P-' || id, 'Project ' || id, true FROM organisation
"""
_BOOKINGS = """
INSERT INTO booking (public_id, resource_id, platform_id, unary, organisation_id, member_id,
                     project_id, starts_at, ends_at, quantity, status, source, version,
                     created_at, updated_at)
SELECT gen_random_uuid(), t.id, %(platform)s, true, m.organisation_id, m.id, p.id,
       s.at, s.at + %(taken)s, 1,
       CASE WHEN s.at + %(taken)s < now() THEN 'completed' ELSE 'confirmed' END,
       'person', 1, s.at, s.at
  FROM (SELECT k, row_number() OVER (ORDER BY k, u.place) - 1 AS n, u.id
          FROM generate_series(%(rows)s / %(tools)s - 1, 0, -1) AS k,
               unnest(%(ids)s::int[]) WITH ORDINALITY AS u (id, place)) AS t
  JOIN (SELECT id, organisation_id, row_number() OVER (ORDER BY id) - 1 AS n
          FROM member WHERE organisation_id IS NOT NULL) AS m
    ON m.n = t.n %% %(members)s
  JOIN project p ON p.organisation_id = m.organisation_id
  CROSS JOIN LATERAL (SELECT %(until)s - (t.k + 1) * %(every)s AS at) AS s
 ORDER BY s.at, t.id
"""


def fill(urls: Urls, tools: Tools, *, rows: int, until: datetime) -> None:
    """Write so many bookings, the last of which begins two hours before `until`."""
    others = {"others": _OTHERS, "firms": len({p.organisation_id for p in tools.people})}
    with psycopg.connect(
        urls.superuser.replace("+psycopg", "", 1), autocommit=True
    ) as connection:
        connection.execute("SET maintenance_work_mem = '256MB'")
        connection.execute(_MEMBERS, others)
        connection.execute(_PROJECTS)
        with connection.transaction():
            # Foreign keys hold by construction; asking for each row takes minutes.
            connection.execute("SET LOCAL session_replication_role = replica")
            connection.execute("ALTER TABLE booking DISABLE TRIGGER booking_guard")
            made = connection.execute(
                _BOOKINGS,
                {
                    "platform": tools.platform_id,
                    "ids": list(tools.ids),
                    "tools": len(tools.ids),
                    "members": _OTHERS + len(tools.people),
                    "rows": rows,
                    "until": until,
                    "taken": TAKEN,
                    "every": EVERY,
                },
            ).rowcount
            connection.execute("ALTER TABLE booking ENABLE ALWAYS TRIGGER booking_guard")
        connection.execute("VACUUM ANALYZE")
    if made != rows:
        raise RuntimeError(f"{made} bookings instead of {rows}")
