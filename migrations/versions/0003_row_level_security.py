"""Who may see and write which rows, told by the database itself.

Revision ID: 0003
Revises: 0002

Members see their organisation's rows, operators those of their platforms, park administrators
all. Who asks is set per transaction (`app.member`, `app.organisation`, `app.platforms`,
`app.park`); the sub-selects make each setting a constant of the query. What a role may do
beyond seeing is the service's policy; these walls stand behind it.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

MEMBER = "(SELECT nullif(current_setting('app.member', true), '')::int)"
ORGANISATION = "(SELECT nullif(current_setting('app.organisation', true), '')::int)"
PLATFORMS = "(SELECT coalesce(nullif(current_setting('app.platforms', true), ''), '{}')::int[])::int[]"
PARK = "(SELECT current_setting('app.park', true) = 'yes')"
SIGNED_IN = f"{MEMBER} IS NOT NULL"
OPERATES = f"cardinality({PLATFORMS}) > 0"
OWN = f"organisation_id = {ORGANISATION}"
OF_PLATFORM = f"platform_id = ANY ({PLATFORMS})"
OF_PLATFORMS = f"platform_ids && {PLATFORMS}"
OF_RESOURCE = (
    "EXISTS (SELECT FROM resource r WHERE r.id = resource_id"
    f" AND r.platform_id = ANY ({PLATFORMS}))"
)

# Public to every visitor of the service; written by operators of the platform or by the park.
CATALOGUE = (
    "site",
    "travel",
    "calendar",
    "calendar_exception",
    "platform",
    "capability",
    "materials_class",
    "material_flag",
    "qualification",
    "resource_capability",
    "changeover",
    "route_template",
    "route_step",
    "catalogue_load",
    "recipe",
)
# table: (who may read, who may write); every condition is a policy of its own.
TENANT: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "resource": (("true",), (OF_PLATFORM, PARK)),
    "outage": (("true",), (OF_RESOURCE, PARK)),
    "occurrence": (("true",), (OF_RESOURCE, PARK)),
    "organisation": (
        (f"id = {ORGANISATION}", OPERATES, PARK),
        (PARK,),
    ),
    "member": (
        (
            OWN,
            f"id = {MEMBER}",
            PARK,
            f"EXISTS (SELECT FROM orders o WHERE o.submitted_by = member.id AND o.{OF_PLATFORMS})",
            f"EXISTS (SELECT FROM booking b WHERE b.member_id = member.id AND b.{OF_PLATFORM})",
            "EXISTS (SELECT FROM member_qualification q JOIN resource r"
            " ON r.qualification_id = q.qualification_id"
            f" WHERE q.member_id = member.id AND r.{OF_PLATFORM})",
        ),
        (OWN, f"id = {MEMBER}", PARK),
    ),
    "member_role": (
        ("EXISTS (SELECT FROM member m WHERE m.id = member_id)",),
        (
            "role IN ('engineer', 'organisation_admin') AND"
            f" EXISTS (SELECT FROM member m WHERE m.id = member_id AND m.{OWN})",
            PARK,
        ),
    ),
    "member_qualification": ((OWN, OPERATES, PARK), (OPERATES, PARK)),
    "project": ((OWN, PARK), (OWN, PARK)),
    "api_token": ((f"member_id = {MEMBER}", PARK), (f"member_id = {MEMBER}", PARK)),
    "idempotency_key": ((f"member_id = {MEMBER}",), (f"member_id = {MEMBER}",)),
    "notice": (
        (f"{OWN} AND member_id IS NULL", f"member_id = {MEMBER}"),
        (f"{OWN} AND member_id IS NULL", f"member_id = {MEMBER}"),
    ),
    "booking": ((OWN, OF_PLATFORM, PARK), (OWN, OF_PLATFORM, PARK)),
    "orders": ((OWN, OF_PLATFORMS, PARK), (OWN, PARK)),
    "step": ((OWN, OF_PLATFORMS, PARK), (OWN, OF_PLATFORMS, PARK)),
    "step_lag": ((OWN, PARK), (OWN, PARK)),
    "step_booking": ((OWN, OF_PLATFORM, PARK), (OWN, OF_PLATFORM, PARK)),
    "plan": ((SIGNED_IN,), (OPERATES, PARK)),
    "night": ((SIGNED_IN,), ()),
    "placement": ((OWN, OF_PLATFORM, PARK), (OF_PLATFORM, PARK)),
    "left_out": ((OWN, OF_PLATFORMS, PARK), ()),
    "approval": ((OPERATES, PARK), (OF_PLATFORM, PARK)),
    "publication_part": ((OPERATES, PARK), ()),
    "job_request": ((OPERATES, PARK), (OPERATES, PARK)),
    "job_run": ((OPERATES, PARK), ()),
    "audit_entry": ((OWN, OF_PLATFORM, PARK, f"member_id = {MEMBER}"), ()),
}
# Anybody may add a line that tells others something; reading it is what the policies guard.
# A deed is only ever one's own.
APPENDED = {"notice": "true", "audit_entry": f"member_id IS NOT DISTINCT FROM {MEMBER}"}
# Of members the service changes these alone: nobody walks into another firm.
MEMBER_COLUMNS = "name, password_hash, locale, active, session_epoch"
# All but the password's hash, which sign_in_candidate() alone gives out.
MEMBER_READ = "id, organisation_id, email, name, joined, locale, active, session_epoch, created_at, public_id"

FUNCTIONS = """
-- What sign-in must know before anybody is signed in.
CREATE FUNCTION sign_in_candidate(address text)
  RETURNS TABLE (member_id int, password_hash text, session_epoch int)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT m.id, m.password_hash, m.session_epoch FROM member m
    LEFT JOIN organisation o ON o.id = m.organisation_id
   WHERE m.email = address AND m.active AND (o.id IS NULL OR o.state = 'approved')
$$;

-- Who a signed-in member is, read anew for each request, so that a change holds at once.
CREATE FUNCTION member_standing(who int)
  RETURNS TABLE (member_id int, public_id uuid, name text, locale text, session_epoch int,
                 organisation_id int, organisation_name text, roles text[], platform_ids int[])
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT m.id, m.public_id, m.name, m.locale, m.session_epoch, m.organisation_id, o.name_zh,
         coalesce((SELECT array_agg(DISTINCT r.role::text) FROM member_role r WHERE r.member_id = m.id), '{}'),
         coalesce((SELECT array_agg(DISTINCT r.platform_id) FROM member_role r
                    WHERE r.member_id = m.id AND r.role = 'operator'), '{}')
    FROM member m LEFT JOIN organisation o ON o.id = m.organisation_id
   WHERE m.id = who AND m.active AND (o.id IS NULL OR o.state = 'approved')
$$;

CREATE FUNCTION token_standing(hash text) RETURNS TABLE (member_id int, scopes text[])
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT t.member_id, t.scopes FROM api_token t
   WHERE t.token_hash = hash AND t.revoked_at IS NULL AND t.expires_at > now()
$$;

-- A one-time token is spent by whoever shows it first; its member, if it names one, is told.
CREATE FUNCTION redeem_token(for_purpose text, hash text) RETURNS TABLE (token_id int, member_id int)
  LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  UPDATE one_time_token t SET used_at = now()
   WHERE t.purpose = for_purpose AND t.token_hash = hash AND t.used_at IS NULL AND t.expires_at > now()
  RETURNING t.id, t.member_id
$$;

-- An organisation applies before it has anybody who could sign in. Nothing becomes usable
-- until the park approves; an address that exists already changes nothing.
CREATE FUNCTION apply_for_registration(
    organisation_id uuid, zh text, en text, registration text, org_size text, contract text, nda text,
    member_id uuid, address text, person text, hash text, language text) RETURNS boolean
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  new_organisation int;
  new_member int;
BEGIN
  IF EXISTS (SELECT FROM member m WHERE m.email = address)
     OR EXISTS (SELECT FROM organisation o WHERE o.name_zh = zh OR o.registration_no = registration) THEN
    RETURN false;
  END IF;
  INSERT INTO organisation (public_id, name_zh, name_en, registration_no, size, priority_class, state,
                            contract_ref, nda_ref, share_weight, applied_at, demo)
  VALUES (organisation_id, zh, en, registration, org_size, 'SME', 'applied', contract, nda, 1, now(), false)
  RETURNING id INTO new_organisation;
  INSERT INTO member (public_id, organisation_id, email, name, password_hash, locale, active, session_epoch, created_at)
  VALUES (apply_for_registration.member_id, new_organisation, address, person, hash, language, true, 1, now())
  RETURNING id INTO new_member;
  INSERT INTO member_role (member_id, role) VALUES (new_member, 'organisation_admin'), (new_member, 'engineer');
  RETURN true;
END $$;
"""
SIGNATURES = (
    "sign_in_candidate(text)",
    "member_standing(int)",
    "token_standing(text)",
    "redeem_token(text, text)",
    "apply_for_registration(uuid, text, text, text, text, text, text, uuid, text, text, text, text)",
)


def upgrade() -> None:
    op.execute("GRANT USAGE ON SCHEMA public TO pb_web, pb_job")
    op.execute(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO pb_job"
    )
    op.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO pb_job, pb_web, pb_guard")
    op.execute("REVOKE UPDATE, DELETE ON audit_entry FROM pb_job")
    op.execute("REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM pb_job")
    op.execute("GRANT SELECT ON alembic_version TO pb_web")
    op.execute("GRANT SELECT, INSERT, DELETE ON sign_in_attempt TO pb_web")
    op.execute("GRANT SELECT, INSERT ON one_time_token TO pb_web")
    op.execute("GRANT SELECT ON member_role, api_token TO pb_guard")
    op.execute("GRANT SELECT, INSERT ON organisation, member, member_role TO pb_guard")
    op.execute("GRANT SELECT, UPDATE ON one_time_token TO pb_guard")
    for table in CATALOGUE:
        op.execute(f"GRANT SELECT ON {table} TO pb_web")
    op.execute("ALTER TABLE one_time_token ENABLE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY invite ON one_time_token FOR INSERT TO pb_web WITH CHECK ({PARK} OR"
        f" EXISTS (SELECT FROM member m WHERE m.id = member_id AND m.{OWN}))"
    )
    for table, (readers, writers) in TENANT.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"GRANT SELECT ON {table} TO pb_web")
        for number, condition in enumerate(readers):
            op.execute(
                f"CREATE POLICY read_{number} ON {table} FOR SELECT TO pb_web USING ({condition})"
            )
        if writers:
            op.execute(f"GRANT INSERT, UPDATE, DELETE ON {table} TO pb_web")
        for number, condition in enumerate(writers):
            for act, clause in (
                ("INSERT", f"WITH CHECK ({condition})"),
                ("UPDATE", f"USING ({condition}) WITH CHECK ({condition})"),
                ("DELETE", f"USING ({condition})"),
            ):
                op.execute(
                    f"CREATE POLICY {act.lower()}_{number} ON {table} FOR {act} TO pb_web {clause}"
                )
    for table, condition in APPENDED.items():
        op.execute(f"GRANT INSERT ON {table} TO pb_web")
        op.execute(
            f"CREATE POLICY append ON {table} FOR INSERT TO pb_web WITH CHECK ({condition})"
        )
    op.execute("REVOKE SELECT, UPDATE ON member FROM pb_web")
    op.execute(f"GRANT SELECT ({MEMBER_READ}) ON member TO pb_web")
    op.execute(f"GRANT UPDATE ({MEMBER_COLUMNS}) ON member TO pb_web")
    op.execute(
        "REVOKE DELETE ON booking, audit_entry, plan, member, organisation FROM pb_web"
    )
    op.execute(FUNCTIONS)
    op.execute("GRANT CREATE ON SCHEMA public TO pb_guard")
    for signature in SIGNATURES:
        op.execute(f"ALTER FUNCTION {signature} OWNER TO pb_guard")
        op.execute(f"REVOKE EXECUTE ON FUNCTION {signature} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO pb_web, pb_job")
    op.execute("REVOKE CREATE ON SCHEMA public FROM pb_guard")


def downgrade() -> None:
    for signature in SIGNATURES:
        op.execute(f"DROP FUNCTION {signature}")
    for table in APPENDED:
        op.execute(f"DROP POLICY append ON {table}")
    for table, (readers, writers) in TENANT.items():
        for number in range(len(readers)):
            op.execute(f"DROP POLICY read_{number} ON {table}")
        for number in range(len(writers)):
            for act in ("insert", "update", "delete"):
                op.execute(f"DROP POLICY {act}_{number} ON {table}")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    op.execute("DROP POLICY invite ON one_time_token")
    op.execute("ALTER TABLE one_time_token DISABLE ROW LEVEL SECURITY")
    op.execute("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM pb_web, pb_job")
    op.execute("REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM pb_web, pb_job, pb_guard")
    op.execute(
        "REVOKE ALL ON organisation, member, member_role, api_token, one_time_token FROM pb_guard"
    )
