-- drop: DROP FUNCTION seal_ledger(uuid, integer, text, jsonb, boolean)
-- Seals those of the next `most` rows after the id `after` that are in no batch, as one batch chained to the last.
-- Without such rows there is no batch, unless `marker` asks for an empty one that records a reason.
-- SECURITY DEFINER: the service's role cannot write a seal, so it cannot write a wrong one. Nobody who appends to the
-- ledger waits: the lock is among sealers only. To take note of broken batches (`accepted`) is the owner's alone.
CREATE OR REPLACE FUNCTION seal_ledger(after uuid, most integer, reason text, accepted jsonb, marker boolean,
  OUT through uuid, OUT seen integer, OUT sealed integer, OUT number bigint, OUT digest bytea)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  fresh uuid[];
  made ledger_seals;
  content bytea;
BEGIN
  PERFORM require_read_committed();
  IF accepted IS NOT NULL AND NOT pg_has_role(session_user,
      (SELECT relowner FROM pg_catalog.pg_class WHERE oid = 'public.ledger_seals'::regclass), 'MEMBER') THEN
    RAISE EXCEPTION 'only the owner of the ledger accepts broken batches' USING ERRCODE = 'insufficient_privilege';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('elevate:seal-ledger', 0));
  SELECT look.through, look.seen, look.fresh INTO through, seen, fresh
  FROM ledger_unsealed(seal_ledger.after, seal_ledger.most) AS look;
  sealed := cardinality(fresh);
  IF sealed = 0 AND NOT marker THEN
    RETURN;
  END IF;
  SELECT last.number + 1, last.digest INTO made.number, made.previous
  FROM ledger_seals AS last ORDER BY last.number DESC LIMIT 1;
  made.number := coalesce(made.number, 1);
  made.previous := coalesce(made.previous, decode(repeat('00', 32), 'hex'));
  made.row_count := sealed;
  made.first_id := fresh[1];
  made.last_id := fresh[sealed];
  made.ids := fresh;
  made.sealed_at := clock_timestamp();
  made.reason := seal_ledger.reason;
  made.accepted := seal_ledger.accepted;
  SELECT coalesce(array_agg(('x' || left(encode(l.digest, 'hex'), 16))::bit(64)::bigint ORDER BY l.id), '{}'),
         sha256(coalesce(string_agg(l.digest, '' ORDER BY l.id), ''))
  INTO made.marks, content
  FROM (SELECT id, ledger_row_digest(id, user_id, activity_code, source, delta_points, external_event_id, event_time,
                                     created_at) AS digest
        FROM points_ledger WHERE id = ANY (fresh)) AS l;
  made.digest := ledger_seal_digest(made.number, made.previous, made.row_count, made.sealed_at, made.reason,
                                    made.accepted, content);
  INSERT INTO ledger_seals VALUES (made.*);
  number := made.number;
  digest := made.digest;
END
$$
