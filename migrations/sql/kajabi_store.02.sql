-- drop: DROP FUNCTION kajabi_store(bytea, text, text, text, text, timestamptz, text, text)
-- Puts a delivery into the inbox. The same bytes again become a DUPLICATE of the first, which is answered as it is now;
-- the lock makes two copies that arrive together take turns, so one of them is the first. Bytes that an erasure removed
-- do not come back that way.
CREATE OR REPLACE FUNCTION kajabi_store(
  raw bytea, what text, contact text, address text, course_tag text, happened_at timestamptz, state text, fault text
) RETURNS TABLE (stored_id uuid, stored_at timestamptz, first_id uuid, first_status text, first_points integer)
LANGUAGE plpgsql
AS $$
DECLARE
  digest CONSTANT bytea := sha256(raw);
  first record;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('elevate:kajabi-body:' || encode(digest, 'hex'), 0));
  -- The first of these bytes may have become a duplicate of other bytes with the same effect. In two parts, as each has
  -- an index of its own.
  SELECT * INTO first FROM (
    SELECT e.id, e.status, e.points_awarded, e.duplicate_of, e.body = '' AS forgotten FROM public.kajabi_events e
    WHERE e.body_sha256 = digest AND e.duplicate_of IS NULL
    UNION ALL
    SELECT e.id, e.status, e.points_awarded, e.duplicate_of, e.body = '' FROM public.kajabi_events e
    WHERE e.body_sha256 = digest AND e.duplicate_of IS NOT NULL
  ) same LIMIT 1;
  WHILE first.duplicate_of IS NOT NULL LOOP
    SELECT e.id, e.status, e.points_awarded, e.duplicate_of, e.body = '' AS forgotten INTO first
    FROM public.kajabi_events e WHERE e.id = first.duplicate_of;
  END LOOP;
  IF first.id IS NULL THEN
    INSERT INTO public.kajabi_events (body, body_sha256, event_type, contact_id, email, tag, event_time, status, error)
    VALUES (raw, digest, what, contact, address, course_tag, happened_at, state, fault)
    RETURNING id, created_at, id, status, points_awarded
    INTO stored_id, stored_at, first_id, first_status, first_points;
    RETURN NEXT;
    RETURN;
  END IF;
  IF first.forgotten AND raw <> '' THEN
    raw := '';
    address := NULL;
  END IF;
  INSERT INTO public.kajabi_events
    (body, body_sha256, event_type, contact_id, email, tag, event_time, status, duplicate_of, processed_at)
  VALUES (raw, digest, what, contact, address, course_tag, happened_at, 'DUPLICATE', first.id, clock_timestamp())
  RETURNING id, created_at INTO stored_id, stored_at;
  first_id := first.id;
  first_status := first.status;
  first_points := first.points_awarded;
  RETURN NEXT;
END
$$
