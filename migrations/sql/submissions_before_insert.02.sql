-- drop: DROP FUNCTION submissions_before_insert()
-- A new submission is PENDING, is recorded at the moment it gets its turn, and keeps the hourly limit and the quota.
-- clock_timestamp() under the person's lock: now() is the start of the transaction, and a transaction that waited
-- would otherwise be recorded before the one it waited for.
CREATE OR REPLACE FUNCTION submissions_before_insert() RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
  hourly_limit CONSTANT integer := public.app_limit('submissions_per_hour', 10);
  recent timestamptz[];
BEGIN
  IF public.restoring() THEN
    RETURN NEW;
  END IF;
  IF NEW.status <> 'PENDING' OR NEW.version <> 1
     OR num_nonnulls(NEW.reviewer_id, NEW.reviewed_at, NEW.review_note, NEW.points_awarded, NEW.adjustment_reason,
                     NEW.revoked_by, NEW.revoked_at, NEW.revoke_reason) > 0 THEN
    RAISE EXCEPTION 'a submission starts PENDING, undecided, at version 1'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'submissions_starts_pending', TABLE = 'submissions';
  END IF;

  -- As lock_person does, without a query about it.
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    PERFORM public.require_read_committed();
  END IF;
  PERFORM 1 FROM public.users WHERE id = NEW.user_id FOR NO KEY UPDATE;
  NEW.created_at := clock_timestamp();
  NEW.updated_at := NEW.created_at;

  SELECT array_agg(created_at ORDER BY created_at DESC) INTO recent FROM (
    SELECT created_at FROM public.submissions
    WHERE user_id = NEW.user_id AND created_at > NEW.created_at - interval '60 minutes'
    ORDER BY created_at DESC LIMIT hourly_limit
  ) latest;
  IF coalesce(cardinality(recent), 0) >= hourly_limit THEN
    RAISE EXCEPTION 'at most % submissions in 60 minutes', hourly_limit
      USING ERRCODE = 'check_violation', CONSTRAINT = 'submissions_hourly_limit', TABLE = 'submissions',
            DETAIL = json_build_object(
              'limit', hourly_limit,
              'retry_after_seconds',
              coalesce(ceil(extract(epoch FROM recent[hourly_limit] + interval '60 minutes' - NEW.created_at)), 3600))::text;
  END IF;

  IF NEW.activity_code = 'AMPLIFY' THEN
    PERFORM public.judge_amplify_quota(
      NEW.user_id, NEW.id, NEW.created_at,
      coalesce(public.payload_count(NEW.payload, 'peersTrained'), 0),
      coalesce(public.payload_count(NEW.payload, 'studentsTrained'), 0),
      true);
  END IF;
  RETURN NEW;
END
$$
