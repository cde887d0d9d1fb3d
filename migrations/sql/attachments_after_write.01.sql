-- drop: DROP FUNCTION attachments_after_write()
-- A finished file is new evidence: it raises the submission's version, so that no decision is about unseen evidence.
-- A removed row leaves its object's key behind for the job that removes objects, whoever removed the row.
CREATE OR REPLACE FUNCTION attachments_after_write() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    INSERT INTO public.attachment_removals (storage_key, upload_until)
    VALUES (OLD.storage_key, OLD.created_at + interval '150 minutes')
    ON CONFLICT (storage_key) DO NOTHING;
  ELSIF NOT public.restoring() AND OLD.completed_at IS NULL AND NEW.completed_at IS NOT NULL THEN
    UPDATE public.submissions SET files_added = files_added + 1 WHERE id = NEW.submission_id;
  END IF;
  RETURN NULL;
END
$$
