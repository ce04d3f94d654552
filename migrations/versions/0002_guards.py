"""No resource is ever occupied beyond its capacity, whatever the service does.

Revision ID: 0002
Revises: 0001

The functions belong to pb_guard, which no one can sign in as: they see every tenant's bookings
while the asker sees only his own.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

GUARDS = """
CREATE FUNCTION peak_use(which int, from_at timestamptz, to_at timestamptz, except_id bigint) RETURNS bigint
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  WITH there AS (
    SELECT b.starts_at, b.ends_at, b.quantity FROM booking b
     WHERE b.resource_id = which AND b.active AND b.ends_at > from_at AND b.starts_at < to_at
       AND b.id IS DISTINCT FROM except_id)
  SELECT coalesce(max(level), 0) FROM (
    SELECT sum(delta) OVER (ORDER BY at, delta) AS level FROM (      -- ends count before starts
      SELECT greatest(starts_at, from_at) AS at, quantity AS delta FROM there
      UNION ALL SELECT least(ends_at, to_at), -quantity FROM there) edges) levels
$$;

CREATE FUNCTION booking_guard() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  r resource%ROWTYPE;
  room int;
  run occurrence%ROWTYPE;
  class text;
BEGIN
  -- An UPDATE, not a lock: it serialises the writers of one resource at every isolation level.
  UPDATE resource SET guard_seq = guard_seq + 1 WHERE id = NEW.resource_id RETURNING * INTO r;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = '23503', CONSTRAINT = 'booking_resource', MESSAGE = 'no such resource';
  END IF;
  NEW.unary := (r.kind = 'unary');
  NEW.platform_id := r.platform_id;
  IF NEW.status NOT IN ('offered', 'requested', 'confirmed', 'in_use') THEN
    RETURN NEW;
  END IF;
  room := r.capacity;
  IF r.kind = 'event' THEN
    SELECT * INTO run FROM occurrence o
     WHERE o.id = NEW.occurrence_id AND o.resource_id = NEW.resource_id AND o.called_off_at IS NULL
       AND o.starts_at = NEW.starts_at AND o.ends_at = NEW.ends_at;
    IF NOT FOUND THEN
      RAISE EXCEPTION USING ERRCODE = '23P01', CONSTRAINT = 'booking_occurrence', MESSAGE = 'no such occurrence';
    END IF;
    IF NEW.quantity + coalesce((SELECT sum(b.quantity) FROM booking b
         WHERE b.resource_id = NEW.resource_id AND b.active AND b.ends_at > NEW.starts_at AND b.starts_at < NEW.ends_at
           AND b.occurrence_id = NEW.occurrence_id AND b.id IS DISTINCT FROM NEW.id), 0) > run.capacity THEN
      RAISE EXCEPTION USING ERRCODE = '23P01', CONSTRAINT = 'booking_capacity', MESSAGE = 'capacity reached';
    END IF;
    IF run.quotas <> '{}' AND (TG_OP = 'INSERT' OR NOT OLD.active OR OLD.occurrence_id IS DISTINCT FROM NEW.occurrence_id
        OR OLD.organisation_id <> NEW.organisation_id OR NEW.quantity > OLD.quantity) THEN
      SELECT f.priority_class INTO class FROM organisation f WHERE f.id = NEW.organisation_id;
      IF run.quotas ? class AND NEW.quantity + coalesce((SELECT sum(b.quantity) FROM booking b
           JOIN organisation f ON f.id = b.organisation_id
           WHERE b.resource_id = NEW.resource_id AND b.active AND b.ends_at > NEW.starts_at AND b.starts_at < NEW.ends_at
             AND b.occurrence_id = NEW.occurrence_id AND b.id IS DISTINCT FROM NEW.id
             AND f.priority_class = class), 0) > (run.quotas ->> class)::int THEN
        RAISE EXCEPTION USING ERRCODE = '23P01', CONSTRAINT = 'booking_class_quota', MESSAGE = 'class quota reached';
      END IF;
    END IF;
    RETURN NEW;
  END IF;
  IF r.kind = 'batch' THEN
    SELECT c.capacity INTO room FROM recipe c WHERE c.id = NEW.recipe_id AND c.resource_id = NEW.resource_id;
    IF NOT FOUND THEN
      RAISE EXCEPTION USING ERRCODE = '23514', CONSTRAINT = 'booking_recipe', MESSAGE = 'a batch needs a recipe of the resource';
    END IF;
    IF EXISTS (SELECT FROM booking b
        WHERE b.resource_id = NEW.resource_id AND b.active AND b.ends_at > NEW.starts_at AND b.starts_at < NEW.ends_at
          AND b.id IS DISTINCT FROM NEW.id
          AND (b.starts_at, b.ends_at, b.recipe_id) IS DISTINCT FROM (NEW.starts_at, NEW.ends_at, NEW.recipe_id)) THEN
      RAISE EXCEPTION USING ERRCODE = '23P01', CONSTRAINT = 'booking_batch', MESSAGE = 'another run is on';
    END IF;
  END IF;
  IF peak_use(NEW.resource_id, NEW.starts_at, NEW.ends_at, NEW.id) + NEW.quantity > room THEN
    RAISE EXCEPTION USING ERRCODE = '23P01', CONSTRAINT = 'booking_capacity', MESSAGE = 'capacity reached';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION resource_guard() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN   -- a capacity may not fall below what is booked, nor a kind change under bookings
  IF (NEW.capacity < OLD.capacity AND peak_use(NEW.id, now(), 'infinity', NULL) > NEW.capacity)
     OR (NEW.kind <> OLD.kind AND EXISTS (SELECT FROM booking b WHERE b.resource_id = NEW.id AND b.active AND b.ends_at > now())) THEN
    RAISE EXCEPTION USING ERRCODE = '23P01', CONSTRAINT = 'resource_in_use', MESSAGE = 'bookings stand in the way';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION occurrence_guard() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN   -- an occurrence with bookings keeps its dates; its capacity may not fall below them
  UPDATE resource SET guard_seq = guard_seq + 1 WHERE id = OLD.resource_id;
  IF EXISTS (SELECT FROM booking b WHERE b.occurrence_id = OLD.id AND b.active) AND (
       TG_OP = 'DELETE' OR (NEW.resource_id, NEW.starts_at, NEW.ends_at) IS DISTINCT FROM (OLD.resource_id, OLD.starts_at, OLD.ends_at)
       OR NEW.capacity < (SELECT sum(b.quantity) FROM booking b WHERE b.occurrence_id = OLD.id AND b.active)) THEN
    RAISE EXCEPTION USING ERRCODE = '23P01', CONSTRAINT = 'occurrence_in_use', MESSAGE = 'bookings stand in the way';
  END IF;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;

CREATE FUNCTION recipe_guard() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN   -- a recipe with runs to come keeps its resource; its capacity may not fall below their loads
  UPDATE resource SET guard_seq = guard_seq + 1 WHERE id = OLD.resource_id;
  IF EXISTS (SELECT FROM booking b WHERE b.recipe_id = OLD.id AND b.active AND b.ends_at > now()
             GROUP BY b.starts_at HAVING TG_OP = 'DELETE' OR NEW.resource_id <> OLD.resource_id OR sum(b.quantity) > NEW.capacity) THEN
    RAISE EXCEPTION USING ERRCODE = '23P01', CONSTRAINT = 'recipe_in_use', MESSAGE = 'bookings stand in the way';
  END IF;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;

GRANT USAGE, CREATE ON SCHEMA public TO pb_guard;
ALTER FUNCTION recipe_guard OWNER TO pb_guard;
ALTER FUNCTION peak_use OWNER TO pb_guard;
ALTER FUNCTION booking_guard OWNER TO pb_guard;
ALTER FUNCTION resource_guard OWNER TO pb_guard;
ALTER FUNCTION occurrence_guard OWNER TO pb_guard;
REVOKE CREATE ON SCHEMA public FROM pb_guard;
REVOKE EXECUTE ON FUNCTION peak_use FROM PUBLIC;
GRANT SELECT, UPDATE ON resource TO pb_guard;
GRANT SELECT ON booking, occurrence, recipe, organisation TO pb_guard;

-- On every UPDATE, not on some columns: else the run-time role could switch `unary` off.
CREATE TRIGGER booking_guard BEFORE INSERT OR UPDATE ON booking FOR EACH ROW EXECUTE FUNCTION booking_guard();
CREATE TRIGGER resource_guard BEFORE UPDATE OF capacity, kind ON resource FOR EACH ROW EXECUTE FUNCTION resource_guard();
CREATE TRIGGER occurrence_guard BEFORE UPDATE OR DELETE ON occurrence FOR EACH ROW EXECUTE FUNCTION occurrence_guard();
CREATE TRIGGER recipe_guard BEFORE UPDATE OR DELETE ON recipe FOR EACH ROW EXECUTE FUNCTION recipe_guard();
ALTER TABLE recipe ENABLE ALWAYS TRIGGER recipe_guard;
ALTER TABLE booking ENABLE ALWAYS TRIGGER booking_guard;
ALTER TABLE resource ENABLE ALWAYS TRIGGER resource_guard;
ALTER TABLE occurrence ENABLE ALWAYS TRIGGER occurrence_guard;

-- What everybody may know of everybody: that the resource is taken. Which recipe a run has is
-- told to whoever asks for that very recipe, for he may join it; a dated run is public anyway.
CREATE FUNCTION busy(which int[], from_at timestamptz, to_at timestamptz, recipes int[] DEFAULT '{}')
  RETURNS TABLE (resource_id int, starts_at timestamptz, ends_at timestamptz, quantity int,
                 recipe_id int, occurrence_id int)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT b.resource_id, b.starts_at, b.ends_at, b.quantity,
         CASE WHEN b.recipe_id = ANY (recipes) THEN b.recipe_id END, b.occurrence_id
    FROM booking b
   WHERE b.resource_id = ANY (which) AND b.active AND b.ends_at > from_at AND b.starts_at < to_at
$$;
GRANT CREATE ON SCHEMA public TO pb_guard;
ALTER FUNCTION busy OWNER TO pb_guard;
REVOKE CREATE ON SCHEMA public FROM pb_guard;
REVOKE EXECUTE ON FUNCTION busy FROM PUBLIC;
GRANT EXECUTE ON FUNCTION busy TO pb_web, pb_job;
"""

UNDO = """
DROP FUNCTION busy;
DROP TRIGGER recipe_guard ON recipe;
DROP FUNCTION recipe_guard;
DROP TRIGGER occurrence_guard ON occurrence;
DROP TRIGGER resource_guard ON resource;
DROP TRIGGER booking_guard ON booking;
DROP FUNCTION occurrence_guard;
DROP FUNCTION resource_guard;
DROP FUNCTION booking_guard;
DROP FUNCTION peak_use;
REVOKE ALL ON resource, booking, occurrence, recipe, organisation FROM pb_guard;
"""


def upgrade() -> None:
    op.execute(GUARDS)


def downgrade() -> None:
    op.execute(UNDO)
