-- drop: DROP FUNCTION check_ledger_seal(bigint)
-- Computes a batch anew from the rows that are there now. `linked`: it continues the batch before it. `found`: the
-- digest that the batch has today, equal to the recorded one when nothing was touched. Rows that are gone or changed
-- are counted, and the first twenty of each are named. No row for a number that there is none of.
CREATE OR REPLACE FUNCTION check_ledger_seal(which bigint, OUT row_count integer, OUT sealed_at timestamptz,
  OUT reason text, OUT digest bytea, OUT found bytea, OUT linked boolean,
  OUT missing bigint, OUT changed bigint, OUT missing_ids uuid[], OUT changed_ids uuid[]) RETURNS SETOF record
LANGUAGE sql STABLE
SET search_path = public, pg_temp
AS $$
  WITH members AS MATERIALIZED (
    SELECT m.id, m.mark FROM ledger_seals, unnest(ids, marks) AS m (id, mark) WHERE number = which
  ), rows AS (
    SELECT m.id, m.mark, l.id IS NULL AS gone,
      CASE WHEN l.id IS NOT NULL THEN
        ledger_row_digest(l.id, l.user_id, l.activity_code, l.source, l.delta_points, l.external_event_id,
                          l.event_time, l.created_at) END AS digest
    FROM members m LEFT JOIN points_ledger l ON l.id = m.id
  ), judged AS (
    SELECT *, NOT gone AND mark IS DISTINCT FROM ('x' || left(encode(digest, 'hex'), 16))::bit(64)::bigint AS other
    FROM rows
  ), summed AS (
    SELECT sha256(coalesce(string_agg(digest, '' ORDER BY id), '')) AS content,
      count(*) FILTER (WHERE gone) AS missing, count(*) FILTER (WHERE other) AS changed,
      (array_agg(id ORDER BY id) FILTER (WHERE gone))[1:20] AS missing_ids,
      (array_agg(id ORDER BY id) FILTER (WHERE other))[1:20] AS changed_ids
    FROM judged
  )
  SELECT s.row_count, s.sealed_at, s.reason, s.digest,
    ledger_seal_digest(s.number, s.previous, s.row_count, s.sealed_at, s.reason, s.accepted, summed.content),
    coalesce(s.previous = CASE WHEN s.number = 1 THEN decode(repeat('00', 32), 'hex')
      ELSE (SELECT before.digest FROM ledger_seals AS before WHERE before.number = s.number - 1) END, false),
    summed.missing, summed.changed, coalesce(summed.missing_ids, '{}'), coalesce(summed.changed_ids, '{}')
  FROM ledger_seals AS s, summed WHERE s.number = which
$$
