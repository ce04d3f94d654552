-- The cluster's roles. Made once per cluster, by embedded.py or by an administrator
-- (BYPASSRLS needs a superuser); never by a migration.
--
-- pb_owner  owns the tables; migrations run as this one
-- pb_guard  owns the guards; nobody signs in as this one
-- pb_web    serves people, under row-level security
-- pb_job    runs nights, publications and the outbox; sees every row
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'pb_owner') THEN
    CREATE ROLE pb_owner LOGIN;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'pb_guard') THEN
    CREATE ROLE pb_guard NOLOGIN BYPASSRLS;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'pb_web') THEN
    CREATE ROLE pb_web LOGIN;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'pb_job') THEN
    CREATE ROLE pb_job LOGIN BYPASSRLS;
  END IF;
END $$;
GRANT pb_guard TO pb_owner;  -- so that the owner can hand the guard functions over
