-- drop: DROP FUNCTION review_submissions(text, timestamptz, text, boolean, text, text, uuid[], boolean[], text[], integer[], text)
-- Many decisions in one call, each standing or failing on its own; a row for each, and one row without a place when the
-- caller's verdict is not 'ok' (caller_verdict). All submitters are locked first, in the order of their ids, so that two
-- of these cannot deadlock.
-- Somebody's second submission waits for their first: rounds, of which there is one where everybody comes once. A
-- certificate that comes twice is the first's, so such a lot goes one by one. What the database refuses in a round has
-- undone the round, which then goes one by one too, and the refusal is answered by its names.
CREATE OR REPLACE FUNCTION review_submissions(
  caller text, said_at timestamptz, mail text, mail_verified boolean, picture text, full_name text,
  ids uuid[], approvals boolean[], notes text[], versions integer[], request text
) RETURNS TABLE (
  verdict text, place bigint, refusal text, facts jsonb, points integer, badges text[],
  refused_state text, refused_constraint text, refused_table text, refused_message text, refused_detail text,
  refused_context text
)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
  person public.users;
  round bigint[];
BEGIN
  SELECT * INTO person FROM public.users WHERE id = caller;
  verdict := public.caller_verdict(person, 'REVIEWER', said_at, mail, mail_verified, picture, full_name);
  IF verdict <> 'ok' THEN
    RETURN NEXT;
    RETURN;
  END IF;
  PERFORM public.require_read_committed();
  PERFORM 1 FROM public.users
  WHERE id IN (SELECT s.user_id FROM public.submissions s WHERE s.id = ANY (ids) AND s.user_id <> caller)
  ORDER BY id FOR NO KEY UPDATE;
  FOR round IN
    WITH asked AS (
      SELECT a.place, s.user_id, lower(s.payload ->> 'certificateHash') AS certificate
      FROM unnest(ids) WITH ORDINALITY AS a (id, place) LEFT JOIN public.submissions s ON s.id = a.id
    ), certificates AS (
      SELECT count(certificate) > count(DISTINCT certificate) AS clash FROM asked
    ), numbered AS (
      SELECT a.place, CASE
        WHEN c.clash THEN a.place
        WHEN a.user_id IS NULL THEN 1
        ELSE row_number() OVER (PARTITION BY a.user_id ORDER BY a.place) END AS number
      FROM asked a, certificates c
    )
    SELECT array_agg(n.place ORDER BY n.place) FROM numbered n GROUP BY n.number ORDER BY n.number
  LOOP
    BEGIN
      RETURN QUERY
      SELECT 'ok', round[d.place], d.refusal, d.facts, d.points, d.badges, NULL, NULL, NULL, NULL, NULL, NULL
      FROM public.decide_submissions(
        caller, ARRAY(SELECT ids[p] FROM unnest(round) p), ARRAY(SELECT approvals[p] FROM unnest(round) p),
        ARRAY(SELECT notes[p] FROM unnest(round) p), ARRAY(SELECT versions[p] FROM unnest(round) p), request) d;
    EXCEPTION WHEN integrity_constraint_violation OR data_exception OR raise_exception THEN
      FOREACH place IN ARRAY round LOOP
        BEGIN
          SELECT d.refusal, d.facts, d.points, d.badges INTO refusal, facts, points, badges
          FROM public.decide_submission(
            caller, ids[place], approvals[place], notes[place], NULL, NULL, versions[place], request) d;
        EXCEPTION WHEN integrity_constraint_violation OR data_exception OR raise_exception THEN
          GET STACKED DIAGNOSTICS refused_state = RETURNED_SQLSTATE, refused_constraint = CONSTRAINT_NAME,
            refused_table = TABLE_NAME, refused_message = MESSAGE_TEXT, refused_detail = PG_EXCEPTION_DETAIL,
            refused_context = PG_EXCEPTION_CONTEXT;
          refusal := 'by the database';
        END;
        RETURN NEXT;
        refusal := NULL; facts := NULL; points := NULL; badges := NULL;
        refused_state := NULL; refused_constraint := NULL; refused_table := NULL;
        refused_message := NULL; refused_detail := NULL; refused_context := NULL;
      END LOOP;
    END;
  END LOOP;
END
$$
