-- drop: DROP FUNCTION attachments_before_write()
-- Evidence files: at most five of a submission, added only while it is PENDING, never changed once named. A file that
-- was announced and not finished counts for two hours, as long as its upload may still come.
-- The person's lock makes two uploads, and an upload and a decision, happen one after the other.
CREATE OR REPLACE FUNCTION attachments_before_write() RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
  file_limit CONSTANT integer := public.app_limit('attachments_per_submission', 5);
  submission record;
BEGIN
  IF public.restoring() THEN
    RETURN NEW;
  END IF;
  IF TG_OP = 'UPDATE' AND ((OLD.id, OLD.submission_id, OLD.filename, OLD.content_type, OLD.size_bytes, OLD.sha256,
        OLD.storage_key, OLD.created_at)
      IS DISTINCT FROM (NEW.id, NEW.submission_id, NEW.filename, NEW.content_type, NEW.size_bytes, NEW.sha256,
        NEW.storage_key, NEW.created_at) OR OLD.completed_at IS NOT NULL) THEN
    RAISE EXCEPTION 'an evidence file never changes'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'submission_attachments_frozen', TABLE = TG_TABLE_NAME;
  END IF;
  SELECT user_id INTO submission FROM public.submissions WHERE id = NEW.submission_id;
  PERFORM public.lock_person(submission.user_id);
  SELECT status INTO submission FROM public.submissions WHERE id = NEW.submission_id;
  IF submission.status <> 'PENDING' THEN
    RAISE EXCEPTION 'evidence is added only while the submission is PENDING'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'submission_attachments_pending', TABLE = TG_TABLE_NAME;
  END IF;
  IF TG_OP = 'INSERT' THEN
    NEW.completed_at := NULL;
    NEW.created_at := clock_timestamp();
  END IF;
  IF file_limit <= (
       SELECT count(*) FROM public.submission_attachments
       WHERE submission_id = NEW.submission_id AND id <> NEW.id
         AND (completed_at IS NOT NULL OR created_at > clock_timestamp() - interval '2 hours')) THEN
    RAISE EXCEPTION 'at most % evidence files', file_limit
      USING ERRCODE = 'check_violation', CONSTRAINT = 'submission_attachments_limit', TABLE = TG_TABLE_NAME,
            DETAIL = json_build_object('limit', file_limit)::text;
  END IF;
  RETURN NEW;
END
$$
