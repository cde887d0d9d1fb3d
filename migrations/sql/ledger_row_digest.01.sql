-- drop: DROP FUNCTION ledger_row_digest(uuid, text, text, text, integer, text, timestamptz, timestamptz)
-- The digest of one row of the ledger (docs/decisions/ledger-seal.md): texts with their length in bytes in front, so
-- that no two rows have the same form; times as seconds since 1970, which no setting of a session changes.
CREATE OR REPLACE FUNCTION ledger_row_digest(id uuid, user_id text, activity_code text, source text,
  delta_points integer, external_event_id text, event_time timestamptz, created_at timestamptz) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT sha256(convert_to(
    id || '|' || octet_length(user_id) || ':' || user_id || '|' || octet_length(activity_code) || ':' || activity_code
    || '|' || octet_length(source) || ':' || source || '|' || delta_points || '|'
    || coalesce(octet_length(external_event_id) || ':' || external_event_id, '-') || '|'
    || extract(epoch FROM event_time) || '|' || extract(epoch FROM created_at), 'UTF8'))
$$
