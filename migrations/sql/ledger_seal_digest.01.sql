-- drop: DROP FUNCTION ledger_seal_digest(bigint, bytea, integer, timestamptz, text, jsonb, bytea)
-- The digest of a batch: what stands in its row of ledger_seals, the digest of the batch before, and `content`, the
-- digest of the digests of its rows in the order of their ids.
CREATE OR REPLACE FUNCTION ledger_seal_digest(number bigint, previous bytea, row_count integer, sealed_at timestamptz,
  reason text, accepted jsonb, content bytea) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT sha256(convert_to(
    'elevate-ledger-seal-1|' || number || '|' || encode(previous, 'hex') || '|' || row_count || '|'
    || extract(epoch FROM sealed_at) || '|' || coalesce(octet_length(reason) || ':' || reason, '-') || '|'
    || coalesce(octet_length(accepted::text) || ':' || accepted, '-') || '|' || encode(content, 'hex'), 'UTF8'))
$$
